#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/syncgroup/membership/trust_story.h"

// One story a rule. Peer 0 founds the group; "0a 1w 2r+" are its members (trust_story.h).
namespace waypost::syncgroup {
namespace {

const Story::Words kAdmin{.authority = Authority::kAdmin};
const Story::Words kWriter{.authority = Authority::kWriter};
const Story::Words kReader{.authority = Authority::kReader};
const std::vector<ActAt> kNoNames;
const std::vector<int> kNoPins;

std::vector<ActAt> Acts(std::vector<ActAt> acts) { return acts; }
std::vector<int> Entries(std::vector<int> entries) { return entries; }

// ---- admitting ----

TEST(TrustRules, TheFounderIsAnAdminByTheGenesis) {
  Story story;
  EXPECT_EQ(story.Members(), "0a");
  EXPECT_EQ(story.BasisOf(0), kByGenesis);
}

TEST(TrustRules, AdminsAdmitWhomTheyLike) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 1}, 2, kWriter);
  story.Admit({.by = 1}, 3, {.authority = Authority::kReader, .invites = true});
  EXPECT_EQ(story.Members(), "0a 1a 2w 3r+");
}

TEST(TrustRules, WhoIsNoAdminAdmitsAndRemovesNobody) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kWriter);
  story.Admit({.by = 1, .basis = ActAt{admitted, 0}}, 2, kReader);
  story.Remove({.by = 1, .basis = ActAt{admitted, 0}}, 0);
  EXPECT_EQ(story.Members(), "0a 1w");
}

TEST(TrustRules, AnActAboutItsAuthorCountsForNothing) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kAdmin);
  const int self = story.Admit({.by = 1}, 1, kReader);
  const int removal = story.Remove({.by = 1}, 1);
  EXPECT_FALSE(story.Counts(self));
  EXPECT_FALSE(story.Counts(removal));
  EXPECT_EQ(story.Members(), "0a 1a");
  EXPECT_EQ(story.BasisOf(1), (ActAt{admitted, 0}));
}

TEST(TrustRules, ASecondAdmissionThatNamesNothingLowersNothing) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 1, {.authority = Authority::kReader, .names = kNoNames});
  EXPECT_EQ(story.Members(), "0a 1a");
}

// ---- raising, lowering, removing ----

TEST(TrustRules, AnAdmissionThatNamesTheOneBeforeRaises) {
  Story story;
  story.Admit({.by = 0}, 1, kReader);
  const int raise = story.Admit({.by = 0}, 1, kAdmin);
  EXPECT_EQ(story.Members(), "0a 1a");
  EXPECT_EQ(story.BasisOf(1), (ActAt{raise, 0}));
}

TEST(TrustRules, AnAdmissionThatNamesTheOneBeforeLowersWhatIsNotPinned) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kWriter);
  const int seen = story.Put({.by = 1});
  const int lower = story.Admit({.by = 0}, 1, kReader);
  const int unaware = story.Put({.by = 1, .after = seen});
  EXPECT_EQ(story.Members(), "0a 1r");
  EXPECT_TRUE(story.Counts(seen));
  EXPECT_FALSE(story.Counts(unaware));
  EXPECT_EQ(story.BasisOf(1), (ActAt{lower, 0})) << "the newest word of those that give the same";
  (void)admitted;
}

TEST(TrustRules, ARemovalKeepsWhatItPinsAndVoidsTheRest) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int seen = story.Admit({.by = 1}, 2, kWriter);
  const int unseen = story.Admit({.by = 1}, 3, kWriter);
  story.Remove({.by = 0}, 1, {.pins = Entries({seen})});
  EXPECT_TRUE(story.Counts(seen));
  EXPECT_FALSE(story.Counts(unseen));
  EXPECT_EQ(story.Members(), "0a 2w");
}

TEST(TrustRules, ARemovalThatNamesNothingRemoves) {
  Story story;
  story.Admit({.by = 0}, 1, kWriter);
  story.Remove({.by = 0}, 1, {.names = kNoNames});
  EXPECT_EQ(story.Members(), "0a");
}

TEST(TrustRules, WhoWasRemovedComesBackByAnAdmissionThatNamesTheRemoval) {
  Story story;
  story.Admit({.by = 0}, 1, kWriter);
  const int removal = story.Remove({.by = 0}, 1);
  story.Admit({.by = 0}, 1, {.names = kNoNames});
  EXPECT_EQ(story.Members(), "0a") << "it does not name the removal";
  story.Admit({.by = 0}, 1, {.names = Acts({{removal, 0}})});
  EXPECT_EQ(story.Members(), "0a 1w");
}

