#include "tests/syncgroup/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <thread>
#include <vector>

#include "syncgroup/ledger/rows.h"

namespace waypost::syncgroup {
namespace {

int EventsOf(ClusterNode& node, base::EventKind kind) {
  const auto page = node.node().events.Read(0, 1000);
  return static_cast<int>(
      std::count_if(page.events.begin(), page.events.end(),
                    [&](const base::Event& event) { return event.kind == kind; }));
}

TEST(Cluster, TwoPeersConverge) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(a.Set(group, "from a", "1").ok());
  const absl::Status joined = b.JoinAt(a, group, Role::kServer);
  ASSERT_TRUE(joined.ok()) << joined;
  EXPECT_TRUE(wire.InTime([&] { return b.Has(group, "from a", "1"); }));
  ASSERT_TRUE(b.Set(group, "from b", "2").ok());
  EXPECT_TRUE(wire.InTime([&] { return a.Has(group, "from b", "2"); }));
  EXPECT_EQ(a.groups().Find(group)->members, 2u);
  EXPECT_EQ(b.groups().Find(group)->members, 2u);
  EXPECT_EQ(b.groups().Find(group)->role, Role::kServer);
  // A server wants what was mentioned elsewhere, another peer does not.
  EXPECT_TRUE(b.node().Record(BlobOf("1")).signpost->groups.at(group).wanted);
  EXPECT_FALSE(a.node().Record(BlobOf("2")).signpost->groups.at(group).wanted);
  EXPECT_EQ(b.node().CountsOf(group).wanted, 2u);  // what it set itself is not here either
  EXPECT_TRUE(b.node().Record(BlobOf("1")).signpost->locations.contains(a.self()));
  EXPECT_TRUE(wire.InTime(
      [&] { return a.syncer().KnowsUs(b.self(), group) && b.syncer().KnowsUs(a.self(), group); }));
  EXPECT_TRUE(wire.InTime([&] {
    const auto status = b.syncer().Status(group);
    return status.size() == 1 && status[0].peer == a.self() && status[0].last_round_ok &&
           status[0].caught_up_since > b.syncer().MembersChanged(group);
  }));
}

// Deletions and overwrites travel too, and what was deleted stays deleted.
TEST(Cluster, ThreePeersAgreeOnOverwritesAndDeletions) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  ClusterNode c(wire, {.number = 3});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(c.JoinAt(a, group).ok());
  for (int i = 0; i < 30; ++i) {
    ClusterNode* writers[] = {&a, &b, &c};
    ASSERT_TRUE(writers[i % 3]->Set(group, "k" + std::to_string(i % 7), std::to_string(i)).ok());
  }
  ASSERT_TRUE(a.Set(group, "gone", "x").ok());
  ASSERT_TRUE(wire.InTime([&] { return b.Has(group, "gone", "x") && c.Has(group, "gone", "x"); }));
  ASSERT_TRUE(b.refs().Change(group, {{"gone", std::nullopt}}).ok());
  EXPECT_TRUE(wire.InTime([&] {
    const std::string refs = a.RefsOf(group);
    return refs.find("gone") == std::string::npos && refs == b.RefsOf(group) &&
           refs == c.RefsOf(group);
  })) << a.RefsOf(group)
      << "\n"
      << b.RefsOf(group) << "\n"
      << c.RefsOf(group);
  for (ClusterNode* each : {&a, &b, &c}) EXPECT_EQ(each->node().CountsOf(group).refs, 7u);
}

TEST(Cluster, ALateJoinerGetsEverything) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  const base::GroupId group = a.Create("photos");
  for (int batch = 0; batch < 10; ++batch) {
    std::vector<RefChange> changes;
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "k" + std::to_string(batch * 1000 + i);
      changes.push_back({key, BlobOf(key)});
    }
    ASSERT_TRUE(a.refs().Change(group, changes).ok());
  }
  ClusterNode b(wire, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a, group, Role::kServer).ok());
  EXPECT_TRUE(wire.InTime([&] { return b.node().CountsOf(group).refs == 10000u; }));
  EXPECT_EQ(b.node().CountsOf(group).wanted, 10000u);
  EXPECT_TRUE(b.Has(group, "k9999", "k9999"));
}

