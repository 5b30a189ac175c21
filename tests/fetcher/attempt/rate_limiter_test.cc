#include "fetcher/attempt/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "tests/fakes/fake_clock.h"

namespace waypost::fetcher {
namespace {

class RateLimiterTest : public ::testing::Test {
 protected:
  base::FakeClock clock_;
  RateLimiter limiter_{clock_};
};

TEST_F(RateLimiterTest, WithoutALimitNothingWaits) {
  EXPECT_TRUE(limiter_.Take(uint64_t{1} << 40, {}));
  limiter_.SetRate(1);
  limiter_.SetRate(0);
  EXPECT_TRUE(limiter_.Take(uint64_t{1} << 40, {}));
}

TEST_F(RateLimiterTest, LetsNoMoreThroughThanTheRateAndAQuarterOfASecond) {
  limiter_.SetRate(1'000'000);
  const base::SteadyTime begin = clock_.SteadyNow();
  std::atomic<int> taken{0};
  const auto take = [&] {
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(limiter_.Take(50'000, {}));
      ++taken;
    }
  };
  // Two who take by turns share it.
  std::thread one(take), other(take);
  EXPECT_TRUE(clock_.AdvanceUntil([&] { return taken == 20; }));
  one.join();
  other.join();
  EXPECT_GE(clock_.SteadyNow() - begin, std::chrono::milliseconds(750));
  EXPECT_LE(clock_.SteadyNow() - begin, std::chrono::milliseconds(1100));
}

TEST_F(RateLimiterTest, AHigherRateHoldsForThoseWhoWaitAlready) {
  for (const uint64_t rate : {uint64_t{1'000'000'000}, uint64_t{0}}) {
    limiter_.SetRate(1);
    std::thread waiting([&] { EXPECT_TRUE(limiter_.Take(1'000'000, {})); });
    clock_.AwaitParked(1);
    limiter_.SetRate(rate);
    waiting.join();
  }
}

TEST_F(RateLimiterTest, ALowerRateHoldsForThoseWhoWaitAlready) {
  limiter_.SetRate(1'000'000);
  std::stop_source stop;
  std::thread waiting([&] { EXPECT_FALSE(limiter_.Take(1'500'000, stop.get_token())); });
  clock_.AwaitParked(1);
  const base::SteadyTime before = clock_.SteadyNow() + std::chrono::milliseconds(1250);
  EXPECT_EQ(clock_.NextDeadline(), before);
  limiter_.SetRate(1);
  // It looks again when it is told, and then waits for longer.
  while (clock_.NextDeadline().value_or(before) == before) std::this_thread::yield();
  EXPECT_GT(*clock_.NextDeadline(), before + std::chrono::hours(24));
  stop.request_stop();
  waiting.join();
}

TEST_F(RateLimiterTest, AStopEndsAWait) {
  limiter_.SetRate(1);
  std::stop_source stop;
  std::thread waiting([&] { EXPECT_FALSE(limiter_.Take(1'000'000, stop.get_token())); });
  clock_.AwaitParked(1);
  stop.request_stop();
  waiting.join();
}

}  // namespace
}  // namespace waypost::fetcher
