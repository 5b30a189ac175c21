#include <gtest/gtest.h>

#include "syncgroup/membership/membership.h"
#include "tests/syncgroup/membership/membership_set.h"

// Removals against each other.
namespace waypost::syncgroup {
namespace {

TEST(Membership, OfTwoWhoRemoveEachOtherTheOneAdmittedEarlierStands) {
  // 2 was admitted before 3. Neither had heard of the other's removal.
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Admit({.by = 1, .time = 3, .entry = 3}, 3)
                      .Remove({.by = 2, .time = 9, .entry = 1}, 3, {.up_to = 0})
                      .Remove({.by = 3, .time = 8, .entry = 1}, 2, {.up_to = 0});
  EXPECT_EQ(set.Members(), "1 2");
  EXPECT_EQ(set.Limit(2), kAll);
  EXPECT_EQ(set.Limit(3), 0u);
}

TEST(Membership, OneSidedTheBeaterStands) {
  // 3 removes 2 up to 0, which voids 2's removal of 3; 2's removal had let 3's stand.
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Admit({.by = 1, .time = 3, .entry = 3}, 3)
                      .Remove({.by = 2, .time = 9, .entry = 1}, 3, {.up_to = 5})
                      .Remove({.by = 3, .time = 8, .entry = 1}, 2, {.up_to = 0});
  EXPECT_EQ(set.Members(), "1 3");
}

TEST(Membership, BothStandWhenNeitherVoidsTheOther) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Admit({.by = 1, .time = 3, .entry = 3}, 3)
                      .Remove({.by = 2, .time = 9, .entry = 1}, 3, {.up_to = 5})
                      .Remove({.by = 3, .time = 8, .entry = 1}, 2, {.up_to = 5});
  EXPECT_EQ(set.Members(), "1");
}

TEST(Membership, InALongerCycleTheMostSeniorAuthorStandsFirst) {
  const auto build = [](int64_t t2, int64_t t3, int64_t t4) {
    return Set()
        .Admit({.by = 1, .time = t2, .entry = 2}, 2)
        .Admit({.by = 1, .time = t3, .entry = 3}, 3)
        .Admit({.by = 1, .time = t4, .entry = 4}, 4)
        .Remove({.by = 2, .time = 20, .entry = 1}, 3, {.up_to = 0})
        .Remove({.by = 3, .time = 20, .entry = 1}, 4, {.up_to = 0})
        .Remove({.by = 4, .time = 20, .entry = 1}, 2, {.up_to = 0});
  };
  // The removal by the most senior stands alone: its victim's is void, and the one against it
  // falls.
  EXPECT_EQ(build(2, 3, 4).Members(), "1 2 4");
  EXPECT_EQ(build(4, 2, 3).Members(), "1 2 3");
  EXPECT_EQ(build(3, 4, 2).Members(), "1 3 4");
}

TEST(Membership, WhoIsMerelyBeatenByAPairDoesNotDecideIt) {
  // The founder's removal of 4 is void because 2 cut the founder off; 2 and 3 fight each other.
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Admit({.by = 1, .time = 3, .entry = 3}, 3)
                      .Admit({.by = 1, .time = 4, .entry = 4}, 4)
                      .Remove({.by = 1, .time = 9, .entry = 6}, 4, {.up_to = 0})
                      .Remove({.by = 2, .time = 9, .entry = 1}, 1, {.up_to = 5})
                      .Remove({.by = 2, .time = 9, .entry = 1}, 3, {.up_to = 0})
                      .Remove({.by = 3, .time = 9, .entry = 1}, 2, {.up_to = 0});
  EXPECT_EQ(set.Members(), "2 4");
}

TEST(Membership, AVoidRemovalLetsItsTargetBe) {
  const Set set =
      Set()
          .Admit({.by = 1, .time = 2, .entry = 2}, 2)
          .Admit({.by = 1, .time = 3, .entry = 3}, 3)
          .Remove({.by = 2, .time = 9, .entry = 3}, 3, {.up_to = 0})  // in entry 3 of 2 ...
          .Remove({.by = 1, .time = 10, .entry = 4}, 2,
                  {.up_to = 2});  // ... which is beyond what the founder lets stand
  EXPECT_EQ(set.Members(), "1 3");
}

}  // namespace
}  // namespace waypost::syncgroup