TEST(Cluster, AGapInTheSendersLogEndsThatOriginsPartOnly) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(b.Set(group, "b" + std::to_string(i), std::to_string(i)).ok());
  }
  ASSERT_TRUE(wire.InTime([&] { return a.Has(group, "b4", "4"); }));
  ASSERT_TRUE(a.Set(group, "a", "after").ok());
  b.Stop();
  // The row of b's entry number 3 (its profile is 1) is lost at a, from which c learns.
  ASSERT_TRUE(a.node()
                  .index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             for (const auto& [numbering, known] :
                                  LoadKnowledgeOf(txn, group, PeerNumber(2))) {
                               const EntryPlace place{PeerNumber(2), numbering.second, 3};
                               DeleteLogRow(txn, group, *FindPlace(txn, group, place), place);
                             }
                             return absl::OkStatus();
                           })
                  .ok());
  ClusterNode c(wire, {.number = 3});
  ASSERT_TRUE(c.JoinAt(a, group).ok());
  EXPECT_TRUE(wire.InTime([&] { return c.Has(group, "a", "after") && c.Has(group, "b0", "0"); }));
  EXPECT_TRUE(wire.InTime([&] {
    for (const auto& status : c.syncer().Status(group)) {
      if (status.last_error.find("a gap before entry 4") != std::string::npos) {
        return status.caught_up_since == base::SteadyTime();
      }
    }
    return false;
  }));
  EXPECT_FALSE(c.Has(group, "b4", "4"));
  // The origin itself fills it.
  b.Start();
  EXPECT_TRUE(wire.InTime([&] { return c.Has(group, "b4", "4") && c.Has(group, "b1", "1"); }));
}

// Single entries, as apps make them that set one reference at a time: several at once, so that they
// share commits.
TEST(Cluster, ManySmallEntriesArriveInPages) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  const base::GroupId group = a.Create("photos");
  constexpr int kEntries = 3000;
  constexpr int kApps = 16;
  std::vector<std::thread> apps;
  for (int app = 0; app < kApps; ++app) {
    apps.emplace_back([&, app] {
      for (int i = app; i < kEntries; i += kApps) {
        EXPECT_TRUE(a.Set(group, "k" + std::to_string(i), std::to_string(i)).ok());
      }
    });
  }
  for (std::thread& app : apps) app.join();
  ClusterNode b(wire, {.number = 2});
  ASSERT_TRUE(b.JoinAt(a, group, Role::kServer).ok());
  EXPECT_TRUE(wire.InTime([&] { return b.node().CountsOf(group).refs == kEntries; }));
  EXPECT_EQ(b.node().CountsOf(group).wanted, kEntries);
}

TEST(Cluster, ThreeGroupsWithOverlappingMembersStayApart) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  ClusterNode c(wire, {.number = 3});
  const base::GroupId ab = a.Create("ab");
  const base::GroupId bc = b.Create("bc");
  const base::GroupId abc = c.Create("abc");
  ASSERT_TRUE(b.JoinAt(a, ab).ok());
  ASSERT_TRUE(c.JoinAt(b, bc).ok());
  ASSERT_TRUE(a.JoinAt(c, abc).ok());
  ASSERT_TRUE(b.JoinAt(c, abc).ok());
  ASSERT_TRUE(a.Set(ab, "k", "in ab").ok());
  ASSERT_TRUE(b.Set(bc, "k", "in bc").ok());
  ASSERT_TRUE(c.Set(abc, "k", "in abc").ok());
  EXPECT_TRUE(wire.InTime([&] {
    return b.Has(ab, "k", "in ab") && c.Has(bc, "k", "in bc") && a.Has(abc, "k", "in abc") &&
           b.Has(abc, "k", "in abc");
  }));
  EXPECT_TRUE(absl::IsNotFound(c.groups().Find(ab).status()));
  EXPECT_TRUE(absl::IsNotFound(a.groups().Find(bc).status()));
  EXPECT_FALSE(c.node().Record(BlobOf("in ab")).signpost.has_value());
}

TEST(Cluster, APokeStartsARoundAtOnce) {
  Wire wire;
  // No round comes by itself: time stands still.
  ClusterNode a(wire, {.number = 1, .interval = base::Millis(3600 * 1000)});
  ClusterNode b(wire, {.number = 2, .interval = base::Millis(3600 * 1000)});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(wire.AtOnce([&] { return a.syncer().KnowsUs(b.self(), group); }));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(a.Set(group, "k", std::to_string(i)).ok());
    EXPECT_TRUE(wire.AtOnce([&] { return b.Has(group, "k", std::to_string(i)); }));
  }
}

