#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/clock.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/genesis.h"
#include "syncgroup/protocol/seal.h"
#include "tests/syncgroup/cluster.h"

// What strangers and members can and cannot bring about by what they send.
namespace waypost::syncgroup {
namespace {

std::string Incarnation16(char fill) { return std::string(16, fill); }

// Somebody who signs whatever it likes.
struct Liar {
  Liar(uint64_t number, const base::Clock& at) : peer(PeerNumber(number)), clock(at) {}
  SealedEntry Sign(const base::GroupId& group, std::vector<Op> ops) {
    const Entry entry{.group = group,
                      .place = {peer, incarnation, ++generation},
                      .previous = previous,
                      // Later than what it follows, in a world whose time stands still.
                      .time = clock.WallNow() + base::Millis(1000 * generation),
                      .ops = std::move(ops)};
    const SealedEntry sealed = SealEntry(TestIdentity(peer), entry);
    previous = PrepareEntry(group, sealed)->hash;
    return sealed;
  }
  const base::PeerId peer;
  const base::Clock& clock;
  base::Incarnation incarnation = *base::Incarnation::FromBytes(Incarnation16('l'));
  uint64_t generation = 0;
  base::EntryHash previous;
};

class TrustTest : public testing::Test {
 protected:
  std::size_t MembershipRows(ClusterNode& node, const base::GroupId& group) {
    std::size_t rows = 0;
    EXPECT_TRUE(node.node()
                    .index
                    ->Read([&](base::ReadTxn& txn) {
                      VisitPrefix(txn, base::Table::kMembers, group.bytes(),
                                  [&](std::string_view, std::string_view) {
                                    ++rows;
                                    return true;
                                  });
                    })
                    .ok());
    return rows;
  }
  // A page of a sync, as a member would send it.
  Replication::Round Page(ClusterNode& node, const base::PeerId& from, const base::GroupId& group,
                          std::vector<SealedEntry> entries) {
    SyncGroupReply answer{.group = group, .member = true, .entries = std::move(entries)};
    answer.cursor = {.log = *base::Incarnation::FromBytes(Incarnation16('c')),
                     .sequence = ++sequence_};
    SyncReply reply;
    reply.groups.push_back(std::move(answer));
    Replication::Round round;
    EXPECT_TRUE(node.node().replication().ApplyPage(from, std::move(reply), round).ok());
    return round;
  }
  bool Mentioned(ClusterNode& node, const std::string& content) {
    const auto record = node.node().Record(BlobOf(content));
    return record.signpost && !record.signpost->groups.empty();
  }

  Wire wire_;
  uint64_t sequence_ = 0;
};

TEST_F(TrustTest, AStrangersPapersLeaveNoTrace) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = a.Create("photos");
  const std::size_t before = MembershipRows(a, group);
  Liar liar(66, wire_.clock);
  HelloRequest hello{.name = "liar", .addresses = {"victim:1"}};
  hello.papers.push_back(
      {group,
       {liar.Sign(group, {AdmitOp{liar.peer, liar.incarnation, Role::kServer, Authority::kAdmin}}),
        liar.Sign(group, {ProfileOp{"liar", {"victim:1"}, {}}})}});
  const auto reply = a.node().replication().ServeHello(liar.peer, hello);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->papers.empty());
  EXPECT_EQ(MembershipRows(a, group), before);
  EXPECT_FALSE(a.node().peers->Find(liar.peer).has_value());
  EXPECT_EQ(a.groups().Members(group)->size(), 1u);
}

