#include <gtest/gtest.h>

#include "syncgroup/membership/membership.h"
#include "tests/syncgroup/membership/membership_set.h"
#include "tests/syncgroup/test_node.h"

// Members who may invite and are no admins.
namespace waypost::syncgroup {
namespace {

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

}  // namespace
}  // namespace waypost::syncgroup
