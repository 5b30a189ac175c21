// What a member can bring about by what it shows of itself and of others before the log brings it:
// papers, and entries that have to wait.
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "tests/support/hostile_member.h"
#include "tests/syncgroup/sync/hostile_member_rig.h"

namespace waypost::syncgroup {
namespace {

using support::HostileMember;

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

// A profile, and references that make it nearly half a mebibyte.
std::vector<Op> LargeProfile() {
  std::vector<Op> ops{ProfileOp{"large", {}, {}}};
  for (int i = 0; i < 999; ++i) {
    ops.push_back(PutRefOp{absl::StrCat(std::string(396, 'k'), i), BlobOf("x"), 1});
  }
  return ops;
}

TEST_F(HostileMemberTest, PapersOfAGroupHaveARoomHoweverManyMembersShowThem) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = a.Create("photos", Role::kServer);
  const std::vector<Op> large = LargeProfile();
  std::size_t shown = 0;
  for (uint64_t i = 0; i < 45; ++i) {
    HostileMember member(TestIdentities::Get().Number(kHostile + i), a.clock);
    {
      ClusterNode joining(wire_, {.number = kHostile + i});
      ASSERT_TRUE(joining.JoinAt(a, group, Role::kNormal).ok());
    }
    for (int j = 0; j < 2; ++j) {
      HostileMember::Numbering numbering{.incarnation = base::NewIncarnation(), .generation = 6};
      const SealedEntry entry = member.Next(group, numbering, large);
      shown += entry.bytes.size();
      const Papers papers{.group = group, .entries = {entry}};
      ASSERT_TRUE(a.node().parts.peer_service->Hello(member.peer(), {.papers = {papers}}).ok());
    }
  }
  std::size_t kept = 0;
  ASSERT_TRUE(a.node()
                  .index
                  ->Read([&](base::ReadTxn& txn) {
                    VisitPrefix(txn, base::Table::kMembers, PaperPrefix(group),
                                [&](std::string_view, std::string_view payload) {
                                  kept += payload.size();
                                  return true;
                                });
                  })
                  .ok());
  EXPECT_GT(shown, kPaperBytesOfGroupMax);
  EXPECT_LE(kept, kPaperBytesOfGroupMax);
  EXPECT_GT(kept, kPaperBytesOfGroupMax - (std::size_t{1} << 20));
}

// What decides about members is picked out of a log that is read for it: so much in an answer.
TEST_F(HostileMemberTest, WhoAsksForWhatDecidesHasSoMuchReadForIt) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a, Authority::kWriter);
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<Op> refs = LargeProfile();
  refs.erase(refs.begin());
  std::size_t written = 0;
  while (written < (std::size_t{20} << 20)) {
    const SealedEntry entry = hostile_.Next(group, numbering, refs);
    written += entry.bytes.size();
    ASSERT_EQ(Send(a, group, {.entries = {entry}}).entries, 1u);
  }
  ASSERT_TRUE(WriteAt(a, group,
                      RemoveOp{.peer = hostile_.peer(),
                               .incarnation = numbering.incarnation,
                               .generation = numbering.generation})
                  .ok());
  ClusterNode b(wire_, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  SyncGroupRequest asked{.group = group, .deciding = true};
  std::size_t answers = 0;
  bool removal = false, more = true;
  while (more && answers < 10) {
    const auto reply = a.node().parts.peer_service->Sync(b.self(), {.groups = {asked}});
    ASSERT_TRUE(reply.ok());
    ASSERT_EQ(reply->groups.size(), 1u);
    ++answers;
    more = reply->groups[0].more;
    asked.cursor = reply->groups[0].cursor;
    for (const SealedEntry& sealed : reply->groups[0].entries) {
      const auto entry = DecodeEntry(sealed.bytes);
      ASSERT_TRUE(entry.ok());
      for (const Op& op : entry->ops) {
        removal |= std::holds_alternative<RemoveOp>(op);
        EXPECT_FALSE(std::holds_alternative<PutRefOp>(op));
      }
    }
  }
  EXPECT_TRUE(removal);
  EXPECT_EQ(answers, 2u);
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
  ASSERT_TRUE(IsMember(a, group, b.self()));
  a.node().parts.group_core->SetLimits({.entries = 10});
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 30; ++i) entries.push_back(hostile_.Next(group, numbering, {}));
  entries.push_back(hostile_.Next(
      group, numbering, {RemoveOp{.peer = b.self(), .incarnation = base::NewIncarnation()}}));
  const Replication::Round round = Send(a, group, {.entries = entries});
  EXPECT_LE(round.entries, 10u);
  EXPECT_TRUE(round.held_back.contains(group));
  EXPECT_FALSE(IsMember(a, group, b.self()));
  // Once there is room for it, it is an entry like all others.
  a.node().parts.group_core->SetLimits({});
  EXPECT_TRUE(Send(a, group, {.entries = entries}).held_back.empty());
  EXPECT_FALSE(IsMember(a, group, b.self()));
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
  EXPECT_FALSE(IsMember(a, group, b.self()));
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
    std::vector<Op> ops = LargeProfile();
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

}  // namespace
}  // namespace waypost::syncgroup
