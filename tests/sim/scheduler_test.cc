#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/sim_scheduler.h"
#include "base/stop_callback.h"
#include "base/thread.h"

namespace waypost::base {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Three workers that take turns at a lock and sleep for a while; who did what, in order.
struct Outcome {
  std::string order;
  uint64_t trace = 0;
};
Outcome RunOf(uint64_t seed) {
  SimScheduler sim({.seed = seed});
  Outcome run;
  Mutex mutex;
  {
    std::array<Thread, 3> threads;
    for (std::size_t i = 0; i < threads.size(); ++i) {
      threads[i] = Thread("w" + std::to_string(i), [&, i] {
        for (int round = 0; round < 20; ++round) {
          MutexLock lock(mutex);
          run.order += static_cast<char>('0' + i);
        }
      });
    }
  }
  run.trace = sim.trace();
  return run;
}

TEST(SimScheduler, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Outcome first = RunOf(seed), second = RunOf(seed);
    EXPECT_EQ(first.order, second.order);
    EXPECT_EQ(first.trace, second.trace);
  }
}

TEST(SimScheduler, DifferentSeedsGiveDifferentOrders) {
  std::set<std::string> orders;
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome run = RunOf(seed);
    orders.insert(run.order);
    traces.insert(run.trace);
  }
  EXPECT_GE(orders.size(), 19u);
  EXPECT_EQ(traces.size(), 20u);
}

TEST(SimScheduler, WhatIsNotedIsInTheTrace) {
  const auto trace = [](const char* noted) {
    SimScheduler sim({.seed = 1});
    sim.Note(noted);
    return sim.trace();
  };
  EXPECT_EQ(trace("a"), trace("a"));
  EXPECT_NE(trace("a"), trace("b"));
}

TEST(SimScheduler, EveryThreadThatCanRunGetsItsTurns) {
  SimScheduler sim({.seed = 7});
  std::array<int, 8> turns{};
  bool stop = false;
  std::array<Thread, 8> threads;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i] = Thread("t" + std::to_string(i), [&, i] {
      while (!stop) {
        ++turns[i];
        sim.Yield();
      }
    });
  }
  for (int i = 0; i < 1000; ++i) sim.Yield();
  stop = true;
  for (Thread& thread : threads) thread.Join();
  for (const int each : turns) EXPECT_GT(each, 800);
}

TEST(SimScheduler, TimePassesOnlyWhenAllWaitAndEndsDeadlinesInOrder) {
  SimScheduler sim({.seed = 3});
  const SteadyTime begin = sim.SteadyNow();
  const WallTime wall_begin = sim.WallNow();
  std::vector<int> order;
  std::array<Thread, 5> threads;
  for (int i = 0; i < 5; ++i) {
    threads[static_cast<std::size_t>(i)] = Thread("t", [&, i] {
      Mutex mutex;
      CondVar never;
      MutexLock lock(mutex);
      const SteadyTime deadline = begin + hours(5 - i);
      EXPECT_FALSE(never.WaitUntil(mutex, deadline));
      EXPECT_EQ(sim.SteadyNow(), deadline);
      order.push_back(i);
    });
  }
  for (int i = 0; i < 100; ++i) sim.Yield();
  EXPECT_EQ(sim.SteadyNow(), begin);
  for (Thread& thread : threads) thread.Join();
  EXPECT_EQ(order, (std::vector<int>{4, 3, 2, 1, 0}));
  EXPECT_EQ(sim.WallNow() - wall_begin, hours(5));
}

TEST(SimScheduler, ADeadlineThatHasPassedIsNoEndlessWaitWhileOthersRun) {
  SimScheduler sim({.seed = 3});
  bool stop = false;
  Thread busy("busy", [&] {
    while (!stop) sim.Yield();
  });
  Mutex mutex;
  CondVar never;
  {
    MutexLock lock(mutex);
    EXPECT_FALSE(never.WaitUntil(mutex, sim.SteadyNow() - seconds(1)));
  }
  stop = true;
}

TEST(SimScheduler, NotifyOneWakesOneAndNotifyAllTheRest) {
  std::set<int> first_woken;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SimScheduler sim({.seed = seed});
    Mutex mutex;
    CondVar changed;
    std::vector<int> woken;
    std::array<Thread, 4> threads;
    for (int i = 0; i < 4; ++i) {
      threads[static_cast<std::size_t>(i)] = Thread("t", [&, i] {
        MutexLock lock(mutex);
        changed.Wait(mutex);
        woken.push_back(i);
      });
    }
    sim.Sleep(milliseconds(1));
    changed.NotifyOne();
    sim.Sleep(milliseconds(1));
    ASSERT_EQ(woken.size(), 1u);
    first_woken.insert(woken[0]);
    changed.NotifyAll();
    for (Thread& thread : threads) thread.Join();
    EXPECT_EQ(woken.size(), 4u);
  }
  EXPECT_EQ(first_woken.size(), 4u);  // any of them, not the one that came first
}

