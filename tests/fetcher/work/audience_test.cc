#include "fetcher/work/audience.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>

#include "base/thread.h"
#include "tests/fakes/gate.h"
#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;

// An audience by itself: no thread of the fetcher runs.
class AudienceTest : public testing::Test {
 protected:
  std::unique_ptr<Interest> Ask() {
    auto interest = audience_.Ask(blob_);
    CHECK(interest.ok());
    CHECK(AwaitCommits().ok());
    return *std::move(interest);
  }
  // Of what was submitted before.
  absl::Status AwaitCommits() {
    return rig_.index->Update(base::Index::Lane::kForeground,
                              [](base::WriteTxn&) { return absl::OkStatus(); });
  }
  signpost::Signpost Signpost() { return *rig_.Record(blob_).signpost; }
  void Change(const std::function<void(signpost::Signpost&)>& change) {
    CHECK(rig_.index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         rig_.ledger->Change(txn, blob_, [&](syncgroup::BlobRecord& record) {
                           change(record.NeedSignpost());
                         });
                         return absl::OkStatus();
                       })
              .ok());
  }
  // Known, but nothing that this peer collects: what is asked for is wanted for the asking alone.
  void MentionElsewhere() {
    Change([&](signpost::Signpost& signpost) {
      signpost.locations[peer_] = {.when_seen = rig_.clock.WallNow()};
    });
  }

  Rig rig_;
  const BlobId blob_ = Sha256::Of("a small blob");
  const PeerId peer_ = rig_.AddPeer(1, FakeBlobClient::Misses());
  Board board_{rig_.options, {.clock = rig_.clock, .peers = *rig_.peers, .blobs = *rig_.blobs}};
  WorkView view_{
      {.index = *rig_.index, .ledger = *rig_.ledger, .clock = rig_.clock, .board = board_}};
  Audience audience_{{.index = *rig_.index,
                      .ledger = *rig_.ledger,
                      .clock = rig_.clock,
                      .board = board_,
                      .view = view_}};
};