TEST(TrustRules, WhoWasRemovedDoesNotComeBackByAnInvite) {
  Story story;
  story.Admit({.by = 0}, 1, {.authority = Authority::kWriter, .invites = true});
  story.Admit({.by = 0}, 2, kReader);
  story.Remove({.by = 0}, 2);
  const int invite = story.Admit({.by = 1}, 2, {.as_inviter = true});
  EXPECT_TRUE(story.Counts(invite));
  EXPECT_EQ(story.Members(), "0a 1w+");
}

TEST(TrustRules, ARemovalOfNamedBasesLeavesTheOthers) {
  Story story;
  story.Admit({.by = 0}, 1, kWriter);
  const std::vector<ActAt> known = story.Newest(1);
  story.Admit({.by = 0}, 1, {.authority = Authority::kReader, .names = kNoNames});
  EXPECT_EQ(story.Members(), "0a 1w");
  story.Remove({.by = 0}, 1, {.only_named = true, .names = known});
  EXPECT_EQ(story.Members(), "0a 1r");
}

// ---- leaving ----

TEST(TrustRules, WhoLeavesIsOutAndVoidsNothing) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int put = story.Put({.by = 1});
  const int admission = story.Admit({.by = 1}, 2, kWriter);
  const int leaving = story.Leave({.by = 1});
  EXPECT_EQ(story.Members(), "0a 2w");
  EXPECT_TRUE(story.Counts(put));
  EXPECT_TRUE(story.Counts(admission));
  EXPECT_EQ(story.tree().WhyNoMember(TrustWorld::Peer(1)),
            (std::vector<ActId>{story.world().Id({leaving, 0})}));
}

TEST(TrustRules, WhoLeftComesBackByAnyAdmissionThatNamesTheLeaving) {
  Story story;
  story.Admit({.by = 0}, 1, {.authority = Authority::kWriter, .invites = true});
  story.Admit({.by = 0}, 2, kWriter);
  const int before = story.Put({.by = 2});
  story.Leave({.by = 2});
  story.Admit({.by = 1}, 2, {.as_inviter = true, .names = kNoNames});
  EXPECT_EQ(story.Members(), "0a 1w+");
  const int back = story.Admit({.by = 1}, 2, {.as_inviter = true});
  EXPECT_EQ(story.Members(), "0a 1w+ 2w");
  const auto writing = story.tree().WritingOf(TrustWorld::Peer(2), story.world().PlaceOf(before));
  ASSERT_TRUE(writing.has_value());
  EXPECT_TRUE(writing->begins) << "its old basis makes it no member";
  EXPECT_EQ(writing->basis, story.world().Id({back, 0}));
}

TEST(TrustRules, ALeavingThatSomebodyForksCannotBeForkedAway) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kWriter);
  story.Leave({.by = 1, .basis = ActAt{admitted, 0}});
  story.Put({.by = 1, .basis = ActAt{admitted, 0}});
  EXPECT_EQ(story.Members(), "0a");
}

// ---- inviters ----

TEST(TrustRules, InvitersGiveAtMostWhatTheyHave) {
  Story story;
  story.Admit({.by = 0}, 1, {.authority = Authority::kReader, .invites = true});
  const int more = story.Admit({.by = 1}, 2, {.as_inviter = true});
  const int same = story.Admit({.by = 1}, 3, {.authority = Authority::kReader, .as_inviter = true});
  EXPECT_FALSE(story.Counts(more));
  EXPECT_TRUE(story.Counts(same));
  EXPECT_EQ(story.Members(), "0a 1r+ 3r");
}

TEST(TrustRules, AnInvitersAdmissionLowersNothing) {
  Story story;
  story.Admit({.by = 0}, 1, {.authority = Authority::kWriter, .invites = true});
  story.Admit({.by = 0}, 2, kAdmin);
  story.Admit({.by = 1}, 2, {.authority = Authority::kReader, .as_inviter = true});
  EXPECT_EQ(story.Members(), "0a 1w+ 2a");
}

