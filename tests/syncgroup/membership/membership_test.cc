#include "syncgroup/membership/membership.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

base::Incarnation Inc(uint64_t n) {
  return *base::Incarnation::FromBytes(
      std::string_view(PeerNumber(1000 + n).bytes()).substr(0, 16));
}

// A peer's incarnation; 0: the one of its own number.
base::Incarnation IncOf(uint64_t peer, uint64_t incarnation) {
  return Inc(incarnation == 0 ? peer : incarnation);
}

Founder FirstFounder() { return {PeerNumber(1), Inc(1), base::FromMs(1)}; }

// Builds sets of operations: `Set().Admit({.by = 1, .time = 2, .entry = 2}, 3)`. Peer 1 founds the
// group at time 1 under incarnation 1; peer n's incarnation is n unless said otherwise.
class Set {
 public:
  // Who writes an operation, when and where. Several of one entry follow each other in it.
  struct Entry {
    uint64_t by = 0;
    int64_t time = 0;          // of the author's clock, in ms
    uint64_t entry = 0;        // the generation: the entry's number in the author's log
    uint64_t incarnation = 0;  // of the author; 0: its own number
  };
  struct Admission {
    Role role = Role::kNormal;
    Authority authority = Authority::kAdmin;
    uint64_t incarnation = 0;  // of who is admitted; 0: its own number
    uint64_t up_to = 0;        // as AdmitOp has it
  };
  struct Removal {
    uint64_t up_to = 0;        // the last entry that still counts
    uint64_t incarnation = 0;  // of who is removed; 0: its own number
  };

  Set() { Admit({.by = 1, .time = 1, .entry = 1}, 1); }
  Set& Admit(const Entry& at, uint64_t peer) { return Admit(at, peer, Admission()); }
  Set& Admit(const Entry& at, uint64_t peer, const Admission& as) {
    return Write(at, AdmitOp{PeerNumber(peer), IncOf(peer, as.incarnation), as.role, as.authority,
                             as.up_to});
  }
  Set& Remove(const Entry& at, uint64_t peer, const Removal& as) {
    return Write(at, RemoveOp{PeerNumber(peer), IncOf(peer, as.incarnation), as.up_to});
  }
  Set& Write(const Entry& at, Op op) {
    const EntryPlace place{PeerNumber(at.by), IncOf(at.by, at.incarnation), at.entry};
    uint32_t position = 0;
    for (const StampedOp& other : ops_) position += other.stamp.place == place ? 1 : 0;
    ops_.push_back({{base::FromMs(at.time), place, position}, std::move(op)});
    return *this;
  }
  Set& Fork(uint64_t peer, uint64_t generation, uint64_t incarnation = 0) {
    forks_[{PeerNumber(peer), IncOf(peer, incarnation)}] = generation;
    return *this;
  }
  Membership Fold() const { return FoldMembership(FirstFounder(), ops_, forks_); }
  // "1 2 4": who is a member.
  std::string Members() const {
    const Membership folded = Fold();
    std::string all;
    for (uint64_t n = 1; n <= 9; ++n) {
      if (folded.members.contains(PeerNumber(n)))
        all += (all.empty() ? "" : " ") + std::to_string(n);
    }
    return all;
  }
  uint64_t Limit(uint64_t peer, uint64_t incarnation = 0) const {
    const Membership folded = Fold();
    const auto it = folded.cuts.find(PeerNumber(peer));
    if (it == folded.cuts.end()) return 0;
    return it->second.LimitOf(IncOf(peer, incarnation));
  }
  const std::vector<StampedOp>& ops() const { return ops_; }
  const Forks& forks() const { return forks_; }

 private:
  std::vector<StampedOp> ops_;
  Forks forks_;
};

constexpr uint64_t kAll = kAllGenerations;

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

// ---- removals against each other ----

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

// ---- roles, profiles, settings, forks ----

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

// ---- authority ----

// `up_to`: what the peer wrote up to there keeps the authority of before.
Set WithAdmin2() { return Set().Admit({.by = 1, .time = 2, .entry = 2}, 2); }

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

// ---- inviters ----

