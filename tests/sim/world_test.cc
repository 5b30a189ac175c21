#include "tests/sim/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waypost::sim {
namespace {

TEST(World, TheSameSeedGivesTheSameTrace) {
  for (const uint64_t seed : {1, 2, 3}) {
    const Outcome first = RunWorld({.seed = seed});
    const Outcome second = RunWorld({.seed = seed});
    EXPECT_EQ(first.trace, second.trace) << seed;
    EXPECT_EQ(first.decisions, second.decisions) << seed;
  }
}

TEST(World, AHostileMemberStopsNobody) {
  for (const uint64_t seed : {4, 5, 7}) {
    const Outcome outcome = RunWorld({.seed = seed, .hostile = true});
    EXPECT_THAT(outcome.problems, testing::IsEmpty()) << "seed " << seed;
  }
}

TEST(World, AnotherSeedGivesAnotherTrace) {
  EXPECT_NE(RunWorld({.seed = 1}).trace, RunWorld({.seed = 2}).trace);
}

}  // namespace
}  // namespace waypost::sim