TEST(TrustRules, WhoFallsTakesAlongWhomItInvited) {
  Story story;
  story.Admit({.by = 0}, 1, {.authority = Authority::kWriter, .invites = true});
  story.Admit({.by = 1}, 2, {.invites = true, .as_inviter = true});
  story.Admit({.by = 2}, 3, {.as_inviter = true});
  EXPECT_EQ(story.Members(), "0a 1w+ 2w+ 3w");
  const int removal = story.Remove({.by = 0}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a");
  EXPECT_EQ(story.tree().WhyNoMember(TrustWorld::Peer(3)),
            (std::vector<ActId>{story.world().Id({removal, 0})}));
}

// ---- seniority ----

TEST(TrustRules, AJuniorAdminDoesNothingToASenior) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  story.Remove({.by = 2}, 1, {.pins = kNoPins});
  story.Remove({.by = 2}, 0, {.pins = kNoPins});
  story.Admit({.by = 2}, 1, {.authority = Authority::kReader, .role = Role::kLeaf});
  EXPECT_EQ(story.Members(), "0a 1a 2a");
  EXPECT_FALSE(story.tree().ActsOn(TrustWorld::Peer(2), TrustWorld::Peer(1)));
  EXPECT_TRUE(story.tree().ActsOn(TrustWorld::Peer(1), TrustWorld::Peer(2)));
}

TEST(TrustRules, OfTwoAdminsWhoRemoveEachOtherTheSeniorStays) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  const std::vector<ActAt> first = story.Newest(1);
  const std::vector<ActAt> second = story.Newest(2);
  story.Remove({.by = 2}, 1, {.names = first, .pins = kNoPins});
  story.Remove({.by = 1}, 2, {.names = second, .pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a");
}

TEST(TrustRules, WhomAJuniorAdmittedStandsBelowItsSiblings) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 1}, 3, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  story.Remove({.by = 2}, 3, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a 2a 3a") << "3 rests on 1, who is senior to 2";
  story.Remove({.by = 3}, 2, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a 3a");
}

TEST(TrustRules, AThiefThatWritesOldDatesDoesNotRiseAboveItsBasis) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int victim = story.Admit({.by = 0}, 2, kAdmin);
  // The thief of 2 dates a puppet back to the moment after its own admission.
  story.Admit({.by = 2, .basis = ActAt{victim, 0}, .stamp = 3001}, 3, kAdmin);
  story.Remove({.by = 3}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a 2a 3a");
}

TEST(TrustRules, WhoFallsBelowAdminIsLoweredByEverybody) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  story.Remove({.by = 2}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a 2a");
  // By the senior's word it is a writer; then the junior's removal stands against it.
  story.Admit({.by = 0}, 1,
              {.authority = Authority::kWriter, .names = Acts({{0, 0}}), .pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 2a");
}

TEST(TrustRules, AnAdminsUplineFallsAndItsActsWithIt) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 1}, 2, kAdmin);
  story.Admit({.by = 2}, 3, kWriter);
  story.Remove({.by = 0}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a");
}

// ---- branches ----

TEST(TrustRules, ARestoredBackupVoidsNothing) {
  Story story;
  story.Admit({.by = 0}, 1, kWriter);
  const int first = story.Put({.by = 1});
  const int lost = story.Put({.by = 1});
  const int after_restore = story.Put({.by = 1, .after = first});
  for (const int entry : {first, lost, after_restore}) EXPECT_TRUE(story.Counts(entry));
  EXPECT_EQ(story.Heads(1), (std::vector<int>{lost, after_restore}));
}

TEST(TrustRules, AThiefsBranchBeyondThePinsIsVoid) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int first = story.Admit({.by = 1}, 2, kWriter);
  const int honest = story.Admit({.by = 1}, 3, kWriter);
  const int thief = story.Admit({.by = 1, .after = first, .stamp = 3500}, 4, kWriter);
  EXPECT_EQ(story.Members(), "0a 1a 2w 3w 4w");
  story.Remove({.by = 0}, 1, {.pins = Entries({honest})});
  EXPECT_TRUE(story.Counts(honest));
  EXPECT_FALSE(story.Counts(thief));
  EXPECT_EQ(story.Members(), "0a 2w 3w");
}

TEST(TrustRules, ASecondEntryUnderAnOldNumberVoidsNoRemoval) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kWriter);
  story.Put({.by = 1});
  const int removal = story.Remove({.by = 1}, 2);
  story.Remove({.by = 0}, 1);
  // The removed one now shows another first entry of the numbering of its removal.
  story.Admit({.by = 1, .basis = ActAt{0, 0}}, 2, kWriter);
  EXPECT_TRUE(story.Counts(removal));
  EXPECT_EQ(story.Members(), "0a");
}