// 2 is a writer who may invite; 3 a writer who may not.
class Inviters : public ::testing::Test {
 protected:
  static AdmitOp Op(uint64_t peer, Authority authority, bool invites = false, uint64_t up_to = 0,
                    uint64_t incarnation = 0) {
    return {.peer = PeerNumber(peer),
            .incarnation = Inc(incarnation == 0 ? peer : incarnation),
            .role = Role::kNormal,
            .authority = authority,
            .generation = up_to,
            .invites = invites};
  }
  static AdmitOp Invited(uint64_t peer, Authority authority, bool invites = false,
                         uint64_t incarnation = 0) {
    AdmitOp op = Op(peer, authority, invites, 0, incarnation);
    op.as_inviter = true;
    return op;
  }
  static Set Group() {
    return Set()
        .Write({.by = 1, .time = 2, .entry = 2}, Op(2, Authority::kWriter, true))
        .Write({.by = 1, .time = 3, .entry = 3}, Op(3, Authority::kWriter));
  }
  static Member MemberIn(const Set& set, uint64_t peer) {
    return set.Fold().members.at(PeerNumber(peer));
  }
};

TEST_F(Inviters, WhoCameByInvitesIsAnsweredForByTheOneThatAnAdminAdmitted) {
  Set set = Group()
                .Write({.by = 2, .time = 4, .entry = 1}, Invited(4, Authority::kWriter, true))
                .Write({.by = 4, .time = 5, .entry = 1}, Invited(5, Authority::kWriter));
  const auto sponsor = [&](uint64_t peer) { return MemberIn(set, peer).sponsor; };
  for (const uint64_t by_admin : {1, 2, 3}) EXPECT_TRUE(sponsor(by_admin).IsZero());
  EXPECT_EQ(sponsor(4), PeerNumber(2));
  EXPECT_EQ(sponsor(5), PeerNumber(2));
  // Whoever stood between is gone: nobody begins a line of its own by leaving.
  set.Remove({.by = 4, .time = 6, .entry = 2}, 4, {.up_to = 1});
  ASSERT_EQ(set.Members(), "1 2 3 5");
  EXPECT_EQ(sponsor(5), PeerNumber(2));
  set.Write({.by = 1, .time = 7, .entry = 4}, Op(5, Authority::kWriter));
  EXPECT_TRUE(sponsor(5).IsZero()) << "an admin answers for it";
}

TEST_F(Inviters, AdmitOthersWithAtMostTheirOwnAuthority) {
  EXPECT_EQ(
      Group().Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kWriter)).Members(),
      "1 2 3 4");
  EXPECT_EQ(
      Group().Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kReader)).Members(),
      "1 2 3 4");
  EXPECT_EQ(
      Group().Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kAdmin)).Members(),
      "1 2 3");
  // By that right and no other.
  EXPECT_EQ(Group().Write({.by = 2, .time = 5, .entry = 1}, Op(4, Authority::kWriter)).Members(),
            "1 2 3");
  EXPECT_EQ(
      Group().Write({.by = 3, .time = 5, .entry = 1}, Invited(4, Authority::kWriter)).Members(),
      "1 2 3");
  // Nor before they had it.
  EXPECT_EQ(
      Group().Write({.by = 2, .time = 1, .entry = 1}, Invited(4, Authority::kWriter)).Members(),
      "1 2 3");
  // Nothing else of an admin's.
  EXPECT_EQ(Group().Remove({.by = 2, .time = 5, .entry = 1}, 3, {.up_to = 0}).Members(), "1 2 3");
  EXPECT_EQ(
      Group().Write({.by = 2, .time = 5, .entry = 1}, SettingsOp{"mine", {}, {}, {}}).Fold().name,
      std::nullopt);
}

