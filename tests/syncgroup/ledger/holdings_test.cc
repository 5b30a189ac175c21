#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// Where holdings begin and end, on a real store: what a put, a fetch, a mention and damage leave.

namespace waypost::syncgroup {
namespace {

using blobstore::Via;

class HoldingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    one_ = node_.groups->Create({.name = "one", .role = Role::kServer})->id;
    two_ = node_.groups->Create({.name = "two", .role = Role::kServer})->id;
  }
  void Mention(const base::GroupId& group) {
    node_.Update([&](base::WriteTxn& txn) {
      node_.ledger->ApplyMention(txn, blob_, {.group = group, .keys = 1});
    });
  }
  Ledger::Arrived Arrive(const Ledger::Arrival& arrival) {
    const auto staged = node_.Stage("content");
    EXPECT_TRUE(staged.ok());
    Ledger::Arrived arrived;
    node_.Update([&](base::WriteTxn& txn) {
      arrived = node_.ledger->Arrive(txn, *node_.blobs, *staged, arrival);
    });
    return arrived;
  }
  std::map<base::GroupId, Via> Holdings() {
    std::map<base::GroupId, Via> holdings;
    const BlobRecord record = node_.Record(blob_);
    if (!record.row) return holdings;
    for (const auto& [group, holding] : record.row->holdings) holdings[group] = holding.via;
    return holdings;
  }
  using Expected = std::map<base::GroupId, Via>;

  base::TempDir dir_;
  base::FakeClock clock_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_};
  base::GroupId one_, two_;
  const base::BlobId blob_ = BlobOf("content");
};

TEST_F(HoldingsTest, APutVouchesWhereTheOwnAppSetAReferenceAndNowhereElse) {
  Mention(one_);
  node_.Update([&](base::WriteTxn& txn) {
    node_.ledger->ApplyMention(txn, blob_, {.group = two_, .keys = 1, .set_here = true});
  });
  const auto arrived = Arrive(Ledger::ByPut{});
  EXPECT_TRUE(arrived.kept && arrived.created);
  // Nor do the members of the other one hear that it came.
  EXPECT_EQ(arrived.awaited_in, (std::vector<base::GroupId>{two_}));
  EXPECT_EQ(arrived.granted, (std::vector<base::GroupId>{two_}));
  EXPECT_EQ(Holdings(), (Expected{{two_, Via::kPut}}));
  EXPECT_EQ(node_.CountsOf(one_).blobs, 0u);
  EXPECT_EQ(node_.CountsOf(two_).blobs, 1u);
}

TEST_F(HoldingsTest, APutVouchesForTheGroupOfItsReferenceThatNobodyAwaited) {
  const auto arrived = Arrive(Ledger::ByPut{.reference_in = two_});
  EXPECT_TRUE(arrived.awaited_in.empty());
  EXPECT_EQ(arrived.granted, (std::vector<base::GroupId>{two_}));
  EXPECT_EQ(Holdings(), (Expected{{two_, Via::kPut}}));
}

TEST_F(HoldingsTest, AFetchServesOnlyTheGroupsThatGrantedItAndMentionIt) {
  Mention(one_);
  const auto arrived = Arrive(
      Ledger::ByFetch{.source = PeerNumber(2), .granted = {one_, two_}, .when = clock_.WallNow()});
  EXPECT_TRUE(arrived.kept && arrived.created);
  EXPECT_EQ(Holdings(), (Expected{{one_, Via::kFetch}}));
  const BlobRecord record = node_.Record(blob_);
  EXPECT_EQ(record.row->fetch_attempts, 1u);
  EXPECT_EQ(record.signpost->locations.at(PeerNumber(2)).when_seen, clock_.WallNow());
}

TEST_F(HoldingsTest, WhatNobodyWantsAnyMoreLeavesNoRow) {
  const auto arrived =
      Arrive(Ledger::ByFetch{.source = PeerNumber(2), .granted = {one_}, .when = clock_.WallNow()});
  EXPECT_FALSE(arrived.kept);
  EXPECT_FALSE(node_.Record(blob_).row.has_value());
}

TEST_F(HoldingsTest, AFetchThatWasStoppedMeanwhileIsNotKept) {
  Mention(one_);
  node_.Update([&](base::WriteTxn& txn) {
    node_.ledger->Change(txn, blob_,
                         [&](BlobRecord& record) { record.signpost->stopped = clock_.WallNow(); });
  });
  EXPECT_FALSE(
      Arrive(Ledger::ByFetch{.source = PeerNumber(2), .granted = {one_}, .when = clock_.WallNow()})
          .kept);
}

TEST_F(HoldingsTest, NothingThatFailedBeforeCountsWhenBytesCame) {
  const Ledger::Arrival arrivals[] = {Ledger::ByPut{},
                                      Ledger::ByFetch{.source = PeerNumber(2), .granted = {one_}}};
  for (const Ledger::Arrival& arrival : arrivals) {
    Mention(one_);
    node_.Update([&](base::WriteTxn& txn) {
      node_.ledger->Lose(txn, blob_);
      node_.ledger->Change(txn, blob_, [&](BlobRecord& record) {
        record.signpost->failures = 3;
        record.signpost->last_error.error = signpost::ErrorClass::kUnreachable;
      });
    });
    ASSERT_TRUE(Arrive(arrival).kept);
    EXPECT_EQ(node_.Record(blob_).signpost->failures, 0u);
    EXPECT_EQ(node_.Record(blob_).signpost->last_error.error, signpost::ErrorClass::kNone);
  }
}