// ---- under which basis a member writes ----

TEST(TrustRules, ABasisThatGivesMoreIsTaken) {
  Story story;
  story.Admit({.by = 0}, 1, kReader);
  const int more = story.Admit({.by = 0}, 1, {.authority = Authority::kWriter, .names = kNoNames});
  story.Admit({.by = 0}, 1, {.authority = Authority::kReader, .names = kNoNames});
  EXPECT_EQ(story.BasisOf(1), (ActAt{more, 0}));
}

TEST(TrustRules, OfThoseThatGiveTheSameOneWithInvitesIsTaken) {
  Story story;
  story.Admit({.by = 0}, 1, {.names = kNoNames});
  const int invites = story.Admit({.by = 0}, 1, {.invites = true, .names = kNoNames});
  EXPECT_EQ(story.BasisOf(1), (ActAt{invites, 0}));
}

TEST(TrustRules, ThenOneThatNoOtherNames) {
  Story story;
  story.Admit({.by = 0}, 1, {.role = Role::kServer});
  const int newer = story.Admit({.by = 0}, 1, {.role = Role::kLeaf});
  EXPECT_EQ(story.BasisOf(1), (ActAt{newer, 0}));
  EXPECT_EQ(story.RoleOf(1), Role::kLeaf);
}

TEST(TrustRules, ThenTheMostSenior) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  story.Admit({.by = 2}, 3, {.names = kNoNames});
  const int by_senior = story.Admit({.by = 1}, 3, {.names = kNoNames});
  EXPECT_EQ(story.BasisOf(3), (ActAt{by_senior, 0}));
}

TEST(TrustRules, ASeniorChoosesTheRoleOfAnAdminAJuniorDoesNot) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  story.Admit({.by = 2}, 1, {.authority = Authority::kAdmin, .role = Role::kLeaf});
  EXPECT_EQ(story.RoleOf(1), Role::kServer);
  story.Admit({.by = 0}, 1, {.authority = Authority::kAdmin, .role = Role::kNormal});
  EXPECT_EQ(story.RoleOf(1), Role::kNormal);
}

TEST(TrustRules, AnotherBasisThatGivesAsMuchAndNamesNothingChangesNothing) {
  Story story;
  const base::PeerId one = TrustWorld::Peer(1);
  story.Admit({.by = 0}, 1, kWriter);
  EXPECT_TRUE(story.tree().WritingOf(one, std::nullopt)->begins);
  const int put = story.Put({.by = 1});
  EXPECT_FALSE(story.tree().WritingOf(one, story.world().PlaceOf(put))->begins);
  story.Admit({.by = 0}, 1, {.names = kNoNames});
  EXPECT_FALSE(story.tree().WritingOf(one, story.world().PlaceOf(put))->begins)
      << "it gives as much and names nothing";
}

TEST(TrustRules, ANewNumberingBeginsWhenTheBasisInUseIsNamed) {
  Story story;
  const base::PeerId one = TrustWorld::Peer(1);
  story.Admit({.by = 0}, 1, kWriter);
  const int put = story.Put({.by = 1});
  const int named = story.Admit({.by = 0}, 1, kWriter);
  const auto writing = story.tree().WritingOf(one, story.world().PlaceOf(put));
  EXPECT_TRUE(writing->begins);
  EXPECT_EQ(writing->basis, story.world().Id({named, 0}));
}

TEST(TrustRules, ABasisInUseThatAJuniorNamesStaysInUse) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 0}, 2, kAdmin);
  const int put = story.Put({.by = 1});
  story.Admit({.by = 2}, 1, kAdmin);
  EXPECT_FALSE(story.tree().WritingOf(TrustWorld::Peer(1), story.world().PlaceOf(put))->begins)
      << "it would begin anew with every entry";
}

TEST(TrustRules, ANewNumberingBeginsWhenAnotherHandContinuedIt) {
  Story story;
  story.Admit({.by = 0}, 1, kWriter);
  const int put = story.Put({.by = 1});
  story.Put({.by = 1});
  EXPECT_TRUE(story.tree().WritingOf(TrustWorld::Peer(1), story.world().PlaceOf(put))->begins);
}

