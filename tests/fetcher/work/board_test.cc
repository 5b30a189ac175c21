#include "fetcher/work/board.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <stop_token>
#include <thread>

#include "tests/fetcher/rig.h"
#include "tests/http/engine/allocation_limit.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using signpost::DueKey;
using signpost::DueLane;

// A board by itself: no thread of the fetcher runs, and the test plays all of its parts.
class BoardTest : public testing::Test {
 protected:
  BoardTest() { options_.per_peer = 1; }

  DueKey Key(uint8_t peer, const std::string& name, Millis due = Millis(0)) {
    return {.first_peer = Peer(peer),
            .lane = DueLane::kNew,
            .due = rig_.clock.WallNow() + due,
            .blob = Sha256::Of(name)};
  }
  static syncgroup::BlobChange Added(const DueKey& key) {
    return {.blob = key.blob, .due_after = key, .wanted = true};
  }
  static syncgroup::BlobChange Moved(const DueKey& from, const DueKey& to) {
    return {.blob = from.blob, .due_before = from, .due_after = to, .wanted = true};
  }
  static syncgroup::BlobChange Gone(const DueKey& key) {
    return {.blob = key.blob, .due_before = key};
  }
  Board& board() {
    if (!board_) {
      board_ = std::make_unique<Board>(
          options_, Board::Parts{.clock = rig_.clock, .peers = *rig_.peers, .blobs = *rig_.blobs});
    }
    return *board_;
  }
  // What worker 0 gets at once, by blob; nothing where it would have to wait.
  std::vector<Taken> TakeNow() {
    std::vector<Taken> all;
    std::atomic<bool> ended = false;
    std::thread worker([&] {
      all = board().Take(0);
      ended = true;
    });
    rig_.AtOnce([&] { return ended || rig_.clock.Parked() == 1; });
    if (!ended) {
      board().Stop();  // for this call alone: the board is of no more use
      worker.join();
      return {};
    }
    worker.join();
    return all;
  }
  // The only blob there is was taken, and whoever has it asks nobody any more.
  std::vector<Taken> TakeAndFreeSlot(const DueKey& key) {
    board().AddStoredRuns({});
    board().OnBlobChange(Added(key));
    std::vector<Taken> all = TakeNow();
    EXPECT_EQ(all.size(), 1u);
    Slot slot{.at = key.first_peer};
    board().FreeSlot(slot);
    board().FreeSlot(slot);  // once is enough
    return all;
  }
  static AttemptResult NobodyHadIt() {
    AttemptResult result;
    result.report.asked = {{Peer(1), Answer::kNotHere, ""}};
    return result;
  }
  void Land(const Taken& taken, std::optional<DueKey> due) {
    const Board::Landing landing{.taken = taken, .due = due};
    board().Land({&landing, 1});
  }

  Rig rig_;
  FetcherOptions options_;
  std::unique_ptr<Board> board_;
};

TEST_F(BoardTest, GivesNothingBeforeTheStoredRunsAreKnown) {
  board().OnBlobChange(Added(Key(1, "a")));
  EXPECT_TRUE(TakeNow().empty());
}

