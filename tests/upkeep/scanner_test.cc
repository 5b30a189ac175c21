#include "upkeep/scanner.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <random>
#include <string>

#include "base/mutex.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/recount.h"
#include "syncgroup/sync/replication.h"
#include "tests/fetcher/rig.h"

namespace waypost::upkeep {
namespace {

using base::BlobId;
using base::PeerId;
using base::Sha256;
using base::Table;
using fetcher::FakeBlobClient;
using fetcher::Rig;
using support::Peer;

const std::string kSmall = "a small blob";
std::string Large() { return std::string(3 << 20, 'L'); }

class ScannerTest : public testing::Test {
 protected:
  // What the index stores under the key is no longer what was written.
  void Damage(Table table, std::string_view key) {
    ASSERT_TRUE(rig_.index
                    ->Update(base::Index::Lane::kForeground,
                             [&](base::WriteTxn& txn) {
                               std::string stored(txn.GetRaw(table, key).value());
                               stored.back() ^= 1;
                               txn.PutRaw(table, key, stored);
                               return absl::OkStatus();
                             })
                    .ok());
  }
  void SetRef(const std::string& key, const std::optional<BlobId>& blob) {
    ASSERT_TRUE(rig_.refs->Change(rig_.group, {{.key = key, .blob = blob}}).ok());
  }
  void Put(const std::string& content) {
    auto writer = rig_.blobs->StartPut(content.size());
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(content).ok());
    const auto staged = (*writer)->Finish(std::nullopt);
    ASSERT_TRUE(staged.ok()) << staged.status();
    ASSERT_TRUE(rig_.refs->Put(*staged, std::nullopt).ok());
  }
  // The first pass that began after this call and ended well. Others may follow at once: whoever
  // founds a group or admits somebody asks for one too.
  ScanPass Scan() {
    rig_.clock.Advance(base::Millis(1));  // so that it is told from the one before
    const base::SteadyTime asked = rig_.clock.SteadyNow();
    base::Mutex mutex;
    std::optional<ScanPass> first;
    const auto told = rig_.scanner->changed().Register([&] {
      const auto last = rig_.scanner->Status().last;
      base::MutexLock lock(mutex);
      if (!first && last && last->started_steady >= asked) first = last;
    });
    rig_.scanner->Start();
    rig_.scanner->Request();
    EXPECT_TRUE(rig_.AtOnce([&] {
      base::MutexLock lock(mutex);
      return first.has_value();
    }));
    base::MutexLock lock(mutex);
    return first.value_or(ScanPass());
  }
  syncgroup::Counts Counts(const base::GroupId& group) {
    syncgroup::Counts counts;
    EXPECT_TRUE(
        rig_.index->Read([&](base::ReadTxn& txn) { counts = rig_.ledger->LoadCounts(txn, group); })
            .ok());
    return counts;
  }
  // Refolding goes on over several transactions, which the syncer runs in the service.
  void Work() {
    for (int i = 0; i < 1000; ++i) {
      const auto more = rig_.work->DoAll(100);
      ASSERT_TRUE(more.ok()) << more.status();
      if (!*more) return;
    }
    FAIL() << "the work does not end";
  }

  Rig rig_;
};

TEST_F(ScannerTest, RestoresDueRowsThatEventsMissedAndRemovesStaleOnes) {
  const BlobId blob = Sha256::Of(kSmall);
  rig_.Mention(blob, {Peer(1)});
  const BlobId stale = Sha256::Of("stale");
  ASSERT_TRUE(rig_.index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             signpost::DeleteDueRow(
                                 txn, signpost::DueKeyOf(blob, *signpost::LoadSignpost(txn, blob)));
                             signpost::PutDueRow(txn, {.first_peer = Peer(9), .blob = stale},
                                                 rig_.clock.WallNow());
                             return absl::OkStatus();
                           })
                  .ok());
  const ScanPass pass = Scan();
  EXPECT_EQ(pass.missing_found, 1u);
  EXPECT_EQ(pass.stale_removed, 1u);
  EXPECT_EQ(rig_.DueRows(), 1u);
  rig_.AddPeer(1, FakeBlobClient::Sends(kSmall));
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
}

