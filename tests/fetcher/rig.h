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
#include "fetcher/fetcher.h"
#include "fetcher/scanner.h"
#include "signpost/peer_book.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group_store.h"
#include "syncgroup/ledger.h"
#include "syncgroup/rows.h"
#include "tests/fakes/fake_blob_client.h"
#include "tests/fakes/temp_dir.h"

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
  bool greeted = true;

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
    metrics = std::make_unique<base::Metrics>();
    fs = base::NewPosixFileSystem();
    auto opened = base::Index::Open({.dir = folder_.path() + "/index", .metrics = metrics.get()});
    CHECK(opened.ok());
    index = *std::move(opened);
    auto store = blobstore::DiskBlobStore::Open(
        *index, *fs, clock,
        {.data_dir = folder_.path(), .min_free = {.bytes = 0}, .metrics = metrics.get()});
    CHECK(store.ok());
    blobs = *std::move(store);
    peers = std::make_unique<signpost::PeerBook>(*index, clock, random);
    CHECK(peers->Load().ok());
    ledger = std::make_unique<syncgroup::Ledger>(syncgroup::Ledger::Options{.self = self}, clock);
    events = std::make_unique<base::EventLog>(clock, "boot");
    groups = std::make_unique<syncgroup::GroupStore>(
        syncgroup::GroupStore::Options{.identity = *identity,
                                       .name = "test",
                                       .addresses = [] { return std::vector<std::string>(); }},
        *index, *ledger, *blobs, *peers, clock, *events);
    CHECK(groups->Load().ok());
    fetcher = std::make_unique<Fetcher>(
        options, Fetcher::Parts{.index = *index,
                                .blobs = *blobs,
                                .ledger = *ledger,
                                .groups = *groups,
                                .peers = *peers,
                                .client = client,
                                .clock = clock,
                                .random = random,
                                .events = *events,
                                .metrics = *metrics,
                                .greeted = [this](const auto&, const auto&) { return greeted; },
                                .request_scan = [] {}});
    ledger->SetWake(fetcher.get());
    peers->SetListener([this](const base::PeerId& peer, const signpost::PeerHealth& health) {
      fetcher->OnPeerHealth(peer, health);
    });
    scanner = std::make_unique<Scanner>(ScannerOptions{.initial_delay = base::Millis(3600000)},
                                        *index, *blobs, *groups, *ledger, clock, *events, *metrics);
    blobs->SetLossHandler([this](const base::BlobId& blob) { scanner->ReportLost(blob); });
  }
  void Close() {
    if (!index) return;
    scanner->Shutdown();
    fetcher->Shutdown();
    index->Shutdown();
    scanner.reset();
    fetcher.reset();
    groups.reset();
    peers.reset();
    blobs.reset();
    index.reset();
    ledger.reset();
    events.reset();
    metrics.reset();
  }

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
  std::unique_ptr<base::Metrics> metrics;
  std::unique_ptr<base::FileSystem> fs;
  std::unique_ptr<base::Index> index;
  std::unique_ptr<blobstore::DiskBlobStore> blobs;
  std::unique_ptr<signpost::PeerBook> peers;
  std::unique_ptr<syncgroup::Ledger> ledger;
  std::unique_ptr<base::EventLog> events;
  std::unique_ptr<syncgroup::GroupStore> groups;
  std::unique_ptr<Fetcher> fetcher;
  std::unique_ptr<Scanner> scanner;

 private:
  base::TempDir folder_;
};

}  // namespace waypost::fetcher
