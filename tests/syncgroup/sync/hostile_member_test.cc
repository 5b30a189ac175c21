// What the least member there is, a reader with a script, can bring about in a group: nothing that
// others notice. Its messages go through the codecs, as they would over a socket.
#include "tests/support/hostile_member.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/cluster.h"

namespace waypost::syncgroup {
namespace {

using support::HostileMember;

class HostileMemberTest : public testing::Test {
 protected:
  static constexpr uint64_t kHostile = 66;

  // A group of `victim` in which the hostile peer is a member.
  base::GroupId GroupWithHostile(ClusterNode& victim, Authority authority = Authority::kReader) {
    const base::GroupId group = victim.Create("photos", Role::kServer);
    ClusterNode joining(wire_, {.number = kHostile});
    CHECK(joining.JoinAt(victim, group, Role::kNormal, authority).ok());
    return group;
  }
  // What the victim does with a page of entries of the hostile one.
  Replication::Round Send(ClusterNode& victim, const base::GroupId& group, SyncGroupReply answer) {
    answer.group = group;
    answer.member = true;
    answer.cursor = {.log = log_, .sequence = ++sequence_};
    SyncReply reply;
    reply.groups.push_back(std::move(answer));
    const auto bytes = EncodeSyncReply(reply);
    CHECK(bytes.ok());
    auto sent = DecodeSyncReply(*bytes);
    CHECK(sent.ok());
    Replication::Round round;
    CHECK(victim.node().replication().ApplyPage(hostile_.peer(), *std::move(sent), round).ok());
    return round;
  }
  // What it answers the hostile one: the bytes, or why there are none.
  absl::StatusOr<std::string> Ask(ClusterNode& victim, const SyncRequest& request) {
    ASSIGN_OR_RETURN(const std::string bytes, EncodeSyncRequest(request));
    sent_bytes_ = bytes.size();
    ASSIGN_OR_RETURN(const SyncRequest heard, DecodeSyncRequest(bytes));
    ASSIGN_OR_RETURN(const SyncReply reply,
                     victim.node().parts.peer_service->Sync(hostile_.peer(), heard));
    return EncodeSyncReply(reply);
  }

  std::size_t NumberingsOf(ClusterNode& node, const base::GroupId& group) {
    return NumberingsOf(node, group, hostile_.peer());
  }
  std::size_t NumberingsOf(ClusterNode& node, const base::GroupId& group,
                           const base::PeerId& origin) {
    std::size_t count = 0;
    CHECK(
        node.node()
            .index
            ->Read([&](base::ReadTxn& txn) { count = LoadKnowledgeOf(txn, group, origin).size(); })
            .ok());
    return count;
  }
  static std::size_t MembershipOpsOf(ClusterNode& node, const base::GroupId& group) {
    std::size_t count = 0;
    CHECK(
        node.node()
            .index->Read([&](base::ReadTxn& txn) { count = LoadMembershipOps(txn, group).size(); })
            .ok());
    return count;
  }
  // Of its references: another one begins when they are folded again from the log.
  static uint64_t EpochOf(ClusterNode& node, const base::GroupId& group) {
    uint64_t epoch = 0;
    CHECK(node.node()
              .index->Read([&](base::ReadTxn& txn) { epoch = LoadGroupRow(txn, group)->epoch; })
              .ok());
    return epoch;
  }
  // Of its index, since its start.
  static uint64_t CommitsOf(ClusterNode& node) {
    const std::string name = "waypost_index_commit_seconds_count ";
    const std::string all = node.node().parts.metrics.Render();
    const auto at = all.find(name);
    CHECK(at != std::string::npos);
    return std::stoull(all.substr(at + name.size()));
  }
  static absl::Status WriteAt(ClusterNode& admin, const base::GroupId& group, const Op& op) {
    return ChangeGroup(
        *admin.node().parts.group_core, *admin.node().parts.group_work, group,
        [&](GroupWriter& writer, const Member& self) { return WriteAllowed(writer, self, {op}); });
  }
  // Entries without an operation, each in a numbering of its own.
  std::vector<SealedEntry> EmptyNumberings(const base::GroupId& group, std::size_t count) {
    std::vector<SealedEntry> entries;
    for (std::size_t i = 0; i < count; ++i) {
      HostileMember::Numbering numbering = HostileMember::NewNumbering();
      entries.push_back(hostile_.Next(group, numbering, {}));
    }
    return entries;
  }