TEST(Cluster, AHaveMakesAFreshLocationAndEvidence) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group, Role::kServer).ok());
  ASSERT_TRUE(a.Set(group, "k", "content").ok());
  ASSERT_TRUE(wire.InTime([&] { return b.Has(group, "k", "content"); }));
  const auto before = b.node().Record(BlobOf("content")).signpost;
  b.clock.Shift(base::Millis(1));  // all may have happened within one
  ASSERT_TRUE(a.node().Put("content").ok());
  EXPECT_TRUE(wire.InTime(
      [&] { return b.node().Record(BlobOf("content")).signpost->evidence > before->evidence; }));
  const auto after = b.node().Record(BlobOf("content")).signpost;
  EXPECT_GT(after->locations.at(a.self()).when_seen, before->locations.at(a.self()).when_seen);
}

TEST(Cluster, ADeadMemberDelaysNobodyAndIsFoundAgain) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  ClusterNode c(wire, {.number = 3});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(c.JoinAt(a, group).ok());
  ASSERT_TRUE(wire.InTime([&] { return b.groups().Find(group)->members == 3; }));
  c.Stop();
  // What is written here is told at once; with nothing to say it could be half a minute.
  ASSERT_TRUE(a.Set(group, "k", "while c is away").ok());
  ASSERT_TRUE(wire.InTime([&] { return a.node().peers->Cooling(PeerNumber(3)); }));
  EXPECT_TRUE(wire.InTime([&] { return b.Has(group, "k", "while c is away"); }));
  c.Start();
  EXPECT_TRUE(wire.InTime([&] { return c.Has(group, "k", "while c is away"); }));
  // It came to us, so we went to it, and its cool-down ended.
  EXPECT_TRUE(wire.InTime([&] { return !a.node().peers->Cooling(PeerNumber(3)); }));
}

TEST(Cluster, ARemovedMembersLaterEntriesAreVoidUntilItIsAdmittedAgain) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  ClusterNode c(wire, {.number = 3});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(c.JoinAt(a, group).ok());
  ASSERT_TRUE(c.Set(group, "both", "before").ok());
  ASSERT_TRUE(b.Set(group, "kept", "by b").ok());
  ASSERT_TRUE(wire.InTime([&] {
    return a.Has(group, "kept", "by b") && a.Has(group, "both", "before") &&
           b.Has(group, "both", "before");
  }));
  // B is removed while it is away.
  b.Stop();
  ASSERT_TRUE(a.groups().RemoveMember(group, PeerNumber(2)).ok());
  ASSERT_TRUE(wire.InTime([&] { return c.groups().Find(group)->members == 2; }));
  EXPECT_TRUE(a.Has(group, "kept", "by b"));
  for (ClusterNode* node : {&a, &c}) {
    EXPECT_TRUE(wire.AtOnce([&] { return EventsOf(*node, base::EventKind::kMemberRemoved) == 1; }));
    EXPECT_EQ(EventsOf(*node, base::EventKind::kMemberLeft), 0);
  }
  b.Start();
  // It writes before it hears of its removal, or is refused after: neither shows at the others.
  const absl::Status late = b.Set(group, "both", "late");
  ASSERT_TRUE(c.Set(group, "sign", "1").ok());
  EXPECT_TRUE(wire.InTime([&] { return a.Has(group, "sign", "1"); }));
  EXPECT_TRUE(a.Has(group, "both", "before")) << late;
  EXPECT_TRUE(c.Has(group, "both", "before"));
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(b.Set(group, "again", "yes").ok());
  EXPECT_TRUE(wire.InTime([&] {
    return a.Has(group, "again", "yes") && c.Has(group, "again", "yes") &&
           a.RefsOf(group) == b.RefsOf(group) && c.RefsOf(group) == b.RefsOf(group);
  })) << a.RefsOf(group)
      << "\n"
      << b.RefsOf(group) << "\n"
      << c.RefsOf(group);
}

