#include "syncgroup/log/log_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/random.h"
#include "tests/syncgroup/log/log_rig.h"

namespace waypost::syncgroup {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

GenesisFact Founder() {
  return {.founder = Author(0).peer_id(), .when = base::FromMs(1), .role = Role::kServer};
}
const base::PeerId& Peer(uint8_t number) { return Author(number).peer_id(); }

// A peer with its log and the tree over it.
class TrustRig {
 public:
  TrustRig() { Reload(); }
  void Reload() {
    rig_.Read([&](const LogReader& log) {
      auto loaded = LogTrust::Load(log, Founder(), recovery_);
      CHECK(loaded.ok());
      trust_ = *std::move(loaded);
    });
  }
  // Takes what has a form and lacks nothing, as one that asks nothing of rights.
  absl::Status Take(const OpenedEntry& entry) {
    absl::Status status;
    rig_.Write([&](LogWriter& log) {
      if (!trust_->NeedsOf(log, entry).empty()) {
        status = absl::NotFoundError("it lacks something");
        return;
      }
      status = trust_->CheckForm(log, entry);
      if (!status.ok()) return;
      const LogWriter::Appended at = log.Append(entry);
      if (at.kind == LogWriter::Appended::Kind::kNew) trust_->Took(log, entry, at);
    });
    return status;
  }
  EntryNeeds Needs(const OpenedEntry& entry) {
    EntryNeeds needs;
    rig_.Read([&](const LogReader& log) { needs = trust_->NeedsOf(log, entry); });
    return needs;
  }
  std::optional<EntryRights> Rights(const OpenedEntry& entry) {
    std::optional<EntryRights> rights;
    rig_.Read([&](const LogReader& log) { rights = trust_->RightsToWrite(log, entry); });
    return rights;
  }
  void Recover(const RecoverySaying& saying) {
    const base::EntryHash identity = RecoveryIdentity(EncodeRecoverySaying(saying));
    rig_.Read(
        [&](const LogReader& log) { CHECK(trust_->TookRecovery(log, identity, saying).ok()); });
    recovery_.push_back({identity, saying});
  }
  std::vector<LogHead> PinsFor(uint8_t peer) {
    std::vector<LogHead> pins;
    rig_.Read([&](const LogReader& log) { pins = trust_->PinsFor(log, Peer(peer)); });
    return pins;
  }
  // "0a 1w 2r+": who is a member, as what, and may invite.
  std::string Members() const {
    std::string text;
    for (uint8_t i = 0; i < 8; ++i) {
      const auto member = trust_->tree().FindMember(Peer(i));
      if (!member) continue;
      absl::StrAppend(&text, text.empty() ? "" : " ", static_cast<int>(i),
                      std::string(1, AuthorityName(member->authority)[0]),
                      member->invites && member->authority != Authority::kAdmin ? "+" : "");
    }
    return text;
  }
  LogTrust& trust() { return *trust_; }
  LogRig& rig() { return rig_; }

 private:
  LogRig rig_;
  std::unique_ptr<LogTrust> trust_;
  std::vector<LogTrust::Recovery> recovery_;
};

class LogTrustTest : public testing::Test {
 protected:
  OpenedEntry Acts(uint8_t by, ActId basis, std::vector<LogOp> ops) {
    LogEntry entry = First(Author(by), Holds::kActs, ++now_, std::move(ops)).entry;
    entry.basis = basis;
    return Seal(Author(by), entry);
  }
  OpenedEntry References(uint8_t by, ActId basis, std::vector<LogOp> ops = {}) {
    LogEntry entry = First(Author(by), Holds::kReferences, ++now_, std::move(ops)).entry;
    entry.basis = basis;
    return Seal(Author(by), entry);
  }
  OpenedEntry Next(uint8_t by, const OpenedEntry& before, std::vector<LogOp> ops = {}) {
    return After(Author(by), before, ++now_, std::move(ops));
  }
  static AdmitAct Admit(uint8_t peer, Authority authority) {
    return {.peer = Peer(peer), .authority = authority};
  }
  static ActId In(const OpenedEntry& entry, uint32_t position = 0) {
    return {entry.hash, position};
  }

