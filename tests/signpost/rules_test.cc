#include "signpost/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/signpost/samples.h"

namespace waypost::signpost {
namespace {

using base::FromMs;
using base::Millis;
using base::WallTime;
using testing::ElementsAre;
using testing::IsEmpty;

const WallTime kRulesNow = FromMs(1'750'000'000'000);
WallTime RulesAgo(int64_t seconds) { return kRulesNow - Millis(seconds * 1000); }

// ---- merge ----

TEST(MergeLocations, TheNewestSightingWinsWithItsFlags) {
  Locations into = {{Peer(1), {.when_seen = RulesAgo(60), .is_server = true}}};
  EXPECT_TRUE(
      MergeLocations(into, {{Peer(1), {.when_seen = RulesAgo(30), .is_proxy = true}}}, kRulesNow));
  EXPECT_EQ(into.at(Peer(1)), (Location{.when_seen = RulesAgo(30), .is_proxy = true}));
  EXPECT_FALSE(
      MergeLocations(into, {{Peer(1), {.when_seen = RulesAgo(90), .is_server = true}}}, kRulesNow));
  EXPECT_EQ(into.at(Peer(1)), (Location{.when_seen = RulesAgo(30), .is_proxy = true}));
}

TEST(MergeLocations, AtEqualTimesFlagsAreOred) {
  Locations into = {{Peer(1), {.when_seen = RulesAgo(60), .is_server = true}}};
  EXPECT_FALSE(
      MergeLocations(into, {{Peer(1), {.when_seen = RulesAgo(60), .is_proxy = true}}}, kRulesNow));
  EXPECT_EQ(into.at(Peer(1)),
            (Location{.when_seen = RulesAgo(60), .is_server = true, .is_proxy = true}));
}

TEST(MergeLocations, ASightingFromTheFutureCountsAsNow) {
  Locations into;
  EXPECT_TRUE(MergeLocations(into, {{Peer(1), {.when_seen = kRulesNow + Millis(1)}}}, kRulesNow));
  EXPECT_EQ(into.at(Peer(1)).when_seen, kRulesNow);
}

struct EvidenceCase {
  const char* name;
  Locations into;
  Locations from;
  bool evidence;
};

class MergeEvidence : public testing::TestWithParam<EvidenceCase> {};

TEST_P(MergeEvidence, IsANewsThatWasNotDeniedLately) {
  Locations into = GetParam().into;
  EXPECT_EQ(MergeLocations(into, GetParam().from, kRulesNow), GetParam().evidence);
}

INSTANTIATE_TEST_SUITE_P(
    Table, MergeEvidence,
    testing::Values(
        EvidenceCase{"NothingLearned", {{Peer(1), {.when_seen = RulesAgo(9)}}}, {}, false},
        EvidenceCase{"NewPeer", {}, {{Peer(1), {.when_seen = RulesAgo(9000)}}}, true},
        EvidenceCase{"FresherPeer",
                     {{Peer(1), {.when_seen = RulesAgo(9)}}},
                     {{Peer(1), {.when_seen = RulesAgo(8)}}},
                     true},
        EvidenceCase{"SamePeerSameTime",
                     {{Peer(1), {.when_seen = RulesAgo(9)}}},
                     {{Peer(1), {.when_seen = RulesAgo(9), .is_server = true}}},
                     false},
        EvidenceCase{"OlderPeer",
                     {{Peer(1), {.when_seen = RulesAgo(9)}}},
                     {{Peer(1), {.when_seen = RulesAgo(10)}}},
                     false},
        EvidenceCase{"FresherButDeniedNineMinutesAgo",
                     {{Peer(1), {.when_seen = RulesAgo(999), .denied = RulesAgo(540)}}},
                     {{Peer(1), {.when_seen = RulesAgo(1)}}},
                     false},
        EvidenceCase{"FresherAndDeniedTenMinutesAgo",
                     {{Peer(1), {.when_seen = RulesAgo(999), .denied = RulesAgo(600)}}},
                     {{Peer(1), {.when_seen = RulesAgo(1)}}},
                     true},
        EvidenceCase{
            "DeniedInTheFuture",
            {{Peer(1), {.when_seen = RulesAgo(999), .denied = kRulesNow + Millis(900'000)}}},
            {{Peer(1), {.when_seen = RulesAgo(1)}}},
            false},
        EvidenceCase{"OneDeniedAndOneNew",
                     {{Peer(1), {.when_seen = RulesAgo(999), .denied = RulesAgo(1)}}},
                     {{Peer(1), {.when_seen = RulesAgo(1)}}, {Peer(2), {.when_seen = RulesAgo(1)}}},
                     true}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(MergeLocations, ADenialOutlivesFresherSightings) {
  Locations into = {{Peer(1), {.when_seen = RulesAgo(60), .denied = RulesAgo(50)}}};
  MergeLocations(into, {{Peer(1), {.when_seen = RulesAgo(1)}}}, kRulesNow);
  EXPECT_EQ(into.at(Peer(1)), (Location{.when_seen = RulesAgo(1), .denied = RulesAgo(50)}));
}

TEST(MergeLocations, IsCommutativeAssociativeAndIdempotent) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  for (int round = 0; round < 20000; ++round) {
    const WallTime now = FromMs(static_cast<int64_t>(samples.Below(6)) * 1000);
    const auto merged = [&](Locations a, const Locations& b) {
      MergeLocations(a, b, now);
      return a;
    };
    const Locations a = samples.Locations();
    const Locations b = samples.Locations();
    const Locations c = samples.Locations();
    ASSERT_EQ(merged(a, b), merged(b, a));
    ASSERT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
    ASSERT_EQ(merged(merged(a, b), b), merged(a, b));
  }
}

// ---- order and trim ----

// In the order in which they are asked; each differs from its neighbour in one point.
const Locations kRanked = {
    {Peer(90), {.when_seen = RulesAgo(50), .is_server = true, .is_proxy = true}},
    {Peer(80), {.when_seen = RulesAgo(40), .is_server = true}},
    {Peer(81), {.when_seen = RulesAgo(40), .is_server = true}},
    {Peer(70), {.when_seen = RulesAgo(41), .is_server = true}},
    {Peer(60), {.when_seen = RulesAgo(90), .is_proxy = true, .denied = RulesAgo(91)}},
    {Peer(50), {.when_seen = RulesAgo(10)}},
    {Peer(40), {.when_seen = RulesAgo(20)}},
    {Peer(30),
     {.when_seen = RulesAgo(30), .is_server = true, .is_proxy = true, .denied = RulesAgo(30)}},
    {Peer(20), {.when_seen = RulesAgo(10), .denied = RulesAgo(5)}},
};

TEST(LocationOrder, UndeniedThenServersThenProxiesThenFreshThenById) {
  EXPECT_THAT(LocationOrder(kRanked), ElementsAre(Peer(90), Peer(80), Peer(81), Peer(70), Peer(60),
                                                  Peer(50), Peer(40), Peer(30), Peer(20)));
  EXPECT_EQ(FirstPeer(kRanked), Peer(90));
}

TEST(LocationOrder, OfNothingIsNobody) {
  EXPECT_THAT(LocationOrder({}), IsEmpty());
  EXPECT_TRUE(FirstPeer({}).IsZero());
}

TEST(FirstPeer, IsTheFirstOfTheOrder) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  for (int round = 0; round < 5000; ++round) {
    const Locations locations = samples.Locations();
    const auto order = LocationOrder(locations);
    ASSERT_EQ(order.size(), locations.size());
    ASSERT_EQ(FirstPeer(locations), order.empty() ? base::PeerId() : order.front());
  }
}

TEST(TrimLocations, KeepsTheFirstOfTheOrder) {
  for (std::size_t keep = 0; keep <= kRanked.size() + 1; ++keep) {
    Locations trimmed = kRanked;
    TrimLocations(trimmed, keep);
    auto expected = LocationOrder(kRanked);
    if (expected.size() > keep) expected.resize(keep);
    EXPECT_EQ(LocationOrder(trimmed), expected) << keep;
  }
}

// ---- filter ----

struct World {
  base::PeerId self;
  std::set<base::GroupId> open;
  std::set<std::pair<base::GroupId, base::PeerId>> members;

  FilterView View() const {
    return {.self = self,
            .is_public = [this](const base::GroupId& g) { return open.contains(g); },
            .is_member =
                [this](const base::GroupId& g, const base::PeerId& p) {
                  return members.contains({g, p});
                }};
  }
};

std::vector<base::PeerId> PeersOf(const SharedSignpost& shared) {
  std::vector<base::PeerId> peers;
  for (const auto& item : shared.locations) peers.push_back(item.first);
  return peers;
}

// Blob in groups 1 and 2. Caller 9 is in 1 only. 3 is a member of 1; 4 of 2; 5 a server of 2; 6 of
// none.
World TwoGroups() {
  return {.members = {
              {Group(1), Peer(9)}, {Group(1), Peer(3)}, {Group(2), Peer(4)}, {Group(2), Peer(5)}}};
}
Signpost InTwoGroups() {
  Signpost signpost;
  signpost.groups = {{Group(1), {.keys = 1}}, {Group(2), {.keys = 1}}};
  for (const uint8_t n : {3, 4, 5, 6, 9}) {
    signpost.locations[Peer(n)] = {.when_seen = RulesAgo(n), .is_server = n == 5};
  }
  signpost.size_hint_bytes = 77;
  return signpost;
}

TEST(FilterFor, AMemberSeesItsGroupsAndTheirMembersAndNothingOfOthers) {
  const World world = TwoGroups();
  const SharedSignpost shared = FilterFor(InTwoGroups(), Peer(9), world.View(), 8);
  EXPECT_THAT(shared.groups, ElementsAre(Group(1)));
  EXPECT_THAT(PeersOf(shared), ElementsAre(Peer(3)));
  // The hint may be the other group's.
  EXPECT_EQ(shared.size_hint_bytes, std::nullopt);
  Signpost alone = InTwoGroups();
  alone.groups.erase(Group(2));
  EXPECT_EQ(FilterFor(alone, Peer(9), world.View(), 8).size_hint_bytes, 77u);
}

TEST(FilterFor, AStrangerLearnsNothing) {
  const World world = TwoGroups();
  const SharedSignpost shared = FilterFor(InTwoGroups(), Peer(8), world.View(), 8);
  EXPECT_THAT(shared.groups, IsEmpty());
  EXPECT_THAT(shared.locations, IsEmpty());
  EXPECT_EQ(shared.size_hint_bytes, std::nullopt);
}

TEST(FilterFor, APublicGroupIsShownToAnyone) {
  World world = TwoGroups();
  world.open = {Group(2)};
  const SharedSignpost shared = FilterFor(InTwoGroups(), Peer(8), world.View(), 8);
  EXPECT_THAT(shared.groups, ElementsAre(Group(2)));
  EXPECT_THAT(PeersOf(shared), ElementsAre(Peer(4), Peer(5)));
}

TEST(FilterFor, WhoBringsABlobFromAnotherGroupIsItsProxy) {
  World world = TwoGroups();
  world.self = Peer(7);
  world.members.insert({Group(1), Peer(7)});
  Signpost signpost = InTwoGroups();
  signpost.updated = RulesAgo(1);
  // Mentioned in both, but not by us.
  EXPECT_THAT(PeersOf(FilterFor(signpost, Peer(9), world.View(), 8)), ElementsAre(Peer(3)));
  signpost.groups.at(Group(2)).set_here = true;  // a group that the caller is not in
  EXPECT_THAT(PeersOf(FilterFor(signpost, Peer(9), world.View(), 8)), ElementsAre(Peer(3)));
  signpost.groups.at(Group(1)).set_here = true;
  const SharedSignpost shared = FilterFor(signpost, Peer(9), world.View(), 8);
  EXPECT_THAT(PeersOf(shared), ElementsAre(Peer(3), Peer(7)));
  EXPECT_TRUE(shared.locations.at(Peer(7)).is_proxy);
  EXPECT_EQ(shared.locations.at(Peer(7)).when_seen, RulesAgo(1));
  // Kept before a plain location when there is room for one only.
  EXPECT_THAT(PeersOf(FilterFor(signpost, Peer(9), world.View(), 1)), ElementsAre(Peer(7)));
  // A caller that is in both groups needs no proxy.
  world.members.insert({Group(2), Peer(9)});
  EXPECT_FALSE(FilterFor(signpost, Peer(9), world.View(), 8).locations.contains(Peer(7)));
}

TEST(FilterFor, DenialsStayHereAndTrimGoesByThem) {
  const World world = TwoGroups();
  Signpost signpost = InTwoGroups();
  signpost.locations[Peer(5)].denied = kRulesNow;
  SharedSignpost shared = FilterFor(signpost, Peer(4), world.View(), 8);
  EXPECT_EQ(shared.locations.at(Peer(5)).denied, base::kNever);
  World joined = world;
  joined.members.insert({Group(1), Peer(4)});
  shared = FilterFor(signpost, Peer(4), joined.View(), 1);
  EXPECT_THAT(PeersOf(shared), ElementsAre(Peer(3)));
}

TEST(FilterFor, NeverRevealsMoreThanTheRules) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  for (int round = 0; round < 5000; ++round) {
    World world;
    Signpost signpost;
    signpost.locations = samples.Locations();
    for (uint8_t g = 1; g <= 3; ++g) {
      if (samples.Chance(20)) world.open.insert(Group(g));
      if (samples.Chance(50)) signpost.groups[Group(g)] = {.keys = 1};
      for (uint8_t p = 1; p <= 6; ++p) {
        if (samples.Chance(30)) world.members.insert({Group(g), Peer(p)});
      }
    }
    const base::PeerId caller = Peer(static_cast<uint8_t>(1 + samples.Below(7)));
    const std::size_t max = samples.Below(6);
    const SharedSignpost shared = FilterFor(signpost, caller, world.View(), max);
    ASSERT_LE(shared.locations.size(), max);
    for (const base::GroupId& group : shared.groups) {
      ASSERT_TRUE(signpost.groups.contains(group));
      ASSERT_TRUE(world.open.contains(group) || world.members.contains({group, caller}));
    }
    for (const auto& [peer, location] : shared.locations) {
      ASSERT_FALSE(shared.groups.empty());
      ASSERT_NE(peer, caller);
      ASSERT_EQ(location.denied, base::kNever);
      bool allowed = false;
      for (const base::GroupId& group : shared.groups) {
        allowed = allowed || world.members.contains({group, peer});
      }
      ASSERT_TRUE(allowed);
    }
  }
}

}  // namespace
}  // namespace waypost::signpost
