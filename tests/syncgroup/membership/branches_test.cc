#include "syncgroup/membership/branches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/trust_world.h"
#include "tests/syncgroup/seed.h"

namespace waypost::syncgroup {
namespace {

BranchNumber BeginOne(Branches& branches, int numbering = 1) {
  return branches.Begin(TrustWorld::Peer(1), TrustWorld::Hash(static_cast<uint64_t>(numbering)),
                        ActId::Genesis());
}

TEST(Branches, ANumberingIsBegunOnce) {
  Branches branches;
  const BranchNumber first = BeginOne(branches);
  EXPECT_EQ(BeginOne(branches), first);
  EXPECT_NE(BeginOne(branches, 2), first);
  EXPECT_EQ(branches.BranchesOf(TrustWorld::Peer(1)).size(), 2u);
  EXPECT_EQ(branches.FirstOf(TrustWorld::Hash(1)), first);
  EXPECT_EQ(branches.FirstOf(TrustWorld::Hash(7)), std::nullopt);
}

TEST(Branches, BothBranchesHaveWhatTheyShareAndNothingOfEachOther) {
  Branches branches;
  const BranchNumber first = BeginOne(branches);
  branches.Extend({first, 5});
  const BranchNumber other = branches.Split({first, 3});
  branches.Extend({other, 4});
  EXPECT_TRUE(branches.IsAncestorOrSelf({first, 3}, {other, 4}));
  EXPECT_FALSE(branches.IsAncestorOrSelf({first, 4}, {other, 4}));
  EXPECT_FALSE(branches.IsAncestorOrSelf({other, 4}, {first, 5}));
  EXPECT_FALSE(branches.IsAncestorOrSelf({first, 5}, {first, 4}));
  EXPECT_TRUE(branches.IsAncestorOrSelf({other, 2}, {first, 2})) << "the same entry";
  EXPECT_EQ(branches.SharedUpTo(first, {other, 4}), 3u);
  EXPECT_EQ(branches.SharedUpTo(other, {first, 5}), 0u);
}

TEST(Branches, ASplitBeforeABranchLeavesItsParent) {
  Branches branches;
  const BranchNumber first = BeginOne(branches);
  const BranchNumber other = branches.Split({first, 3});
  const BranchNumber third = branches.Split({other, 2});
  EXPECT_EQ(branches.LeavesAfter(third), (BranchPlace{first, 2}));
}

TEST(Branches, NothingIsSharedBetweenNumberings) {
  Branches branches;
  const BranchNumber a = BeginOne(branches, 1);
  const BranchNumber b = BeginOne(branches, 2);
  EXPECT_FALSE(branches.IsAncestorOrSelf({a, 1}, {b, 1}));
}

TEST(Branches, AnotherHandIsSeen) {
  Branches branches;
  const BranchNumber first = BeginOne(branches);
  branches.Extend({first, 5});
  EXPECT_TRUE(branches.IsNewest({first, 5}));
  EXPECT_FALSE(branches.IsNewest({first, 4}));
  const BranchNumber other = branches.Split({first, 3});
  EXPECT_TRUE(branches.IsNewest({first, 5})) << "nothing stands on the other branch yet";
  branches.Extend({other, 4});
  EXPECT_FALSE(branches.IsNewest({first, 5}));
  EXPECT_FALSE(branches.IsNewest({other, 4}));
}

// Against entries that each know the one before them.
TEST(Branches, AgreeWithChainsOfEntries) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < support::Rounds(400); ++round) {
    Branches branches;
    std::vector<int> previous;
    std::vector<BranchPlace> places;
    const auto split_percent = static_cast<uint64_t>(random() % 60);
    for (int i = 0; i < 80; ++i) {
      if (i == 0 || random() % 30 == 0) {
        previous.push_back(-1);
        places.push_back({BeginOne(branches, 1000 + i), 1});
      } else {
        const int from = random() % 100 < split_percent ? static_cast<int>(random() % places.size())
                                                        : static_cast<int>(places.size()) - 1;
        BranchPlace place = places[from];
        previous.push_back(from);
        if (branches.NewestOf(place.branch) > place.generation) {
          place.branch = branches.Split(place);
        }
        places.push_back({place.branch, place.generation + 1});
      }
      branches.Extend(places.back());
    }
    for (std::size_t head = 0; head < places.size(); ++head) {
      std::vector<bool> before(places.size());
      for (int at = static_cast<int>(head); at != -1; at = previous[at]) before[at] = true;
      for (std::size_t place = 0; place < places.size(); ++place) {
        ASSERT_EQ(branches.IsAncestorOrSelf(places[place], places[head]), before[place])
            << place << " and " << head << " in round " << round;
      }
    }
  }
}

TEST(Branches, AMillionNestedSplitsAreWalkedInStepsOfTheirLogarithm) {
  Branches branches;
  const BranchNumber first = BeginOne(branches);
  BranchPlace at{first, 1};
  for (int i = 0; i < 1'000'000; ++i) at = {branches.Split(at), at.generation + 1};
  // A million walks along a million branches would not end while anybody waits.
  uint64_t shared = 0;
  for (int i = 0; i < 100'000; ++i) shared += branches.SharedUpTo(first, at);
  EXPECT_EQ(shared, 100'000u);
}

}  // namespace
}  // namespace waypost::syncgroup