  TrustRig here_;
  int64_t now_ = 1;
};

TEST_F(LogTrustTest, WhoIsAdmittedIsAMemberAndStaysOneAfterAStart) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kAdmin)});
  ASSERT_TRUE(here_.Take(acts).ok());
  EXPECT_EQ(here_.Members(), "0a 1a");
  EXPECT_THAT(here_.trust().TakeTouched(), testing::Contains(Peer(1)));
  const OpenedEntry by_one = Acts(1, In(acts), {Admit(2, Authority::kWriter)});
  ASSERT_TRUE(here_.Take(by_one).ok());
  const OpenedEntry more =
      Next(0, acts, {SettingsOp{.name = "photos"}, Admit(3, Authority::kReader)});
  ASSERT_TRUE(here_.Take(more).ok());
  EXPECT_EQ(here_.Members(), "0a 1a 2w 3r");
  // Positions count acts about members alone.
  ASSERT_TRUE(here_.Take(References(3, In(more))).ok());
  here_.Reload();
  EXPECT_EQ(here_.Members(), "0a 1a 2w 3r");
  EXPECT_EQ(here_.trust().Settings().name, "photos");
}

TEST_F(LogTrustTest, AnEntrySaysWhatIsMissing) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  const OpenedEntry first = References(1, In(acts)), second = Next(1, first);
  AdmitAct lowering = Admit(1, Authority::kReader);
  lowering.names = {In(acts)};
  lowering.pins = {HeadOf(second)};
  const OpenedEntry lowers = Next(0, acts, {lowering});
  EXPECT_THAT(here_.Needs(first).acts, ElementsAre(In(acts)));
  EXPECT_THAT(here_.Needs(lowers).acts, ElementsAre(In(acts)));
  EXPECT_THAT(here_.Needs(lowers).heads, ElementsAre(HeadOf(acts), HeadOf(second)));
  EXPECT_FALSE(here_.Take(lowers).ok());
  ASSERT_TRUE(here_.Take(acts).ok());
  EXPECT_THAT(here_.Needs(lowers).heads, ElementsAre(HeadOf(second)));
  EXPECT_TRUE(here_.Needs(first).empty());
  ASSERT_TRUE(here_.Take(first).ok());
  ASSERT_TRUE(here_.Take(second).ok());
  EXPECT_TRUE(here_.Needs(lowers).empty());
  ASSERT_TRUE(here_.Take(lowers).ok());
  EXPECT_EQ(here_.Members(), "0a 1r");
}

TEST_F(LogTrustTest, WhatIsPinnedKeepsItsRightsAndTheRestHasThoseThatAreLeft) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  const OpenedEntry first = References(1, In(acts)), second = Next(1, first),
                    third = Next(1, second);
  for (const OpenedEntry* entry : {&acts, &first, &second, &third}) {
    ASSERT_TRUE(here_.Take(*entry).ok());
  }
  EXPECT_EQ(here_.PinsFor(1), std::vector<LogHead>{HeadOf(third)});
  const OpenedEntry removal =
      Next(0, acts, {RemoveAct{.peer = Peer(1), .names = {In(acts)}, .pins = {HeadOf(second)}}});
  ASSERT_TRUE(here_.Take(removal).ok());
  EXPECT_EQ(here_.Members(), "0a");
  for (int start = 0; start < 2; ++start) {
    here_.rig().Read([&](const LogReader& log) {
      EXPECT_EQ(here_.trust().CountsUpTo(log, log.Find(HeadOf(first))->branch), 2u);
    });
    EXPECT_FALSE(here_.Rights(Next(1, third)));
    here_.Reload();
  }
}

TEST_F(LogTrustTest, ASplitVoidsNothing) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  const OpenedEntry first = References(1, In(acts));
  const OpenedEntry left = Next(1, first), right = Next(1, first);
  for (const OpenedEntry* entry : {&acts, &first, &left, &right}) {
    ASSERT_TRUE(here_.Take(*entry).ok());
  }
  EXPECT_EQ(here_.Members(), "0a 1w");
  EXPECT_EQ(here_.PinsFor(1).size(), 2u);
  here_.Reload();
  here_.rig().Read([&](const LogReader& log) {
    for (const auto& [branch, row] : log.Branches()) {
      EXPECT_EQ(here_.trust().CountsUpTo(log, branch), row.head);
    }
  });
  EXPECT_EQ(here_.PinsFor(1).size(), 2u);
}

