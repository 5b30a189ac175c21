#include "fetcher/policy/run_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/support/filled_ids.h"
#include "tests/support/rounds.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::WallTime;
using signpost::DueKey;
using signpost::DueLane;
using support::Peer;

BlobId Blob(uint32_t n) {
  std::array<uint8_t, 32> bytes{};
  for (int i = 0; i < 4; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<uint8_t>(n >> (24 - 8 * i));
  return BlobId(bytes);
}
WallTime At(int64_t ms) { return WallTime(Millis(ms)); }
DueKey Key(uint8_t peer, uint32_t blob, int64_t due_ms = 0, DueLane lane = DueLane::kNew) {
  return {.first_peer = Peer(peer), .lane = lane, .due = At(due_ms), .blob = Blob(blob)};
}

TEST(RunQueue, GivesWhatIsDueAndNothingElse) {
  RunQueue queue(2);
  queue.Upsert(Key(1, 1, 500));
  EXPECT_FALSE(queue.Pick(At(499)));
  EXPECT_EQ(queue.NextStart(At(499)), At(500));
  const auto picked = queue.Pick(At(500));
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->key, Key(1, 1, 500));
  EXPECT_EQ(picked->at, Peer(1));
  EXPECT_FALSE(queue.Pick(At(500)));
}

TEST(RunQueue, TakesAtMostPerPeerSlotsOfOnePeerAndGoesRoundTheOthers) {
  RunQueue queue(2);
  for (uint32_t i = 0; i < 10; ++i) {
    queue.Upsert(Key(1, i));
    queue.Upsert(Key(2, 100 + i));
  }
  std::map<PeerId, int> running;
  while (const auto picked = queue.Pick(At(1))) ++running[picked->at];
  EXPECT_EQ(running[Peer(1)], 2);
  EXPECT_EQ(running[Peer(2)], 2);
  queue.Release({Peer(2)}, Millis(0));
  const auto next = queue.Pick(At(1));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->at, Peer(2));
}

