#include "fetcher/policy/pause.h"

#include <gtest/gtest.h>

namespace waypost::fetcher {
namespace {

using base::Millis;
using base::SteadyTime;
using base::WallTime;

WallTime Wall(int64_t ms) { return base::FromMs(1'750'000'000'000 + ms); }
SteadyTime Steady(int64_t ms) { return SteadyTime(std::chrono::hours(9)) + Millis(ms); }

// When a pause that began at 0 is first looked at.
int64_t FirstLook(Pause& pause) {
  for (int64_t ms = 0; ms <= 200'000; ms += 500) {
    if (pause.Check(Wall(ms), Steady(ms)) == Pause::Step::kLookAtDisk) return ms;
  }
  return -1;
}

TEST(Pause, OfAnOperatorEndsWhenItsTimeIsOverAndOnlyThen) {
  Pause pause;
  pause.ByOperator(Wall(5000));
  EXPECT_TRUE(pause.state().by_operator());
  EXPECT_EQ(pause.Check(Wall(4999), Steady(900'000)), Pause::Step::kNothing);
  EXPECT_FALSE(pause.NoteDisk("")) << "a sound disk is no reason";
  EXPECT_TRUE(pause.state().paused());
  EXPECT_EQ(pause.Check(Wall(5000), Steady(0)), Pause::Step::kEnded);
  EXPECT_FALSE(pause.state().paused());
}

TEST(Pause, OfAnOperatorWithoutATimeNeverEndsByItself) {
  Pause pause;
  pause.ByOperator(std::nullopt);
  EXPECT_EQ(pause.Check(Wall(int64_t{1} << 50), Steady(int64_t{1} << 40)), Pause::Step::kNothing);
  pause.End();
  EXPECT_FALSE(pause.state().paused());
}

TEST(Pause, OfOurOwnIsLookedAtTwiceAsLateForEachMoreInARowUpToAMinute) {
  Pause pause;
  for (const int64_t first_look : {2000, 4000, 8000, 16000, 32000, 64000, 64000}) {
    ASSERT_TRUE(pause.ByItself(PauseReason::kSpace, "full", Steady(0)));
    EXPECT_EQ(FirstLook(pause), first_look);
    EXPECT_TRUE(pause.NoteDisk(""));
  }
  pause.NoteArrival();
  ASSERT_TRUE(pause.ByItself(PauseReason::kSpace, "full", Steady(0)));
  EXPECT_EQ(FirstLook(pause), 2000) << "a blob arrived between";
}

TEST(Pause, OfOurOwnLastsWhileTheDiskIsInTrouble) {
  Pause pause;
  ASSERT_TRUE(pause.ByItself(PauseReason::kDisk, "EIO", Steady(0)));
  EXPECT_EQ(FirstLook(pause), 2000);
  EXPECT_FALSE(pause.NoteDisk("still"));
  EXPECT_EQ(pause.state().reason, PauseReason::kDisk);
  EXPECT_EQ(pause.state().detail, "still");
  EXPECT_EQ(pause.Check(Wall(3999), Steady(3999)), Pause::Step::kNothing);
  EXPECT_EQ(pause.Check(Wall(4000), Steady(4000)), Pause::Step::kLookAtDisk) << "every 2 s";
}

TEST(Pause, AnOperatorsWordGoesBeforeOurs) {
  Pause pause;
  ASSERT_TRUE(pause.ByItself(PauseReason::kIndex, "full", Steady(0)));
  EXPECT_FALSE(pause.ByItself(PauseReason::kSpace, "more", Steady(0))) << "it is paused";
  EXPECT_EQ(pause.in_a_row(), 1u);
  pause.ByOperator(std::nullopt);
  EXPECT_FALSE(pause.ByItself(PauseReason::kSpace, "more", Steady(0)));
  EXPECT_FALSE(pause.NoteDisk(""));
  EXPECT_TRUE(pause.state().by_operator());
}

}  // namespace
}  // namespace waypost::fetcher