  Wire wire_;
  HostileMember hostile_{TestIdentities::Get().Number(kHostile), wire_.clock};
  const base::Incarnation log_ = base::NewIncarnation();
  uint64_t sequence_ = 0;
  std::size_t sent_bytes_ = 0;
};

TEST_F(HostileMemberTest, ProbesDoNotMakeAnAnswerGrowBeyondAPage) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  // Entries of its own, for whose place it then asks again and again.
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 4; ++i) {
    std::vector<Op> ops;
    for (int j = 0; j < 200; ++j) {
      ops.push_back(DeleteRefOp{absl::StrCat(std::string(380, 'k'), i, "-", j)});
    }
    entries.push_back(hostile_.Next(group, numbering, std::move(ops)));
  }
  Send(a, group, {.entries = entries});
  SyncGroupRequest asked{.group = group};
  for (std::size_t i = 0; i < kProbesMax; ++i) {
    asked.probes.push_back({{hostile_.peer(), numbering.incarnation}, 1});
  }
  const auto once = Ask(a, {.groups = {asked}});
  ASSERT_TRUE(once.ok()) << once.status();
  EXPECT_LE(once->size(), kSyncPageBytesMax);
  // Those that were left out are asked again: the answer says how many were not.
  const auto reply = DecodeSyncReply(*once);
  ASSERT_TRUE(reply.ok());
  EXPECT_GT(reply->groups.at(0).probed.size(), 0u);
  EXPECT_LT(reply->groups.at(0).probes_answered.value_or(kProbesMax), kProbesMax);
  EXPECT_GT(reply->groups.at(0).probes_answered.value_or(kProbesMax), 0u);
  // A group named many times is no request.
  SyncRequest many;
  for (int i = 0; i < 4; ++i) many.groups.push_back(asked);
  const auto answer = Ask(a, many);
  EXPECT_TRUE(absl::IsInvalidArgument(answer.status()))
      << sent_bytes_ << " bytes asked for " << (answer.ok() ? answer->size() : 0);
}

TEST_F(HostileMemberTest, EmptyNumberingsWithoutEndAreNotTaken) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  const Replication::Round round = Send(a, group, {.entries = EmptyNumberings(group, 12'500)});
  EXPECT_EQ(NumberingsOf(a, group), 64u);
  EXPECT_TRUE(round.held_back.contains(group));
  EXPECT_NE(round.problem.find("limits.numberings"), std::string::npos) << round.problem;
  ASSERT_TRUE(b.Set(group, "k", "v").ok());
  EXPECT_TRUE(wire_.InTime([&] { return a.Has(group, "k", "v"); }));
  // A day later one more.
  a.clock.Shift(base::Millis(25 * 3600 * 1000));
  Send(a, group, {.entries = EmptyNumberings(group, 5)});
  EXPECT_EQ(NumberingsOf(a, group), 65u);
}

TEST_F(HostileMemberTest, WhomItInvitesShareOnePart) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  HostileMember::Numbering inviting = HostileMember::NewNumbering();
  AdmitOp lets{.peer = hostile_.peer(),
               .incarnation = inviting.incarnation,
               .authority = Authority::kWriter,
               .invites = true};
  const auto write_as_admin = [&](const Op& op) {
    const absl::Status written = WriteAt(a, group, op);
    ASSERT_TRUE(written.ok()) << written;
  };
  write_as_admin(lets);
  std::vector<HostileMember> puppets;
  std::vector<SealedEntry> admissions;
  for (uint64_t i = 0; i < 4; ++i) {
    puppets.emplace_back(TestIdentities::Get().Number(kHostile + 1 + i), a.clock);
    admissions.push_back(hostile_.Next(group, inviting,
                                       {AdmitOp{.peer = puppets.back().peer(),
                                                .incarnation = base::NewIncarnation(),
                                                .authority = Authority::kReader,
                                                .as_inviter = true}},
                                       a.clock.WallNow() + base::Millis(1000)));
  }
  EXPECT_EQ(Send(a, group, {.entries = admissions}).problem, "");
  ASSERT_EQ(a.groups().Members(group)->size(), 6u);
  const auto flood = [&](HostileMember& by) {
    std::vector<SealedEntry> entries;
    for (int i = 0; i < 100; ++i) {
      HostileMember::Numbering numbering = HostileMember::NewNumbering();
      entries.push_back(by.Next(group, numbering, {}));
    }
    return Send(a, group, {.entries = entries});
  };
  std::vector<std::size_t> taken;
  for (HostileMember& puppet : puppets) {
    const Replication::Round round = flood(puppet);
    EXPECT_NE(round.problem.find("limits.numberings"), std::string::npos) << round.problem;
    taken.push_back(NumberingsOf(a, group, puppet.peer()));
  }
  EXPECT_EQ(taken, (std::vector<std::size_t>{64, 1, 1, 1}))
      << "and each of them its own small part";
  flood(hostile_);
  EXPECT_EQ(NumberingsOf(a, group), 64u) << "apart from them";
  lets.peer = puppets[3].peer();
  lets.incarnation = base::NewIncarnation();
  lets.invites = false;
  write_as_admin(lets);
  flood(puppets[3]);
  EXPECT_EQ(NumberingsOf(a, group, puppets[3].peer()), 64u) << "once an admin answers for it";
}

// Whom it brought in brings in others, with a part of its own: the tree had no end.
TEST_F(HostileMemberTest, WhomItInvitesInviteOnlyFromTheSharedPart) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  const absl::Status written = WriteAt(a, group,
                                       AdmitOp{.peer = hostile_.peer(),
                                               .incarnation = base::NewIncarnation(),
                                               .authority = Authority::kWriter,
                                               .invites = true});
  ASSERT_TRUE(written.ok()) << written;
  a.node().parts.group_core->SetLimits({.membership = 128, .membership_per_day = 0});
  const auto admit = [&](HostileMember& by, HostileMember::Numbering& numbering, uint64_t number) {
    const SealedEntry entry =
        by.Next(group, numbering,
                {AdmitOp{.peer = TestIdentities::Get().Number(number).peer_id(),
                         .incarnation = base::NewIncarnation(),
                         .authority = Authority::kReader,
                         .invites = true,
                         .as_inviter = true}},
                a.clock.WallNow() + base::Millis(1000));
    return Send(a, group, {.entries = {entry}}).problem;
  };
  HostileMember::Numbering first = HostileMember::NewNumbering();
  ASSERT_EQ(admit(hostile_, first, kHostile + 1), "");
  ASSERT_EQ(admit(hostile_, first, kHostile + 2), "");
  HostileMember puppet(TestIdentities::Get().Number(kHostile + 1), a.clock);
  HostileMember other(TestIdentities::Get().Number(kHostile + 2), a.clock);
  HostileMember::Numbering of_puppet = HostileMember::NewNumbering();
  HostileMember::Numbering of_other = HostileMember::NewNumbering();
  for (uint64_t i = 0; i < 128; ++i) {
    ASSERT_EQ(admit(puppet, of_puppet, kHostile + 3 + i), "") << i;
  }
  EXPECT_NE(admit(other, of_other, kHostile + 200).find("limits.membership"), std::string::npos);
  // It still writes, and leaves.
  HostileMember::Numbering again = HostileMember::NewNumbering();
  const Replication::Round round =
      Send(a, group,
           {.entries = {other.Next(group, again, {}),
                        other.Next(group, again,
                                   {RemoveOp{.peer = other.peer(),
                                             .incarnation = again.incarnation,
                                             .generation = 2}})}});
  EXPECT_EQ(round.entries, 2u) << round.problem;
}