TEST(TrustRules, AProfileLowersItsOwnersRoleAndRaisesNothing) {
  Story story;
  story.Admit({.by = 0}, 1, {.role = Role::kNormal});
  story.Profile({.by = 1}, Role::kLeaf);
  EXPECT_EQ(story.RoleOf(1), Role::kLeaf);
  story.Profile({.by = 1}, Role::kNormal);
  EXPECT_EQ(story.RoleOf(1), Role::kLeaf) << "the lowest that any named";
  story.Admit({.by = 0}, 1, {.role = Role::kServer});
  EXPECT_EQ(story.RoleOf(1), Role::kServer) << "the profiles are older than this admission";
}

// ---- Close ----

TEST(TrustRules, ACloseTakesWhatIsStampedLaterFromItsNumbering) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kWriter);
  const int early = story.Put({.by = 1, .basis = ActAt{admitted, 0}, .stamp = 2500});
  const int ahead = story.Put({.by = 1, .after = early, .stamp = 900'000});
  EXPECT_TRUE(story.Counts(ahead));
  const int close = story.Close({.by = 1, .basis = ActAt{admitted, 0}}, early);
  EXPECT_TRUE(story.Counts(early));
  EXPECT_FALSE(story.Counts(ahead));
  EXPECT_TRUE(story.Counts(story.Put({.by = 1, .after = close})));
  EXPECT_TRUE(story.tree().WritingOf(TrustWorld::Peer(1), story.world().PlaceOf(ahead))->begins);
}

TEST(TrustRules, ACloseNeedsTheRightToWriteAndItsOwnNumberings) {
  Story story;
  const int writer = story.Admit({.by = 0}, 1, kWriter);
  const int reader = story.Admit({.by = 0}, 2, kReader);
  const int put = story.Put({.by = 1, .basis = ActAt{writer, 0}});
  const int later = story.Put({.by = 1, .after = put, .stamp = 900'000});
  story.Close({.by = 1, .after = later, .stamp = 900'001}, put);  // of its own numbering
  story.Close({.by = 2, .basis = ActAt{reader, 0}}, put);
  EXPECT_TRUE(story.Counts(later));
}

// ---- recovery ----

TEST(TrustRules, RecoveryRemovesTheFounderToo) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int thief = story.Admit({.by = 0}, 2, kAdmin);
  story.RecoveryRemove(0, {.pins = Entries({0})});
  EXPECT_EQ(story.Members(), "1a");
  EXPECT_FALSE(story.Counts(thief));
}

TEST(TrustRules, ARemovalByRecoveryIsLiftedByRecoveryAlone) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  const int removal = story.RecoveryRemove(1, {});
  story.Admit({.by = 0}, 1, {.names = Acts({{removal, 0}})});
  EXPECT_EQ(story.Members(), "0a");
  story.RecoveryAdmit(1, {.names = Acts({{removal, 0}})});
  EXPECT_EQ(story.Members(), "0a 1w");
  const int named = story.Admit({.by = 0}, 1, kAdmin);
  EXPECT_EQ(story.Members(), "0a 1a");
  EXPECT_EQ(story.BasisOf(1), (ActAt{named, 0}));
}

TEST(TrustRules, WhoRecoveryAdmitsIsSeniorToAll) {
  Story story;
  const int admitted = story.RecoveryAdmit(1, kAdmin);
  story.Remove({.by = 0}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "0a 1a");
  story.Remove({.by = 1, .basis = ActAt{admitted, 0}}, 0, {.pins = kNoPins});
  EXPECT_EQ(story.Members(), "1a");
}

TEST(TrustRules, TheGenesisCanBeNamedAndLowered) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.RecoveryAdmit(0, {.authority = Authority::kWriter, .names = kNoNames});
  EXPECT_EQ(story.Members(), "0a 1a") << "it names nothing";
  story.RecoveryAdmit(0, {.authority = Authority::kWriter, .names = Acts({kByGenesis})});
  EXPECT_EQ(story.Members(), "0w 1a");
}

// ---- form ----

TEST(TrustRules, AnActWithoutFormIsNotTaken) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kWriter);
  const int put = story.Put({.by = 1});
  const BranchNumber branch =
      story.tree().branches().Begin(TrustWorld::Peer(0), TrustWorld::Hash(99), ActId::Genesis());
  const ActId one = story.world().Id({admitted, 0});
  const TrustAct sound{.kind = ActKind::kRemove, .peer = TrustWorld::Peer(1)};
  const auto taken = [&](TrustAct act, int64_t stamp = 90'000) {
    ActEntry entry{.hash = TrustWorld::Hash(99),
                   .place = {branch, 1},
                   .stamp = base::FromMs(stamp),
                   .previous = base::kNever,
                   .acts = {std::move(act)}};
    const absl::StatusCode code = story.tree().Add(entry).code();
    if (code == absl::StatusCode::kOk) (void)story.tree().Drop(entry.hash);
    return code;
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(taken(sound), absl::StatusCode::kOk);
  EXPECT_EQ(taken(sound, 0), kInvalid) << "no later than the genesis";

  TrustAct act = sound;
  act.names.assign(kNamesPerActMax + 1, one);
  EXPECT_EQ(taken(act), kInvalid);
  act.names = {ActId::Genesis()};
  EXPECT_EQ(taken(act), kInvalid) << "it is not about this peer";
  act.names = {one};
  EXPECT_EQ(taken(act), absl::StatusCode::kOk);
  EXPECT_EQ(taken(act, 2000), kInvalid) << "no later than what it names";
  act.names = {ActId{TrustWorld::Hash(77), 0}};
  EXPECT_EQ(taken(act), absl::StatusCode::kFailedPrecondition);

  act = sound;
  const Pin pin{story.world().PlaceOf(put), base::FromMs(3000)};
  act.pins.assign(kPinsPerActMax + 1, pin);
  EXPECT_EQ(taken(act), kInvalid);
  act.pins = {pin};
  EXPECT_EQ(taken(act, 3000), kInvalid) << "no later than what it pins";
  act.pins = {{story.world().PlaceOf(admitted), base::FromMs(2000)}};
  EXPECT_EQ(taken(act), kInvalid) << "not of this peer";

  EXPECT_EQ(taken({.kind = ActKind::kLeave, .peer = TrustWorld::Peer(1)}), kInvalid);
  EXPECT_EQ(
      taken({.peer = TrustWorld::Peer(2), .authority = Authority::kAdmin, .as_inviter = true}),
      kInvalid);
  EXPECT_EQ(taken({.peer = TrustWorld::Peer(1), .as_inviter = true, .names = {one}}), kInvalid)
      << "it names no leaving";
  EXPECT_EQ(taken({.peer = TrustWorld::Peer(1), .as_inviter = true, .pins = {pin}}), kInvalid);
  EXPECT_EQ(taken({.peer = TrustWorld::Peer(1), .only_named = true}), kInvalid);
}

TEST(TrustRules, NobodyRestsOnTheAdmissionOfAnother) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kAdmin);
  const BranchNumber branch = story.tree().branches().Begin(
      TrustWorld::Peer(2), TrustWorld::Hash(99), story.world().Id({admitted, 0}));
  EXPECT_EQ(story.tree().RightsOf({branch, 1}), std::nullopt);
  EXPECT_EQ(story.tree()
                .Add({.hash = TrustWorld::Hash(99),
                      .place = {branch, 1},
                      .stamp = base::FromMs(90'000),
                      .previous = base::kNever,
                      .acts = {}})
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TrustRules, WhatSomethingRestsOnIsNotDropped) {
  Story story;
  const int admitted = story.Admit({.by = 0}, 1, kAdmin);
  const int second = story.Admit({.by = 1}, 2, kWriter);
  EXPECT_EQ(story.world().Drop(admitted).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(story.world().Drop(second).ok());
  EXPECT_TRUE(story.world().Drop(admitted).ok());
  EXPECT_EQ(story.Members(), "0a");
}

TEST(TrustRules, WhoseAnswersMayHaveChangedIsSaid) {
  Story story;
  story.Admit({.by = 0}, 1, kAdmin);
  story.Admit({.by = 1}, 2, kWriter);
  (void)story.tree().TakeTouched();
  story.Admit({.by = 0}, 3, kWriter);
  EXPECT_EQ(story.tree().TakeTouched(), (std::vector<base::PeerId>{TrustWorld::Peer(3)}));
  story.Remove({.by = 0}, 1, {.pins = kNoPins});
  EXPECT_EQ(story.tree().TakeTouched().size(), 2u) << "1 and whom it had admitted";
}

}  // namespace
}  // namespace waypost::syncgroup
