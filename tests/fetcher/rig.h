#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/crypto.h"
#include "base/events.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/report/report.h"
#include "fetcher/work/fetcher.h"
#include "service/parts/peer_parts.h"
#include "signpost/peer_book.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/refs.h"
#include "syncgroup/ledger/ledger.h"
#include "tests/fakes/fake_blob_client.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/silent_peers.h"
#include "tests/fakes/temp_dir.h"
#include "tests/support/eventually.h"
#include "tests/support/filled_ids.h"
#include "tests/support/member_row.h"
#include "upkeep/scanner.h"

namespace waypost::fetcher {

using support::Peer;

// The parts under the fetcher, real ones on a temporary folder, with a fake of the network. `Open`
// and `Close` stand for a start and a stop of the service on the same folder.
class Rig {
 public:
  FakeBlobClient client;
  base::FakeClock clock;
  base::SeededRandom random{1};
  // What stands before the disk from the next Open on.
  std::function<std::unique_ptr<base::FileSystem>(std::unique_ptr<base::FileSystem>)> before_disk;
  syncgroup::MemberLimits limits;  // from the next Open on
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
    if (before_disk) fs = before_disk(std::move(fs));
    parts_ = std::make_unique<service::PeerParts>(
        service::PeerParts::Outside{
            .clock = clock, .random = random, .fs = *fs, .identity = *identity},
        "boot");
    CHECK(parts_->OpenIndex({.dir = folder_.path() + "/index"}).ok());
    // Nobody greets here: the syncer does not run.
    CHECK(parts_
              ->Open({.name = "test",
                      .addresses = [] { return std::vector<std::string>(); },
                      .limits = limits,
                      .store = {.data_dir = folder_.path(), .min_free = {.bytes = 0}},
                      .scan = {.initial_delay = base::Millis(3600000)},
                      .fetch = options,
                      .knows_us = [](const auto&, const auto&) { return true; }},
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
    refs = parts_->refs.get();
    work = parts_->group_work.get();
    fetcher = parts_->fetcher.get();
    report = parts_->report.get();
    scanner = parts_->scanner.get();
  }
  void Close() {
    clock.ExpectIdle(0);
    parts_.reset();
  }

  // The fetcher's threads run from now on.
  void Start() {
    fetcher->Start();
    clock.ExpectIdle(1 + options.concurrency);  // the starter and the workers
  }

  // Comes about by what the threads do, without any time passing.
  bool AtOnce(absl::FunctionRef<bool()> condition) { return support::Eventually(condition); }
  // Comes about within `limit` of the clock, which is advanced as far as it must be.
  bool Within(base::Millis limit, absl::FunctionRef<bool()> condition) {
    return clock.AdvanceUntil(condition, limit);
  }

  // Another member of the group, that may be asked.
  base::PeerId AddPeer(uint8_t n, FakeBlobClient::Behaviour behaviour) {
    return AddPeerTo(group, n, std::move(behaviour));
  }
  base::PeerId AddPeerTo(const base::GroupId& to, uint8_t n, FakeBlobClient::Behaviour behaviour) {
    AddMember(to, Peer(n));
    peers->SetProfile(Peer(n), "peer", {"127.0.0.1:1"});
    client.Set(Peer(n), std::move(behaviour));
    return Peer(n);
  }
  void AddMember(const base::GroupId& to, const base::PeerId& peer,
                 syncgroup::Role role = syncgroup::Role::kNormal) {
    support::AddMemberRow(*index, to, peer, role);
  }

  // It has sent wrong bytes of so many blobs that nobody asks it for an hour.
  void Suspect(const base::PeerId& peer) {
    for (std::size_t i = 0; i < signpost::kWrongBlobsForCoolDown; ++i) {
      peers->RecordWrongBytes(peer, base::Sha256::Of("wrong " + std::to_string(i)),
                              {.error = signpost::ErrorClass::kWrongBytes});
    }
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
    CHECK(index->Read([&](base::ReadTxn& txn) { record = ledger->Load(txn, blob); }).ok());
    return record;
  }
  bool Held(const base::BlobId& blob) {
    const auto record = Record(blob);
    return record.row && record.row->holdings.contains(group);
  }
  uint64_t DueRows() {
    uint64_t rows = 0;
    CHECK(index->Read([&](base::ReadTxn& txn) { rows = txn.Rows(base::Table::kDue); }).ok());
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
  syncgroup::Groups* groups = nullptr;
  syncgroup::Refs* refs = nullptr;
  syncgroup::GroupWork* work = nullptr;
  Fetcher* fetcher = nullptr;
  Report* report = nullptr;
  upkeep::Scanner* scanner = nullptr;

 private:
  base::TempDir folder_;
  SilentPeers silent_;
  std::unique_ptr<service::PeerParts> parts_;
};

}  // namespace waypost::fetcher