TEST_F(HoldingsTest, BytesFoundOnTheDiskAreVouchedForByNobody) {
  Mention(one_);
  EXPECT_TRUE(Arrive(Ledger::ByScan{}).created);
  EXPECT_TRUE(Holdings().empty());
  EXPECT_TRUE(node_.Record(blob_).signpost->groups.at(one_).wanted);
}

TEST_F(HoldingsTest, AHoldingThatIsThereStaysAsItIs) {
  Mention(one_);
  Arrive(Ledger::ByPut{.reference_in = one_});
  Arrive(Ledger::ByFetch{.source = PeerNumber(2), .granted = {one_}, .when = clock_.WallNow()});
  EXPECT_EQ(Holdings(), (Expected{{one_, Via::kPut}}));
}

TEST_F(HoldingsTest, AMentionByTheOwnAppGrantsOnlyWhatIsHere) {
  node_.Update([&](base::WriteTxn& txn) {
    node_.ledger->ApplyMention(txn, blob_, {.group = one_, .keys = 1, .grants = true});
  });
  EXPECT_TRUE(Holdings().empty());
  Arrive(Ledger::ByScan{});
  node_.Update([&](base::WriteTxn& txn) {
    node_.ledger->ApplyMention(txn, blob_, {.group = two_, .keys = 1, .grants = true});
  });
  EXPECT_EQ(Holdings(), (Expected{{two_, Via::kReference}}));
}

TEST_F(HoldingsTest, AReleaseEndsOneHoldingAndTheBytesStay) {
  Mention(one_);
  Mention(two_);
  Arrive(Ledger::ByPut{.reference_in = one_});
  Arrive(Ledger::ByPut{.reference_in = two_});
  node_.Update([&](base::WriteTxn& txn) { node_.ledger->Release(txn, blob_, one_); });
  EXPECT_EQ(Holdings(), (Expected{{two_, Via::kPut}}));
  EXPECT_EQ(node_.CountsOf(one_).blobs, 0u);
  EXPECT_EQ(node_.CountsOf(base::GroupId()).blobs, 1u);
}

TEST_F(HoldingsTest, WhatWasLostHasItsHoldingsAgainHoweverItComesBack) {
  const Ledger::Arrival arrivals[] = {
      Ledger::ByScan{}, Ledger::ByPut{},
      Ledger::ByFetch{.source = PeerNumber(2), .granted = {two_}, .when = clock_.WallNow()}};
  Mention(two_);
  for (const Ledger::Arrival& arrival : arrivals) {
    Arrive(Ledger::ByPut{.reference_in = one_});
    node_.Update([&](base::WriteTxn& txn) { node_.ledger->Lose(txn, blob_); });
    ASSERT_TRUE(Holdings().empty());
    Arrive(arrival);
    EXPECT_EQ(Holdings().count(one_), 1u) << arrival.index();
    node_.Update(
        [&](base::WriteTxn& txn) { EXPECT_FALSE(blobstore::LoadLostRow(txn, blob_)) << "once"; });
  }
  // What was let go of meanwhile is not given back.
  node_.Update([&](base::WriteTxn& txn) {
    node_.ledger->Lose(txn, blob_);
    node_.ledger->Release(txn, blob_, one_);
  });
  Arrive(Ledger::ByScan{});
  EXPECT_EQ(Holdings().count(one_), 0u);
}

TEST_F(HoldingsTest, AfterDamageTheBlobIsWantedAgain) {
  Mention(one_);
  Arrive(Ledger::ByPut{.reference_in = one_});
  node_.Update([&](base::WriteTxn& txn) { node_.ledger->Lose(txn, blob_); });
  EXPECT_FALSE(node_.Record(blob_).row.has_value());
  EXPECT_TRUE(node_.Record(blob_).signpost->groups.at(one_).wanted);
  EXPECT_EQ(node_.CountsOf(one_).blobs, 0u);
}

// What status says without reading anything.
TEST_F(HoldingsTest, TheCountsInMemoryAreThoseOfTheLastCommit) {
  const auto stored = [this] {
    Counts counts;
    EXPECT_TRUE(node_.index
                    ->Read([&](base::ReadTxn& txn) {
                      counts = node_.ledger->LoadCounts(txn, base::GroupId());
                    })
                    .ok());
    return counts;
  };
  Mention(one_);
  EXPECT_EQ(node_.ledger->KnownCounts(), stored());
  EXPECT_EQ(node_.ledger->KnownCounts().wanted, 1U);
  Arrive(Ledger::ByPut{});
  EXPECT_EQ(node_.ledger->KnownCounts(), stored());
  EXPECT_EQ(node_.ledger->KnownCounts().blobs, 1U);
  // Of a transaction that fails nothing is remembered.
  const absl::Status failed =
      node_.index->Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
        node_.ledger->StoreCounts(txn, base::GroupId(), {.refs = 77});
        return absl::AbortedError("on purpose");
      });
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(node_.ledger->KnownCounts(), stored());
  // A ledger that begins reads them.
  const Ledger another({.self = PeerNumber(1)}, clock_);
  EXPECT_TRUE(another.RememberCounts(*node_.index).ok());
  EXPECT_EQ(another.KnownCounts(), stored());
}

}  // namespace
}  // namespace waypost::syncgroup