TEST(SimScheduler, ANotificationIsNotLostToADeadlineOfTheSameMoment) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimScheduler sim({.seed = seed});
    Mutex mutex;
    CondVar changed;
    int woken = 0;
    const SteadyTime moment = sim.SteadyNow() + seconds(1);
    std::array<Thread, 2> threads;
    for (Thread& thread : threads) {
      thread = Thread("t", [&] {
        MutexLock lock(mutex);
        if (changed.WaitUntil(mutex, moment)) ++woken;
      });
    }
    sim.Sleep(seconds(1));
    int waiting = 2;
    {
      MutexLock lock(mutex);
      waiting -= woken;
      changed.NotifyOne();
    }
    for (Thread& thread : threads) thread.Join();
    EXPECT_LE(woken, 1);
    EXPECT_EQ(waiting, 2);
  }
}

TEST(SimScheduler, AMutexExcludesAlsoWhereItsHolderWaits) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimScheduler sim({.seed = seed});
    Mutex mutex;
    int inside = 0;
    std::array<Thread, 4> threads;
    for (Thread& thread : threads) {
      thread = Thread("t", [&] {
        for (int i = 0; i < 5; ++i) {
          MutexLock lock(mutex);
          EXPECT_EQ(++inside, 1);
          sim.Sleep(milliseconds(1));
          --inside;
        }
      });
    }
  }
}

TEST(SimScheduler, AStopCallbackThatWaitsForALockIsWaitedFor) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimScheduler sim({.seed = seed, .preempt_one_in = 2});
    std::stop_source source;
    Mutex mutex;
    CondVar changed;
    int called = 0;
    Thread waits("waits", [&] {
      const StopCallback wake(source.get_token(), [&] {
        MutexLock lock(mutex);
        ++called;
        changed.NotifyAll();
      });
      MutexLock lock(mutex);
      while (!source.stop_requested()) changed.Wait(mutex);
    });
    sim.Sleep(milliseconds(1));
    source.request_stop();
    waits.Join();
    EXPECT_EQ(called, 1);
  }
}

TEST(SimScheduler, RandomBytesAreOfTheSeed) {
  const auto bytes = [](uint64_t seed) {
    const SimScheduler sim({.seed = seed});
    return RandomBytes(21);
  };
  EXPECT_EQ(bytes(1), bytes(1));
  EXPECT_NE(bytes(1), bytes(2));
}

TEST(SimScheduler, TheSystemsClockShowsItsTime) {
  SimScheduler sim({.seed = 1});
  const SystemClock clock;
  const SteadyTime steady = clock.SteadyNow();
  const WallTime wall = clock.WallNow();
  sim.Sleep(hours(100));
  EXPECT_EQ(clock.SteadyNow() - steady, hours(100));
  EXPECT_EQ(SteadyNow() - steady, hours(100));
  EXPECT_EQ(clock.WallNow() - wall, hours(100));
}

void WaitForEachOther() {
  SimScheduler sim({.seed = 42});
  Mutex left, right;
  Thread one("one", [&] {
    MutexLock lock(left);
    sim.Sleep(milliseconds(1));
    MutexLock other(right);
  });
  Thread two("two", [&] {
    MutexLock lock(right);
    sim.Sleep(milliseconds(1));
    MutexLock other(left);
  });
}

TEST(SimSchedulerDeathTest, ADeadlockIsShownAndEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(WaitForEachOther(),
               "seed 42, deadlock(.|\n)*"
               "first \\(0\\) waits for the end of two \\(2\\)(.|\n)*"
               "one \\(1\\) waits for a mutex that two \\(2\\) held(.|\n)*"
               "two \\(2\\) waits for a mutex that one \\(1\\) held");
}

TEST(SimSchedulerDeathTest, AnEndlessLoopIsFound) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        SimScheduler sim({.seed = 1, .decisions_max = 1000});
        for (;;) sim.Yield();
      },
      "seed 1, endless loop");
}

TEST(SimScheduler, WithoutOneThreadsAreThoseOfTheSystem) {
  Mutex mutex;
  CondVar changed;
  bool done = false;
  Thread thread("plain", [&] {
    MutexLock lock(mutex);
    done = true;
    changed.NotifyAll();
  });
  MutexLock lock(mutex);
  while (!done) changed.Wait(mutex);
}

}  // namespace
}  // namespace waypost::base
