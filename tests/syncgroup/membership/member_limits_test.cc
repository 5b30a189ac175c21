#include "syncgroup/membership/member_limits.h"

#include <gtest/gtest.h>

namespace waypost::syncgroup {
namespace {

TEST(MemberLimits, ABurstAndThenSoManyASecondUpToTheTotal) {
  const MemberLimits limits{.total = 1000, .burst = 100, .per_second = 10};
  const auto at = [&](int64_t ms) {
    return OperationsAllowed(limits, base::FromMs(50'000), base::FromMs(ms));
  };
  EXPECT_EQ(at(0), 100u);  // admitted in the future
  EXPECT_EQ(at(50'000), 100u);
  EXPECT_EQ(at(50'999), 100u);
  EXPECT_EQ(at(51'000), 110u);
  EXPECT_EQ(at(139'999), 990u);
  EXPECT_EQ(at(140'000), 1000u);
  EXPECT_EQ(at(int64_t{1} << 50), 1000u);
  EXPECT_EQ(OperationsAllowed({.total = 50, .burst = 100, .per_second = 1}, {}, base::FromMs(9)),
            50u);
  EXPECT_EQ(OperationsAllowed({.total = 500, .burst = 100, .per_second = 0}, base::FromMs(0),
                              base::FromMs(1'000'000)),
            100u);
}

TEST(MemberLimits, EachKindHasItsOwnLimitThatIsNamed) {
  const MemberLimits limits{
      .entries = 10, .log_bytes = 1000, .membership = 3, .membership_per_day = 2, .numberings = 4};
  constexpr int64_t kDay = 24 * 3600 * 1000;
  const struct {
    MemberUse use;
    int64_t age_ms;
    const char* setting;  // null: within the limits
  } cases[] = {
      {{.numberings = 4, .entries = 10, .log_bytes = 1000, .membership = 3, .removals = 3}, 0, {}},
      {{.entries = 11}, kDay * 1000, "limits.entries"},
      {{.log_bytes = 1001}, kDay * 1000, "limits.log_bytes"},
      {{.operations = 100'001}, 0, "limits.mention_burst"},
      {{.numberings = 5}, kDay - 1, "limits.numberings"},
      {{.numberings = 5}, kDay, nullptr},
      {{.membership = 4}, 0, "limits.membership"},
      {{.removals = 5}, kDay, nullptr},
      {{.removals = 6}, kDay, "limits.membership"},
      {{.membership = 1000}, int64_t{1} << 50, nullptr},
  };
  for (const auto& c : cases) {
    const auto beyond = BeyondLimits(limits, c.use, c.use, base::FromMs(0), base::FromMs(c.age_ms));
    ASSERT_EQ(beyond.has_value(), c.setting != nullptr) << beyond.value_or("");
    if (beyond) {
      EXPECT_NE(beyond->find(c.setting), std::string::npos) << *beyond;
    }
  }
}

TEST(MemberLimits, AnAdmissionThatThisPeerSawIsNoOlderThanItsSight) {
  const auto at = [](int64_t ms) { return base::FromMs(ms); };
  // Before this peer came itself, what the admission says holds.
  EXPECT_EQ(AgeBegins(at(100), at(900), at(200)), at(100));
  EXPECT_EQ(AgeBegins(at(200), at(900), at(200)), at(200));
  EXPECT_EQ(AgeBegins(at(201), at(900), at(200)), at(900));
  EXPECT_EQ(AgeBegins(at(950), at(900), at(200)), at(950)) << "a clock that is ahead";
  EXPECT_EQ(AgeBegins(at(300), base::WallTime(), at(200)), at(300)) << "not known";
}

TEST(MemberLimits, OneThatWasInvitedKeepsAPartOfEach) {
  const MemberLimits own = OwnShareOfInvited({});
  EXPECT_EQ(own.numberings, 1u);
  EXPECT_EQ(own.membership, 16u);
  EXPECT_EQ(own.entries, 15'625u);
  EXPECT_EQ(own.bytes, uint64_t{1} << 34);
  EXPECT_EQ(OwnShareOfInvited({.entries = 1}).entries, 1u);
  EXPECT_EQ(OwnShareOfInvited({.entries = 0}).entries, 0u);
}

TEST(MemberLimits, WhatAnEntryUses) {
  Entry entry{.place = {.generation = 1}};
  const auto peer = [](char c) { return *base::PeerId::FromBytes(std::string(32, c)); };
  entry.ops = {PutRefOp{"k", {}, 1}, DeleteRefOp{"k"}, ProfileOp{"n", {}, {}}, SettingsOp{}};
  for (int i = 0; i < 64; ++i) entry.ops.push_back(RemoveOp{peer('r'), {}, 0});
  for (int i = 0; i < 65; ++i) entry.ops.push_back(AdmitOp{.peer = peer('a')});
  EXPECT_EQ(UseOf(entry, 500), (MemberUse{.numberings = 1,
                                          .entries = 1,
                                          .log_bytes = 500,
                                          .operations = 4 + 64 + 65,
                                          .membership = 1 + 2,
                                          .removals = 1}));
  entry.place.generation = 2;
  EXPECT_EQ(UseOf(entry, 1).numberings, 0u);
}

TEST(MemberLimits, ABlobMayTakeWhatIsLeft) {
  const MemberLimits limits{.bytes = 1000};
  EXPECT_EQ(BytesAllowed(limits, 0), 1000u);
  EXPECT_EQ(BytesAllowed(limits, 300), 700u);
  EXPECT_EQ(BytesAllowed(limits, 1000), 0u);
  EXPECT_EQ(BytesAllowed(limits, ~uint64_t{0}), 0u);
}

}  // namespace
}  // namespace waypost::syncgroup
