#include "syncgroup/membership/membership.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/membership_set.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// Who is a member, and as what.
namespace waypost::syncgroup {
namespace {

TEST(Membership, TheFoundersFirstEntryMakesTheFirstAdmin) {
  const Membership folded = Set().Fold();
  ASSERT_EQ(folded.members.size(), 1u);
  EXPECT_EQ(folded.members.at(PeerNumber(1)).authority, Authority::kAdmin);
  EXPECT_EQ(folded.members.at(PeerNumber(1)).admitted, base::FromMs(1));
}

TEST(Membership, NobodyFoundsAGroupASecondTime) {
  EXPECT_EQ(Set().Admit({.by = 5, .time = 1, .entry = 1}, 5).Members(), "1");
  EXPECT_EQ(Set().Admit({.by = 5, .time = 1, .entry = 1}, 5).Limit(5), 0u);
}

TEST(Membership, OnlyMembersAdmit) {
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Admit({.by = 2, .time = 3, .entry = 1}, 3)
                .Members(),
            "1 2 3");
  // 5 was never admitted, so 6 and 7 were not either.
  EXPECT_EQ(Set()
                .Admit({.by = 5, .time = 3, .entry = 1}, 6)
                .Admit({.by = 6, .time = 4, .entry = 1}, 7)
                .Members(),
            "1");
}

TEST(Membership, EveryIncarnationOfAnAdmittedPeerCounts) {
  const Set set = Set().Admit({.by = 1, .time = 2, .entry = 2}, 2);
  EXPECT_EQ(set.Limit(2), kAll);
  EXPECT_EQ(set.Limit(2, 77), kAll);
  EXPECT_EQ(set.Limit(3), 0u);
}

TEST(Membership, ARemovalCutsWhatItNamesAndVoidsOtherIncarnations) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4});
  EXPECT_EQ(set.Members(), "1");
  EXPECT_EQ(set.Limit(2), 4u);
  EXPECT_EQ(set.Limit(2, 77), 0u);
}

TEST(Membership, OneRemovalMayNameSeveralIncarnations) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 9, .incarnation = 77});
  EXPECT_EQ(set.Limit(2), 4u);
  EXPECT_EQ(set.Limit(2, 77), 9u);
  EXPECT_EQ(set.Limit(2, 78), 0u);
}

TEST(Membership, BackUnderAnotherIncarnationLaterThanTheRemoval) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                      .Admit({.by = 1, .time = 6, .entry = 4}, 2,
                             {.authority = Authority::kWriter, .incarnation = 77});
  EXPECT_EQ(set.Members(), "1 2");
  EXPECT_EQ(set.Limit(2), 4u);  // what was cut stays cut
  EXPECT_EQ(set.Limit(2, 77), kAll);
  EXPECT_EQ(set.Limit(2, 78), kAll);  // drawn later, after a restore
  EXPECT_EQ(set.Fold().members.at(PeerNumber(2)).incarnation, Inc(77));
}

TEST(Membership, AnAdmissionUnderTheRemovedIncarnationOrEarlierDoesNotBringBack) {
  // A role change by an admin who had not heard of the removal.
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                .Admit({.by = 1, .time = 6, .entry = 4}, 2)
                .Members(),
            "1");
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                .Admit({.by = 1, .time = 4, .entry = 4}, 2,
                       {.authority = Authority::kWriter, .incarnation = 77})
                .Members(),
            "1");
}

TEST(Membership, NobodyBringsItselfBack) {
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                .Admit({.by = 2, .time = 6, .entry = 1, .incarnation = 77}, 2, {.incarnation = 77})
                .Members(),
            "1");
}

TEST(Membership, RemovedASecondTime) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 4})
                      .Admit({.by = 1, .time = 6, .entry = 4}, 2,
                             {.authority = Authority::kWriter, .incarnation = 77})
                      .Remove({.by = 1, .time = 8, .entry = 5}, 2, {.up_to = 4})
                      .Remove({.by = 1, .time = 8, .entry = 5}, 2, {.up_to = 2, .incarnation = 77});
  EXPECT_EQ(set.Members(), "1");
  EXPECT_EQ(set.Limit(2), 4u);
  EXPECT_EQ(set.Limit(2, 77), 2u);
}

TEST(Membership, WhoLeavesNamesItsOwnLastEntry) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Remove({.by = 2, .time = 5, .entry = 7}, 2, {.up_to = 7});
  EXPECT_EQ(set.Members(), "1");
  EXPECT_EQ(set.Limit(2), 7u);
}

TEST(Membership, WhomTheRemovedAdmittedBeforeItsCutStaysLaterOnesDoNot) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Admit({.by = 2, .time = 3, .entry = 1}, 3)
                      .Admit({.by = 2, .time = 4, .entry = 2}, 4)
                      .Remove({.by = 1, .time = 5, .entry = 3}, 2, {.up_to = 1});
  EXPECT_EQ(set.Members(), "1 3");
  EXPECT_EQ(set.Limit(4), 0u);
}

