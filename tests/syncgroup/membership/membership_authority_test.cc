#include <gtest/gtest.h>

#include <chrono>

#include "syncgroup/membership/membership.h"
#include "tests/syncgroup/membership/membership_set.h"
#include "tests/syncgroup/test_node.h"

// What each authority may do, and that who lost it cannot undo that.
// `up_to`: what the peer wrote up to there keeps the authority of before.
namespace waypost::syncgroup {
namespace {

TEST(Membership, OnlyAdminsAdmitAndRemove) {
  for (const Authority authority : {Authority::kWriter, Authority::kReader}) {
    const auto with = [&] {
      return Set()
          .Admit({.by = 1, .time = 2, .entry = 2}, 2, {.authority = authority})
          .Admit({.by = 1, .time = 3, .entry = 3}, 3);
    };
    EXPECT_EQ(with().Admit({.by = 2, .time = 5, .entry = 1}, 4).Members(), "1 2 3");
    EXPECT_EQ(with().Remove({.by = 2, .time = 5, .entry = 1}, 3, {.up_to = 0}).Members(), "1 2 3");
    // Nor do they make themselves admins, whatever time they write.
    EXPECT_EQ(with()
                  .Admit({.by = 2, .time = 5, .entry = 1}, 2)
                  .Admit({.by = 2, .time = 6, .entry = 2}, 4)
                  .Members(),
              "1 2 3");
    EXPECT_EQ(with()
                  .Admit({.by = 2, .time = 1, .entry = 1}, 2)
                  .Admit({.by = 2, .time = 1, .entry = 2}, 4)
                  .Members(),
              "1 2 3");
    EXPECT_EQ(with()
                  .Admit({.by = 2, .time = 5, .entry = 1}, 2)
                  .Fold()
                  .members.at(PeerNumber(2))
                  .authority,
              authority);
    // Leaving is everybody's right.
    EXPECT_EQ(with().Remove({.by = 2, .time = 5, .entry = 1}, 2, {.up_to = 1}).Members(), "1 3");
  }
}

TEST(Membership, OnlyAdminsSet) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2, {.authority = Authority::kWriter})
                      .Write({.by = 1, .time = 3, .entry = 3}, SettingsOp{"right", {}, false})
                      .Write({.by = 2, .time = 5, .entry = 1}, SettingsOp{"wrong", {}, true});
  EXPECT_EQ(set.Fold().name, "right");
  EXPECT_EQ(set.Fold().is_public, false);
}

TEST(Membership, ALowerAuthorityTakesNothingDoneBeforeAndEverythingAfter) {
  // 2 was an admin for its first three entries.
  const auto lowered = [] {
    return WithAdmin2()
        .Admit({.by = 2, .time = 4, .entry = 2}, 3)
        .Admit({.by = 1, .time = 9, .entry = 3}, 2, {.authority = Authority::kWriter, .up_to = 3});
  };
  EXPECT_EQ(lowered().Members(), "1 2 3");
  EXPECT_EQ(lowered().Admit({.by = 2, .time = 10, .entry = 4}, 4).Members(), "1 2 3");
  // Dated back it is still the fourth entry.
  EXPECT_EQ(lowered().Admit({.by = 2, .time = 5, .entry = 4}, 4).Members(), "1 2 3");
  // Neither under a numbering that nobody has seen.
  EXPECT_EQ(lowered().Admit({.by = 2, .time = 5, .entry = 1, .incarnation = 77}, 4).Members(),
            "1 2 3");
  // Raised again: from there on.
  const auto raised = [&] {
    return lowered().Admit({.by = 1, .time = 12, .entry = 4}, 2, {.up_to = 5});
  };
  EXPECT_EQ(raised().Admit({.by = 2, .time = 13, .entry = 6}, 4).Members(), "1 2 3 4");
  EXPECT_EQ(raised().Admit({.by = 2, .time = 13, .entry = 5}, 4).Members(), "1 2 3");
}