TEST_F(BoardTest, WhatThereWasNoMemoryToLandIsLandedAgain) {
  if (!http::AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  const DueKey key = Key(1, "a"), later = Key(2, "a", Millis(1000));
  const std::vector<Taken> all = TakeAndFreeSlot(key);
  ASSERT_EQ(all.size(), 1u);
  {
    const http::AllocationLimit limit(100);
    EXPECT_THROW(Land(all[0], later), std::bad_alloc);
  }
  EXPECT_TRUE(board().InFlight(key.blob));
  Land(all[0], later);
  EXPECT_FALSE(board().InFlight(key.blob));
  EXPECT_EQ(board().Count().queued.waiting, 1u);
}

TEST_F(BoardTest, GivesNothingWhilePausedAndGoesOnWhenTheTimeOfThePauseIsOver) {
  board().AddStoredRuns({});
  board().OnBlobChange(Added(Key(1, "a")));
  board().PauseByOperator(rig_.clock.WallNow() + Millis(100));
  std::atomic<bool> taken = false;
  std::thread worker([&] { taken = !board().Take(0).empty(); });
  rig_.clock.AwaitParked(1);
  rig_.clock.Advance(Millis(100));
  rig_.clock.AwaitParked(1);
  EXPECT_FALSE(taken) << "the starter has not looked";
  EXPECT_FALSE(board().CheckPause());
  worker.join();
  EXPECT_TRUE(taken);
}

TEST_F(BoardTest, StopWakesWhoWaitsAndTellsWhatRuns) {
  board().AddStoredRuns({});
  board().OnBlobChange(Added(Key(1, "a")));
  const auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  std::thread worker([&] { EXPECT_TRUE(board().Take(1).empty()); });
  rig_.clock.AwaitParked(1);
  board().Stop();
  worker.join();
  EXPECT_TRUE(all[0].flight->stop.stop_requested());
  EXPECT_TRUE(board().stop_token().stop_requested());
  EXPECT_FALSE(board().AwaitChore(Millis(1000)));
  EXPECT_FALSE(board().PauseByItself(PauseReason::kSpace, "full"));
}

TEST_F(BoardTest, ABlobInFlightStartsNoSecondTimeThoughTheTableNamesIt) {
  const DueKey key = Key(1, "a");
  options_.per_peer = 2;
  board().AddStoredRuns({{{key.first_peer, key.lane}, {key, 1}}});
  const auto refill = board().BeginRefill();
  ASSERT_TRUE(refill);
  board().EndRefill(refill->run, {key}, key);  // a bound: it will be read again
  const auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  const auto again = board().BeginRefill();
  ASSERT_TRUE(again);
  board().EndRefill(again->run, {key}, std::nullopt);
  EXPECT_EQ(board().Count().queued.due, 1u) << "the queue names it";
  EXPECT_TRUE(TakeNow().empty());
}

TEST_F(BoardTest, WhatWasToldOfARowWhileItsBlobWasInFlightIsNewerThanWhatLandRead) {
  const DueKey key = Key(1, "a");
  board().AddStoredRuns({});
  board().OnBlobChange(Added(key));
  const auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  board().OnBlobChange(Moved(key, Key(1, "a", Millis(9000))));
  Land(all[0], key);
  EXPECT_EQ(board().Count().queued.waiting, 1u);
  EXPECT_EQ(board().Count().queued.due, 0u);
  EXPECT_EQ(board().Count().fetching, 0u);
}

TEST_F(BoardTest, WhatNobodyWantsAnyMoreIsToldToEndWithoutALockHeld) {
  const DueKey key = Key(1, "a");
  board().AddStoredRuns({});
  board().OnBlobChange(Added(key));
  const auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  uint64_t seen = 0;
  const std::stop_callback told(all[0].flight->stop.get_token(),
                                [&] { seen = board().Count().fetching; });
  board().OnBlobChange(Gone(key));
  EXPECT_EQ(seen, 1u) << "who is told may look at the board";
  Land(all[0], key);
  EXPECT_EQ(board().Count().queued.due, 0u) << "it was told that the row is gone";
}

TEST_F(BoardTest, ItsPartialIsGivenToBeDroppedOnceItHasLanded) {
  const DueKey one = Key(1, "a"), two = Key(2, "b");
  board().AddStoredRuns({});
  board().OnBlobChange(Added(one));
  board().OnBlobChange(Gone(one));
  EXPECT_EQ(board().TakeLeft(), one.blob);
  EXPECT_EQ(board().TakeLeft(), std::nullopt);
  board().OnBlobChange(Added(two));
  board().OnBlobChange(Gone(two));
  board().OnBlobChange(Added(two));
  ASSERT_EQ(TakeNow().size(), 1u);
  EXPECT_EQ(board().TakeLeft(), std::nullopt) << "it is wanted again, and in flight";
}

TEST_F(BoardTest, WhoWaitsForASlotGoesOnWhereItMayHaveOne) {
  const DueKey key = Key(1, "a");
  auto all = TakeAndFreeSlot(key);
  ASSERT_EQ(all.size(), 1u);
  all[0].result.report.local = LocalEnd::kNoSlot;
  all[0].result.report.no_slot_at = Peer(7);
  Land(all[0], key);
  const auto next = TakeNow();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].picked.at, Peer(7));
}

TEST_F(BoardTest, ABlobOfWhichThereWasNewsWaitsAtHomeWhateverItsAttemptCameTo) {
  const DueKey key = Key(1, "a");
  auto all = TakeAndFreeSlot(key);
  ASSERT_EQ(all.size(), 1u);
  syncgroup::BlobChange news = Moved(key, key);
  news.evidence = true;
  board().OnBlobChange(news);
  all[0].result.report.local = LocalEnd::kNoSlot;
  all[0].result.report.no_slot_at = Peer(7);
  Land(all[0], key);
  const auto next = TakeNow();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].picked.at, Peer(1)) << "its first peer may have it now";
}

TEST_F(BoardTest, NewsBringsHomeABlobThatWaitsElsewhere) {
  const DueKey key = Key(1, "a");
  board().AddStoredRuns({});
  board().OnBlobChange(Added(key));
  board().EndLook({{key.blob, Peer(7)}});
  syncgroup::BlobChange news = Moved(key, key);
  news.evidence = true;
  board().OnBlobChange(news);
  const auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].picked.at, Peer(1));
}

