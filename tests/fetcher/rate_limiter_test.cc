#include "fetcher/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

namespace waypost::fetcher {
namespace {

using Clock = std::chrono::steady_clock;

// Far longer than a test may take: who still waits then was not woken.
constexpr std::chrono::seconds kLong{30};

TEST(RateLimiter, WithoutALimitNothingWaits) {
  RateLimiter limiter;
  EXPECT_TRUE(limiter.Take(uint64_t{1} << 40, {}));
  limiter.SetRate(1);
  limiter.SetRate(0);
  EXPECT_TRUE(limiter.Take(uint64_t{1} << 40, {}));
}

TEST(RateLimiter, LetsNoMoreThroughThanTheRateAndAQuarterOfASecond) {
  RateLimiter limiter;
  limiter.SetRate(1'000'000);
  const auto begin = Clock::now();
  // Two who take by turns share it.
  std::thread other([&] {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.Take(50'000, {}));
  });
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.Take(50'000, {}));
  other.join();
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(750));
}

TEST(RateLimiter, AHigherRateHoldsForThoseWhoWaitAlready) {
  for (const uint64_t rate : {uint64_t{1'000'000'000}, uint64_t{0}}) {
    RateLimiter limiter;
    limiter.SetRate(1);
    const auto begin = Clock::now();
    std::thread waiting([&] { EXPECT_TRUE(limiter.Take(1'000'000, {})); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    limiter.SetRate(rate);
    waiting.join();
    EXPECT_LT(Clock::now() - begin, kLong);
  }
}

TEST(RateLimiter, ALowerRateHoldsForThoseWhoWaitAlready) {
  RateLimiter limiter;
  limiter.SetRate(1'000'000);
  std::stop_source stop;
  std::atomic<bool> taken{false};
  std::thread waiting([&] { taken = limiter.Take(1'500'000, stop.get_token()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  limiter.SetRate(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // 1.25 s would have been its wait
  stop.request_stop();
  waiting.join();
  EXPECT_FALSE(taken);
}

TEST(RateLimiter, AStopEndsAWait) {
  RateLimiter limiter;
  limiter.SetRate(1);
  std::stop_source stop;
  const auto begin = Clock::now();
  std::thread waiting([&] { EXPECT_FALSE(limiter.Take(1'000'000, stop.get_token())); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stop.request_stop();
  waiting.join();
  EXPECT_LT(Clock::now() - begin, kLong);
}

}  // namespace
}  // namespace waypost::fetcher