TEST(Membership, WhoWasLoweredCannotUndoIt) {
  const auto lowered = [] {
    return WithAdmin2().Admit({.by = 1, .time = 9, .entry = 3}, 2,
                              {.authority = Authority::kReader, .up_to = 3});
  };
  const auto authority = [](const Set& set) {
    return set.Fold().members.at(PeerNumber(2)).authority;
  };
  EXPECT_EQ(authority(lowered().Admit({.by = 2, .time = 10, .entry = 4}, 2)), Authority::kReader);
  EXPECT_EQ(authority(lowered().Admit({.by = 2, .time = 5, .entry = 4}, 2)), Authority::kReader);
  // The founder was admitted earlier: its word stands against one dated before it.
  const Set set = lowered().Remove({.by = 2, .time = 8, .entry = 4}, 1, {.up_to = 0});
  EXPECT_EQ(set.Members(), "1 2");
  EXPECT_EQ(authority(set), Authority::kReader);
}

TEST(Membership, WhoWasRemovedCannotUndoItThroughAPuppet) {
  // 2 is removed up to its entry 3; in entry 4 it admits 5, and 5 removes the founder and admits 2.
  const auto removed = [] {
    return WithAdmin2().Remove({.by = 1, .time = 9, .entry = 3}, 2, {.up_to = 3});
  };
  EXPECT_EQ(removed()
                .Admit({.by = 2, .time = 4, .entry = 4}, 5)
                .Remove({.by = 5, .time = 5, .entry = 1}, 1, {.up_to = 0})
                .Members(),
            "1");
  EXPECT_EQ(removed()
                .Admit({.by = 2, .time = 4, .entry = 4}, 5)
                .Admit({.by = 5, .time = 10, .entry = 1}, 2, {.incarnation = 77})
                .Admit({.by = 2, .time = 11, .entry = 1, .incarnation = 77}, 6)
                .Members(),
            "1");
}

TEST(Membership, TwoWhoWereRemovedCannotUndoItThroughACommonPuppet) {
  const Set set = WithAdmin2()
                      .Admit({.by = 1, .time = 3, .entry = 3}, 3)
                      .Remove({.by = 1, .time = 9, .entry = 4}, 2, {.up_to = 3})
                      .Remove({.by = 1, .time = 10, .entry = 5}, 3, {.up_to = 3})
                      .Admit({.by = 2, .time = 4, .entry = 4}, 5)
                      .Admit({.by = 3, .time = 4, .entry = 4}, 5)
                      .Remove({.by = 5, .time = 5, .entry = 1}, 1, {.up_to = 0});
  EXPECT_EQ(set.Members(), "1");
}

TEST(Membership, ManyWhoWereRemovedStayRemovedAndCostLittle) {
  Set set;
  // 300 admins, each of whom admitted somebody and was removed.
  for (uint64_t i = 0; i < 300; ++i) {
    const uint64_t admin = 100 + i, guest = 1000 + i;
    set.Admit({.by = 1, .time = static_cast<int64_t>(10 + i), .entry = 2 + 2 * i}, admin);
    set.Admit({.by = admin, .time = static_cast<int64_t>(1000 + i), .entry = 1}, guest,
              {.authority = Authority::kWriter});
    set.Remove({.by = 1, .time = static_cast<int64_t>(2000 + i), .entry = 3 + 2 * i}, admin,
               {.up_to = 1});
  }
  const auto begin = std::chrono::steady_clock::now();
  const Membership folded = set.Fold();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(folded.members.size(), 301u);
  EXPECT_LT(took.count(), 2.0);
  // Each of them has a puppet remove the founder.
  Set attacked = set;
  for (uint64_t i = 0; i < 300; ++i) {
    attacked.Admit({.by = 100 + i, .time = 50, .entry = 2}, 5000 + i)
        .Remove({.by = 5000 + i, .time = 60, .entry = 1}, 1, {.up_to = 0});
  }
  const Membership still = attacked.Fold();
  EXPECT_TRUE(still.members == folded.members) << still.members.size();
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 20.0);
}