TEST_F(ScannerTest, APauseHoldsScansUntilItEndsOrIsEnded) {
  Scan();
  const auto passes = [&] { return rig_.scanner->Status().last->started_steady; };
  ASSERT_TRUE(rig_.scanner->Pause(base::Millis(60'000)).ok());
  EXPECT_TRUE(rig_.scanner->Status().paused);
  EXPECT_EQ(rig_.scanner->Status().paused_until, rig_.clock.WallNow() + base::Millis(60'000));
  // What is asked for meanwhile comes after it.
  const auto before = passes();
  rig_.scanner->Request();
  rig_.clock.Advance(base::Millis(59'000));
  EXPECT_TRUE(rig_.scanner->Status().paused);
  EXPECT_EQ(passes(), before);
  rig_.clock.Advance(base::Millis(2'000));
  EXPECT_TRUE(rig_.AtOnce([&] { return passes() > before; }));
  EXPECT_FALSE(rig_.scanner->Status().paused);

  ASSERT_TRUE(rig_.scanner->Pause(std::nullopt).ok());
  EXPECT_TRUE(rig_.scanner->Status().paused);
  EXPECT_EQ(rig_.scanner->Status().paused_until, std::nullopt);
  const auto paused_at = passes();
  rig_.scanner->Request();
  rig_.clock.Advance(base::Millis(3600'000));
  EXPECT_EQ(passes(), paused_at);
  ASSERT_TRUE(rig_.scanner->Resume().ok());
  EXPECT_TRUE(rig_.AtOnce([&] { return passes() > paused_at; }));

  // A restart does not end it.
  ASSERT_TRUE(rig_.scanner->Pause(base::Millis(60'000)).ok());
  rig_.Close();
  rig_.Open();
  rig_.scanner->Start();
  EXPECT_TRUE(rig_.scanner->Status().paused);
  rig_.clock.Advance(base::Millis(61'000));
  EXPECT_FALSE(rig_.scanner->Status().paused);
}

TEST_F(ScannerTest, ADamagedSignpostDoesNotStopIt) {
  const BlobId damaged = Sha256::Of("damaged");
  const BlobId sound = Sha256::Of("sound");
  rig_.Mention(damaged, {Peer(1)});
  rig_.Mention(sound, {Peer(1)});
  ASSERT_TRUE(rig_.index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             txn.PutRaw(Table::kSignposts, damaged.bytes(), "no envelope at all");
                             return absl::OkStatus();
                           })
                  .ok());
  Scan();
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.index->bad_rows() == 1; }));
  EXPECT_TRUE(rig_.Record(sound).signpost);
  EXPECT_FALSE(rig_.Record(damaged).signpost);
}

TEST_F(ScannerTest, AFileThatIsGoneIsWantedAgainAndAStrayOneIsAdopted) {
  const std::string content = Large();
  const BlobId blob = Sha256::Of(content);
  const PeerId peer = rig_.AddPeer(1, FakeBlobClient::Sends(content));
  rig_.Start();
  rig_.Mention(blob, {peer});
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
  const std::string hex = blob.ToHex();
  const std::string file =
      rig_.path() + "/blobs/" + hex.substr(0, 2) + "/" + hex.substr(2, 2) + "/" + hex;
  ASSERT_TRUE(std::filesystem::remove(file));
  const std::string stray = Large() + "stray";
  auto writer = rig_.blobs->StartPut(stray.size());
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Append(stray).ok());
  ASSERT_TRUE((*writer)->Finish(std::nullopt).ok());  // never installed: as after a crash
  const ScanPass pass = Scan();
  EXPECT_EQ(pass.lost, 1u);
  EXPECT_EQ(pass.adopted, 1u);
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob) && std::filesystem::exists(file); }));
  EXPECT_EQ(rig_.Content(Sha256::Of(stray)), stray);
  EXPECT_TRUE(rig_.Record(Sha256::Of(stray)).row->holdings.empty())
      << "adopted bytes serve no group";
}

TEST_F(ScannerTest, CountsThatAreWrongAreCounted) {
  SetRef("here", Sha256::Of(kSmall));
  SetRef("not here", Sha256::Of("missing"));
  Put(kSmall);
  const syncgroup::Counts all = Counts(base::GroupId()), ours = Counts(rig_.group);
  ASSERT_EQ(ours.refs, 2u);
  ASSERT_EQ(ours.wanted, 1u);
  ASSERT_EQ(ours.blobs, 1u);
  ASSERT_TRUE(rig_.index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             rig_.ledger->StoreCounts(txn, base::GroupId(),
                                                      {.refs = 7, .wanted = 1});
                             return absl::OkStatus();
                           })
                  .ok());
  Damage(Table::kCounts, syncgroup::GroupKey(rig_.group));
  ASSERT_EQ(Counts(rig_.group), syncgroup::Counts());
  Scan();  // the first may see the damaged row leave
  Scan();
  EXPECT_EQ(Counts(base::GroupId()), all);
  EXPECT_EQ(Counts(rig_.group), ours);
}

TEST_F(ScannerTest, WhatItCountsIsWhatTheLedgerCounts) {
  std::mt19937_64 random(20261121);
  const auto second = rig_.groups->Create({.name = "leaf", .role = syncgroup::Role::kLeaf});
  ASSERT_TRUE(second.ok());
  for (int step = 0; step < 400; ++step) {
    const uint64_t number = random() % 60;
    const std::string content = "content " + std::to_string(number);
    const base::GroupId group = random() % 2 == 0 ? rig_.group : second->id;
    const std::string key = "key " + std::to_string(random() % 40);
    switch (random() % 5) {
      case 0:
        if (number < 30) Put(content);
        break;
      case 1:
        // A key that is not there cannot be deleted.
        (void)rig_.refs->Change(group, {{.key = key, .blob = std::nullopt}});
        break;
      case 2:
        // Nor can a blob be stopped that is not wanted.
        (void)rig_.fetcher->Stop(Sha256::Of(content));
        break;
      default:
        ASSERT_TRUE(rig_.refs->Change(group, {{.key = key, .blob = Sha256::Of(content)}}).ok());
    }
  }
  syncgroup::Recount recount({rig_.group, second->id});
  ASSERT_TRUE(
      rig_.index
          ->Read([&](base::ReadTxn& txn) {
            for (int i = 0; i < 60; ++i) {
              const BlobId blob = Sha256::Of("content " + std::to_string(i));
              signpost::SignpostView signpost;
              blobstore::HoldingsView holdings;
              const auto named = txn.Get(Table::kSignposts, blob.bytes());
              const auto here = txn.Get(Table::kBlobs, blob.bytes());
              if (named) {
                EXPECT_TRUE(signpost::ReadView(*named, signpost));
              }
              if (here) {
                EXPECT_TRUE(blobstore::ReadView(*here, holdings));
              }
              recount.AddBlob(named ? &signpost : nullptr, here ? &holdings : nullptr);
            }
            std::string from;
            int pages = 1;
            for (; recount.AddRefs(txn, from, 7); ++pages) {
            }
            EXPECT_GT(pages, 3);
            for (const auto& [group, stored, counted] : recount.Compare(txn, *rig_.ledger)) {
              ADD_FAILURE() << group.ToHex() << ": refs " << stored.refs << " " << counted.refs
                            << ", wanted " << stored.wanted << " " << counted.wanted
                            << ", its bytes " << stored.wanted_bytes << " " << counted.wanted_bytes
                            << ", stopped " << stored.stopped << " " << counted.stopped
                            << ", blobs " << stored.blobs << " " << counted.blobs << ", bytes "
                            << stored.bytes << " " << counted.bytes << ", signposts "
                            << stored.signposts << " " << counted.signposts;
            }
            EXPECT_GT(rig_.ledger->LoadCounts(txn, second->id).wanted, 0u);
            EXPECT_GT(rig_.ledger->LoadCounts(txn, second->id).stopped, 0u);
            EXPECT_GT(rig_.ledger->LoadCounts(txn, rig_.group).blobs, 0u);
          })
          .ok());
}

TEST_F(ScannerTest, ASignpostLostToDamageIsMadeAgainFromReferences) {
  const BlobId blob = Sha256::Of(kSmall);
  SetRef("one", blob);
  SetRef("two", blob);
  SetRef("other", Sha256::Of("other"));
  const auto before = rig_.Record(blob).signpost->groups;
  ASSERT_EQ(before.at(rig_.group).keys, 2u);
  Damage(Table::kSignposts, blob.bytes());
  ASSERT_FALSE(rig_.Record(blob).signpost);
  EXPECT_EQ(Scan().missing_found, 1u);
  ASSERT_TRUE(rig_.Record(blob).signpost);
  EXPECT_EQ(rig_.Record(blob).signpost->groups, before);
  EXPECT_EQ(rig_.DueRows(), 2u);
  SetRef("one", std::nullopt);
  EXPECT_EQ(rig_.DueRows(), 2u) << "one key is left";
  SetRef("two", std::nullopt);
  EXPECT_EQ(rig_.DueRows(), 1u);
  EXPECT_EQ(Scan().missing_found, 0u);
}

// A mention that came between the damage and the scan knows of one key only.
TEST_F(ScannerTest, AMentionThatCountsTooFewKeysIsCorrected) {
  const BlobId blob = Sha256::Of(kSmall);
  SetRef("one", blob);
  Damage(Table::kSignposts, blob.bytes());
  SetRef("two", blob);
  ASSERT_EQ(rig_.Record(blob).signpost->groups.at(rig_.group).keys, 1u);
  EXPECT_EQ(Scan().missing_found, 1u);
  EXPECT_EQ(rig_.Record(blob).signpost->groups.at(rig_.group).keys, 2u);
}

TEST_F(ScannerTest, AReferenceLostToDamageComesBackFromTheLog) {
  const BlobId blob = Sha256::Of(kSmall);
  SetRef("key", blob);
  SetRef("other", Sha256::Of("other"));
  Damage(Table::kRefs, syncgroup::RefRowKey(rig_.group, "key"));
  rig_.scanner->Start();
  rig_.scanner->Request();
  // The pass has not ended well before the reference is back.
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.groups->Refolding().value(); }));
  EXPECT_FALSE(rig_.scanner->Status().last.has_value());
  ASSERT_NO_FATAL_FAILURE(Work());
  EXPECT_TRUE(
      rig_.Within(base::Millis(500), [&] { return rig_.scanner->Status().last.has_value(); }));
  const auto ref = rig_.refs->Get(rig_.group, "key");
  ASSERT_TRUE(ref.ok()) << ref.status();
  EXPECT_EQ(ref->blob, blob);
  EXPECT_EQ(rig_.Record(blob).signpost->groups.at(rig_.group).keys, 1u) << "not counted twice";
  Scan();
  EXPECT_EQ(Counts(rig_.group).refs, 2u);
}

TEST_F(ScannerTest, RowsThatAreGoneWithoutACommitThatSaysWhyAreMadeAgainBeforeCountsChange) {
  const BlobId blob = Sha256::Of(kSmall);
  SetRef("key", blob);
  SetRef("other", Sha256::Of("other"));
  const syncgroup::Counts before = Counts(rig_.group);
  ASSERT_EQ(before.refs, 2u);
  ASSERT_TRUE(rig_.index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             txn.Delete(Table::kRefs, syncgroup::RefRowKey(rig_.group, "key"));
                             return absl::OkStatus();
                           })
                  .ok());
  rig_.scanner->Start();
  rig_.scanner->Request();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.groups->Refolding().value(); }));
  EXPECT_FALSE(rig_.scanner->Status().last.has_value());
  EXPECT_EQ(Counts(rig_.group), before) << "and so nobody calls the group complete";
  ASSERT_NO_FATAL_FAILURE(Work());
  EXPECT_TRUE(
      rig_.Within(base::Millis(500), [&] { return rig_.scanner->Status().last.has_value(); }));
  Scan();
  const auto ref = rig_.refs->Get(rig_.group, "key");
  ASSERT_TRUE(ref.ok()) << ref.status();
  EXPECT_EQ(ref->blob, blob);
  EXPECT_EQ(rig_.Record(blob).signpost->groups.at(rig_.group).keys, 1u);
  EXPECT_EQ(Counts(rig_.group), before);
}

TEST_F(ScannerTest, ANewDelayCountsFromThePassThatEndedLast) {
  Scan();
  const base::WallTime before = rig_.scanner->Status().next;
  rig_.scanner->SetOptions(base::Millis(1), 0);
  EXPECT_LT(rig_.scanner->Status().next, before);
  const base::SteadyTime ended = rig_.scanner->Status().last->ended_steady;
  EXPECT_TRUE(rig_.Within(base::Millis(1),
                          [&] { return rig_.scanner->Status().last->ended_steady > ended; }));
}

}  // namespace
}  // namespace waypost::upkeep
