#include "syncgroup/membership/mention_limits.h"

#include <gtest/gtest.h>

namespace waypost::syncgroup {
namespace {

TEST(MentionLimits, ABurstAndThenSoManyASecondUpToTheTotal) {
  const MentionLimits limits{.total = 1000, .burst = 100, .per_second = 10};
  const auto at = [&](int64_t ms) {
    return MentionsAllowed(limits, base::FromMs(50'000), base::FromMs(ms));
  };
  EXPECT_EQ(at(0), 100u);  // admitted in the future
  EXPECT_EQ(at(50'000), 100u);
  EXPECT_EQ(at(50'999), 100u);
  EXPECT_EQ(at(51'000), 110u);
  EXPECT_EQ(at(139'999), 990u);
  EXPECT_EQ(at(140'000), 1000u);
  EXPECT_EQ(at(int64_t{1} << 50), 1000u);
  EXPECT_EQ(MentionsAllowed({.total = 50, .burst = 100, .per_second = 1}, {}, base::FromMs(9)),
            50u);
  EXPECT_EQ(MentionsAllowed({.total = 500, .burst = 100, .per_second = 0}, base::FromMs(0),
                            base::FromMs(1'000'000)),
            100u);
}

TEST(MentionLimits, ABlobMayTakeWhatIsLeft) {
  const MentionLimits limits{.bytes = 1000};
  EXPECT_EQ(BytesAllowed(limits, 0), 1000u);
  EXPECT_EQ(BytesAllowed(limits, 300), 700u);
  EXPECT_EQ(BytesAllowed(limits, 1000), 0u);
  EXPECT_EQ(BytesAllowed(limits, ~uint64_t{0}), 0u);
}

}  // namespace
}  // namespace waypost::syncgroup