TEST_F(HostileMemberTest, DeletesAndEmptyEntriesCount) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  // What it says of itself has come here, or has not, before its first peer ended.
  const std::size_t own = NumberingsOf(a, group);
  ASSERT_LE(own, 1u);
  const auto known = [&](const HostileMember::Numbering& numbering) {
    Known found;
    CHECK(a.node()
              .index
              ->Read([&](base::ReadTxn& txn) {
                found = LoadKnowledge(txn, group, {hostile_.peer(), numbering.incarnation}).known;
              })
              .ok());
    return found.generation;
  };
  const auto flood = [&](std::vector<Op> ops) {
    HostileMember::Numbering numbering = HostileMember::NewNumbering();
    std::vector<SealedEntry> entries;
    for (int i = 0; i < 30; ++i) entries.push_back(hostile_.Next(group, numbering, ops));
    Send(a, group, {.entries = entries});
    const uint64_t taken = known(numbering);
    // With more room it goes on where it was.
    a.node().parts.group_core->SetLimits({});
    Send(a, group, {.entries = entries});
    EXPECT_EQ(known(numbering), 30u);
    return taken;
  };
  a.node().parts.group_core->SetLimits({.entries = 20});
  EXPECT_EQ(flood({}), 20u - own);
  a.node().parts.group_core->SetLimits({.total = 50, .burst = 50, .per_second = 0});
  EXPECT_EQ(flood({DeleteRefOp{"a"}, DeleteRefOp{"b"}}), (50u - own) / 2);
  // A delete of what is not there leaves its stamp, so that all agree, and no reference.
  EXPECT_EQ(a.node().CountsOf(group).refs, 0u);
  a.node().parts.group_core->SetLimits({.log_bytes = 20'000});
  EXPECT_LT(flood({ProfileOp{std::string(200, 'n'), {}, {}}}), 30u);
}

TEST_F(HostileMemberTest, KnowledgeOfAnyLengthIsAskedAboutInPages) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  constexpr std::size_t kMany = 9'500;
  for (ClusterNode* node : {&a, &b}) {
    node->node().parts.group_core->SetLimits({.numberings = kMany + 1});
  }
  const base::GroupId group = GroupWithHostile(a);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  Send(a, group, {.entries = EmptyNumberings(group, kMany)});
  ASSERT_GE(NumberingsOf(a, group), kMany);
  // A whole round by hand: how long it takes on a busy machine is not the question.
  bool ranged = false;
  const auto pull = [&](ClusterNode& to, ClusterNode& from) {
    Replication& replication = to.node().replication();
    Replication::Round round;
    bool more = true;
    for (int page = 0; more && page < 100; ++page) {
      const auto request = replication.RequestFor(from.self(), {group}, round);
      CHECK(request.ok());
      const auto bytes = EncodeSyncRequest(*request);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      ranged |= request->groups.at(0).range.has_value();
      auto reply = from.node().parts.peer_service->Sync(to.self(), *DecodeSyncRequest(*bytes));
      CHECK(reply.ok());
      more = reply->groups.at(0).more;
      CHECK(replication.ApplyPage(from.self(), *std::move(reply), round).ok());
      more |= round.again || round.goes_on.contains(group);
    }
    EXPECT_FALSE(more);
  };
  pull(b, a);
  EXPECT_GE(NumberingsOf(b, group), kMany);
  // Both ways, and again: what is known already is passed over.
  ASSERT_TRUE(a.Set(group, "a", "of a").ok());
  ASSERT_TRUE(b.Set(group, "b", "of b").ok());
  pull(a, b);
  pull(b, a);
  EXPECT_TRUE(ranged);
  EXPECT_TRUE(a.Has(group, "b", "of b"));
  EXPECT_TRUE(b.Has(group, "a", "of a"));
  LogCursor kept;
  CHECK(b.node()
            .index->Read([&](base::ReadTxn& txn) { kept = LoadCursor(txn, group, a.self()); })
            .ok());
  EXPECT_GT(kept.sequence, kMany);
}