TEST_F(TrustTest, AReaderWritesNothing) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode r(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(r.JoinAt(a, group, Role::kNormal, Authority::kReader).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(r.refs().Change(group, {{"k", BlobOf("x")}})));
  EXPECT_TRUE(absl::IsPermissionDenied(r.groups().RemoveMember(group, a.self())));
  // What it signs all the same is kept, for the numbering's sake, and counts nowhere.
  r.Stop();
  Liar liar(2, wire_.clock);
  Page(
      a, PeerNumber(2), group,
      {liar.Sign(group, {PutRefOp{"k", BlobOf("lie"), 1}}),
       liar.Sign(group,
                 {RemoveOp{a.self(), a.node().groups->Members(group)->at(0).incarnation, 0}}),
       liar.Sign(group, {SettingsOp{"mine", {}, true}}),
       liar.Sign(group, {AdmitOp{liar.peer, liar.incarnation, Role::kServer, Authority::kAdmin}})});
  EXPECT_FALSE(Mentioned(a, "lie"));
  EXPECT_EQ(a.groups().Members(group)->size(), 2u);
  EXPECT_EQ(a.groups().Find(group)->name, "photos");
  EXPECT_FALSE(a.groups().Find(group)->is_public);
  const std::vector<Member> members = *a.groups().Members(group);
  for (const Member& member : members) {
    EXPECT_EQ(member.authority, member.peer == a.self() ? Authority::kAdmin : Authority::kReader);
  }
}

TEST_F(TrustTest, AuthorityComesAndGoesWithItsEntries) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(b.refs().Change(group, {{"before", BlobOf("before")}}).ok());
  ASSERT_TRUE(wire_.InTime([&] { return Mentioned(a, "before"); }));
  ASSERT_TRUE(a.groups().ChangeMember(group, b.self(), {}, Authority::kReader).ok());
  ASSERT_TRUE(
      wire_.InTime([&] { return b.groups().Find(group)->authority == Authority::kReader; }));
  EXPECT_TRUE(absl::IsPermissionDenied(b.refs().Change(group, {{"no", BlobOf("no")}})));
  EXPECT_TRUE(a.refs().Get(group, "before").ok());
  EXPECT_TRUE(b.refs().Get(group, "before").ok());
  ASSERT_TRUE(a.groups().ChangeMember(group, b.self(), {}, Authority::kAdmin).ok());
  ASSERT_TRUE(wire_.InTime([&] { return b.groups().Find(group)->authority == Authority::kAdmin; }));
  ASSERT_TRUE(b.groups().ChangeMember(group, a.self(), {}, Authority::kWriter).ok());
  ASSERT_TRUE(
      wire_.InTime([&] { return a.groups().Find(group)->authority == Authority::kWriter; }));
  EXPECT_TRUE(absl::IsPermissionDenied(a.invites().Create(group, {}).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(b.groups().ChangeMember(group, b.self(), {}, Authority::kWriter)))
      << "the last admin";
}

TEST_F(TrustTest, WhoComesInByALaterAdminCanShowItsWholeChain) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  ClusterNode c(wire_, {.number = 3});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group, Role::kNormal, Authority::kWriter).ok());
  ASSERT_TRUE(a.groups().ChangeMember(group, b.self(), {}, Authority::kAdmin).ok());
  ASSERT_TRUE(wire_.InTime([&] { return b.groups().Find(group)->authority == Authority::kAdmin; }));
  a.Stop();
  // c sees papers alone before its first round with b.
  const auto joined = c.JoinAt(b, group, Role::kServer, Authority::kWriter);
  ASSERT_TRUE(joined.ok()) << joined;
  a.Start();
  ASSERT_TRUE(wire_.InTime([&] { return a.groups().Members(group)->size() == 3; }));
}

TEST_F(TrustTest, AMemberCannotFillTheLogInTheNameOfOthers) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(wire_.InTime([&] { return a.groups().Members(group)->size() == 2; }));
  b.Stop();
  Liar puppet(77, wire_.clock);
  const auto round = Page(a, PeerNumber(2), group,
                          {puppet.Sign(group, {PutRefOp{"k", BlobOf("junk"), 1}}),
                           puppet.Sign(group, {PutRefOp{"l", BlobOf("junk"), 1}})});
  EXPECT_EQ(round.entries, 0u);
  EXPECT_FALSE(Mentioned(a, "junk"));
  // Should it be admitted after all, what was passed over is asked for again.
  const auto cursor = [&] {
    LogCursor found;
    EXPECT_TRUE(
        a.node()
            .index->Read([&](base::ReadTxn& txn) { found = LoadCursor(txn, group, PeerNumber(2)); })
            .ok());
    return found;
  };
  EXPECT_EQ(cursor().sequence, sequence_);
  const auto invite = a.invites().Create(group, {});
  ASSERT_TRUE(invite.ok());
  TempDir dir;
  TestNode joiner(puppet.peer, dir.path(), a.clock);
  const auto request = joiner.invites->PrepareJoin(*invite, {});
  ASSERT_TRUE(request.ok());
  ASSERT_TRUE(a.invites().AcceptJoin(puppet.peer, *request).ok());
  EXPECT_EQ(cursor(), LogCursor());
}

