#include "base/fair_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "tests/http/engine/allocation_limit.h"

namespace waypost::http {
namespace {

using base::FairLine;
using base::kNobody;
using base::Payer;

// A line whose items are their payers, and a clock that the test moves.
struct World {
  explicit World(unsigned threads) : line(threads) {}
  void Push(Payer payer, int count = 1) {
    for (int i = 0; i < count; ++i) line.Push(payer, Payer(payer));
  }
  // nullopt: none may be taken.
  std::optional<Payer> Take() {
    if (line.Next(now) == nullptr) return std::nullopt;
    return line.Take(now);
  }
  // One after the other, on one thread, each for that long.
  std::string Serve(const std::map<Payer, int>& took_ms, int count) {
    std::string order;
    for (int i = 0; i < count; ++i) {
      const auto payer = Take();
      if (!payer) return order + "-";
      now += base::Millis(took_ms.at(*payer));
      line.Done(*payer, now);
      order += static_cast<char>('a' + static_cast<int>(*payer) - 1);
    }
    return order;
  }
  FairLine<Payer> line;
  base::SteadyTime now{std::chrono::hours(1000)};
};

constexpr Payer kA = 1, kB = 2, kC = 3;

TEST(FairLine, WhoHasUsedTheLeastGoesNext) {
  struct Case {
    const char* name;
    std::vector<std::pair<Payer, int>> pushed;
    std::map<Payer, int> took_ms;
    const char* order;
  };
  const Case cases[] = {
      {"one alone goes in its order", {{kA, 3}}, {{kA, 10}}, "aaa-"},
      {"two that cost the same take turns", {{kA, 4}, {kB, 4}}, {{kA, 10}, {kB, 10}}, "abababab-"},
      {"much that came before little", {{kA, 6}, {kB, 1}}, {{kA, 10}, {kB, 10}}, "abaaaaa-"},
      {"long ones come seldom", {{kA, 3}, {kB, 9}}, {{kA, 40}, {kB, 10}}, "abbbbabbbbab-"},
      {"three, of which one is slow",
       {{kA, 2}, {kB, 3}, {kC, 3}},
       {{kA, 30}, {kB, 10}, {kC, 10}},
       "abcbcbca-"},
  };
  for (const Case& each : cases) {
    World world(1);
    int all = 0;
    for (const auto& [payer, count] : each.pushed) {
      world.Push(payer, count);
      all += count;
    }
    EXPECT_EQ(world.Serve(each.took_ms, all + 1), each.order) << each.name;
  }
}

TEST(FairLine, WhatWasUsedWhileNobodyElseCameIsNoDebt) {
  World world(1);
  world.Push(kA, 100);
  EXPECT_EQ(world.Serve({{kA, 1000}}, 100), std::string(100, 'a'));
  world.Push(kB, 4);
  world.Push(kA, 4);
  // It was ahead by the last one, and no more: two of the other's are as long.
  EXPECT_EQ(world.Serve({{kA, 500}, {kB, 500}}, 8), "bbbabaaa");
}

TEST(FairLine, HavingBeenAwayIsNoCredit) {
  World world(1);
  world.Push(kB);
  EXPECT_EQ(world.Serve({{kB, 1}}, 1), "b");
  world.Push(kA, 50);
  EXPECT_EQ(world.Serve({{kA, 1000}}, 50), std::string(50, 'a'));
  world.Push(kA, 3);
  world.Push(kB, 3);
  EXPECT_EQ(world.Serve({{kA, 1000}, {kB, 1000}}, 6), "bababa");
}

TEST(FairLine, WhatWasUsedIsRememberedWhileItsPayerIsAway) {
  World world(1);
  world.Push(kA);
  world.Push(kB, 2);
  EXPECT_EQ(world.Serve({{kA, 1000}, {kB, 10}}, 2), "ab");
  world.Push(kA, 2);  // it was away for a moment, and comes behind what it used
  EXPECT_EQ(world.Serve({{kA, 10}, {kB, 10}}, 3), "baa");
}

TEST(FairLine, WhatStillRunsCounts) {
  World world(4);
  world.Push(kA, 4);
  EXPECT_EQ(world.Take(), kA);
  world.now += base::Millis(1000);  // ... and is not done
  world.Push(kB, 2);
  EXPECT_EQ(world.Take(), kB);
  world.now += base::Millis(400);
  EXPECT_EQ(world.Take(), kB);
}

TEST(FairLine, AQuarterOfTheThreadsIsLeftForOthers) {
  struct Case {
    unsigned threads, of_one;
  };
  for (const Case each : {Case{1, 1}, {2, 2}, {3, 3}, {4, 3}, {8, 6}, {16, 12}}) {
    World world(each.threads);
    world.Push(kA, 100);
    unsigned taken = 0;
    while (world.Take()) ++taken;
    EXPECT_EQ(taken, each.of_one);
    world.Push(kB, 100);
    while (world.Take()) ++taken;
    EXPECT_EQ(taken, each.threads);
    if (each.threads < 4) continue;
    world.line.Done(kA, world.now);
    EXPECT_TRUE(world.Take());
  }
}

TEST(FairLine, WhatNobodyPaysForGoesFirstAndMayHaveAllThreads) {
  World world(4);
  world.Push(kA, 1);
  world.Push(kNobody, 5);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(world.Take(), kNobody);
  EXPECT_EQ(world.Take(), std::nullopt);
  world.line.Done(kNobody, world.now);
  EXPECT_EQ(world.Take(), kNobody);
  world.line.Done(kNobody, world.now);
  EXPECT_EQ(world.Take(), kA);
}

// Whoever invents payers fills no memory, and does not lose the one who owes most.
TEST(FairLine, RemembersSoManyAndThoseWhoOweMostLongest) {
  World world(1);
  const std::size_t most = FairLine<Payer>::kAwayMax + 2;
  constexpr Payer kFirst = 10;
  std::map<Payer, int> took_ms{{kA, 100'000}};
  for (Payer payer = kFirst; payer < kFirst + 3000; ++payer) took_ms[payer] = 1;
  // All have come when the first is served, so that each of them goes ahead of the one before.
  world.Push(kA);
  for (Payer payer = kFirst; payer < kFirst + 3000; ++payer) world.Push(payer);
  world.Serve(took_ms, 3001);
  EXPECT_LE(world.line.payers(), most);
  EXPECT_GE(world.line.payers(), FairLine<Payer>::kAwayMax);
  world.Push(kA);
  world.Push(kB);
  EXPECT_EQ(world.Serve({{kA, 1}, {kB, 1}}, 2), "ba");
}

TEST(FairLine, WhatMemoryHasNoRoomForIsNotThere) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  World world(1);
  for (const Payer payer : {kA, kNobody}) {
    int pushed = 0;
    // A queue takes memory for many at once, so that some go in without any.
    for (int i = 0; i < 1000; ++i) {
      const AllocationLimit limit(i % 3 == 0 ? 1 << 20 : 0);
      try {
        world.Push(payer);
        ++pushed;
      } catch (const std::bad_alloc&) {
      }
    }
    EXPECT_LT(pushed, 1000);
    while (const auto taken = world.Take()) {
      EXPECT_EQ(*taken, payer);
      --pushed;
      world.line.Done(payer, world.now);
    }
    EXPECT_EQ(pushed, 0);
  }
}

// In which order ever they come and end, no thread idles that somebody might have, and none waits
// for ever.
TEST(FairLine, EverythingIsServedOnce) {
  World world(4);
  uint64_t state = 88172645463325252u;
  const auto random = [&](uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  std::vector<std::pair<Payer, base::SteadyTime>> running;
  std::map<Payer, int> pushed, done;
  for (int i = 0; i < 20'000; ++i) {
    world.now += base::Millis(static_cast<int64_t>(random(5)));
    const bool more = i < 15'000;
    if (more && random(2) == 0) {
      const Payer payer = random(400);
      world.Push(payer);
      ++pushed[payer];
    }
    if (!running.empty() && random(2) == 0) {
      std::swap(running[random(running.size())], running.back());
      world.line.Done(running.back().first, world.now);
      ++done[running.back().first];
      running.pop_back();
    }
    while (const auto payer = world.Take()) running.emplace_back(*payer, world.now);
    ASSERT_LE(running.size(), 4u);
  }
  while (!running.empty()) {
    world.line.Done(running.back().first, world.now);
    ++done[running.back().first];
    running.pop_back();
    while (const auto payer = world.Take()) running.emplace_back(*payer, world.now);
  }
  EXPECT_EQ(done, pushed);
}

}  // namespace
}  // namespace waypost::http
