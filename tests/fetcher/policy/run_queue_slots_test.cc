#include <gtest/gtest.h>

#include <map>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fetcher/policy/run_queue.h"
#include "tests/fetcher/policy/run_queue_keys.h"
#include "tests/http/engine/allocation_limit.h"
#include "tests/support/filled_ids.h"

// What goes together, alone, and in the last slot.
namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using support::Peer;

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

// Every piece that it takes memory for fails some time, the small ones and the large.
TEST(RunQueue, WhereMemoryRunsOutNothingHasChanged) {
  if (!http::AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  RunQueue queue(4);
  std::set<signpost::DueKey> table;
  int refused = 0;
  // True: there was memory enough.
  const auto fits = [&](absl::FunctionRef<void()> act) {
    for (const std::size_t bytes : {0, 64, 200, 1000, 4000, 20'000}) {
      bool done = true;
      {
        const http::AllocationLimit limit(bytes);
        try {
          act();
        } catch (const std::bad_alloc&) {
          done = false;
        }
      }
      if (done) return true;
      ++refused;
      const std::string broken = queue.CheckInvariants(table);
      EXPECT_EQ(broken, "");
      if (!broken.empty()) return false;
    }
    return false;
  };
  for (uint32_t i = 0; i < 1500; ++i) {
    const auto peer = static_cast<uint8_t>(1 + i % 5 * (i % 7));
    const signpost::DueKey key = Key(peer, i, i % 10);
    if (!fits([&] { queue.Upsert(key); })) queue.Upsert(key);
    table.insert(key);
    if (i % 3 == 0 && !fits([&] { queue.Redirect(key.blob, Peer(40)); })) {
      queue.Redirect(key.blob, Peer(40));
    }
    if (i % 4 == 0 && !fits([&] { queue.MarkAlone(key.blob); })) queue.MarkAlone(key.blob);
    const bool waits = i % 6 < 3;
    const base::BlobId other = Blob(i * 7 % (i + 1));
    if (!fits([&] { queue.SetWaiting(other, waits); })) queue.SetWaiting(other, waits);
    ASSERT_FALSE(testing::Test::HasFailure()) << i;
  }
  EXPECT_GT(refused, 20);
  EXPECT_EQ(queue.size(), 1500u);
  {
    // To take out what is there takes none.
    const http::AllocationLimit limit(0);
    for (const signpost::DueKey& key : table) queue.Erase(key);
  }
  EXPECT_EQ(queue.CheckInvariants({}), "");
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

}  // namespace
}  // namespace waypost::fetcher
