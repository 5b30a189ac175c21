#pragma once

#include <stop_token>

#include "absl/status/status.h"
#include "fetcher/attempt/blob_client.h"
#include "syncgroup/protocol/peer_client.h"

namespace waypost {

// A network on which nobody answers, for tests of what a peer does by itself.
class SilentPeers final : public syncgroup::PeerClient, public fetcher::BlobClient {
 public:
  absl::StatusOr<syncgroup::HelloReply> Hello(const syncgroup::Endpoint&,
                                              const syncgroup::HelloRequest&,
                                              std::stop_token) override {
    return Nobody();
  }
  absl::StatusOr<syncgroup::SyncReply> Sync(const syncgroup::Endpoint&,
                                            const syncgroup::SyncRequest&,
                                            std::stop_token) override {
    return Nobody();
  }
  absl::Status Poke(const syncgroup::Endpoint&, const syncgroup::PokeRequest&,
                    std::stop_token) override {
    return Nobody();
  }
  absl::StatusOr<syncgroup::JoinReply> Join(const syncgroup::Endpoint&,
                                            const syncgroup::JoinRequest&,
                                            std::stop_token) override {
    return Nobody();
  }
  absl::StatusOr<syncgroup::HeldReply> Held(const syncgroup::Endpoint&,
                                            const syncgroup::HeldRequest&,
                                            std::stop_token) override {
    return Nobody();
  }
  bool ReachableWithoutAddress(const base::PeerId&) const override { return false; }
  fetcher::BlobReply Get(const fetcher::BlobRequest&, fetcher::BlobSink&,
                         std::stop_token) override {
    return {.kind = fetcher::BlobReply::Kind::kUnreachable};
  }
  fetcher::BlobReply GetBatch(const fetcher::BatchCall&, fetcher::BatchSink&,
                              std::stop_token) override {
    return {.kind = fetcher::BlobReply::Kind::kUnreachable};
  }

 private:
  static absl::Status Nobody() { return absl::UnavailableError("nobody answers"); }
};

}  // namespace waypost
