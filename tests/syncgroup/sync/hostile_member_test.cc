// What the least member there is, a reader with a script, can bring about in a group: nothing that
// others notice.
#include "tests/support/hostile_member.h"

#include <gtest/gtest.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/sync/hostile_member_rig.h"

namespace waypost::syncgroup {
namespace {

using support::HostileMember;

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

TEST_F(HostileMemberTest, SoManyNumberingsAreComparedWithAMemberAtATime) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  a.node().parts.group_core->SetLimits({.numberings = 1000});
  // What follows on each is not what it was said to follow on.
  std::vector<SealedEntry> first, parted;
  for (std::size_t i = 0; i < kProbesKept + 44; ++i) {
    HostileMember::Numbering numbering = HostileMember::NewNumbering();
    first.push_back(hostile_.Next(group, numbering, {}));
    numbering.previous = HashEntry("another");
    parted.push_back(hostile_.Next(group, numbering, {}));
  }
  ASSERT_EQ(Send(a, group, {.entries = first}).entries, first.size());
  EXPECT_EQ(Send(a, group, {.entries = parted}).entries, 0u);
  EXPECT_EQ(a.node().replication().compared(), kProbesKept);
}

}  // namespace
}  // namespace waypost::syncgroup
