#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "fetcher/policy/run_queue.h"
#include "tests/fetcher/policy/run_queue_keys.h"
#include "tests/support/filled_ids.h"

// Peers that cool, and blobs that wait elsewhere meanwhile.
namespace waypost::fetcher {
namespace {

using base::PeerId;
using support::Peer;

TEST(RunQueue, AReturnFreesTheWholeRunInOneStep) {
  RunQueue queue(8);
  for (uint32_t i = 0; i < 20; ++i) queue.Upsert(Key(1, i));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  EXPECT_FALSE(queue.Pick(At(5000)));
  EXPECT_EQ(queue.Count(At(5000)).parked, 20u);
  queue.SetCoolDown(Peer(1), base::kNever, At(5000));
  int picked = 0;
  while (queue.Pick(At(5000))) ++picked;
  EXPECT_EQ(picked, 8);
}

TEST(RunQueue, AfterTheMereEndOfACoolDownOneGoesFirstAlone) {
  RunQueue queue(8);
  for (uint32_t i = 0; i < 20; ++i) queue.Upsert(Key(1, i));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  EXPECT_EQ(queue.NextStart(At(5000)), At(10000));
  ASSERT_TRUE(queue.Pick(At(10000)));
  EXPECT_FALSE(queue.Pick(At(10000)));
  queue.SetCoolDown(Peer(1), base::kNever, At(5000));
  EXPECT_TRUE(queue.Pick(At(10000)));
}

TEST(RunQueue, OneCoolingPeerDelaysNoOther) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  queue.Upsert(Key(2, 2));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  const auto picked = queue.Pick(At(1));
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->key.blob, Blob(2));
}

TEST(RunQueue, NewsOfABlobThatWaitsAtHomeIsLookedAtWhileThatCools) {
  RunQueue queue(1);
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  queue.Upsert(Key(1, 1));
  EXPECT_EQ(queue.TakeLook(10, At(5)).at_home, std::vector{Blob(1)});
  queue.TakeChore();
  queue.GoHome(Blob(1));
  EXPECT_TRUE(queue.TakeChore());
  EXPECT_EQ(queue.TakeLook(10, At(6)).at_home, std::vector{Blob(1)});
  queue.SetCoolDown(Peer(1), base::kNever, At(7));
  queue.GoHome(Blob(1));
  EXPECT_FALSE(queue.TakeLook(10, At(8)).at_home.size());
  EXPECT_EQ(queue.CheckInvariants({Key(1, 1)}), "");
}

TEST(RunQueue, WhatWaitsForASlotOfAPoorPeerCanGoElsewhere) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  queue.Upsert(Key(1, 2));
  ASSERT_TRUE(queue.Pick(At(1)));
  EXPECT_FALSE(queue.Pick(At(1))) << "it has one slot";
  EXPECT_TRUE(queue.TakeLook(10, At(5)).at_home.empty());
  queue.SetPoor(Peer(1), true);
  EXPECT_TRUE(queue.TakeChore());
  queue.Upsert(Key(1, 3));
  EXPECT_EQ(queue.CheckInvariants({Key(1, 2), Key(1, 3)}), "");
  EXPECT_EQ(queue.TakeLook(10, At(5)).at_home, (std::vector{Blob(2), Blob(3)}));
  EXPECT_TRUE(queue.TakeLook(10, At(5)).at_home.empty()) << "once";
  queue.Redirect(Blob(2), Peer(7));
  const auto picked = queue.Pick(At(5));
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->at, Peer(7));
  queue.Release({Peer(1)}, base::Millis(1));
  EXPECT_TRUE(queue.Pick(At(5))) << "who has nobody else is asked there as before";
  queue.SetPoor(Peer(1), false);
  EXPECT_EQ(queue.CheckInvariants({}), "");
}

TEST(RunQueue, WhoIsSentFromAPoorPeerToOneThatCoolsThenGoesHome) {
  RunQueue queue(1);
  queue.SetPoor(Peer(1), true);
  queue.Upsert(Key(1, 1));
  queue.Redirect(Blob(1), Peer(7));
  queue.SetCoolDown(Peer(7), At(10000), At(1));
  EXPECT_EQ(queue.WaitsAt(Blob(1)), Peer(1));
  EXPECT_EQ(queue.CheckInvariants({Key(1, 1)}), "");
}

TEST(RunQueue, BlobsOfACoolingPeerCanBeAskedOfAnother) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  queue.Upsert(Key(1, 2));
  EXPECT_EQ(queue.TakeLook(10, At(5)).at_home, std::vector{Blob(2)}) << "the walk finds the other";
  EXPECT_TRUE(queue.TakeLook(10, At(5)).at_home.empty()) << "looked at once a cool-down";
  queue.Redirect(Blob(2), Peer(7));
  const auto picked = queue.Pick(At(5));
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->at, Peer(7));
  EXPECT_EQ(picked->key, Key(1, 2)) << "its row on disk is where it was";
}