TEST_F(AudienceTest, WhatNobodyHereEverHeardOfIsNotFoundAndHasNoCallers) {
  EXPECT_EQ(audience_.Ask(blob_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(board_.Waited(blob_));
}

TEST_F(AudienceTest, AnAskEndsAStop) {
  rig_.Mention(blob_, {peer_});
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  const auto interest = Ask();
  EXPECT_EQ(Signpost().stopped, base::kNever);
  EXPECT_EQ(rig_.DueRows(), 1u);
  EXPECT_EQ(interest->State().kind, FetchState::Kind::kPending);
}

TEST_F(AudienceTest, AnAskMakesAFailedBlobDueButNeverSoonerThanTheShortestWaitAfterTheFailure) {
  rig_.Mention(blob_, {peer_});
  const base::WallTime failed = rig_.clock.WallNow();
  const auto fail = [&](signpost::Signpost& signpost) {
    signpost.failures = 5;
    signpost.last_error = {.error = signpost::ErrorClass::kNotHere, .at = failed};
    signpost.next_attempt = failed + Millis(50000);
  };
  Change(fail);
  Ask();
  EXPECT_EQ(Signpost().next_attempt, failed + rig_.options.retry_base);
  Change(fail);
  rig_.clock.Advance(Millis(7000));
  Ask();
  EXPECT_EQ(Signpost().next_attempt, rig_.clock.WallNow());
}

TEST_F(AudienceTest, AnAskNeverPutsOffAnAttempt) {
  rig_.Mention(blob_, {peer_});
  Change([&](signpost::Signpost& signpost) {
    signpost.last_error = {.error = signpost::ErrorClass::kNotHere, .at = rig_.clock.WallNow()};
  });
  const auto before = Signpost();
  Ask();
  EXPECT_EQ(Signpost(), before);
}

TEST_F(AudienceTest, WhatWasOnlyAskedForStaysDueForAWhileAfterTheLastCallerLeft) {
  MentionElsewhere();
  auto first = Ask();
  auto second = Ask();
  const base::WallTime asked = rig_.clock.WallNow();
  EXPECT_EQ(Signpost().asked_until, asked + rig_.options.expiry);
  EXPECT_EQ(rig_.DueRows(), 1u);
  rig_.clock.Advance(Millis(60000));
  first.reset();
  ASSERT_TRUE(
      rig_.index->Update(base::Index::Lane::kBulk, [](base::WriteTxn&) { return absl::OkStatus(); })
          .ok());
  EXPECT_EQ(Signpost().asked_until, asked + rig_.options.expiry) << "one still waits";
  second.reset();
  EXPECT_TRUE(rig_.AtOnce(
      [&] { return Signpost().asked_until == rig_.clock.WallNow() + rig_.options.expiry; }));
}

TEST_F(AudienceTest, OfAsksThatTheIndexHasNotTakenThereAreSoManyAtOnce) {
  rig_.Mention(blob_, {peer_});
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  Audience few{{.index = *rig_.index,
                .ledger = *rig_.ledger,
                .clock = rig_.clock,
                .board = board_,
                .view = view_,
                .asking_max = 2}};
  base::Gate gate;
  rig_.index->Submit(
      base::Index::Lane::kForeground,
      [&](base::WriteTxn&) {
        gate.Pass();
        return absl::OkStatus();
      },
      nullptr);
  gate.AwaitArrivals(1);
  const auto first = few.Ask(blob_), second = few.Ask(blob_), third = few.Ask(blob_);
  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(third.status().code(), absl::StatusCode::kUnavailable);
  gate.Open();
  ASSERT_TRUE(AwaitCommits().ok());
  // Those two still listen, and wait for the index no more.
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  EXPECT_TRUE(few.Ask(blob_).ok());
  ASSERT_TRUE(AwaitCommits().ok());
}

// As on a disk that takes its time to flush.
TEST_F(AudienceTest, WhoAsksWaitsForNoCommitAndTheBlobIsPendingUntilThen) {
  rig_.Mention(blob_, {peer_});
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  base::Gate gate;
  rig_.index->Submit(
      base::Index::Lane::kForeground,
      [&](base::WriteTxn&) {
        gate.Pass();
        return absl::OkStatus();
      },
      nullptr);
  gate.AwaitArrivals(1);
  std::atomic<bool> answered = false;
  std::unique_ptr<Interest> interest;
  std::optional<FetchState> state;
  base::Thread asks("asks", [&] {
    interest = *audience_.Ask(blob_);
    state = interest->State();
    answered = true;
  });
  EXPECT_TRUE(rig_.AtOnce([&] { return answered.load(); })) << "while no commit ends";
  gate.Open();
  asks.Join();
  EXPECT_EQ(state->kind, FetchState::Kind::kPending);
  EXPECT_EQ(state->blocked_by, Obstacle::kNone);
  ASSERT_TRUE(AwaitCommits().ok());
  EXPECT_EQ(Signpost().stopped, base::kNever);
  EXPECT_EQ(interest->State().kind, FetchState::Kind::kPending);
}

TEST_F(AudienceTest, AnAskThatCannotBeWrittenDownHasFailed) {
  rig_.Mention(blob_, {peer_});
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  rig_.index->Shutdown();
  const auto interest = *audience_.Ask(blob_);
  const FetchState state = interest->State();
  EXPECT_EQ(state.kind, FetchState::Kind::kFailed);
  EXPECT_EQ(state.blocked_by, Obstacle::kDisk);
  EXPECT_EQ(state.error.error, signpost::ErrorClass::kDisk);
  EXPECT_FALSE(state.will_retry);
}

TEST_F(AudienceTest, WhatAGroupWantsIsNotSaidToBeAskedFor) {
  rig_.Mention(blob_, {peer_});
  Ask();
  EXPECT_EQ(Signpost().asked_until, base::kNever);
}

TEST_F(AudienceTest, CallersAreToldWhenTheirBlobIsAnnouncedAndOthersAreNot) {
  rig_.Mention(blob_, {peer_});
  const auto interest = Ask();
  std::atomic<int> told = 0;
  const auto registration = interest->OnChange([&] { ++told; });
  board_.Announce(Sha256::Of("another"));
  EXPECT_EQ(told, 0);
  board_.Announce(blob_);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace waypost::fetcher