// Two that drip hold each slot for a minute, the third one gives a blob a second: it gets its slots
// for as long as each of the others, not one pick of three.
TEST(RunQueue, SlotsAreSharedByTheTimeTheyAreHeld) {
  RunQueue queue(2);
  uint32_t blobs = 0;
  const auto refill = [&](uint8_t peer) { queue.Upsert(Key(peer, ++blobs)); };
  for (uint8_t peer = 1; peer <= 3; ++peer) {
    for (int i = 0; i < 4; ++i) refill(peer);
  }
  constexpr Millis kDrip{60'000}, kHonest{1000}, kHour{3'600'000};
  struct Held {
    PeerId at;
    Millis since, until;
  };
  std::vector<Held> slots;
  std::map<PeerId, Millis> used;
  for (Millis now{0}; now < kHour; now += kHonest) {
    for (std::size_t i = 0; i < slots.size();) {
      const Held held = slots[i];
      if (held.until > now) {
        ++i;
        continue;
      }
      queue.Release({held.at}, now - held.since);
      used[held.at] += now - held.since;
      slots.erase(slots.begin() + static_cast<std::ptrdiff_t>(i));
    }
    while (slots.size() < 4) {
      const auto picked = queue.Pick(At(1));
      ASSERT_TRUE(picked);
      refill(picked->at == Peer(1) ? 1 : picked->at == Peer(2) ? 2 : 3);
      slots.push_back({picked->at, now, now + (picked->at == Peer(3) ? kHonest : kDrip)});
    }
  }
  EXPECT_GT(used[Peer(3)], kHour) << "of four slots for an hour, a third";
  EXPECT_GT(used[Peer(1)], kHour / 2) << "and those who drip get theirs";
  EXPECT_GT(used[Peer(2)], kHour / 2);
}

TEST(RunQueue, WhoHadNothingToGiveIsOwedLittleForIt) {
  RunQueue queue(1);
  constexpr Millis kEach{10'000};
  constexpr int kOwed = RunQueue::kOwedMax / kEach;
  for (uint32_t i = 0; i < 1000; ++i) queue.Upsert(Key(1, i));
  for (int i = 0; i < 500; ++i) queue.Release({queue.Pick(At(1))->at}, kEach);
  for (uint32_t i = 0; i < 1000; ++i) queue.Upsert(Key(2, 1000 + i));
  std::vector<int> of_the_new;
  for (int i = 0; i < 100; ++i) {
    const auto picked = queue.Pick(At(1));
    ASSERT_TRUE(picked);
    of_the_new.push_back(picked->at == Peer(2));
    queue.Release({picked->at}, kEach);
  }
  const auto middle = of_the_new.begin() + kOwed + 2;
  EXPECT_GE(std::accumulate(of_the_new.begin(), middle, 0), kOwed);
  EXPECT_NEAR(std::accumulate(middle, of_the_new.end(), 0), (100 - kOwed - 2) / 2, 2);
}

TEST(RunQueue, NeitherLaneStarves) {
  RunQueue queue(1);
  for (uint32_t i = 0; i < 100; ++i) {
    queue.Upsert(Key(1, i, 0, DueLane::kNew));
    queue.Upsert(Key(1, 1000 + i, 0, DueLane::kRetry));
  }
  int retries = 0;
  for (int i = 0; i < 80; ++i) {
    const auto picked = queue.Pick(At(1));
    ASSERT_TRUE(picked);
    retries += picked->key.lane == DueLane::kRetry;
    queue.Release({picked->at}, Millis(0));
  }
  EXPECT_EQ(retries, 20) << "every fourth pick";
}

TEST(RunQueue, AWaitingClientGoesFirstAtItsPeer) {
  RunQueue queue(1);
  for (uint32_t i = 0; i < 50; ++i) queue.Upsert(Key(1, i));
  queue.SetWaiting(Blob(42), true);
  EXPECT_EQ(queue.Pick(At(1))->key.blob, Blob(42));
}

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

TEST(RunQueue, AnUpdatedRowReplacesTheOlderOne) {
  RunQueue queue(4);
  queue.Upsert(Key(1, 1, 0));
  queue.Upsert(Key(1, 1, 900, DueLane::kRetry));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_FALSE(queue.Pick(At(899)));
  queue.Erase(Key(1, 1, 0));
  EXPECT_TRUE(queue.Contains(Blob(1))) << "the erased row was not this one";
  queue.Erase(Key(1, 1, 900, DueLane::kRetry));
  EXPECT_FALSE(queue.Contains(Blob(1)));
}

TEST(RunQueue, MoreGoesInTheSlotOfWhatWasPickedHalfOfItLeftForOtherSlots) {
  RunQueue queue(2);
  for (uint32_t i = 0; i < 400; ++i) queue.Upsert(Key(1, i, i < 300 ? 0 : 900));
  for (uint32_t i = 1000; i < 1010; ++i) queue.Upsert(Key(2, i));
  std::vector<RunQueue::Picked> picked = {*queue.Pick(At(1))};
  const PeerId first = picked.front().at;
  queue.PickMore(1000, At(1), picked);
  std::vector<RunQueue::Picked> other = {*queue.Pick(At(1))};
  ASSERT_NE(other.front().at, first);
  queue.PickMore(1000, At(1), other);
  auto& ones = first == Peer(1) ? picked : other;
  auto& twos = first == Peer(1) ? other : picked;
  EXPECT_EQ(ones.size(), 1u + 399 / 2);
  EXPECT_EQ(twos.size(), 10u) << "few are not shared";
  std::set<BlobId> seen;
  for (const auto& one : ones) {
    EXPECT_EQ(one.at, Peer(1));
    EXPECT_TRUE(seen.insert(one.key.blob).second);
  }
  std::vector<RunQueue::Picked> rest = {*queue.Pick(At(1))};
  queue.PickMore(20, At(1), rest);
  EXPECT_EQ(rest.size(), 21u) << "no more than was asked for";
  EXPECT_FALSE(queue.Pick(At(1))) << "two slots are taken, and one of the other is free but empty";
  queue.PickMore(1000, At(1), rest);
  queue.PickMore(1000, At(1), rest);
  queue.PickMore(1000, At(1), rest);
  for (const auto& one : rest) EXPECT_TRUE(seen.insert(one.key.blob).second);
  EXPECT_EQ(seen.size(), 300u) << "what is not due stays";
}

TEST(RunQueue, WhatIsToGoAloneGoesAloneOnce) {
  RunQueue queue(4);
  for (uint32_t i = 0; i < 6; ++i) queue.Upsert(Key(1, i, i));
  queue.MarkAlone(Blob(0));
  queue.MarkAlone(Blob(3));
  std::vector<RunQueue::Picked> picked = {*queue.Pick(At(10))};
  EXPECT_EQ(picked.front().key.blob, Blob(0));
  EXPECT_TRUE(picked.front().alone);
  queue.PickMore(100, At(10), picked);
  EXPECT_EQ(picked.size(), 1u);
  picked = {*queue.Pick(At(10))};
  queue.PickMore(100, At(10), picked);
  std::vector<BlobId> blobs;
  for (const auto& one : picked) blobs.push_back(one.key.blob);
  EXPECT_EQ(blobs, (std::vector{Blob(1), Blob(2), Blob(4), Blob(5)})) << "around the one";
  // A new row of it changes nothing.
  queue.Upsert(Key(1, 3, 8));
  picked = {*queue.Pick(At(10))};
  EXPECT_TRUE(picked.front().alone);
  EXPECT_FALSE(queue.Pick(At(10)));
  queue.Upsert(Key(1, 3, 9));
  EXPECT_FALSE(queue.Pick(At(10))->alone) << "once";
}

TEST(RunQueue, WhomOneBroughtInGetTheTimeOfOneTogether) {
  RunQueue queue(1, 2);
  for (uint8_t peer = 1; peer <= 9; ++peer) {
    for (uint32_t i = 0; i < 500; ++i) queue.Upsert(Key(peer, peer * 1000u + i));
    if (peer >= 3) queue.SetSponsor(Peer(peer), Peer(2));  // seven puppets
  }
  std::map<PeerId, int> picks;
  for (int i = 0; i < 400; ++i) {
    const auto picked = queue.Pick(At(1));
    ASSERT_TRUE(picked);
    ++picks[picked->at];
    queue.Release({picked->at}, Millis(10'000));
  }
  EXPECT_NEAR(picks[Peer(1)], 200, 20) << "the one that brought in nobody";
}

TEST(RunQueue, TheLastSlotOfAPeerIsForSmallOnes) {
  RunQueue queue(3);
  for (uint32_t i = 0; i < 4; ++i) {
    queue.Upsert(Key(1, i, i));
    queue.MarkAlone(Blob(i));
  }
  for (const uint32_t large : {0u, 1u}) EXPECT_EQ(queue.Pick(At(10))->key.blob, Blob(large));
  EXPECT_FALSE(queue.Pick(At(10))) << "two of three";
  EXPECT_TRUE(queue.WaitsForLarge(Blob(2)));
  EXPECT_FALSE(queue.OtherReady({Peer(2), false}, At(10)));
  queue.Upsert(Key(1, 9, 9));
  EXPECT_TRUE(queue.OtherReady({Peer(2), false}, At(10)));
  const auto small = queue.Pick(At(10));
  ASSERT_TRUE(small);
  EXPECT_EQ(small->key.blob, Blob(9)) << "though others waited for longer";
  EXPECT_FALSE(small->alone);
  // What was taken for small is large after all.
  EXPECT_FALSE(queue.Enlarge(Peer(1)));
  queue.Release({Peer(1), true}, Millis(0));
  EXPECT_TRUE(queue.Enlarge(Peer(1)));
  EXPECT_FALSE(queue.Pick(At(10))) << "it took the place of the one that ended";
  queue.Release({Peer(1), true}, Millis(0));
  EXPECT_EQ(queue.Pick(At(10))->key.blob, Blob(2));
}

TEST(RunQueue, TheLastSlotOfAllIsForSmallOnes) {
  RunQueue queue(3, 3);
  for (uint32_t i = 0; i < 3; ++i) {
    queue.Upsert(Key(static_cast<uint8_t>(1 + i), i, i));
    queue.MarkAlone(Blob(i));
  }
  ASSERT_TRUE(queue.Pick(At(10)));
  ASSERT_TRUE(queue.Pick(At(10)));
  EXPECT_FALSE(queue.Pick(At(10)));
  EXPECT_FALSE(queue.OtherReady({Peer(4), false}, At(10)));
  EXPECT_TRUE(queue.OtherReady({Peer(1), true}, At(10))) << "once that one gives way";
  queue.Upsert(Key(3, 9, 9));
  EXPECT_EQ(queue.Pick(At(10))->key.blob, Blob(9));
  // A slot moves with what it carries.
  EXPECT_FALSE(queue.MoveSlot({Peer(3), false}, Peer(9), Millis(0), At(10)) &&
               queue.Enlarge(Peer(9)));
  EXPECT_TRUE(queue.MoveSlot({Peer(1), true}, Peer(3), Millis(0), At(10)));
  queue.Release({Peer(3), true}, Millis(0));
  EXPECT_EQ(queue.Pick(At(10))->key.blob, Blob(2));
}

TEST(RunQueue, WhereThereIsOneSlotLargeOnesHaveIt) {
  RunQueue queue(1, 1);
  queue.Upsert(Key(1, 1));
  queue.MarkAlone(Blob(1));
  EXPECT_TRUE(queue.Pick(At(10)));
}

TEST(RunQueue, APeerThatHasNotAnsweredSinceItCooledGetsOneRequestForOne) {
  RunQueue queue(2);
  for (uint32_t i = 0; i < 10; ++i) queue.Upsert(Key(1, i));
  queue.SetCoolDown(Peer(1), At(100), At(1));
  std::vector<RunQueue::Picked> picked = {*queue.Pick(At(100))};
  queue.PickMore(100, At(100), picked);
  EXPECT_EQ(picked.size(), 1u);
}

// The table is a std::set; rows come, go and are picked at random; the queue may hold only a
// window, yet everything due must come out, and no row that is in the table may be forgotten.
TEST(RunQueue, ForgetsNoRowOfTheTableWhateverTheWindowHolds) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(seed);
  base::SeededRandom random(seed);
  RunQueue queue(1000);
  std::set<DueKey> table;
  std::map<RunQueue::RunId, std::pair<DueKey, uint64_t>> runs;
  for (uint32_t i = 0; i < 5000; ++i) {
    table.insert(Key(static_cast<uint8_t>(1 + random.Next() % 3), i,
                     static_cast<int64_t>(random.Next() % 1000)));
  }
  for (const DueKey& key : table) {
    auto& run = runs.try_emplace({key.first_peer, key.lane}, key, 0).first->second;
    ++run.second;
  }
  for (const auto& [id, run] : runs) queue.AddStoredRun(id, run.first, run.second);
  uint32_t next_blob = 10000;
  std::size_t picked_total = 0;
  const auto refill = [&] {
    while (const auto wanted = queue.BeginRefill()) {
      const DueKey from = wanted->from;
      std::vector<DueKey> rows;
      std::optional<DueKey> next;
      for (auto it = table.lower_bound(from); it != table.end(); ++it) {
        if (RunQueue::RunId{it->first_peer, it->lane} != wanted->run) break;
        if (rows.size() == RunQueue::kRefillRows) {
          next = *it;
          break;
        }
        rows.push_back(*it);
      }
      // A row is committed between the read and its end: it must not be missed.
      const DueKey late = Key(wanted->run.first.array()[0], next_blob++, 999999);
      table.insert(late);
      queue.Upsert(late);
      queue.EndRefill(wanted->run, rows, next);
    }
  };
  for (int round = 0; round < 20000; ++round) {
    refill();
    if (random.Next() % 4 == 0) {
      const DueKey key = Key(static_cast<uint8_t>(1 + random.Next() % 3), next_blob++,
                             static_cast<int64_t>(random.Next() % 2000000));
      table.insert(key);
      queue.Upsert(key);
    }
    const auto picked = queue.Pick(At(3000000));
    if (!picked) break;
    ASSERT_EQ(table.erase(picked->key), 1u) << "picked what the table does not have";
    queue.Release({picked->at}, Millis(0));
    ++picked_total;
  }
  while (true) {
    refill();
    const auto picked = queue.Pick(At(3000000));
    if (!picked) break;
    ASSERT_EQ(table.erase(picked->key), 1u);
    queue.Release({picked->at}, Millis(0));
    ++picked_total;
  }
  EXPECT_TRUE(table.empty()) << table.size() << " rows were forgotten";
  EXPECT_GT(picked_total, 5000u);
}

// Everything that may happen to a queue, in any order, against a table that is told of each row.
class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed) {
    for (uint32_t i = 0; i < 1700; ++i) table_.insert(NewKey());
    std::map<RunQueue::RunId, std::pair<DueKey, uint64_t>> runs;
    for (const DueKey& key : table_) {
      ++runs.try_emplace({key.first_peer, key.lane}, key, 0).first->second.second;
    }
    for (const auto& [id, run] : runs) queue_.AddStoredRun(id, run.first, run.second);
  }
  std::string Broken() const { return queue_.CheckInvariants(table_); }

  // What it did, for people.
  std::string Step() {
    switch (Any(16)) {
      case 0:
        Put(NewKey());
        return "a new row";
      case 1:
        if (const auto row = SomeRow()) Change(*row);
        return "a row changes";
      case 2:
        if (const auto row = SomeRow()) {
          table_.erase(*row);
          queue_.Erase(*row);
        }
        return "a row goes";
      case 3:
      case 4:
        Pick();
        return "picks";
      case 5:
        Land();
        return "what was picked ends";
      case 6:
        queue_.SetCoolDown(SomePeer(), now_ + Millis(Any(1000)), now_);
        return "a cool-down";
      case 7:
        queue_.SetCoolDown(SomePeer(), base::kNever, now_);
        return "a return";
      case 8:
        now_ += Millis(Any(400));
        queue_.NoteEnds(now_);
        return "time passes";
      case 9:
        if (const auto row = SomeRow()) queue_.Redirect(row->blob, SomePeer());
        return "a redirection";
      case 10:
        if (const auto row = SomeRow()) queue_.SetWaiting(row->blob, Any(2) == 0);
        return "a client comes or leaves";
      case 11:
        if (Any(2) == 0) queue_.SetSponsor(SomePeer(), SomePeer());
        if (const auto row = SomeRow()) queue_.MarkAlone(row->blob);
        return "one is to go alone";
      case 12:
        for (const BlobId& blob : queue_.TakeLook(20, now_).at_home) {
          if (Any(2) == 0) queue_.Redirect(blob, SomePeer());
        }
        return "a look";
      case 13:
        RunWalk();
        return "a walk";
      default:
        Refill();
        return "a refill";
    }
  }

 private:
  uint64_t Any(uint64_t below) { return random_.Next() % below; }
  // Zero: nobody is known.
  PeerId SomePeer() { return Peer(static_cast<uint8_t>(Any(4))); }
  DueKey NewKey() {
    // Most are of one run, so that it has more rows than are read at once.
    const auto peer = static_cast<uint8_t>(Any(4) == 0 ? Any(4) : 1);
    return Key(peer, next_blob_++, static_cast<int64_t>(Any(5000)),
               Any(8) == 0 ? DueLane::kRetry : DueLane::kNew);
  }
  std::optional<DueKey> SomeRow() {
    if (table_.empty()) return std::nullopt;
    const auto it =
        table_.lower_bound(Key(static_cast<uint8_t>(Any(4)), 0, static_cast<int64_t>(Any(5000))));
    return it == table_.end() ? *table_.begin() : *it;
  }
  void Put(const DueKey& key) {
    table_.insert(key);
    queue_.CountRow(key, 1);
    queue_.Upsert(key, /*force=*/Any(8) == 0);
  }
  void Change(const DueKey& row) {
    DueKey changed = NewKey();
    changed.blob = row.blob;
    table_.erase(row);
    queue_.CountRow(row, -1);
    Put(changed);
  }
  void Pick() {
    auto first = queue_.Pick(now_);
    if (!first) return;
    std::vector<RunQueue::Picked> picked = {*first};
    queue_.PickMore(Any(10), now_, picked);
    for (const auto& one : picked) {
      ASSERT_EQ(table_.erase(one.key), 1u) << "picked what the table does not have";
      rows_out_.push_back(one.key);
    }
    slots_.push_back({picked.front().at, picked.front().alone});
  }
  void Land() {
    if (slots_.empty()) return;
    RunQueue::Held& slot = slots_[Any(slots_.size())];
    const PeerId other = SomePeer();
    if (!slot.large && Any(3) == 0) slot.large = queue_.Enlarge(slot.at);
    if (Any(3) == 0 && queue_.MoveSlot(slot, other, Millis(0), now_)) slot.at = other;
    std::swap(slot, slots_.back());
    queue_.Release(slots_.back(), Millis(0));
    slots_.pop_back();
    // Some have arrived, others wait anew.
    for (const DueKey& row : std::exchange(rows_out_, {})) {
      if (Any(2) == 0) continue;
      DueKey again = NewKey();
      again.blob = row.blob;
      Put(again);
    }
  }
  // The rows of a run from `first` on, as the index would give them.
  std::vector<DueKey> Read(const DueKey& first, std::size_t limit,
                           std::optional<DueKey>& next) const {
    std::vector<DueKey> rows;
    for (auto it = table_.lower_bound(first); it != table_.end(); ++it) {
      if (it->first_peer != first.first_peer || it->lane != first.lane) break;
      if (rows.size() == limit) {
        next = *it;
        break;
      }
      rows.push_back(*it);
    }
    return rows;
  }
  void RunWalk() {
    const auto walk = queue_.BeginWalk(now_, Any(2) == 0);
    if (!walk) return;
    std::optional<DueKey> next;
    std::vector<RunQueue::Route> routes;
    for (const DueKey& row : Read(walk->from, 30, next)) {
      if (Any(3) == 0) routes.push_back({row, SomePeer()});
    }
    queue_.EndWalk(walk->peer, routes, next);
  }
  void Refill() {
    const auto refill = queue_.BeginRefill();
    if (!refill) return;
    std::optional<DueKey> next;
    const std::vector<DueKey> rows = Read(refill->from, RunQueue::kRefillRows, next);
    Put(NewKey());  // committed between the read and its end
    EXPECT_EQ(Broken(), "") << "while a run is filled up";
    queue_.EndRefill(refill->run, rows, next);
  }

  base::SeededRandom random_;
  RunQueue queue_{2};
  std::set<DueKey> table_;  // without what was picked
  std::vector<DueKey> rows_out_;
  std::vector<RunQueue::Held> slots_;
  uint32_t next_blob_ = 0;
  WallTime now_ = At(1000);
};

TEST(RunQueue, KeepsItsInvariantsWhateverComes) {
  for (const uint64_t seed : {11u, 12u}) {
    Walk walk(seed);
    ASSERT_EQ(walk.Broken(), "");
    for (int step = 0; step < support::Rounds(400); ++step) {
      const std::string what = walk.Step();
      ASSERT_EQ(walk.Broken(), "") << "seed " << seed << ", step " << step << ": " << what;
    }
  }
}

}  // namespace
}  // namespace waypost::fetcher