TEST_F(Inviters, OfInvitersInvite) {
  const auto chain = [] {
    return Group()
        .Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kWriter, true))
        .Write({.by = 4, .time = 6, .entry = 1}, Invited(5, Authority::kReader, true))
        .Write({.by = 5, .time = 7, .entry = 1}, Invited(6, Authority::kReader));
  };
  EXPECT_EQ(chain().Members(), "1 2 3 4 5 6");
  EXPECT_EQ(
      chain().Write({.by = 5, .time = 8, .entry = 2}, Invited(7, Authority::kWriter)).Members(),
      "1 2 3 4 5 6");
  // They leave like others.
  EXPECT_EQ(chain().Remove({.by = 5, .time = 9, .entry = 2}, 5, {.up_to = 2}).Members(),
            "1 2 3 4 6");
  // Without the first of them nobody rests on anything.
  EXPECT_EQ(chain().Remove({.by = 1, .time = 9, .entry = 4}, 2, {.up_to = 0}).Members(), "1 3");
  EXPECT_EQ(chain().Remove({.by = 1, .time = 9, .entry = 4}, 2, {.up_to = 1}).Members(),
            "1 3 4 5 6");
}

TEST_F(Inviters, TakeNothingFromAMember) {
  const Set admins_word = Group().Write({.by = 1, .time = 4, .entry = 4},
                                        AdmitOp{PeerNumber(4), Inc(4), Role::kServer});
  const Set set =
      Set(admins_word).Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kReader));
  EXPECT_EQ(MemberIn(set, 4), MemberIn(admins_word, 4));
  EXPECT_EQ(set.Fold().cuts, admins_word.Fold().cuts);
  // An admin's word of before or after decides what it says.
  const Set lowered = Set(set).Write({.by = 1, .time = 6, .entry = 5}, Op(4, Authority::kReader));
  EXPECT_EQ(MemberIn(lowered, 4).authority, Authority::kReader);
  EXPECT_FALSE(lowered.Fold().cuts.at(PeerNumber(4)).MayWrite(Inc(4), 1));
}

TEST_F(Inviters, BringNobodyBack) {
  const Set removed = Group().Remove({.by = 1, .time = 5, .entry = 4}, 3, {.up_to = 0});
  const Set invited = Set(removed).Write({.by = 2, .time = 6, .entry = 1},
                                         Invited(3, Authority::kWriter, false, 77));
  EXPECT_EQ(invited.Members(), "1 2");
  EXPECT_EQ(invited.Limit(3, 77), 0u);
  EXPECT_EQ(Set(invited)
                .Write({.by = 1, .time = 7, .entry = 5}, Op(3, Authority::kReader, false, 0, 78))
                .Members(),
            "1 2 3");
}

TEST_F(Inviters, LoseTheRightForWhatTheyWriteFromThenOn) {
  const auto ended = [] {
    return Group()
        .Write({.by = 2, .time = 4, .entry = 1}, Invited(4, Authority::kWriter))
        .Write({.by = 1, .time = 9, .entry = 4}, Op(2, Authority::kWriter, false, 1));
  };
  EXPECT_EQ(ended().Members(), "1 2 3 4");
  EXPECT_EQ(
      ended().Write({.by = 2, .time = 10, .entry = 2}, Invited(5, Authority::kWriter)).Members(),
      "1 2 3 4");
  // Whatever time they write.
  EXPECT_EQ(
      ended().Write({.by = 2, .time = 5, .entry = 2}, Invited(5, Authority::kWriter)).Members(),
      "1 2 3 4");
}

TEST_F(Inviters, AreNotHarmedByAnybodysFalseWord) {
  // 3 says of 2 and of 4, and dates back, what nobody but an admin may say.
  const Set set = Group()
                      .Write({.by = 2, .time = 5, .entry = 1}, Invited(4, Authority::kWriter, true))
                      .Write({.by = 4, .time = 6, .entry = 1}, Invited(5, Authority::kWriter))
                      .Write({.by = 3, .time = 1, .entry = 1}, Op(2, Authority::kAdmin))
                      .Write({.by = 3, .time = 1, .entry = 2}, Op(4, Authority::kAdmin))
                      .Write({.by = 3, .time = 4, .entry = 3}, Op(2, Authority::kReader))
                      .Write({.by = 3, .time = 7, .entry = 4}, Invited(4, Authority::kReader))
                      .Remove({.by = 3, .time = 8, .entry = 5}, 4, {.up_to = 0});
  EXPECT_EQ(set.Members(), "1 2 3 4 5");
  EXPECT_EQ(MemberIn(set, 2).authority, Authority::kWriter);
  EXPECT_TRUE(MemberIn(set, 2).invites);
  EXPECT_TRUE(MemberIn(set, 4).invites);
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