TEST_F(TrustTest, TwoEntriesUnderOneNumberAreFoundAlsoWhereOneCameWithPapers) {
  ClusterNode a(wire_, {.number = 1});
  ClusterNode b(wire_, {.number = 2});
  const base::GroupId group = a.Create("photos", Role::kServer);
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(wire_.InTime([&] { return a.groups().Members(group)->size() == 2; }));
  b.Stop();
  Liar one(2, wire_.clock), two(2, wire_.clock);
  HelloRequest hello;
  hello.papers.push_back({group, {one.Sign(group, {ProfileOp{"one", {}, {}}})}});
  ASSERT_TRUE(a.node().replication().ServeHello(PeerNumber(2), hello).ok());
  const auto name = [&] {
    const std::vector<Member> members = *a.groups().Members(group);
    for (const Member& member : members) {
      if (member.peer == PeerNumber(2)) return member.name;
    }
    return std::string("gone");
  };
  EXPECT_EQ(name(), "one");
  Page(a, PeerNumber(2), group, {two.Sign(group, {ProfileOp{"two", {}, {}}})});
  EXPECT_NE(name(), "one");
  EXPECT_NE(name(), "two");
  a.node()
      .index
      ->Read([&](base::ReadTxn& txn) {
        EXPECT_EQ(LoadKnowledge(txn, group, {PeerNumber(2), one.incarnation}).known.forked, 1u);
      })
      .IgnoreError();
}

// ---- invites ----

class InviteTest : public TrustTest {
 protected:
  InviteTest() : a_(wire_, {.number = 1}), group_(a_.Create("photos")) {}
  // As a joiner with this number would.
  absl::Status JoinAs(uint64_t number, const Invite& invite) {
    TempDir dir;
    TestNode joiner(PeerNumber(number), dir.path(), a_.clock);
    const auto request = joiner.invites->PrepareJoin(invite, {});
    if (!request.ok()) return request.status();
    return a_.invites().AcceptJoin(joiner.self, *request).status();
  }
  Invite Make(Invites::Options options = {}) { return *a_.invites().Create(group_, options); }
  std::size_t Open() { return a_.invites().List(group_)->size(); }

  ClusterNode a_;
  const base::GroupId group_;
};