TEST(Cluster, WhoLeavesIsGoneEverywhereAndCanJoinAgain) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group, Role::kServer).ok());
  ASSERT_TRUE(b.node().Put("x", Refs::Target{group, "by b"}).ok());
  ASSERT_TRUE(wire.InTime([&] { return a.Has(group, "by b", "x"); }));
  ASSERT_TRUE(b.groups().Leave(group).ok());
  EXPECT_TRUE(absl::IsNotFound(b.groups().Find(group).status()));
  EXPECT_TRUE(wire.InTime([&] { return a.groups().Find(group)->members == 1; }));
  EXPECT_TRUE(wire.AtOnce([&] { return EventsOf(a, base::EventKind::kMemberLeft) == 1; }));
  EXPECT_EQ(EventsOf(a, base::EventKind::kMemberRemoved), 0);
  EXPECT_TRUE(wire.InTime([&] { return b.node().CountsOf(group) == Counts(); }));
  EXPECT_TRUE(wire.InTime([&] { return b.node().CountsOf(base::GroupId()).refs == 0; }));
  EXPECT_TRUE(wire.InTime([&] { return b.node().Record(BlobOf("x")).row->holdings.empty(); }));
  EXPECT_TRUE(a.Has(group, "by b", "x"));
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  EXPECT_TRUE(wire.InTime([&] { return b.Has(group, "by b", "x"); }));
  ASSERT_TRUE(b.Set(group, "again", "y").ok());
  EXPECT_TRUE(wire.InTime([&] { return a.Has(group, "again", "y"); }));
}

TEST(Cluster, AnEntryFromAClockAheadIsTakenWhenItIsDue) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  ASSERT_TRUE(a.Set(group, "now", "1").ok());
  ASSERT_TRUE(wire.InTime([&] { return b.Has(group, "now", "1"); }));
  a.clock.Shift(base::Millis(3600 * 1000));
  ASSERT_TRUE(a.Set(group, "ahead", "2").ok());
  EXPECT_TRUE(wire.InTime([&] {
    const auto status = b.syncer().Status(group);
    return status.size() == 1 && status[0].clock_ahead && status[0].held_back;
  }));
  EXPECT_TRUE(b.syncer().Clocks().behind);
  EXPECT_TRUE(wire.InTime([&] { return a.syncer().Clocks().ahead; }));
  EXPECT_FALSE(b.Has(group, "ahead", "2"));
  b.clock.Shift(base::Millis(3600 * 1000));
  EXPECT_TRUE(wire.InTime([&] { return b.Has(group, "ahead", "2"); }));
  EXPECT_TRUE(wire.InTime([&] { return !b.syncer().Clocks().behind; }));
  EXPECT_FALSE(b.syncer().Status(group)[0].held_back);
}

TEST(Cluster, AClockThatWasAheadIsSaidWhereItWas) {
  Wire wire;
  ClusterNode a(wire, {.number = 1}), b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group).ok());
  a.clock.Shift(base::Millis(3600 * 1000));
  ASSERT_TRUE(a.Set(group, "ahead", "1").ok());
  a.clock.Shift(base::Millis(-3600 * 1000));
  ASSERT_TRUE(a.Set(group, "after", "2").ok());
  for (const bool started_again : {false, true}) {
    if (started_again) {
      a.Stop();
      a.Start();
    }
    ASSERT_TRUE(wire.InTime([&] {
      const auto status = b.syncer().Status(group);
      return status.size() == 1 && status[0].clock_ahead && !b.syncer().Clocks().behind;
    })) << "its clock is right: what it wrote waits";
    const ClockReport report = a.syncer().Clocks();
    EXPECT_TRUE(report.ahead);
    // A round that was under way while the clock was ahead may have left a reason of its own.
    EXPECT_TRUE(std::any_of(
        report.reasons.begin(), report.reasons.end(),
        [&](const std::string& why) { return why.find(group.ToHex()) != std::string::npos; }));
  }
  EXPECT_FALSE(b.Has(group, "after", "2"));
}