TEST(Membership, TheLatestAdmissionDecidesRoleAndAuthority) {
  const Set set =
      Set()
          .Admit({.by = 1, .time = 2, .entry = 2}, 2,
                 {.role = Role::kLeaf, .authority = Authority::kReader})
          .Admit({.by = 1, .time = 9, .entry = 4}, 2, {.role = Role::kServer})
          .Admit({.by = 1, .time = 5, .entry = 3}, 2, {.authority = Authority::kWriter});
  const Member member = set.Fold().members.at(PeerNumber(2));
  EXPECT_EQ(member.role, Role::kServer);
  EXPECT_EQ(member.authority, Authority::kAdmin);
  EXPECT_EQ(member.admitted, base::FromMs(2));
}

TEST(Membership, AMemberLowersItsOwnRoleOnly) {
  const auto lowered = [](Role from, Role to) {
    const Set set = Set()
                        .Admit({.by = 1, .time = 2, .entry = 2}, 2, {.role = from})
                        .Write({.by = 2, .time = 5, .entry = 1}, ProfileOp{"n", {}, to});
    return set.Fold().members.at(PeerNumber(2)).role;
  };
  EXPECT_EQ(lowered(Role::kServer, Role::kNormal), Role::kNormal);
  EXPECT_EQ(lowered(Role::kServer, Role::kLeaf), Role::kLeaf);
  EXPECT_EQ(lowered(Role::kLeaf, Role::kServer), Role::kLeaf);
  // A later admission decides again; a profile from before it lowers nothing.
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2, {.role = Role::kServer})
                      .Write({.by = 2, .time = 5, .entry = 1}, ProfileOp{"n", {}, Role::kLeaf})
                      .Admit({.by = 1, .time = 6, .entry = 3}, 2, {.role = Role::kServer});
  EXPECT_EQ(set.Fold().members.at(PeerNumber(2)).role, Role::kServer);
}

TEST(Membership, TheLatestProfileAndEachSettingByItself) {
  const Set set = Set()
                      .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                      .Write({.by = 2, .time = 9, .entry = 2}, ProfileOp{"new", {"h:2"}, {}})
                      .Write({.by = 2, .time = 5, .entry = 1}, ProfileOp{"old", {"h:1"}, {}})
                      .Write({.by = 1, .time = 3, .entry = 3}, SettingsOp{"first", "text", false})
                      .Write({.by = 2, .time = 7, .entry = 3}, SettingsOp{"second", {}, {}})
                      .Write({.by = 1, .time = 6, .entry = 4}, SettingsOp{{}, {}, true});
  const Membership folded = set.Fold();
  EXPECT_EQ(folded.members.at(PeerNumber(2)).name, "new");
  EXPECT_EQ(folded.members.at(PeerNumber(2)).addresses, std::vector<std::string>{"h:2"});
  EXPECT_EQ(folded.name, "second");
  EXPECT_EQ(folded.description, "text");
  EXPECT_EQ(folded.is_public, true);
}

TEST(Membership, WhatIsBeyondAForkDoesNotCount) {
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Admit({.by = 2, .time = 3, .entry = 3}, 3)
                .Members(),
            "1 2 3");
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Admit({.by = 2, .time = 3, .entry = 3}, 3)
                .Fork(2, 3)
                .Members(),
            "1 2");
  EXPECT_EQ(Set()
                .Admit({.by = 1, .time = 2, .entry = 2}, 2)
                .Remove({.by = 2, .time = 3, .entry = 3}, 1, {.up_to = 0})
                .Fork(2, 3)
                .Members(),
            "1 2");
}

TEST(Membership, WhatEachAuthorityMayDo) {
  const Op put = PutRefOp{"k", BlobOf("x"), {}};
  const Op admit = AdmitOp{};
  const Op profile = ProfileOp{};
  EXPECT_TRUE(AuthorityAllows(Authority::kAdmin, put));
  EXPECT_TRUE(AuthorityAllows(Authority::kAdmin, admit));
  EXPECT_TRUE(AuthorityAllows(Authority::kWriter, put));
  EXPECT_FALSE(AuthorityAllows(Authority::kWriter, admit));
  EXPECT_FALSE(AuthorityAllows(Authority::kReader, put));
  EXPECT_TRUE(AuthorityAllows(Authority::kReader, profile));
}

TEST(Membership, WithoutTheFoundersEntriesOnlyWhatGoesBackToItsKeyIsTaken) {
  // A joiner has been shown who admitted it, and that this one was admitted by the founder.
  const Set full = WithAdmin2().Admit({.by = 2, .time = 3, .entry = 1}, 3);
  const std::vector<StampedOp> papers(full.ops().begin() + 1, full.ops().end());
  const auto members = [](const std::vector<StampedOp>& ops) {
    return FoldMembership(FirstFounder(), ops, {}).members;
  };
  EXPECT_EQ(members(papers).count(PeerNumber(3)), 1u);
  const std::vector<StampedOp> broken(full.ops().begin() + 2, full.ops().end());
  EXPECT_EQ(members(broken).count(PeerNumber(3)), 0u);
}