TEST_F(InviteTest, ItsBoundsAreChecked) {
  const auto status = [&](const Invites::Options& options) {
    return a_.invites().Create(group_, options).status();
  };
  constexpr base::Millis kDay{24 * 3600 * 1000};
  EXPECT_TRUE(status({.expires = 7 * kDay}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(status({.expires = 7 * kDay + base::Millis(1)})));
  EXPECT_TRUE(absl::IsInvalidArgument(status({.expires = base::Millis(0)})));
  EXPECT_TRUE(absl::IsInvalidArgument(status({.uses = 0})));
  EXPECT_TRUE(absl::IsInvalidArgument(status({.uses = 1001})));
  const Invite invite = Make();
  const base::Millis left = invite.expires - a_.clock.WallNow();
  EXPECT_LE(left, kDay);
  EXPECT_GT(left, kDay - base::Millis(60000));
}

TEST_F(InviteTest, IsListedUntilItIsUsedUpExpiredOrRevoked) {
  const Invite one = Make();
  Make({.authority = Authority::kReader, .uses = 2});
  const Invite three = Make();
  EXPECT_EQ(Open(), 3u);
  EXPECT_TRUE(JoinAs(2, one).ok());
  EXPECT_EQ(Open(), 2u);
  ASSERT_TRUE(a_.invites().Revoke(group_, three.id).ok());
  EXPECT_TRUE(absl::IsNotFound(a_.invites().Revoke(group_, three.id)));
  EXPECT_TRUE(absl::IsPermissionDenied(JoinAs(3, three)));
  EXPECT_EQ(Open(), 1u);
  const InviteInfo left = a_.invites().List(group_)->at(0);
  EXPECT_EQ(left.authority, Authority::kReader);
  EXPECT_EQ(left.uses_left, 2u);
  a_.clock.Shift(base::Millis(25 * 3600 * 1000));
  EXPECT_EQ(Open(), 0u);
}

TEST_F(InviteTest, GivesTheMostThatItsJoinerMayTake) {
  const auto joined = [&](uint64_t number, Role node_role, std::optional<Role> asked,
                          const Invite& invite) -> Role {
    TempDir dir;
    TestNode joiner(PeerNumber(number), dir.path(), a_.clock, nullptr, {}, {}, node_role);
    const auto request = joiner.invites->PrepareJoin(invite, asked);
    CHECK(request.ok());
    const auto reply = a_.invites().AcceptJoin(joiner.self, *request);
    CHECK(reply.ok());
    const auto info = joiner.invites->FinishJoin(invite, *request, *reply);
    CHECK(info.ok());
    EXPECT_EQ(info->role, reply->group.role);
    return info->role;
  };
  const Invite any = Make({.uses = 9}), normal = Make({.role = Role::kNormal, .uses = 9});
  EXPECT_EQ(joined(2, Role::kServer, {}, any), Role::kServer);
  EXPECT_EQ(joined(3, Role::kNormal, {}, any), Role::kNormal);
  EXPECT_EQ(joined(4, Role::kNormal, Role::kServer, any), Role::kServer);
  EXPECT_EQ(joined(5, Role::kServer, {}, normal), Role::kNormal);
  EXPECT_EQ(joined(6, Role::kServer, Role::kServer, normal), Role::kNormal);
  EXPECT_EQ(joined(7, Role::kServer, Role::kLeaf, normal), Role::kLeaf);
}

TEST_F(InviteTest, JoiningAgainLowersNothingAndUsesNoInvite) {
  const auto uses_left = [&](const Invite& invite) -> uint32_t {
    const auto all = a_.invites().List(group_);
    for (const InviteInfo& open : *all) {
      if (open.id == invite.id) return open.uses_left;
    }
    return 0;
  };
  const auto role_of = [&](ClusterNode& node) {
    const auto all = a_.groups().Members(group_);
    for (const Member& member : *all) {
      if (member.peer == node.self()) return member.role;
    }
    return Role::kLeaf;
  };
  ClusterNode b(wire_, {.number = 2});
  const Invite first = Make({.uses = 5});
  ASSERT_TRUE(b.JoinWith(first, Role::kServer).ok());
  EXPECT_EQ(uses_left(first), 4u);
  const Invite less = Make({.role = Role::kNormal, .authority = Authority::kReader, .uses = 5});
  for (const Invite& invite : {first, less}) {
    const auto again = b.JoinWith(invite, Role::kNormal);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->role, Role::kServer);
    EXPECT_EQ(again->authority, Authority::kWriter);
  }
  EXPECT_EQ(role_of(b), Role::kServer);
  EXPECT_EQ(uses_left(first), 4u);
  EXPECT_EQ(uses_left(less), 5u);
  // What gives it more is an admission like any other.
  const Invite more = Make({.authority = Authority::kAdmin, .uses = 5});
  EXPECT_EQ(b.JoinWith(more, Role::kNormal)->authority, Authority::kAdmin);
  EXPECT_EQ(role_of(b), Role::kServer);
  EXPECT_EQ(uses_left(more), 4u);
}

