#include "base/attempt_limiter.h"

#include <gtest/gtest.h>

#include <string>

#include "base/log_bound.h"

namespace waypost::base {
namespace {

base::SteadyTime At(int64_t ms) { return base::SteadyTime() + base::Millis(ms); }

TEST(AttemptLimiter, SoManyWithinTheWindowAndThenOneWaits) {
  AttemptLimiter limiter(3, base::Millis(1000));
  for (int64_t ms : {0, 100, 200}) {
    EXPECT_EQ(limiter.Wait("a", At(ms)), std::nullopt);
    limiter.Note("a", At(ms));
  }
  EXPECT_EQ(limiter.Wait("a", At(300)), base::Millis(700));
  EXPECT_EQ(limiter.Wait("b", At(300)), std::nullopt);
  EXPECT_EQ(limiter.Wait("a", At(1000)), std::nullopt);
  limiter.Note("a", At(1000));
  EXPECT_EQ(limiter.Wait("a", At(1000)), base::Millis(100));
}

TEST(AttemptLimiter, OfTooManyKeysTheQuietestIsForgotten) {
  AttemptLimiter limiter(1, base::Millis(100000), /*keys_max=*/3);
  limiter.Note("a", At(1));
  limiter.Note("b", At(2));
  limiter.Note("a", At(3));
  limiter.Note("c", At(4));
  limiter.Note("d", At(5));
  EXPECT_EQ(limiter.Wait("b", At(6)), std::nullopt);
  EXPECT_NE(limiter.Wait("a", At(6)), std::nullopt);
  EXPECT_NE(limiter.Wait("d", At(6)), std::nullopt);
}

TEST(LogBound, IsOneLineAMinuteOfEachAndTenOfAll) {
  LogBound bound;
  SteadyTime now = SteadyTime() + std::chrono::hours(1);
  EXPECT_TRUE(bound.May("a", now));
  EXPECT_FALSE(bound.May("a", now));
  int lines = 1;
  for (int i = 0; i < 100; ++i) lines += bound.May("b" + std::to_string(i), now) ? 1 : 0;
  EXPECT_EQ(lines, 10);
  now += std::chrono::minutes(1) + std::chrono::milliseconds(1);
  EXPECT_TRUE(bound.May("a", now));
}

}  // namespace
}  // namespace waypost::base