TEST_F(HostileMemberTest, ALieAboutWhatSomebodyWroteHidesNothingOfIt) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(a.Set(group, "before", "1").ok());
  const auto own = [&] {
    GroupRow row;
    CHECK(a.node().index->Read([&](base::ReadTxn& txn) { row = *LoadGroupRow(txn, group); }).ok());
    return row;
  };
  const GroupRow before = own();
  const Known lie{.generation = 1000, .hash = *base::EntryHash::FromBytes(std::string(32, 'x'))};
  SyncGroupRequest asked{.group = group};
  asked.knowledge[{a.self(), before.incarnation}] = lie;
  // As caller and as callee, again and again.
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Ask(a, {.groups = {asked}}).ok());
    SyncGroupReply answer;
    answer.of_caller[{a.self(), before.incarnation}] = lie;
    // An entry that somebody else signed proves nothing either.
    HostileMember::Numbering numbering{.incarnation = before.incarnation, .generation = 999};
    answer.claimed = {hostile_.Next(group, numbering, {})};
    Send(a, group, answer);
  }
  EXPECT_EQ(own().incarnation, before.incarnation);
  EXPECT_TRUE(own().retired.empty());
  ASSERT_TRUE(a.Set(group, "after", "2").ok());
  EXPECT_TRUE(wire_.InTime([&] { return b.Has(group, "after", "2"); }));
}

TEST_F(HostileMemberTest, AMentionOpensNothingThatIsPutLater) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  const base::GroupId other = a.Create("taxes", Role::kServer);
  const std::string guess = "form 7: yes";
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  Send(a, group, {.entries = {hostile_.Next(group, numbering, {PutRefOp{"k", BlobOf(guess), 1}})}});
  const auto put = a.node().Put(guess, Refs::Target{other, "k"});
  ASSERT_TRUE(put.ok());
  EXPECT_EQ(put->granted, std::vector<base::GroupId>{other});
  EXPECT_TRUE(a.node().Put(guess)->granted == std::vector<base::GroupId>{other});
  const auto granted = [&] {
    const auto judged = a.node().parts.access->Judge(hostile_.peer(), {BlobOf(guess)}, {group});
    return judged.ok() && judged->verdicts.at(0).kind == Access::Verdict::Kind::kGranted;
  };
  EXPECT_FALSE(granted());
  // Only what this peer's own app says there opens it.
  ASSERT_TRUE(a.Set(group, "mine", guess).ok());
  EXPECT_TRUE(granted());
}

TEST_F(HostileMemberTest, ProfilesWithoutEndCostNoFoldAndLeaveOne) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  const auto rows = [&] { return MembershipOpsOf(a, group); };
  const std::size_t before = rows();
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 3000; ++i) {
    entries.push_back(
        hostile_.Next(group, numbering, {ProfileOp{absl::StrCat("name ", i), {}, Role::kNormal}}));
  }
  // One that lowers the role stays, with whatever name came after it.
  entries.push_back(hostile_.Next(group, numbering, {ProfileOp{"low", {}, Role::kLeaf}}));
  entries.push_back(hostile_.Next(group, numbering, {ProfileOp{"last", {"h:1"}, {}}}));
  const auto started = std::chrono::steady_clock::now();
  Send(a, group, {.entries = entries});
  RecordProperty("ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::steady_clock::now() - started)
                                            .count()));
  EXPECT_LE(rows(), before + 103);
  const auto members = a.groups().Members(group);
  for (const Member& member : *members) {
    if (member.peer != hostile_.peer()) continue;
    EXPECT_EQ(member.name, "last");
    EXPECT_EQ(member.addresses, std::vector<std::string>{"h:1"});
    EXPECT_EQ(member.role, Role::kLeaf);
  }
}