TEST_F(InviteTest, AGroupWithoutAServerIsKnownAsOne) {
  const auto without = [](ClusterNode& node) { return node.groups().WithoutServer().size(); };
  EXPECT_EQ(without(a_), 1u);
  EXPECT_EQ(a_.groups().WithoutServer()[0], std::pair(group_, std::string("photos")));
  ClusterNode b(wire_, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a_, group_, Role::kServer).ok());
  EXPECT_EQ(without(a_), 0u);
  EXPECT_EQ(without(b), 0u);
  EXPECT_EQ(a_.groups().Find(group_)->servers, 1u);
  ASSERT_TRUE(b.groups().ChangeMember(group_, b.self(), Role::kNormal, {}).ok());
  EXPECT_EQ(b.groups().Find(group_)->role, Role::kNormal);
  EXPECT_EQ(without(b), 1u);
  EXPECT_TRUE(wire_.InTime([&] { return without(a_) == 1; }));
  a_.Stop();
  a_.Start();
  EXPECT_EQ(without(a_), 1u);  // found again at the start
  ASSERT_TRUE(b.groups().Leave(group_).ok());
  EXPECT_EQ(without(b), 0u);  // it is not here any more
}

TEST_F(InviteTest, WhoWasRemovedReadsSoWithByWhom) {
  ClusterNode b(wire_, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a_, group_).ok());
  EXPECT_FALSE(b.groups().Find(group_)->removed);
  ASSERT_TRUE(a_.groups().RemoveMember(group_, b.self()).ok());
  ASSERT_TRUE(wire_.InTime([&] { return b.groups().Find(group_)->removed.has_value(); }));
  EXPECT_EQ(b.groups().Find(group_)->removed->by, a_.self());
  EXPECT_FALSE(a_.groups().Find(group_)->removed);
  const auto told_by = [](ClusterNode& node) {
    std::string by;
    for (const base::Event& event : node.node().events.Read(0, 1000).events) {
      if (event.kind != base::EventKind::kMemberRemoved) continue;
      for (const auto& [name, value] : event.fields) by = name == "by" ? value : by;
    }
    return by;
  };
  // Events are told after the commit that others can see.
  for (ClusterNode* node : {&a_, &b}) {
    EXPECT_TRUE(wire_.AtOnce([&] { return told_by(*node) == a_.self().ToHex(); }));
  }
}

TEST_F(InviteTest, TenWrongProofsEndIt) {
  Invite invite = Make({.uses = 5});
  Invite wrong = invite;
  wrong.secret[0] = static_cast<char>(wrong.secret[0] ^ 1);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(absl::IsPermissionDenied(JoinAs(9, wrong)));
  EXPECT_TRUE(JoinAs(2, invite).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(JoinAs(9, wrong)));
  EXPECT_TRUE(absl::IsPermissionDenied(JoinAs(3, invite)));
  EXPECT_EQ(Open(), 0u);
}

TEST_F(InviteTest, AProofServesNobodyElseAndNothingElse) {
  const Invite invite = Make({.uses = 5});
  TempDir dir;
  TestNode joiner(PeerNumber(2), dir.path(), a_.clock);
  JoinRequest request = *joiner.invites->PrepareJoin(invite, {});
  EXPECT_TRUE(absl::IsPermissionDenied(a_.invites().AcceptJoin(PeerNumber(3), request).status()));
  JoinRequest other = request;
  other.incarnation = *base::Incarnation::FromBytes(Incarnation16('x'));
  EXPECT_TRUE(absl::IsPermissionDenied(a_.invites().AcceptJoin(PeerNumber(2), other).status()));
  other = request;
  other.group = a_.Create("another");
  EXPECT_TRUE(absl::IsPermissionDenied(a_.invites().AcceptJoin(PeerNumber(2), other).status()));
  // At another inviter: the proof names whom it is for.
  Invite elsewhere = invite;
  elsewhere.inviter = PeerNumber(4);
  other = *joiner.invites->PrepareJoin(elsewhere, {});
  EXPECT_TRUE(absl::IsPermissionDenied(a_.invites().AcceptJoin(PeerNumber(2), other).status()));
  EXPECT_TRUE(a_.invites().AcceptJoin(PeerNumber(2), request).ok());
}

