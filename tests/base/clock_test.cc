#include "base/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/support/eventually.h"

namespace waypost::base {
namespace {

// What every clock keeps, whether it runs by itself or is moved.
class ClockContract : public ::testing::TestWithParam<bool> {
 protected:
  ClockContract() {
    if (GetParam()) {
      clock_ = std::make_unique<SystemClock>();
    } else {
      clock_ = std::make_unique<FakeClock>();
    }
  }
  std::unique_ptr<Clock> clock_;
};

INSTANTIATE_TEST_SUITE_P(Clocks, ClockContract, ::testing::Bool(), [](const auto& given) {
  return std::string(given.param ? "System" : "Fake");
});

TEST_P(ClockContract, NeverGoesBack) {
  EXPECT_GT(ToMs(clock_->WallNow()), 1'700'000'000'000);
  const SteadyTime before = clock_->SteadyNow();
  EXPECT_LE(before, clock_->SteadyNow());
}

TEST_P(ClockContract, AMomentThatIsPastIsNotWaitedFor) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(mutex);
  EXPECT_FALSE(clock_->WaitUntil(changed, mutex, clock_->SteadyNow()));
  EXPECT_FALSE(clock_->WaitUntil(changed, mutex, clock_->SteadyNow() - std::chrono::hours(1)));
}

TEST_P(ClockContract, AWaitGivesUpTheMutexAndEndsWhenItIsNotified) {
  Mutex mutex;
  CondVar changed;
  bool done = false;
  const SteadyTime deadline = clock_->SteadyNow() + std::chrono::hours(1);
  std::thread other;
  {
    MutexLock lock(mutex);
    other = std::thread([&] {
      MutexLock inner(mutex);
      done = true;
      changed.NotifyAll();
    });
    while (!done) EXPECT_TRUE(clock_->WaitUntil(changed, mutex, deadline));
  }
  other.join();
  EXPECT_LT(clock_->SteadyNow(), deadline);
}

TEST(SystemClock, WaitsUntilTheMomentHasCome) {
  const SystemClock clock;
  Mutex mutex;
  CondVar never;
  const SteadyTime deadline = clock.SteadyNow() + Millis(20);
  MutexLock lock(mutex);
  while (clock.WaitUntil(never, mutex, deadline)) {
  }
  EXPECT_GE(clock.SteadyNow(), deadline);
}

// A thread that waits for one moment of a clock.
class Sleeper {
 public:
  Sleeper(const Clock& clock, Millis after)
      : thread_([this, &clock, deadline = clock.SteadyNow() + after] {
          MutexLock lock(mutex_);
          while (clock.WaitUntil(changed_, mutex_, deadline)) {
          }
          awake_ = true;
        }) {}
  ~Sleeper() { Join(); }

  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  bool awake() const { return awake_; }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::atomic<bool> awake_{false};
  std::thread thread_;
};

TEST(FakeClock, WakesThoseWhoseMomentHasComeAndNobodyElse) {
  FakeClock clock;
  Sleeper soon(clock, Millis(10));
  Sleeper late(clock, Millis(20));
  clock.AwaitParked(2);
  EXPECT_EQ(clock.NextDeadline(), clock.SteadyNow() + Millis(10));

  clock.Advance(Millis(9));
  EXPECT_EQ(clock.Parked(), 2u);
  clock.Advance(Millis(1));
  soon.Join();
  EXPECT_FALSE(late.awake());
  EXPECT_EQ(clock.Parked(), 1u);

  clock.SetWall(clock.WallNow() + std::chrono::hours(1));
  EXPECT_EQ(clock.Parked(), 1u) << "wall time wakes nobody";
  clock.SetSteady(clock.SteadyNow() + Millis(10));
  late.Join();
  EXPECT_EQ(clock.Parked(), 0u);
  EXPECT_EQ(clock.NextDeadline(), std::nullopt);
}

TEST(FakeClock, AdvanceUntilGoesFromOneAwaitedMomentToTheNext) {
  FakeClock clock;
  const SteadyTime begin = clock.SteadyNow();
  Sleeper first(clock, std::chrono::minutes(1));
  Sleeper second(clock, std::chrono::minutes(5));
  Sleeper never(clock, std::chrono::hours(10));
  clock.AwaitParked(3);
  EXPECT_TRUE(clock.AdvanceUntil([&] { return second.awake(); }));
  // It was notified before; a loaded machine may let the other one run first.
  EXPECT_TRUE(support::Eventually([&] { return first.awake(); }));
  EXPECT_EQ(clock.SteadyNow(), begin + std::chrono::minutes(5));
  EXPECT_TRUE(clock.AdvanceUntil([&] { return never.awake(); }, std::chrono::hours(10)));
}

// What the pinning is for: a waiter that is notified by somebody else at the moment at which the
// clock wakes it, and whose mutex is gone right after. Run it under tsan and asan.
TEST(FakeClock, MayBeMovedWhileWaitersComeAndGo) {
  FakeClock clock;
  std::atomic<bool> stop{false};
  std::thread mover([&] {
    while (!stop) clock.Advance(Millis(1));
  });
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&clock] {
      for (int round = 0; round < 300; ++round) {
        auto mutex = std::make_unique<Mutex>();
        auto changed = std::make_unique<CondVar>();
        std::thread notifier([&] {
          MutexLock lock(*mutex);
          changed->NotifyAll();
        });
        {
          MutexLock lock(*mutex);
          const SteadyTime deadline = clock.SteadyNow() + Millis(round % 3 + 1);
          while (clock.WaitUntil(*changed, *mutex, deadline)) {
          }
        }
        notifier.join();
      }
    });
  }
  for (std::thread& waiter : waiters) waiter.join();
  stop = true;
  mover.join();
  EXPECT_EQ(clock.Parked(), 0u);
}

}  // namespace
}  // namespace waypost::base