TEST(Membership, TheOrderOfTheSetDoesNotMatter) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  const auto any = [&](uint64_t n) { return random() % n; };
  for (int round = 0; round < support::Rounds(300); ++round) {
    Set set;
    for (uint64_t peer = 2; peer <= 5; ++peer) {
      set.Admit({.by = 1, .time = static_cast<int64_t>(any(20)), .entry = peer}, peer);
    }
    for (int i = 0; i < 25; ++i) {
      const uint64_t by = 1 + any(5);
      const uint64_t peer = 1 + any(6);
      const int64_t time = static_cast<int64_t>(any(60));
      const uint64_t generation = 6 + any(8);
      const uint64_t incarnation = any(3) == 0 ? peer + 10 : peer;
      const uint64_t by_incarnation = any(4) == 0 ? by + 10 : by;
      switch (any(4)) {
        case 0:
          set.Remove({.by = by, .time = time, .entry = generation, .incarnation = by_incarnation},
                     peer, {.up_to = any(14), .incarnation = incarnation});
          break;
        case 1:
          set.Write({.by = by, .time = time, .entry = generation, .incarnation = by_incarnation},
                    ProfileOp{"n" + std::to_string(i), {}, Role::kLeaf});
          break;
        default:
          set.Admit(
              {.by = by, .time = time, .entry = generation, .incarnation = by_incarnation}, peer,
              {.role = static_cast<Role>(1 + any(3)),
               .authority = any(2) == 0 ? Authority::kAdmin : static_cast<Authority>(1 + any(3)),
               .incarnation = incarnation,
               .up_to = any(3) * 5});
      }
    }
    if (any(3) == 0) set.Fork(1 + any(5), 7 + any(7));
    std::vector<StampedOp> ops = set.ops();
    const Founder group = FirstFounder();
    const Membership expected = FoldMembership(group, ops, set.forks());
    for (int shuffle = 0; shuffle < 5; ++shuffle) {
      std::shuffle(ops.begin(), ops.end(), random);
      const Membership folded = FoldMembership(group, ops, set.forks());
      ASSERT_EQ(folded.members, expected.members) << "seed " << seed << " round " << round;
      ASSERT_EQ(folded.cuts, expected.cuts) << "seed " << seed << " round " << round;
      ASSERT_EQ(folded.name, expected.name);
    }
  }
}

// ---- the worked examples of docs/membership.md ----

TEST(MembershipPage, AStolenLaptop) {
  Set set = Set()
                .Admit({.by = 1, .time = 1000, .entry = 2}, 2, {.authority = Authority::kWriter})
                .Remove({.by = 1, .time = 1210, .entry = 3}, 2, {.up_to = 40});
  constexpr uint64_t kOwn = 2, kUnknown = 77, kFresh = 78;
  EXPECT_EQ(set.Members(), "1");
  EXPECT_EQ(set.Limit(2, kOwn), 40u);
  EXPECT_EQ(set.Limit(2, kUnknown), 0u);
  set.Admit({.by = 1, .time = 1500, .entry = 4}, 2,
            {.authority = Authority::kWriter, .incarnation = kFresh});
  EXPECT_EQ(set.Members(), "1 2");
  EXPECT_EQ(set.Limit(2, kOwn), 40u);
  EXPECT_EQ(set.Limit(2, kFresh), kAll);
  EXPECT_EQ(set.Limit(2, kUnknown), kAll);
}

TEST(MembershipPage, TwoAdminsRemoveEachOther) {
  // Ann 1, Bob 2, Cleo 3, Dora 4. `cleo_at`: what she says of the time.
  const auto quarrel = [](int64_t cleo_at, uint64_t bobs_line) {
    return Set()
        .Admit({.by = 1, .time = 1000, .entry = 2}, 2)
        .Admit({.by = 1, .time = 1100, .entry = 3}, 3)
        .Admit({.by = 3, .time = 1130, .entry = 3}, 4, {.authority = Authority::kWriter})
        .Remove({.by = 3, .time = cleo_at, .entry = 6}, 2, {.up_to = 7})
        .Remove({.by = 2, .time = 1500, .entry = 8}, 3, {.up_to = bobs_line});
  };
  EXPECT_EQ(quarrel(1400, 5).Members(), "1 2 4");
  EXPECT_EQ(quarrel(1101, 5).Members(), "1 2 4");
  EXPECT_EQ(quarrel(1400, 2).Members(), "1 2");
  EXPECT_EQ(quarrel(1400, 5).Remove({.by = 1, .time = 1600, .entry = 4}, 2, {.up_to = 7}).Members(),
            "1 3 4");
}

}  // namespace
}  // namespace waypost::syncgroup