TEST_F(HostileMemberTest, MembershipOperationsThatCountForNothingAreFoldedOnceAPage) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 1500; ++i) {
    entries.push_back(hostile_.Next(group, numbering, {SettingsOp{"mine", {}, true, {}}}));
  }
  const Replication::Round round = Send(a, group, {.entries = entries});
  EXPECT_EQ(round.entries, 1000u);
  EXPECT_NE(round.problem.find("limits.membership"), std::string::npos) << round.problem;
  EXPECT_EQ(a.groups().Find(group)->name, "photos");
}

TEST_F(HostileMemberTest, ForksOfAReaderWalkOverNothing) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  const auto epoch = [&] { return EpochOf(a, group); };
  const auto forks = [&](std::size_t count) {
    std::vector<ForkProof> proofs;
    for (std::size_t i = 0; i < count; ++i) {
      HostileMember::Numbering numbering = HostileMember::NewNumbering();
      const SealedEntry entry = hostile_.Next(group, numbering, {PutRefOp{"k", BlobOf("x"), 1}});
      Send(a, group, {.entries = {entry}});
      proofs.push_back(hostile_.ForkOf(group, numbering, entry, {DeleteRefOp{"k"}}));
    }
    return proofs;
  };
  uint64_t before = epoch();
  Send(a, group, {.forks = forks(20)});
  EXPECT_EQ(epoch(), before);
  // Of a writer all of a page are one walk.
  ASSERT_TRUE(
      a.groups().ChangeMember(group, hostile_.peer(), std::nullopt, Authority::kWriter).ok());
  const std::vector<ForkProof> proofs = forks(20);
  before = epoch();
  Send(a, group, {.forks = proofs});
  EXPECT_GT(epoch(), before);
  EXPECT_FALSE(a.groups().Refolding().value());
  EXPECT_TRUE(absl::IsNotFound(a.refs().Get(group, "k").status()));
  // Forks in numberings of which nothing is here are numberings of the member.
  std::vector<ForkProof> unknown;
  for (std::size_t i = 0; i < kForksMax; ++i) {
    HostileMember::Numbering numbering = HostileMember::NewNumbering();
    const SealedEntry entry = hostile_.Next(group, numbering, {});
    unknown.push_back(hostile_.ForkOf(group, numbering, entry, {DeleteRefOp{"k"}}));
  }
  Send(a, group, {.forks = unknown});
  EXPECT_LE(NumberingsOf(a, group), 64u);
}

TEST_F(HostileMemberTest, AStopEndsAPageBetweenTwoTransactions) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  SyncReply reply;
  reply.groups.push_back({.group = group,
                          .member = true,
                          .entries = {hostile_.Next(group, numbering, {})},
                          .cursor = {.log = log_, .sequence = 1}});
  Replication::Round round;
  std::atomic<bool>& stopping = a.node().parts.group_core->stopping;
  stopping = true;
  EXPECT_TRUE(absl::IsCancelled(a.node().replication().ApplyPage(hostile_.peer(), reply, round)));
  EXPECT_EQ(round.entries, 0u);
  stopping = false;
  EXPECT_TRUE(a.node().replication().ApplyPage(hostile_.peer(), reply, round).ok());
  EXPECT_EQ(round.entries, 1u);
}

TEST_F(HostileMemberTest, PapersTeachOnlyThatWhoShowsThemIsAMember) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  // A third member of which b has not heard, and its papers.
  b.Stop();
  base::PeerId third;
  {
    ClusterNode c(wire_, {.number = 3});
    ASSERT_TRUE(c.JoinAt(a, group).ok());
    third = c.self();
  }
  Papers papers;
  ASSERT_TRUE(
      a.node().index->Read([&](base::ReadTxn& txn) { papers = PapersOf(txn, group, third); }).ok());
  ASSERT_FALSE(papers.entries.empty());
  a.Stop();
  b.Start();
  const auto knows_it = [&] {
    const auto members = b.groups().Members(group);
    CHECK(members.ok());
    return std::any_of(members->begin(), members->end(),
                       [&](const Member& member) { return member.peer == third; });
  };
  const auto hello = [&](const base::PeerId& caller, const std::vector<Papers>& shown) {
    const auto reply = b.node().parts.peer_service->Hello(caller, {.papers = shown});
    CHECK(reply.ok());
    return reply->papers.size();
  };
  EXPECT_EQ(hello(hostile_.peer(), {papers}), 0u);
  EXPECT_FALSE(knows_it());
  // What comes after the sixteenth group is not looked at.
  std::vector<Papers> many(Replication::kHelloGroups);
  for (std::size_t i = 0; i < many.size(); ++i) {
    const std::string id(32, static_cast<char>('a' + i));
    many[i].group = *base::GroupId::FromBytes(id);
  }
  many.push_back(papers);
  EXPECT_EQ(hello(third, many), 0u);
  EXPECT_FALSE(knows_it());
  EXPECT_EQ(hello(third, {papers}), 1u);
  EXPECT_TRUE(knows_it());
}