TEST(RunQueue, ABlobThatWaitsElsewhereGoesHomeWhenThereIsNewsOfIt) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  queue.Redirect(Blob(1), Peer(7));
  queue.Upsert(Key(1, 1));
  EXPECT_EQ(queue.WaitsAt(Blob(1)), Peer(7)) << "the same row again is no news";
  queue.GoHome(Blob(1));
  EXPECT_EQ(queue.WaitsAt(Blob(1)), Peer(1));
  EXPECT_EQ(queue.CheckInvariants({Key(1, 1)}), "");
  EXPECT_EQ(queue.Pick(At(1))->at, Peer(1));
  queue.GoHome(Blob(1));  // it waits nowhere
  EXPECT_FALSE(queue.Contains(Blob(1)));
}

TEST(RunQueue, ABlobThatGoesHomeToAPeerThatCoolsIsLookedAtAgain) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  queue.Redirect(Blob(1), Peer(7));
  EXPECT_TRUE(queue.TakeLook(10, At(5)).at_home.empty());
  queue.GoHome(Blob(1));
  EXPECT_EQ(queue.TakeLook(10, At(5)).at_home, std::vector{Blob(1)});
  EXPECT_EQ(queue.CheckInvariants({Key(1, 1)}), "");
}

TEST(RunQueue, GuestsOfAPeerThatBeginsToCoolGoHomeOnlyWhereTheirHomeCoolsToo) {
  RunQueue queue(2);
  queue.Upsert(Key(1, 1));
  queue.Upsert(Key(2, 2));
  queue.SetCoolDown(Peer(1), At(10000), At(1));
  queue.Redirect(Blob(1), Peer(7));
  queue.Redirect(Blob(2), Peer(7));  // its home said no
  queue.SetCoolDown(Peer(7), At(10000), At(1));
  EXPECT_EQ(queue.WaitsAt(Blob(1)), Peer(1)) << "to be sent elsewhere";
  EXPECT_EQ(queue.WaitsAt(Blob(2)), Peer(7));
  EXPECT_EQ(queue.CheckInvariants({Key(1, 1), Key(2, 2)}), "");
}

TEST(RunQueue, WhoBecomesUsableIsNewsToWhatWaitsElsewhereAndToEveryRowOfCoolingPeers) {
  RunQueue queue(1);
  queue.Upsert(Key(1, 1));
  for (const uint8_t peer : {1, 2, 3}) queue.SetCoolDown(Peer(peer), At(10000), At(1));
  queue.Redirect(Blob(1), Peer(2));
  while (!queue.TakeLook(10, At(5)).at_home.empty()) {
  }
  const auto end_walks = [&] {
    std::map<PeerId, std::vector<PeerId>> usable;
    while (const auto walk = queue.BeginWalk(At(5), true)) {
      usable[walk->peer] = walk->usable;
      queue.EndWalk(walk->peer, {}, std::nullopt);
    }
    return usable;
  };
  using Usable = std::map<PeerId, std::vector<PeerId>>;
  EXPECT_EQ(end_walks(), (Usable{{Peer(1), {}}, {Peer(2), {}}, {Peer(3), {}}}));
  EXPECT_EQ(end_walks(), Usable()) << "nothing is new";

  queue.SetCoolDown(Peer(3), base::kNever, At(5));
  const auto look = queue.TakeLook(10, At(5));
  EXPECT_EQ(look.away, std::vector{Blob(1)});
  EXPECT_EQ(look.usable, std::vector{Peer(3)});
  EXPECT_EQ(end_walks(), (Usable{{Peer(1), {Peer(3)}}, {Peer(2), {Peer(3)}}}));
  EXPECT_EQ(end_walks(), Usable()) << "told once";
}

TEST(RunQueue, WhoBecomesUsableDuringAWalkIsNewsToTheNextOneAndAWalkKeepsItsOwnToItsEnd) {
  RunQueue queue(1);
  for (const uint8_t peer : {1, 2, 3}) queue.SetCoolDown(Peer(peer), At(10000), At(1));
  queue.SetCoolDown(Peer(2), base::kNever, At(2));
  auto walk = queue.BeginWalk(At(5), true);
  ASSERT_TRUE(walk);
  EXPECT_EQ(walk->peer, Peer(1));
  EXPECT_EQ(walk->usable, std::vector{Peer(2)});
  queue.SetCoolDown(Peer(3), base::kNever, At(5));
  queue.EndWalk(Peer(1), {}, Key(1, 500));  // there is more
  walk = queue.BeginWalk(At(5), true);
  ASSERT_TRUE(walk);
  EXPECT_EQ(walk->from, Key(1, 500));
  EXPECT_EQ(walk->usable, std::vector{Peer(2)}) << "every row hears of the same peers";
  queue.EndWalk(Peer(1), {}, std::nullopt);
  EXPECT_FALSE(queue.BeginWalk(At(5), /*may_restart=*/false)) << "it rests";
  walk = queue.BeginWalk(At(5), true);
  ASSERT_TRUE(walk);
  EXPECT_EQ(walk->usable, std::vector{Peer(3)});
}

TEST(RunQueue, APeerThatHasNotAnsweredSinceItCooledGetsOneRequestForOne) {
  RunQueue queue(2);
  for (uint32_t i = 0; i < 10; ++i) queue.Upsert(Key(1, i));
  queue.SetCoolDown(Peer(1), At(100), At(1));
  std::vector<RunQueue::Picked> picked = {*queue.Pick(At(100))};
  queue.PickMore(100, At(100), picked);
  EXPECT_EQ(picked.size(), 1u);
}

}  // namespace
}  // namespace waypost::fetcher
