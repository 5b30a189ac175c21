#include "syncgroup/sync/clocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace waypost::syncgroup {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr base::Millis kHour{3600 * 1000};
constexpr base::Millis kMinute{60 * 1000};

ClockFacts::Contact At(base::Millis offset) { return {.offset = offset}; }

TEST(JudgeClocks, AMajorityDecides) {
  struct Case {
    const char* name;
    std::vector<ClockFacts::Contact> contacts;
    bool behind, ahead;
  };
  const Case cases[] = {
      {"nobody", {}, false, false},
      {"a little is nothing", {At(9 * kMinute), At(-9 * kMinute)}, false, false},
      {"one of three", {At(kHour), At(kMinute), At(-kMinute)}, false, false},
      {"two of three are ahead", {At(kHour), At(kHour), At(kMinute)}, true, false},
      {"two of three are behind", {At(-kHour), At(-kHour), At(kMinute)}, false, true},
      {"the only one is ahead", {At(kHour)}, true, false},
      {"the only one is behind", {At(-kHour)}, false, true},
      {"of who says nothing counts what it wrote", {{.entries_ahead = true}}, true, false},
      {"who wrote ahead and is right now",
       {{.offset = base::Millis(0), .entries_ahead = true}},
       false,
       false},
  };
  for (const Case& c : cases) {
    const ClockReport report = JudgeClocks({.contacts = c.contacts});
    EXPECT_EQ(report.behind, c.behind) << c.name;
    EXPECT_EQ(report.ahead, c.ahead) << c.name;
    EXPECT_EQ(report.reasons.empty(), !c.behind && !c.ahead) << c.name;
  }
}

TEST(JudgeClocks, OfTwoClocksBothAreNamed) {
  EXPECT_THAT(JudgeClocks({.contacts = {At(2 * kHour)}}).reasons,
              ElementsAre(HasSubstr("differ by 2 h 0 min: this one is behind or that one ahead")));
  EXPECT_THAT(JudgeClocks({.contacts = {At(-2 * kHour)}}).reasons,
              ElementsAre(HasSubstr("this one is ahead or that one behind")));
}

TEST(JudgeClocks, WhatWasWrittenAheadIsSaidWithTheTimeWhenItIsTaken) {
  const base::WallTime now = base::FromMs(1'800'000'000'000);
  const ClockReport report = JudgeClocks(
      {.contacts = {At(base::Millis(0))}, .stamped = {{base::GroupId(), now + kHour}}, .now = now});
  EXPECT_TRUE(report.ahead);
  EXPECT_FALSE(report.behind);
  EXPECT_THAT(report.reasons, ElementsAre(HasSubstr("from " + base::FormatTime(now + 50 * kMinute) +
                                                    " on, in 50 min 0 s")));
  EXPECT_THAT(JudgeClocks({.stamped = {{base::GroupId(), now + 9 * kMinute}}, .now = now}).reasons,
              IsEmpty());
}

}  // namespace
}  // namespace waypost::syncgroup