TEST_F(HostileMemberTest, PapersOfAMemberAreKeptWithinItsLimits) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  // Each time under another numbering; who it is is all that a reader has to say.
  const auto show = [&](std::vector<Op> ops) {
    ops.push_back(ProfileOp{"mallory", {}, {}});
    for (int i = 0; i < 300; ++i) {
      HostileMember::Numbering numbering{.incarnation = base::NewIncarnation(), .generation = 6};
      const Papers papers{.group = group, .entries = {hostile_.Next(group, numbering, ops)}};
      const auto reply = a.node().parts.peer_service->Hello(hostile_.peer(), {.papers = {papers}});
      ASSERT_TRUE(reply.ok()) << reply.status();
      ASSERT_EQ(reply->papers.size(), 1u);
    }
  };
  const auto kept = [&] {
    std::size_t papers = 0;
    CHECK(a.node()
              .index
              ->Read([&](base::ReadTxn& txn) {
                VisitPrefix(txn, base::Table::kMembers, PaperPrefix(group, hostile_.peer()),
                            [&](std::string_view, std::string_view) { return ++papers > 0; });
              })
              .ok());
    return papers;
  };
  show({});
  EXPECT_GE(kept(), 60u);
  EXPECT_LE(kept(), 64u) << "as many numberings as it may begin";
  a.node().parts.group_core->SetLimits({.membership = 5, .numberings = 1000});
  const std::size_t before = kept();
  show({SettingsOp{"mine", {}, true, {}}});
  EXPECT_LE(kept(), before + 5);
  a.node().parts.group_core->SetLimits({.numberings = 1000});
  show({PutRefOp{std::string(400, 'k'), BlobOf("x"), 1}});
  EXPECT_LE(kept(), kPapersOfOriginMax);
  EXPECT_EQ(a.groups().Find(group)->name, "photos");
}

TEST_F(HostileMemberTest, OfPapersOnlyWhatShowsAMemberIsKept) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  const auto ops = [&] { return MembershipOpsOf(a, group); };
  const std::size_t before = ops();
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  Papers papers{.group = group};
  for (uint64_t i = 0; i < kPapersMax; ++i) {
    const base::PeerId other = TestIdentities::Get().Number(kHostile + 1 + i).peer_id();
    papers.entries.push_back(hostile_.Next(
        group, numbering,
        {RemoveOp{.peer = other, .incarnation = base::NewIncarnation()},
         AdmitOp{.peer = other, .incarnation = base::NewIncarnation(), .as_inviter = true}}));
  }
  ASSERT_TRUE(a.node().parts.peer_service->Hello(hostile_.peer(), {.papers = {papers}}).ok());
  EXPECT_EQ(ops(), before);
}

TEST_F(HostileMemberTest, WhoWasRemovedIsHeardOfWhileEntriesWait) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a, Authority::kAdmin);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  const auto is_member = [&](const base::PeerId& peer) {
    const auto members = a.groups().Members(group);
    return std::any_of(members->begin(), members->end(),
                       [&](const Member& member) { return member.peer == peer; });
  };
  ASSERT_TRUE(is_member(b.self()));
  a.node().parts.group_core->SetLimits({.entries = 10});
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 30; ++i) entries.push_back(hostile_.Next(group, numbering, {}));
  entries.push_back(hostile_.Next(
      group, numbering, {RemoveOp{.peer = b.self(), .incarnation = base::NewIncarnation()}}));
  const Replication::Round round = Send(a, group, {.entries = entries});
  EXPECT_LE(round.entries, 10u);
  EXPECT_TRUE(round.held_back.contains(group));
  EXPECT_FALSE(is_member(b.self()));
  // Once there is room for it, it is an entry like all others.
  a.node().parts.group_core->SetLimits({});
  EXPECT_TRUE(Send(a, group, {.entries = entries}).held_back.empty());
  EXPECT_FALSE(is_member(b.self()));
}

TEST_F(HostileMemberTest, ARemovalIsHeardOfWhereALimitWasLoweredSince) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a, Authority::kAdmin);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  const auto members = [&] { return a.groups().Members(group)->size(); };
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 30; ++i) entries.push_back(hostile_.Next(group, numbering, {}));
  ASSERT_TRUE(Send(a, group, {.entries = entries}).held_back.empty());
  a.node().parts.group_core->SetLimits({.entries = 10});
  const SealedEntry removal = hostile_.Next(
      group, numbering, {RemoveOp{.peer = b.self(), .incarnation = base::NewIncarnation()}});
  EXPECT_TRUE(Send(a, group, {.entries = {removal}}).held_back.contains(group));
  EXPECT_EQ(members(), 2u);
}

