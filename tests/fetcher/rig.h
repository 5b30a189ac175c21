#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/events.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/work/fetcher.h"
#include "service/parts/peer_parts.h"
#include "signpost/peer_book.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/group_store.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/rows.h"
#include "tests/fakes/fake_blob_client.h"
#include "tests/fakes/silent_peers.h"
#include "tests/fakes/temp_dir.h"
#include "upkeep/scanner.h"

namespace waypost::fetcher {

// Waits for a condition; the time is a limit, not a measure.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

inline base::PeerId PeerNumber(uint8_t n) {
  std::array<uint8_t, 32> bytes{};
  bytes.fill(n);
  return base::PeerId(bytes);
}

// The parts under the fetcher, real ones on a temporary folder, with a fake of the network. `Open`
// and `Close` stand for a start and a stop of the service on the same folder.
class Rig {
 public:
  FakeBlobClient client;
  base::SystemClock clock;
  base::SystemRandom random;
  FetcherOptions options{.retry_base = base::Millis(20), .retry_max = base::Millis(60000)};

  Rig() {
    CHECK(base::InitCrypto());
    CHECK(std::filesystem::create_directory(folder_.path() + "/index"));
    Open();
    auto info = groups->Create({.name = "photos", .role = syncgroup::Role::kServer});
    CHECK(info.ok());
    group = info->id;
  }
  ~Rig() { Close(); }

  void Open() {
    fs = base::NewPosixFileSystem();
    parts_ = std::make_unique<service::PeerParts>(
        service::PeerParts::Outside{
            .clock = clock, .random = random, .fs = *fs, .identity = *identity},
        "boot");
    CHECK(parts_->OpenIndex({.dir = folder_.path() + "/index"}).ok());
    // Nobody greets here: the syncer does not run.
    CHECK(parts_
              ->Open({.name = "test",
                      .addresses = [] { return std::vector<std::string>(); },
                      .store = {.data_dir = folder_.path(), .min_free = {.bytes = 0}},
                      .scan = {.initial_delay = base::Millis(3600000)},
                      .fetch = options,
                      .greeted = [](const auto&, const auto&) { return true; }},
                     [this](signpost::PeerBook&) {
                       return service::PeerParts::Clients{.calls = silent_, .blobs = client};
                     })
              .ok());
    metrics = &parts_->metrics;
    index = parts_->index.get();
    blobs = parts_->blobs.get();
    peers = parts_->peers.get();
    ledger = parts_->ledger.get();
    events = &parts_->events;
    groups = parts_->groups.get();
    fetcher = parts_->fetcher.get();
    scanner = parts_->scanner.get();
  }
  void Close() { parts_.reset(); }

  // Another member of the group, that may be asked.
  base::PeerId AddPeer(uint8_t n, FakeBlobClient::Behaviour behaviour) {
    return AddPeerTo(group, n, std::move(behaviour));
  }
  base::PeerId AddPeerTo(const base::GroupId& to, uint8_t n, FakeBlobClient::Behaviour behaviour) {
    AddMember(to, PeerNumber(n));
    peers->SetProfile(PeerNumber(n), "peer", {"127.0.0.1:1"});
    client.Set(PeerNumber(n), std::move(behaviour));
    return PeerNumber(n);
  }
  void AddMember(const base::GroupId& to, const base::PeerId& peer,
                 syncgroup::Role role = syncgroup::Role::kNormal) {
    CHECK(index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         syncgroup::StoreMember(txn, to, {.peer = peer, .role = role});
                         return absl::OkStatus();
                       })
              .ok());
  }

  // As if a log entry from `locations` mentioned the blob in the group.
  void Mention(const base::BlobId& blob, const std::vector<base::PeerId>& locations, int keys = 1) {
    MentionIn(group, blob, locations, keys);
  }
  void MentionIn(const base::GroupId& in, const base::BlobId& blob,
                 const std::vector<base::PeerId>& locations, int keys = 1) {
    CHECK(index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         ledger->ApplyMention(txn, blob,
                                              {.group = in,
                                               .keys = keys,
                                               .locations = locations,
                                               .when_seen = clock.WallNow()});
                         return absl::OkStatus();
                       })
              .ok());
  }

  syncgroup::BlobRecord Record(const base::BlobId& blob) {
    syncgroup::BlobRecord record;
    CHECK(index
              ->Read([&](base::ReadTxn& txn) {
                record = ledger->Load(txn, blob);
                return absl::OkStatus();
              })
              .ok());
    return record;
  }
  bool Held(const base::BlobId& blob) {
    const auto record = Record(blob);
    return record.row && record.row->holdings.contains(group);
  }
  uint64_t DueRows() {
    uint64_t rows = 0;
    CHECK(index
              ->Read([&](base::ReadTxn& txn) {
                rows = txn.Rows(base::Table::kDue);
                return absl::OkStatus();
              })
              .ok());
    return rows;
  }
  std::string Content(const base::BlobId& blob) {
    auto reader = blobs->Open(blob);
    if (!reader.ok()) return "";
    std::string bytes((*reader)->size_bytes(), '\0');
    CHECK((*reader)->ReadAt(0, std::span<char>(bytes)).ok());
    return bytes;
  }
  const std::string& path() const { return folder_.path(); }

  const std::unique_ptr<base::Identity> identity = base::Identity::Generate();
  const base::PeerId self = identity->peer_id();
  base::GroupId group;
  std::unique_ptr<base::FileSystem> fs;
  // Of the peer as it is open now.
  base::Metrics* metrics = nullptr;
  base::Index* index = nullptr;
  blobstore::DiskBlobStore* blobs = nullptr;
  signpost::PeerBook* peers = nullptr;
  syncgroup::Ledger* ledger = nullptr;
  base::EventLog* events = nullptr;
  syncgroup::GroupStore* groups = nullptr;
  Fetcher* fetcher = nullptr;
  upkeep::Scanner* scanner = nullptr;

 private:
  base::TempDir folder_;
  SilentPeers silent_;
  std::unique_ptr<service::PeerParts> parts_;
};

}  // namespace waypost::fetcher