TEST_F(BoardTest, ATransferIsInTheWayWhereAnotherPeersBlobWaitsForItsSlot) {
  options_.concurrency = 1;
  board().AddStoredRuns({});
  board().OnBlobChange(Added(Key(1, "a")));
  ASSERT_EQ(TakeNow().size(), 1u);
  Slot slot{.at = Peer(1)};
  EXPECT_FALSE(board().ShouldYield(slot)) << "nobody waits";
  board().OnBlobChange(Added(Key(1, "b")));
  EXPECT_FALSE(board().ShouldYield(slot)) << "it would go to the same peer";
  board().OnBlobChange(Added(Key(2, "c")));
  EXPECT_TRUE(board().ShouldYield(slot));
  board().PauseByOperator(std::nullopt);
  EXPECT_FALSE(board().ShouldYield(slot)) << "nothing else would start";
}

TEST_F(BoardTest, SaysWhatStandsInABlobsWay) {
  options_.concurrency = 2;
  board().AddStoredRuns({});
  signpost::Signpost signpost;
  signpost.locations[Peer(1)] = {.when_seen = rig_.clock.WallNow()};
  const auto obstacle = [&] {
    FetchState state;
    board().FillIn(state, Sha256::Of("b"), &signpost);
    return state.blocked_by;
  };
  EXPECT_EQ(obstacle(), Obstacle::kNone);
  board().OnBlobChange(Added(Key(1, "a")));
  ASSERT_EQ(TakeNow().size(), 1u);
  board().OnBlobChange(Added(Key(1, "b")));
  EXPECT_EQ(obstacle(), Obstacle::kPeerSlot);
  board().OnBlobChange(Added(Key(2, "c")));
  ASSERT_EQ(TakeNow().size(), 1u);
  EXPECT_EQ(obstacle(), Obstacle::kSlot);
  signpost.next_attempt = rig_.clock.WallNow() + Millis(1000);
  EXPECT_EQ(obstacle(), Obstacle::kNotDue);
  rig_.Suspect(Peer(1));
  board().OnPeerHealth(Peer(1));
  EXPECT_EQ(obstacle(), Obstacle::kPeerCoolDown);
  // What no room on a disk would end is not called lack of room.
  ASSERT_EQ(board().PauseByItself(PauseReason::kIndex, "an I/O error"), 1u);
  EXPECT_EQ(obstacle(), Obstacle::kDisk);
  board().NoteDisk("");
  ASSERT_EQ(board().PauseByItself(PauseReason::kDisk, "an I/O error"), 2u);
  EXPECT_EQ(obstacle(), Obstacle::kDisk);
  board().NoteDisk("");
  ASSERT_EQ(board().PauseByItself(PauseReason::kSpace, "full"), 3u);
  EXPECT_EQ(obstacle(), Obstacle::kSpace);
  board().PauseByOperator(std::nullopt);
  EXPECT_EQ(obstacle(), Obstacle::kPaused);
  board().Resume();
  signpost.locations.clear();
  signpost.last_error.error = signpost::ErrorClass::kNobody;
  board().OnBlobChange(Gone(Key(1, "b")));
  EXPECT_EQ(obstacle(), Obstacle::kNobody);
}

TEST_F(BoardTest, CallersPutTheirBlobFirstUntilTheLastOneLeaves) {
  board().AddStoredRuns({});
  for (int i = 0; i < 20; ++i) board().OnBlobChange(Added(Key(1, std::to_string(i))));
  options_.batch_blobs = 1;
  board().SetOptions(options_);
  const BlobId blob = Sha256::Of("13");
  const auto callers = board().Join(blob);
  EXPECT_EQ(board().Join(blob), callers);
  EXPECT_FALSE(board().Leave(blob)) << "one is left";
  EXPECT_TRUE(board().Waited(blob));
  auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].picked.key.blob, blob);

  all[0].result = NobodyHadIt();
  all[0].consequences.error.error = signpost::ErrorClass::kNotHere;
  Land(all[0], std::nullopt);
  FetchState state;
  board().FillIn(state, blob, nullptr);
  EXPECT_EQ(state.attempts_ended, 1u);
  EXPECT_EQ(state.error.error, signpost::ErrorClass::kNotHere);

  callers->asked = true;
  EXPECT_TRUE(board().Leave(blob)) << "what its signpost says is to be renewed";
  EXPECT_FALSE(board().Waited(blob));
  EXPECT_FALSE(board().Leave(blob)) << "nobody is left";
}

TEST_F(BoardTest, AnAttemptThatOurOwnSideCutShortIsNotOneThatEnded) {
  const DueKey key = Key(1, "a");
  board().AddStoredRuns({});
  board().OnBlobChange(Added(key));
  const auto callers = board().Join(key.blob);
  auto all = TakeNow();
  ASSERT_EQ(all.size(), 1u);
  all[0].result.report.local = LocalEnd::kYielded;
  Land(all[0], key);
  FetchState state;
  board().FillIn(state, key.blob, nullptr);
  EXPECT_EQ(state.attempts_ended, 0u);
}

}  // namespace
}  // namespace waypost::fetcher