TEST_F(HostileMemberTest, NothingThatWasShownKeepsARemovalAway) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a, Authority::kAdmin);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  const auto is_member = [&](const base::PeerId& peer) {
    const auto members = a.groups().Members(group);
    return std::any_of(members->begin(), members->end(),
                       [&](const Member& member) { return member.peer == peer; });
  };
  a.node().parts.group_core->SetLimits({.entries = 10});
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (std::size_t i = 0; i < 10 + kPapersOfOriginMax + 20; ++i) {
    entries.push_back(
        hostile_.Next(group, numbering,
                      {AdmitOp{.peer = TestIdentities::Get().Number(1000 + i).peer_id(),
                               .incarnation = base::NewIncarnation()}}));
  }
  entries.push_back(hostile_.Next(
      group, numbering, {RemoveOp{.peer = b.self(), .incarnation = base::NewIncarnation()}}));
  EXPECT_TRUE(Send(a, group, {.entries = entries}).held_back.contains(group));
  const std::size_t members = a.groups().Members(group)->size();
  EXPECT_GE(members, kPapersOfOriginMax);
  EXPECT_LT(members, 10 + kPapersOfOriginMax + 20) << "the others wait";
  EXPECT_FALSE(is_member(b.self()));
}

// Else a member told each of the others something of its own, and published none of it.
TEST_F(HostileMemberTest, WhatWaitsIsHeardOfAsFarAsItFollowsOnWhatIsKnown) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = GroupWithHostile(a, Authority::kAdmin);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  const auto members = [&] { return a.groups().Members(group)->size(); };
  a.node().parts.group_core->SetLimits({.entries = 10});
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 30; ++i) entries.push_back(hostile_.Next(group, numbering, {}));
  numbering.generation += 1000;
  entries.push_back(hostile_.Next(
      group, numbering, {RemoveOp{.peer = b.self(), .incarnation = base::NewIncarnation()}}));
  EXPECT_TRUE(Send(a, group, {.entries = entries}).held_back.contains(group));
  EXPECT_EQ(members(), 3u);
}

// Each walks over what follows it in the log, and starts that walk anew.
TEST_F(HostileMemberTest, ForksThatPapersShowCostOneWalk) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  const auto epoch = [&] { return EpochOf(a, group); };
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 20; ++i) {
    entries.push_back(hostile_.Next(group, numbering,
                                    {ProfileOp{"mallory", {}, {}}, PutRefOp{"k", BlobOf("x"), 1}}));
  }
  ASSERT_TRUE(Send(a, group, {.entries = entries}).held_back.empty());
  const uint64_t before = epoch();
  for (uint64_t generation = 20; generation > 0; --generation) {
    HostileMember::Numbering other = HostileMember::NewNumbering();
    const Papers papers{
        .group = group,
        .entries = {hostile_.Sign({.group = group,
                                   .place = {hostile_.peer(), numbering.incarnation, generation},
                                   .previous = {},
                                   .time = a.clock.WallNow(),
                                   .ops = {ProfileOp{"other", {}, {}}}}),
                    hostile_.Next(group, other, {ProfileOp{"news", {}, {}}})}};
    ASSERT_TRUE(a.node().parts.peer_service->Hello(hostile_.peer(), {.papers = {papers}}).ok());
  }
  EXPECT_LE(epoch(), before + 1);
}

TEST_F(HostileMemberTest, ForksOfManyNumberingsThatPapersShowCostOneWalk) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  std::vector<HostileMember::Numbering> numberings;
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 20; ++i) {
    numberings.push_back(HostileMember::NewNumbering());
    entries.push_back(hostile_.Next(group, numberings.back(), {PutRefOp{"k", BlobOf("x"), 1}}));
  }
  ASSERT_TRUE(Send(a, group, {.entries = entries}).held_back.empty());
  const uint64_t before = EpochOf(a, group);
  for (const HostileMember::Numbering& numbering : numberings) {
    HostileMember::Numbering other = HostileMember::NewNumbering();
    const Papers papers{
        .group = group,
        .entries = {hostile_.Sign({.group = group,
                                   .place = {hostile_.peer(), numbering.incarnation, 1},
                                   .previous = {},
                                   .time = a.clock.WallNow(),
                                   .ops = {ProfileOp{"other", {}, {}}}}),
                    hostile_.Next(group, other, {ProfileOp{"news", {}, {}}})}};
    ASSERT_TRUE(a.node().parts.peer_service->Hello(hostile_.peer(), {.papers = {papers}}).ok());
  }
  EXPECT_LE(EpochOf(a, group), before + 1);
}

