#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/events.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/disk_blob_store.h"
#include "service/parts/peer_parts.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/group/refs.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/wake.h"
#include "syncgroup/sync/replication.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/silent_peers.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::syncgroup {

using base::TempDir;

// What Wake heard.
class RecordingWake final : public Wake {
 public:
  void OnBlobChange(const BlobChange& change) override {
    base::MutexLock lock(mutex_);
    changes_.push_back(change);
  }
  void OnMembershipChange(const base::GroupId& group) override {
    base::MutexLock lock(mutex_);
    groups_.push_back(group);
  }
  std::vector<BlobChange> TakeChanges() {
    base::MutexLock lock(mutex_);
    return std::exchange(changes_, {});
  }
  std::vector<base::GroupId> TakeGroups() {
    base::MutexLock lock(mutex_);
    return std::exchange(groups_, {});
  }

 private:
  base::Mutex mutex_;
  std::vector<BlobChange> changes_ GUARDED_BY(mutex_);
  std::vector<base::GroupId> groups_ GUARDED_BY(mutex_);
};

// The identities of the peers of tests, made when they are first named.
class TestIdentities {
 public:
  const base::Identity& Number(uint64_t n) {
    base::MutexLock lock(mutex_);
    auto& made = by_number_[n];
    if (made == nullptr) {
      made = base::Identity::FromSeed(base::Hash256("peer " + std::to_string(n)));
      by_peer_[made->peer_id()] = made.get();
    }
    return *made;
  }
  const base::Identity& Of(const base::PeerId& peer) {
    base::MutexLock lock(mutex_);
    const auto found = by_peer_.find(peer);
    CHECK(found != by_peer_.end());
    return *found->second;
  }
  static TestIdentities& Get() {
    static TestIdentities identities;
    return identities;
  }

 private:
  base::Mutex mutex_;
  std::map<uint64_t, std::unique_ptr<base::Identity>> by_number_ GUARDED_BY(mutex_);
  std::map<base::PeerId, const base::Identity*> by_peer_ GUARDED_BY(mutex_);
};
inline base::PeerId PeerNumber(uint64_t n) { return TestIdentities::Get().Number(n).peer_id(); }
// Of a peer that PeerNumber has named.
inline const base::Identity& TestIdentity(const base::PeerId& peer) {
  return TestIdentities::Get().Of(peer);
}
inline base::BlobId BlobOf(const std::string& content) { return base::Sha256::Of(content); }

// A peer on a data folder, which may be opened again; nothing of it runs unless a test starts it.
struct TestNode {
  TestNode(const base::PeerId& peer, std::string folder, const base::Clock& at,
           PeerClient* client = nullptr, SyncerOptions sync = {}, MemberLimits limits = {},
           Role role = Role::kNormal)
      : self(peer),
        dir(std::move(folder)),
        clock(at),
        fs(base::NewPosixFileSystem()),
        parts({.clock = at, .random = random, .fs = *fs, .identity = TestIdentity(peer)}, "boot") {
    std::filesystem::create_directories(dir + "/index");
    CHECK(parts.OpenIndex({.dir = dir + "/index", .map_size = uint64_t{1} << 28}).ok());
    CHECK(parts
              .Open({.name = "peer " + self.ToHex().substr(0, 4),
                     .role = role,
                     .addresses = [this] { return addresses; },
                     .limits = limits,
                     .store = {.data_dir = dir, .min_free = {.bytes = 0}},
                     .sync = sync},
                    [&](signpost::PeerBook&) {
                      PeerClient& calls = client != nullptr ? *client : silent;
                      return service::PeerParts::Clients{.calls = calls, .blobs = silent};
                    })
              .ok());
    index = parts.index.get();
    blobs = parts.blobs.get();
    peers = parts.peers.get();
    ledger = parts.ledger.get();
    groups = parts.groups.get();
    refs = parts.refs.get();
    invites = parts.invites.get();
    ledger->SetWake(&wake);
  }

  absl::StatusOr<blobstore::StagedBlob> Stage(const std::string& content) {
    ASSIGN_OR_RETURN(auto writer, blobs->StartPut(content.size()));
    RETURN_IF_ERROR(writer->Append(content));
    return writer->Finish(std::nullopt);
  }
  absl::StatusOr<Refs::PutResult> Put(const std::string& content,
                                      const std::optional<Refs::Target>& target = std::nullopt) {
    ASSIGN_OR_RETURN(const auto staged, Stage(content));
    return refs->Put(staged, target);
  }
  // One transaction, which must succeed.
  void Update(const std::function<void(base::WriteTxn&)>& body) {
    CHECK(index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         body(txn);
                         return absl::OkStatus();
                       })
              .ok());
  }
  BlobRecord Record(const base::BlobId& blob) {
    BlobRecord record;
    CHECK(index->Read([&](base::ReadTxn& txn) { record = ledger->Load(txn, blob); }).ok());
    return record;
  }
  Counts CountsOf(const base::GroupId& group_or_zero) {
    Counts counts;
    CHECK(index->Read([&](base::ReadTxn& txn) { counts = ledger->LoadCounts(txn, group_or_zero); })
              .ok());
    return counts;
  }
  Replication& replication() { return *parts.replication; }

  const base::PeerId self;
  const std::string dir;
  const base::Clock& clock;
  base::SystemRandom random;
  std::vector<std::string> addresses = {"127.0.0.1:1"};
  RecordingWake wake;
  SilentPeers silent;
  std::unique_ptr<base::FileSystem> fs;
  service::PeerParts parts;
  base::EventLog& events = parts.events;
  base::Index* index = nullptr;
  blobstore::DiskBlobStore* blobs = nullptr;
  signpost::PeerBook* peers = nullptr;
  Ledger* ledger = nullptr;
  Groups* groups = nullptr;
  Refs* refs = nullptr;
  Invites* invites = nullptr;
};

}  // namespace waypost::syncgroup
