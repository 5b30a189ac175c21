#include "tests/sim/peer.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// A start and a stop are in the order of service.cc: listening before the syncer runs, refusing
// before anything ends.

namespace waypost::sim {
namespace {

service::PeerPartsOptions OptionsOf(PeerNumber number, const std::string& folder,
                                    const syncgroup::MemberLimits& limits) {
  return {.name = absl::StrCat("peer-", number),
          .addresses = [number] { return std::vector<std::string>{Network::AddressOf(number)}; },
          .limits = limits,
          .store = {.data_dir = folder, .min_free = {.bytes = 0}, .boot_id = "one machine"},
          // Fewer threads than a service has: as many decisions in less time.
          .sync = {.concurrency = 3},
          .fetch = {.concurrency = 3}};
}

}  // namespace

Peer::Peer(Network& network, PeerNumber number, uint64_t seed, std::string folder,
           const syncgroup::MemberLimits& limits)
    : network_(network),
      number_(number),
      folder_(std::move(folder)),
      limits_(limits),
      identity_(base::Identity::FromSeed(base::Hash256(absl::StrCat("peer ", seed, " ", number)))),
      id_(identity_->peer_id()),
      fs_(base::NewPosixFileSystem()),
      random_(seed * 1000 + number) {
  std::filesystem::create_directories(folder_ + "/index");
}

void Peer::Start() {
  CHECK(!up());
  parts_ = std::make_unique<service::PeerParts>(
      service::PeerParts::Outside{
          .clock = clock_, .random = random_, .fs = *fs_, .identity = *identity_},
      "boot");
  CHECK(parts_->OpenIndex({.dir = folder_ + "/index", .map_size = uint64_t{1} << 28}).ok());
  CHECK(parts_
            ->Open(OptionsOf(number_, folder_, limits_),
                   [this](signpost::PeerBook& peers) {
                     client_ = std::make_unique<Client>(network_, number_, id_, peers);
                     return service::PeerParts::Clients{.calls = *client_, .blobs = *client_};
                   })
            .ok());
  api_ = std::make_unique<http::PeerApi>(http::PeerApi::Parts{.blobs = *parts_->blobs,
                                                              .access = *parts_->access,
                                                              .service = *parts_->peer_service,
                                                              .peers = *parts_->peers});
  CHECK(parts_
            ->Start([this] {
              network_.Attach(number_, id_,
                              [this](http::Request& request) { return api_->Handle(request); });
              return absl::OkStatus();
            })
            .ok());
}

void Peer::Stop() {
  if (!up()) return;
  network_.Detach(number_);
  parts_->Shutdown();
  api_.reset();
  parts_.reset();
  client_.reset();
}

absl::StatusOr<blobstore::StagedBlob> Peer::Stage(const std::string& content) {
  ASSIGN_OR_RETURN(const auto writer, parts_->blobs->StartPut(content.size()));
  RETURN_IF_ERROR(writer->Append(content));
  return writer->Finish(std::nullopt);
}

}  // namespace waypost::sim