TEST_F(HostileMemberTest, PapersOfWhichNothingIsKeptNeverReachTheWriter) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kReader);
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  // A reader sets nothing: it counts for nothing, however often it is shown.
  const Papers papers{.group = group,
                      .entries = {hostile_.Next(group, numbering, {SettingsOp{.name = "mine"}})}};
  const auto hello = [&] {
    ASSERT_TRUE(a.node().parts.peer_service->Hello(hostile_.peer(), {.papers = {papers}}).ok());
  };
  hello();
  const uint64_t before = CommitsOf(a);
  for (int i = 0; i < 40; ++i) hello();
  EXPECT_LT(CommitsOf(a), before + 10) << "its own syncer writes too";
}

TEST_F(HostileMemberTest, AnAnswerToAJoinHasABoundHoweverMuchServersSayOfThemselves) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = a.Create("photos", Role::kServer);
  std::vector<HostileMember> servers;
  for (uint64_t i = 0; i < 31; ++i) {
    servers.emplace_back(TestIdentities::Get().Number(kHostile + i), a.clock);
    ClusterNode joining(wire_, {.number = kHostile + i});
    ASSERT_TRUE(joining.JoinAt(a, group, Role::kServer).ok());
  }
  for (HostileMember& server : servers) {
    std::vector<Op> ops{ProfileOp{"large", {}, {}}};
    for (int i = 0; i < 999; ++i) {
      ops.push_back(PutRefOp{absl::StrCat(std::string(396, 'k'), i), BlobOf("x"), 1});
    }
    HostileMember::Numbering numbering = HostileMember::NewNumbering();
    const SealedEntry entry =
        server.Next(group, numbering, std::move(ops), a.clock.WallNow() + base::Millis(60'000));
    SyncReply reply;
    reply.groups.push_back({.group = group,
                            .member = true,
                            .entries = {entry},
                            .cursor = {.log = log_, .sequence = ++sequence_}});
    Replication::Round round;
    ASSERT_TRUE(a.node().replication().ApplyPage(server.peer(), reply, round).ok());
    ASSERT_EQ(round.entries, 1u) << round.problem;
  }
  ClusterNode b(wire_, {.number = 2});
  EXPECT_TRUE(b.JoinAt(a, group).ok());
}

TEST_F(HostileMemberTest, AHelloHasRoomForSixteenGroups) {
  ClusterNode a(wire_, {.number = 1});
  std::vector<base::GroupId> groups;
  for (int i = 0; i < 20; ++i) groups.push_back(a.Create(absl::StrCat("group ", i)));
  const auto request = a.node().replication().HelloFor(groups);
  ASSERT_TRUE(request.ok());
  ASSERT_EQ(request->papers.size(), Replication::kHelloGroups);
  for (std::size_t i = 0; i < request->papers.size(); ++i) {
    EXPECT_EQ(request->papers[i].group, groups[i]);
  }
}

TEST(HelloRoom, TakesNoMoreBytesThanACalleeDoesButAlwaysOneGroup) {
  const auto papers = [](std::size_t bytes) {
    Papers of_group;
    of_group.entries.push_back({.bytes = std::string(bytes, 'p')});
    return of_group;
  };
  HelloRoom room;
  EXPECT_TRUE(room.Take(papers(300 << 10)));
  EXPECT_TRUE(room.Take(papers(300 << 10)));
  EXPECT_FALSE(room.Take(papers(300 << 10)));
  HelloRoom of_one;
  EXPECT_TRUE(of_one.Take(papers(std::size_t{2} << 20)));
  EXPECT_FALSE(of_one.Take(papers(0)));
}

TEST_F(HostileMemberTest, NothingIsAskedForThatThereIsNoRoomToKeep) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(b.JoinAt(a, group, Role::kNormal, Authority::kAdmin).ok());
  a.node().blobs->SetMinFree({.bytes = uint64_t{1} << 60});
  ASSERT_TRUE(b.Set(group, "k", "v").ok());
  const auto waiting = [&] {
    for (const auto& status : a.syncer().Status(group)) {
      if (status.last_error.find("store.min_free") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(wire_.InTime(waiting));
  EXPECT_FALSE(a.Has(group, "k", "v"));
  // Who is a member is heard of all the same.
  ClusterNode c(wire_, {.number = 3});
  ASSERT_TRUE(c.JoinAt(b, group).ok());
  const auto members = [&] { return a.groups().Members(group)->size(); };
  EXPECT_TRUE(wire_.InTime([&] { return members() == 3u; }));
  ASSERT_TRUE(b.groups().RemoveMember(group, c.self()).ok());
  EXPECT_TRUE(wire_.InTime([&] { return members() == 2u; }));
  EXPECT_FALSE(a.Has(group, "k", "v"));
  a.node().blobs->SetMinFree({.bytes = 0});
  EXPECT_TRUE(wire_.InTime([&] { return a.Has(group, "k", "v"); }));
}

}  // namespace
}  // namespace waypost::syncgroup