TEST(Cluster, AGroupFoundedAheadIsJoinedOnceTheClockIsRight) {
  Wire wire;
  ClusterNode a(wire, {.number = 1}), b(wire, {.number = 2});
  a.clock.Shift(base::Millis(3600 * 1000));
  const base::GroupId group = a.Create("photos");
  const auto uses = [&] { return a.invites().List(group)->at(0).uses_left; };
  const auto invite = a.invites().Create(group, {.uses = 5});
  for (const int64_t hours : {0, -2}) {  // by one hour ahead of the joiner, then behind it
    a.clock.Shift(base::Millis(hours * 3600 * 1000));
    const absl::Status differ = b.JoinWith(*invite, Role::kServer).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(differ)) << differ;
    EXPECT_NE(std::string(differ.message()).find("differ by 1 h 0 min"), std::string::npos)
        << differ;
    EXPECT_EQ(uses(), 5u);
  }
  a.clock.Shift(base::Millis(3600 * 1000));
  ASSERT_TRUE(b.JoinWith(*invite, Role::kServer).ok());
  EXPECT_EQ(uses(), 4u);
  // What the joiner writes is not stamped ahead.
  ASSERT_TRUE(b.Set(group, "by b", "x").ok());
  EXPECT_TRUE(wire.InTime([&] { return a.Has(group, "by b", "x"); }));
  EXPECT_TRUE(b.syncer().Clocks().reasons.empty());
  EXPECT_TRUE(a.syncer().Clocks().ahead);
}

TEST(Cluster, HeldSaysWhichBlobsAServerLacks) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(b.JoinAt(a, group, Role::kServer).ok());
  ASSERT_TRUE(a.node().Put("one", Refs::Target{group, "1"}).ok());
  ASSERT_TRUE(a.node().Put("two", Refs::Target{group, "2"}).ok());
  ASSERT_TRUE(wire.InTime([&] { return b.Has(group, "2", "two") && b.Has(group, "1", "one"); }));
  ASSERT_TRUE(b.node().Put("one", Refs::Target{group, "1"}).ok());
  const auto ask = [&](uint32_t servers) {
    base::Mutex mutex;
    base::CondVar told;
    std::optional<absl::StatusOr<Syncer::HeldReport>> result;
    a.syncer().CheckHeld(group, servers, [&](absl::StatusOr<Syncer::HeldReport> report) {
      base::MutexLock lock(mutex);
      result = std::move(report);
      told.NotifyAll();
    });
    base::MutexLock lock(mutex);
    while (!result) told.Wait(mutex);
    return **std::move(result);
  };
  Syncer::HeldReport report = ask(1);
  EXPECT_FALSE(report.held);
  EXPECT_EQ(report.blobs, 2u);
  EXPECT_EQ(report.missing_blobs, std::vector<base::BlobId>{BlobOf("two")});
  EXPECT_EQ(report.answered, std::vector<base::PeerId>{b.self()});
  ASSERT_TRUE(b.node().Put("two", Refs::Target{group, "2"}).ok());
  EXPECT_TRUE(ask(1).held);
  EXPECT_EQ(ask(2).missing, 2u);
}

TEST(Cluster, AnInviteIsUsedOncePerPeerAndExpires) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  ClusterNode c(wire, {.number = 3});
  const base::GroupId group = a.Create("photos");
  const auto invite = a.invites().Create(group, {.role = Role::kLeaf});
  ASSERT_TRUE(invite.ok());
  const auto parsed = ParseInvite(EncodeInvite(*invite));
  ASSERT_TRUE(parsed.ok());
  const auto joined = b.JoinWith(*parsed, Role::kServer);
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ(joined->role, Role::kLeaf);           // what the invite says goes
  EXPECT_EQ(b.JoinWith(*parsed, {})->id, group);  // the same again
  EXPECT_TRUE(absl::IsPermissionDenied(c.JoinWith(*parsed, {}).status()));
  Invite forged = *a.invites().Create(group, {.uses = 5});
  forged.secret[0] ^= 1;
  EXPECT_TRUE(absl::IsPermissionDenied(c.JoinWith(forged, {}).status()));
  forged.secret[0] ^= 1;
  // Expired for a clock that is ahead alone: not the invite is at fault.
  a.clock.Shift(base::Millis(25 * 3600 * 1000));
  const absl::Status differ = c.JoinWith(forged, {}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(differ));
  EXPECT_NE(differ.message().find("differ by 25 h"), std::string::npos) << differ;
  c.clock.Shift(base::Millis(25 * 3600 * 1000));
  EXPECT_TRUE(absl::IsCancelled(c.JoinWith(forged, {}).status()));
  a.Stop();
  EXPECT_TRUE(absl::IsDeadlineExceeded(c.JoinWith(forged, {}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(b.invites().Create(group, {}).status()));
}

}  // namespace
}  // namespace waypost::syncgroup
