#include "syncgroup/sync/task_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/support/filled_ids.h"

namespace waypost::syncgroup {
namespace {

using base::Millis;
using support::Peer;

TEST(IsSlow, IsTenTimesTheMiddleOneAndOverASecond) {
  EXPECT_FALSE(IsSlow(Millis(1000), Millis(1)));
  EXPECT_TRUE(IsSlow(Millis(1001), Millis(1)));
  EXPECT_FALSE(IsSlow(Millis(5000), Millis(500))) << "a slow network: all are";
  EXPECT_TRUE(IsSlow(Millis(5001), Millis(500)));
}

class TaskLineTest : public ::testing::Test {
 protected:
  void Add(uint8_t peer, bool first = false) {
    line_.Add({.run = [] {}, .peer = Peer(peer)}, first);
  }
  // What all free workers take, by the number of their peer.
  std::vector<int> TakeAll(uint32_t workers = 8) {
    std::vector<int> taken;
    while (auto task = line_.Take(workers, now_)) {
      taken.push_back(task->peer ? task->peer->array()[0] : 0);
      running_.push_back(*std::move(task));
    }
    return taken;
  }
  void EndAll(Millis slow_took = Millis(20'000)) {
    const auto began = now_;
    for (const bool slow : {false, true}) {
      now_ = began + (slow ? std::max(slow_took, Millis(20)) : Millis(20));
      for (const auto& task : running_) {
        if ((task.peer && task.peer->array()[0] >= 100) == slow) line_.Ended(task, now_);
      }
    }
    running_.clear();
  }
  TaskLine line_;
  base::SteadyTime now_{std::chrono::hours(1000)};
  std::vector<TaskLine::Task> running_;
};

TEST_F(TaskLineTest, KeepsItsOrder) {
  Add(1);
  Add(2);
  Add(3, /*first=*/true);
  line_.Add({.run = [] {}}, /*first=*/true);
  EXPECT_EQ(TakeAll(2), (std::vector{0, 1})) << "what is short and calls nobody goes first";
  EXPECT_FALSE(line_.Take(2, now_));
  EndAll();
  EXPECT_EQ(TakeAll(2), (std::vector{2, 3}));
}

TEST_F(TaskLineTest, WhatIsFirstGoesBeforeTheRestOfItsPayerOnly) {
  line_.Add({.run = [] {}, .peer = Peer(12), .sponsor = Peer(1)}, /*first=*/false);
  line_.Add({.run = [] {}, .peer = Peer(11), .sponsor = Peer(1)}, /*first=*/true);
  Add(2);
  EXPECT_EQ(TakeAll(3), (std::vector{11, 12, 2}));
}

// They share what they have, and take nothing from whoever brought them in.
TEST_F(TaskLineTest, WhoBroughtOthersInIsKeptWaitingByNoneOfThem) {
  for (uint8_t puppet = 100; puppet < 120; ++puppet) {
    line_.Add({.run = [] {}, .peer = Peer(puppet), .sponsor = Peer(99)}, /*first=*/true);
  }
  TakeAll(20);
  EndAll();
  for (uint8_t puppet = 100; puppet < 120; ++puppet) {
    line_.Add({.run = [] {}, .peer = Peer(puppet), .sponsor = Peer(99)}, /*first=*/true);
  }
  Add(99);
  const std::vector<int> taken = TakeAll();
  EXPECT_NE(std::find(taken.begin(), taken.end(), 99), taken.end());
}

// A hundred that one member brought in, each of which is poked all the time and answers in 0.9 s,
// kept an honest round waiting for 100 x 0.9 / 8 s.
TEST_F(TaskLineTest, WhoHasUsedTheLeastTimeGoesNextHoweverManyPokeForAnother) {
  const auto poke = [&](uint8_t puppet) {
    line_.Add({.run = [] {}, .peer = Peer(puppet), .sponsor = Peer(99)}, /*first=*/true);
  };
  for (uint8_t puppet = 100; puppet < 200; ++puppet) poke(puppet);
  EXPECT_EQ(TakeAll().size(), 6u) << "of eight workers a quarter is left to others";
  Add(1);
  Add(2);
  Add(3);
  EXPECT_EQ(TakeAll(), (std::vector{1, 2}));
  now_ += Millis(20);
  line_.Ended(running_.back(), now_);
  running_.pop_back();
  poke(200);
  EXPECT_EQ(TakeAll(), std::vector{3});
  EndAll(Millis(900));
  for (uint8_t honest = 1; honest <= 3; ++honest) Add(honest);
  auto next = TakeAll();
  next.resize(3);
  std::sort(next.begin(), next.end());
  EXPECT_EQ(next, (std::vector{1, 2, 3}));
}

// Eight that drip their answers held all eight workers, round after round.
TEST_F(TaskLineTest, SlowPeersHoldHalfOfTheWorkersAtMost) {
  for (uint8_t honest = 1; honest <= 10; ++honest) Add(honest);
  TakeAll(20);
  EndAll();
  for (uint8_t drips = 100; drips < 108; ++drips) Add(drips);
  EXPECT_EQ(TakeAll().size(), 8u) << "nobody knows them yet";
  EndAll();
  for (uint8_t drips = 100; drips < 108; ++drips) Add(drips);
  EXPECT_EQ(TakeAll(), (std::vector{100, 101, 102, 103}));
  for (uint8_t honest = 1; honest <= 10; ++honest) Add(honest);
  EXPECT_EQ(TakeAll(), (std::vector{1, 2, 3, 4}));
  // One honest round after the other, while the four go on.
  for (int i = 0; i < 4; ++i) {
    line_.Ended(running_.back(), now_ + Millis(20));
    running_.pop_back();
  }
  EXPECT_EQ(TakeAll(), (std::vector{5, 6, 7, 8}));
  EndAll();
  EXPECT_EQ(TakeAll(), (std::vector{104, 105, 106, 107, 9, 10}));
}

TEST(CallTime, ForgetsAQuarterWithEachCall) {
  EXPECT_EQ(CallTime(Millis(0), Millis(20)), Millis(20));
  EXPECT_EQ(CallTime(Millis(20'000), Millis(20)), Millis(15'000));
  EXPECT_EQ(CallTime(Millis(100), Millis(20'000)), Millis(20'000));
  EXPECT_EQ(CallTime(Millis(3), Millis(0)), Millis(3)) << "and no less than it can";
}

// With every other round a quick one it was quick half of the time, and held a worker then.
TEST_F(TaskLineTest, WhoIsQuickNowAndThenIsSlow) {
  for (uint8_t honest = 1; honest <= 10; ++honest) Add(honest);
  for (uint8_t drips = 100; drips < 106; ++drips) Add(drips);
  TakeAll(20);
  EndAll();
  for (uint8_t drips = 100; drips < 106; ++drips) Add(drips);
  EXPECT_EQ(TakeAll().size(), 4u);
  EndAll(Millis(30));
  TakeAll();
  EndAll(Millis(30));
  for (uint8_t drips = 100; drips < 106; ++drips) Add(drips);
  EXPECT_EQ(TakeAll().size(), 4u);
}

TEST_F(TaskLineTest, WhoIsQuickForLongIsQuick) {
  for (uint8_t honest = 1; honest <= 10; ++honest) Add(honest);
  for (uint8_t was = 100; was < 106; ++was) Add(was);
  TakeAll(20);
  EndAll();
  for (int round = 0; round < 12; ++round) {
    for (uint8_t was = 100; was < 106; ++was) Add(was);
    while (!TakeAll().empty()) EndAll(Millis(30));
  }
  for (uint8_t was = 100; was < 106; ++was) Add(was);
  EXPECT_EQ(TakeAll().size(), 6u);
}

// Each new one counted as quick once.
TEST_F(TaskLineTest, WhomOneBroughtInAreJudgedTogether) {
  for (uint8_t honest = 1; honest <= 10; ++honest) Add(honest);
  line_.Add({.run = [] {}, .peer = Peer(100), .sponsor = Peer(99)}, /*first=*/false);
  TakeAll(20);
  EndAll();
  for (uint8_t puppet = 101; puppet < 109; ++puppet) {
    line_.Add({.run = [] {}, .peer = Peer(puppet), .sponsor = Peer(99)}, /*first=*/false);
  }
  EXPECT_EQ(TakeAll().size(), 4u);
}

TEST_F(TaskLineTest, LongWorkOfThisPeerHoldsHalfOfTheWorkersToo) {
  for (int i = 0; i < 8; ++i) line_.Add({.run = [] {}, .is_long = true}, /*first=*/false);
  Add(1);
  EXPECT_EQ(TakeAll(), (std::vector{0, 0, 0, 0, 1}));
}

TEST_F(TaskLineTest, OneWorkerServesSlowOnesToo) {
  Add(100);
  Add(1);
  TakeAll();
  EndAll();
  Add(100);
  EXPECT_EQ(TakeAll(1), std::vector{100});
}

}  // namespace
}  // namespace waypost::syncgroup