TEST_F(LogTrustTest, WhatHasNoFormIsRefusedWherever) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  ASSERT_TRUE(here_.Take(acts).ok());
  // Resting on the admission of somebody else.
  EXPECT_TRUE(absl::IsInvalidArgument(here_.Take(References(2, In(acts)))));
  // Stamped no later than what it rests on, or follows on.
  LogEntry early = References(1, In(acts)).entry;
  early.time = acts.entry.time;
  EXPECT_TRUE(absl::IsInvalidArgument(here_.Take(Seal(Author(1), early))));
  const OpenedEntry first = References(1, In(acts));
  ASSERT_TRUE(here_.Take(first).ok());
  early = Next(1, first).entry;
  early.time = first.entry.time;
  EXPECT_TRUE(absl::IsInvalidArgument(here_.Take(Seal(Author(1), early))));
  // Pinning what is not of the peer that it is about; naming what is about somebody else.
  EXPECT_TRUE(absl::IsInvalidArgument(
      here_.Take(Next(0, acts, {RemoveAct{.peer = Peer(2), .pins = {HeadOf(first)}}}))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      here_.Take(Next(0, acts, {RemoveAct{.peer = Peer(2), .names = {In(acts)}}}))));
}

TEST_F(LogTrustTest, SettingsAreThoseOfAdminsTheLatestOfEachField) {
  const OpenedEntry acts =
      Acts(0, ActId::Genesis(),
           {Admit(1, Authority::kAdmin), SettingsOp{.name = "a", .is_public = true}});
  const OpenedEntry by_one = Acts(1, In(acts), {SettingsOp{.name = "b", .description = "of b"}});
  ASSERT_TRUE(here_.Take(acts).ok());
  ASSERT_TRUE(here_.Take(by_one).ok());
  EXPECT_EQ(here_.trust().Settings(), (GroupSettings{"b", "of b", true, {}}));
  // Whoever is removed has said nothing that was not pinned.
  ASSERT_TRUE(here_.Take(Next(0, acts, {RemoveAct{.peer = Peer(1), .names = {In(acts)}}})).ok());
  EXPECT_EQ(here_.trust().Settings(), (GroupSettings{"a", {}, true, {}}));
  here_.Reload();
  EXPECT_EQ(here_.trust().Settings(), (GroupSettings{"a", {}, true, {}}));
}

TEST_F(LogTrustTest, ALowerRoleAndACloseAreKnownAfterAStart) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  const OpenedEntry ahead = References(1, In(acts));
  const OpenedEntry now = References(
      1, In(acts), {ProfileOp{.name = "cam", .lowered_role = Role::kLeaf}, CloseOp{ahead.hash}});
  for (const OpenedEntry* entry : {&acts, &ahead, &now}) ASSERT_TRUE(here_.Take(*entry).ok());
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(here_.trust().tree().FindMember(Peer(1))->role, Role::kLeaf);
    EXPECT_EQ(here_.trust().tree().ClosedAfter(ahead.hash), now.entry.time);
    here_.Reload();
  }
}

TEST_F(LogTrustTest, RecoveryPinsWhatComesLater) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kAdmin)});
  const OpenedEntry good = Acts(1, In(acts), {Admit(2, Authority::kWriter)});
  const OpenedEntry bad = Next(1, good, {Admit(3, Authority::kAdmin)});
  ASSERT_TRUE(here_.Take(acts).ok());
  here_.Recover({.group = LogGroup(),
                 .time = base::FromMs(++now_),
                 .act = RemoveAct{.peer = Peer(1), .names = {In(acts)}, .pins = {HeadOf(good)}}});
  EXPECT_EQ(here_.Members(), "0a");
  EXPECT_THAT(here_.trust().MissingPins(), ElementsAre(HeadOf(good)));
  ASSERT_TRUE(here_.Take(good).ok());
  ASSERT_TRUE(here_.Take(bad).ok());
  EXPECT_EQ(here_.Members(), "0a 2w") << "what was good counts, and nothing after it";
  EXPECT_THAT(here_.trust().MissingPins(), IsEmpty());
  here_.Reload();
  EXPECT_EQ(here_.Members(), "0a 2w");
}