TEST_F(InviteTest, WritersInviteWhereTheSettingLetsThem) {
  ClusterNode b(wire_, {.number = 2}), c(wire_, {.number = 3}), d(wire_, {.number = 4});
  ASSERT_TRUE(b.JoinAt(a_, group_).ok());
  const auto invite_by_b = [&](Authority authority) {
    return b.invites().Create(group_, {.authority = authority});
  };
  const auto may = [&](ClusterNode& at, const base::PeerId& peer) {
    const auto members = at.groups().Members(group_);
    for (const Member& member : *members) {
      if (member.peer == peer) return member.invites;
    }
    return false;
  };
  EXPECT_TRUE(absl::IsPermissionDenied(invite_by_b(Authority::kReader).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      b.groups().ChangeSettings(group_, {.inviters = Authority::kWriter}).status()));
  const auto info = a_.groups().ChangeSettings(group_, {.inviters = Authority::kWriter});
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->inviters, Authority::kWriter);
  ASSERT_TRUE(wire_.InTime([&] { return may(b, b.self()); }));
  EXPECT_TRUE(absl::IsPermissionDenied(invite_by_b(Authority::kAdmin).status()));
  // All by b: c is a member everywhere, and what it writes is taken.
  const auto invite = invite_by_b(Authority::kWriter);
  ASSERT_TRUE(invite.ok()) << invite.status();
  const auto joined = c.JoinWith(*invite, Role::kNormal);
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_TRUE(c.Set(group_, "by c", "text").ok());
  EXPECT_TRUE(wire_.InTime([&] { return a_.Has(group_, "by c", "text"); }));
  EXPECT_TRUE(may(a_, c.self())) << "a writer as the others";
  // What it takes of a is counted for b, as what b takes.
  EXPECT_TRUE(wire_.InTime(
      [&] { return a_.syncer().PayerOf(c.self()) == base::PayerOf(c.self(), b.self()); }));
  EXPECT_EQ(a_.syncer().PayerOf(b.self()), base::PayerOf(b.self(), {}));
  EXPECT_EQ(a_.syncer().PayerOf(PeerNumber(9)), std::nullopt);
  // Whom an admin removed comes back by an admin only.
  ASSERT_TRUE(a_.groups().RemoveMember(group_, c.self()).ok());
  ASSERT_TRUE(wire_.InTime([&] { return b.groups().Members(group_)->size() == 2; }));
  const auto again = c.JoinWith(*invite_by_b(Authority::kWriter), Role::kNormal);
  EXPECT_TRUE(absl::IsPermissionDenied(again.status())) << again.status();
  // The right ends, also for an invite that is out; who was invited by it stays.
  const auto out = invite_by_b(Authority::kReader);
  ASSERT_TRUE(d.JoinWith(*invite_by_b(Authority::kReader), Role::kNormal).ok());
  ASSERT_TRUE(wire_.InTime([&] { return a_.groups().Members(group_)->size() == 3; }));
  ASSERT_TRUE(a_.groups().ChangeSettings(group_, {.inviters = Authority::kAdmin}).ok());
  ASSERT_TRUE(wire_.InTime([&] { return !may(b, b.self()); }));
  EXPECT_TRUE(absl::IsPermissionDenied(c.JoinWith(*out, Role::kNormal).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(invite_by_b(Authority::kReader).status()));
  EXPECT_EQ(a_.groups().Members(group_)->size(), 3u);
}

