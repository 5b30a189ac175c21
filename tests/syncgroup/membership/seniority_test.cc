#include "syncgroup/membership/seniority.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/trust_world.h"
#include "tests/syncgroup/seed.h"

namespace waypost::syncgroup {
namespace {

using Node = SeniorityTree::Node;
using Key = SeniorityTree::Key;

Key At(int64_t stamp, uint64_t hash = 1, uint32_t position = 0) {
  return {base::FromMs(stamp), TrustWorld::Hash(hash), position};
}

TEST(OrderList, InsertionsAtOnePlaceKeepTheOrder) {
  OrderList list;
  const OrderList::Item first = list.Append();
  const OrderList::Item last = list.Append();
  std::vector<OrderList::Item> items;
  for (int i = 0; i < 200'000; ++i) items.push_back(list.InsertBefore(last));
  OrderList::Item before = first;
  for (const OrderList::Item item : items) {
    ASSERT_TRUE(list.IsBefore(before, item));
    before = item;
  }
  EXPECT_TRUE(list.IsBefore(before, last));
}

TEST(OrderList, InsertionsAlwaysBeforeTheNewestKeepTheOrder) {
  OrderList list;
  const OrderList::Item first = list.Append();
  OrderList::Item next = list.Append();
  for (int i = 0; i < 200'000; ++i) {
    const OrderList::Item item = list.InsertBefore(next);
    ASSERT_TRUE(list.IsBefore(first, item) && list.IsBefore(item, next));
    next = item;
  }
}

TEST(Seniority, RecoveryThenTheGenesisThenChildrenByStamp) {
  SeniorityTree tree;
  const Node late = tree.Insert(SeniorityTree::kGenesis, At(9));
  const Node early = tree.Insert(SeniorityTree::kGenesis, At(5));
  const Node under_early = tree.Insert(early, At(20));
  const Node by_recovery = tree.Insert(SeniorityTree::kRecovery, At(100));
  const std::vector<Node> order = {
      SeniorityTree::kRecovery, by_recovery, SeniorityTree::kGenesis, early, under_early, late};
  for (std::size_t a = 0; a < order.size(); ++a) {
    for (std::size_t b = 0; b < order.size(); ++b) {
      EXPECT_EQ(tree.IsSenior(order[a], order[b]), a < b) << a << " and " << b;
    }
  }
}

TEST(Seniority, OfOneStampTheHashAndThenThePositionDecide) {
  SeniorityTree tree;
  const Node c = tree.Insert(SeniorityTree::kGenesis, At(5, 2, 0));
  const Node b = tree.Insert(SeniorityTree::kGenesis, At(5, 1, 1));
  const Node a = tree.Insert(SeniorityTree::kGenesis, At(5, 1, 0));
  EXPECT_TRUE(tree.IsSenior(a, b));
  EXPECT_TRUE(tree.IsSenior(b, c));
}

// Against stored paths, with what comes and goes anywhere.
TEST(Seniority, AgreesWithStoredPaths) {
  std::mt19937_64 random(TestSeed());
  struct One {
    Node node;
    std::vector<std::pair<int64_t, uint64_t>> path;
    std::size_t parent;
  };
  for (int round = 0; round < support::Rounds(200); ++round) {
    SeniorityTree tree;
    std::vector<One> all = {{SeniorityTree::kRecovery, {{-2, 0}}, 0},
                            {SeniorityTree::kGenesis, {{-1, 0}}, 0}};
    const bool deep = random() % 2 == 0;
    for (int i = 0; i < 120; ++i) {
      if (all.size() > 10 && random() % 5 == 0) {
        const std::size_t at = 2 + random() % (all.size() - 2);
        const bool leaf = std::none_of(all.begin() + 2, all.end(),
                                       [&](const One& one) { return one.parent == at; });
        if (!leaf) continue;
        tree.Erase(all[at].node);
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(at));
        for (One& one : all) one.parent -= one.parent > at ? 1 : 0;
        continue;
      }
      const std::size_t parent = deep && random() % 3 != 0 ? all.size() - 1 : random() % all.size();
      const auto stamp = static_cast<int64_t>(random() % 20);
      const uint64_t hash = random();
      auto path = all[parent].path;
      path.emplace_back(stamp, hash);
      all.push_back({tree.Insert(all[parent].node, At(stamp, hash)), path, parent});
    }
    for (const One& a : all) {
      for (const One& b : all) ASSERT_EQ(tree.IsSenior(a.node, b.node), a.path < b.path);
    }
  }
}

TEST(Seniority, AChainOfAHundredThousandIsBuiltAndTakenDown) {
  SeniorityTree tree;
  std::vector<Node> chain = {SeniorityTree::kGenesis};
  for (int i = 1; i <= 100'000; ++i) chain.push_back(tree.Insert(chain.back(), At(i)));
  EXPECT_TRUE(tree.IsSenior(chain[50'000], chain[100'000]));
  EXPECT_FALSE(tree.IsSenior(chain[100'000], chain[50'000]));
  while (chain.size() > 1) {
    tree.Erase(chain.back());
    chain.pop_back();
  }
}

}  // namespace
}  // namespace waypost::syncgroup