TEST_F(LogTrustTest, WhatIsDroppedIsForgotten) {
  const OpenedEntry acts = Acts(0, ActId::Genesis(), {Admit(1, Authority::kWriter)});
  const OpenedEntry more =
      Next(0, acts, {Admit(2, Authority::kWriter), SettingsOp{.name = "photos"}});
  ASSERT_TRUE(here_.Take(acts).ok());
  ASSERT_TRUE(here_.Take(more).ok());
  here_.rig().Write([&](LogWriter& log) {
    bool done = false;
    ASSERT_TRUE(log.DropBeyond(1, 1, 10, done).ok());
    ASSERT_TRUE(here_.trust().Dropped(more.hash, {1, 2}).ok());
  });
  EXPECT_EQ(here_.Members(), "0a 1w");
  EXPECT_FALSE(here_.trust().Settings().name);
}

// One that takes entry by entry, in any order in which each has what it needs, and one that reads
// all of it at its start, have the same answers.
TEST_F(LogTrustTest, AnyOrderAndAnyStartGiveTheSame) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    base::SeededRandom random(seed);
    const auto below = [&](std::size_t n) {
      return static_cast<std::size_t>(random.Unit() * static_cast<double>(n)) % n;
    };
    TrustRig author, other;
    std::vector<OpenedEntry> all;
    std::map<uint8_t, std::vector<ActId>> bases = {{0, {ActId::Genesis()}}};
    for (int step = 0; step < 40; ++step) {
      const auto by =
          std::next(bases.begin(), static_cast<std::ptrdiff_t>(below(bases.size())))->first;
      const auto about = static_cast<uint8_t>(1 + below(5));
      std::vector<LogOp> ops;
      const auto authority = static_cast<Authority>(1 + below(3));
      const std::vector<ActId> names = bases.contains(about) && below(2) == 0
                                           ? std::vector<ActId>{bases[about].back()}
                                           : std::vector<ActId>{};
      if (below(4) == 0) {
        ops.emplace_back(
            RemoveAct{.peer = Peer(about), .names = names, .pins = author.PinsFor(about)});
      } else {
        AdmitAct admit = Admit(about, authority);
        admit.names = names;
        if (!names.empty()) admit.pins = author.PinsFor(about);
        ops.emplace_back(std::move(admit));
      }
      OpenedEntry entry = Acts(by, bases[by].back(), std::move(ops));
      // Now and then on what somebody wrote before, wherever that stands.
      for (const OpenedEntry& before : all) {
        const bool same = before.entry.place.origin == Peer(by);
        if (same && below(3) == 0) entry = Next(by, before, entry.entry.ops);
      }
      if (!author.Take(entry).ok()) continue;
      all.push_back(entry);
      if (std::holds_alternative<AdmitAct>(entry.entry.ops[0])) bases[about].push_back(In(entry));
    }
    ASSERT_GT(all.size(), 10u) << seed;
    std::vector<OpenedEntry> left = all;
    while (!left.empty()) {
      const auto at = left.begin() + static_cast<std::ptrdiff_t>(below(left.size()));
      if (!other.Needs(*at).empty()) continue;
      ASSERT_TRUE(other.Take(*at).ok()) << seed;
      left.erase(at);
    }
    const std::string members = author.Members();
    EXPECT_EQ(other.Members(), members) << seed;
    other.Reload();
    EXPECT_EQ(other.Members(), members) << seed;
    for (const OpenedEntry& entry : all) {
      uint64_t one = 0, two = 0;
      author.rig().Read([&](const LogReader& log) {
        const StoredPlace at = *log.Find(HeadOf(entry));
        one = std::min(author.trust().CountsUpTo(log, at.branch), at.generation);
      });
      other.rig().Read([&](const LogReader& log) {
        const StoredPlace at = *log.Find(HeadOf(entry));
        two = std::min(other.trust().CountsUpTo(log, at.branch), at.generation);
      });
      const uint64_t self = entry.entry.place.generation;
      EXPECT_EQ(one >= self, two >= self) << seed;
    }
  }
}

}  // namespace
}  // namespace waypost::syncgroup
