#include "http/peer/turn_keeper.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

TEST(TurnKeeper, OneMoreThanIsInUseUpToFour) {
  EXPECT_EQ(TurnedWanted({}), 1u);
  EXPECT_EQ(TurnedWanted({.open = 1, .busy = 0}), 1u);
  EXPECT_EQ(TurnedWanted({.open = 1, .busy = 1}), 2u);
  EXPECT_EQ(TurnedWanted({.open = 3, .busy = 3}), 4u);
  EXPECT_EQ(TurnedWanted({.open = 9, .busy = 9}), 4u);
}

TEST(TurnKeeper, PausesDoubleUpToAMinute) {
  EXPECT_EQ(TurnPause(0), base::Millis(0));
  EXPECT_EQ(TurnPause(1), base::Millis(2000));
  EXPECT_EQ(TurnPause(2), base::Millis(4000));
  EXPECT_EQ(TurnPause(5), base::Millis(32000));
  EXPECT_EQ(TurnPause(6), base::Millis(60000));
  EXPECT_EQ(TurnPause(4000000000u), base::Millis(60000));
}

}  // namespace
}  // namespace waypost::http