TEST(Membership, ReadersThatVoidTheirOwnLeavingTwiceCostLittle) {
  // Each admits somebody without a right to, and leaves twice under numbers that void each other.
  const auto with = [](uint64_t readers, Authority authority) {
    Set set;
    for (uint64_t i = 0; i < 1000; ++i) {
      set.Admit({.by = 1, .time = static_cast<int64_t>(10 + i), .entry = 2 + i}, 100 + i,
                {.authority = authority});
    }
    for (uint64_t i = 0; i < readers; ++i) {
      const uint64_t reader = 100 + i;
      set.Admit({.by = reader, .time = 3000, .entry = 1}, 5000 + i, {.authority = authority})
          .Remove({.by = reader, .time = 3001, .entry = 2}, reader, {.up_to = 0})
          .Remove({.by = reader, .time = 3002, .entry = 3}, reader, {.up_to = 0});
    }
    const auto begin = std::chrono::steady_clock::now();
    const Membership folded = set.Fold();
    EXPECT_EQ(folded.members.contains(PeerNumber(5000)), false);
    return std::pair(folded.members.size(),
                     std::chrono::duration<double>(std::chrono::steady_clock::now() - begin));
  };
  const auto [all, nobody] = with(0, Authority::kReader);
  EXPECT_EQ(all, 1001u);
  const auto [left, took] = with(32, Authority::kReader);
  EXPECT_EQ(left, 1001u - 32);
  EXPECT_LT(took.count(), 10 * nobody.count() + 0.05);
}

TEST(Membership, OfTwoWhoLowerEachOtherTheOneAdmittedEarlierStands) {
  const Set set =
      WithAdmin2()
          .Admit({.by = 1, .time = 3, .entry = 3}, 3)
          .Admit({.by = 2, .time = 9, .entry = 1}, 3, {.authority = Authority::kReader})
          .Admit({.by = 3, .time = 8, .entry = 1}, 2, {.authority = Authority::kReader});
  const Membership folded = set.Fold();
  EXPECT_EQ(folded.members.at(PeerNumber(2)).authority, Authority::kAdmin);
  EXPECT_EQ(folded.members.at(PeerNumber(3)).authority, Authority::kReader);
}

TEST(Membership, AnAdminMayLowerItself) {
  const Set set = WithAdmin2().Admit({.by = 2, .time = 5, .entry = 4}, 2,
                                     {.authority = Authority::kWriter, .up_to = 4});
  EXPECT_EQ(set.Fold().members.at(PeerNumber(2)).authority, Authority::kWriter);
  EXPECT_EQ(set.Members(), "1 2");
}

TEST(Membership, AReadersReferencesDoNotCount) {
  const auto counts = [](const Set& set, uint64_t generation) {
    const Membership folded = set.Fold();
    return RefsCount(folded.cuts.at(PeerNumber(2)), 0, {PeerNumber(2), Inc(2), generation});
  };
  const Set reader =
      Set().Admit({.by = 1, .time = 2, .entry = 2}, 2, {.authority = Authority::kReader});
  EXPECT_FALSE(counts(reader, 1));
  const Set writer = Set(reader).Admit({.by = 1, .time = 5, .entry = 3}, 2,
                                       {.authority = Authority::kWriter, .up_to = 10});
  EXPECT_FALSE(counts(writer, 10));
  EXPECT_TRUE(counts(writer, 11));
  const Set again = Set(writer).Admit({.by = 1, .time = 9, .entry = 4}, 2,
                                      {.authority = Authority::kReader, .up_to = 20});
  EXPECT_TRUE(counts(again, 11));
  EXPECT_TRUE(counts(again, 20));
  EXPECT_FALSE(counts(again, 21));
  const auto cut = [](const Set& set) { return set.Fold().cuts.at(PeerNumber(2)); };
  EXPECT_TRUE(OriginCut::SameRefs(cut(writer), cut(again), Inc(2), 20));
  EXPECT_FALSE(OriginCut::SameRefs(cut(writer), cut(again), Inc(2), 21));
  EXPECT_TRUE(OriginCut::SameRefs(cut(reader), cut(writer), Inc(2), 10));
  EXPECT_FALSE(OriginCut::SameRefs(cut(reader), cut(writer), Inc(2), 11));
}

}  // namespace
}  // namespace waypost::syncgroup