TEST_F(InviteTest, AThousandMembersMayInviteByTwoEntries) {
  // An admin who admits many at once.
  Liar other(2, wire_.clock);
  const Invite invite = Make({.authority = Authority::kAdmin});
  {
    TempDir dir;
    TestNode joiner(other.peer, dir.path(), a_.clock);
    const auto request = joiner.invites->PrepareJoin(invite, {});
    ASSERT_TRUE(request.ok());
    ASSERT_TRUE(a_.invites().AcceptJoin(other.peer, *request).ok());
    other.incarnation = request->incarnation;
  }
  std::vector<Op> ops;
  for (uint64_t n = 0; n < kOpsPerEntryMax; ++n) {
    const base::PeerId peer = PeerNumber(1000 + n);
    ops.push_back(AdmitOp{
        .peer = peer, .incarnation = *base::Incarnation::FromBytes(peer.bytes().substr(0, 16))});
  }
  Page(a_, other.peer, group_, {other.Sign(group_, ops)});
  ASSERT_EQ(a_.groups().Members(group_)->size(), kOpsPerEntryMax + 2);
  const auto own_entries = [&] {
    uint64_t generation = 0;
    EXPECT_TRUE(a_.node()
                    .index
                    ->Read([&](base::ReadTxn& txn) {
                      for (const auto& [numbering, known] :
                           LoadKnowledgeOf(txn, group_, a_.self())) {
                        generation += known.generation;
                      }
                    })
                    .ok());
    return generation;
  };
  const uint64_t before = own_entries();
  ASSERT_TRUE(a_.groups().ChangeSettings(group_, {.inviters = Authority::kWriter}).ok());
  EXPECT_EQ(own_entries(), before + 2);
  const auto members = a_.groups().Members(group_);
  for (const Member& member : *members) {
    EXPECT_EQ(member.invites, member.authority != Authority::kAdmin) << member.peer.ToHex();
  }
}

TEST_F(InviteTest, SettingsAreAnAdminsAndReachEveryMember) {
  ClusterNode b(wire_, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a_, group_).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(b.groups().ChangeSettings(group_, {.name = "x"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(a_.groups().ChangeSettings(group_, {.name = ""}).status()));
  a_.Create("taken");
  EXPECT_TRUE(
      absl::IsAlreadyExists(a_.groups().ChangeSettings(group_, {.name = "taken"}).status()));
  std::vector<base::PeerId> may_read;
  int made_private = 0;
  a_.node().parts.group_core->SetAccessListener(
      {.made_private = [&](const std::vector<base::PeerId>& members) {
        may_read = members;
        ++made_private;
      }});
  const Groups::Settings settings{.name = "films", .description = "d", .is_public = true};
  ASSERT_TRUE(a_.groups().ChangeSettings(group_, settings).ok());
  EXPECT_TRUE(wire_.InTime([&] {
    const auto info = b.groups().Find(group_);
    return info->name == "films" && info->description == "d" && info->is_public;
  }));
  EXPECT_EQ(made_private, 0);
  // What is left out stays.
  ASSERT_TRUE(a_.groups().ChangeSettings(group_, {.is_public = false}).ok());
  EXPECT_EQ(a_.groups().Find(group_)->name, "films");
  EXPECT_TRUE(wire_.InTime([&] { return !b.groups().Find(group_)->is_public; }));
  EXPECT_EQ(made_private, 1);
  EXPECT_EQ(may_read.size(), 2u);
  a_.node().parts.group_core->SetAccessListener({});
}

TEST_F(InviteTest, WhoseGenesisIsNotTheGroupsIsNotFollowed) {
  Invite invite = Make();
  invite.genesis =
      SealGenesis(TestIdentity(PeerNumber(5)),
                  {.name = "photos",
                   .founder = {PeerNumber(5), *base::Incarnation::FromBytes(Incarnation16('f')),
                               base::FromMs(1)}});
  EXPECT_TRUE(absl::IsInvalidArgument(JoinAs(2, invite)));
}

TEST_F(InviteTest, TheSecretIsNotKept) {
  const Invite invite = Make();
  a_.Stop();
  std::size_t bytes = 0;
  TempDir copy;
  a_.CopyTo(copy.path() + "/data");
  for (const auto& file : std::filesystem::recursive_directory_iterator(copy.path())) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    bytes += text.size();
    EXPECT_EQ(text.find(invite.secret), std::string::npos) << file.path();
  }
  EXPECT_GT(bytes, 1000u);
}

}  // namespace
}  // namespace waypost::syncgroup
