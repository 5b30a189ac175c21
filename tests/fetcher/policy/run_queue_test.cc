#include "fetcher/policy/run_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <vector>

#include "tests/fetcher/policy/run_queue_keys.h"
#include "tests/support/filled_ids.h"

// What starts next, and that nobody is starved.
namespace waypost::fetcher {
namespace {

using base::Millis;
using base::PeerId;
using signpost::DueLane;
using support::Peer;

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

}  // namespace
}  // namespace waypost::fetcher
