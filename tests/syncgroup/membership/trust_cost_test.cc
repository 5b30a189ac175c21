#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "tests/syncgroup/membership/trust_world.h"

// What a large group costs, with bounds three times what the service promises itself: this machine
// may do other things. Not under a sanitizer, which measures itself.
#ifndef WAYPOST_SANITIZED
namespace waypost::syncgroup {
namespace {

// Of this process alone: others may keep the machine busy.
double MillisSince(std::clock_t then) {
  return 1000.0 * static_cast<double>(std::clock() - then) / CLOCKS_PER_SEC;
}

double HeapMegabytes() {
#ifdef __GLIBC__
  return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd) / 1e6;
#else
  return 0;
#endif
}

// A group whose peers and acts have numbers; each entry carries one act.
class LargeGroup {
 public:
  explicit LargeGroup(Branches& branches) : branches_(branches) {}

  // A numbering of acts, whose first entry is to come.
  int Begin(int peer, const ActId& basis) {
    numberings_.push_back(
        {branches_.Begin(TrustWorld::Peer(peer), TrustWorld::Hash(kNumberings + numberings_.size()),
                         basis),
         0, base::kNever});
    return static_cast<int>(numberings_.size()) - 1;
  }
  ActEntry Write(int numbering, TrustAct act) {
    auto& of = numberings_[numbering];
    clock_ += 1;
    const ActEntry entry{.hash = TrustWorld::Hash(clock_),
                         .place = {of.branch, ++of.generation},
                         .stamp = base::FromMs(static_cast<int64_t>(clock_)),
                         .previous = of.stamp,
                         .acts = {std::move(act)}};
    of.stamp = entry.stamp;
    return entry;
  }
  ActId Last() const { return {TrustWorld::Hash(clock_), 0}; }

 private:
  static constexpr uint64_t kNumberings = uint64_t{1} << 40;
  struct Numbering {
    BranchNumber branch;
    uint64_t generation;
    base::WallTime stamp;
  };
  Branches& branches_;
  std::vector<Numbering> numberings_;
  uint64_t clock_ = 0;
};

constexpr int kMembers = 10'000;
constexpr int kActs = 100'000;
constexpr int kAdmins = 100;

// 100 admins by the founder; they admit the others and change each of them again and again, by
// acts that name the one before and pin two heads.
std::vector<ActEntry> EntriesOf(LargeGroup& group, std::vector<int>& admins, TrustTree& tree,
                                std::vector<ActId>& newest) {
  std::vector<ActEntry> entries;
  const int founder = group.Begin(0, ActId::Genesis());
  newest.assign(kMembers, {});
  for (int peer = 1; peer <= kAdmins; ++peer) {
    entries.push_back(
        group.Write(founder, {.peer = TrustWorld::Peer(peer), .authority = Authority::kAdmin}));
    newest[peer] = group.Last();
    admins.push_back(group.Begin(peer, newest[peer]));
  }
  std::vector<BranchNumber> references(kMembers);
  for (int i = 0; static_cast<int>(entries.size()) < kActs; ++i) {
    const int peer = kAdmins + 1 + i % (kMembers - kAdmins - 1);
    TrustAct act{.peer = TrustWorld::Peer(peer),
                 .authority = i % 3 == 0 ? Authority::kReader : Authority::kWriter};
    if (newest[peer] != ActId()) {
      act.names = {newest[peer]};
      act.pins = {{{references[peer], 7}, base::FromMs(1)},
                  {{references[peer], 5}, base::FromMs(1)}};
    }
    entries.push_back(group.Write(admins[peer % kAdmins], std::move(act)));
    if (newest[peer] == ActId()) {
      references[peer] = tree.branches().Begin(
          TrustWorld::Peer(peer), TrustWorld::Hash((uint64_t{1} << 50) + peer), group.Last());
    }
    newest[peer] = group.Last();
  }
  return entries;
}

TEST(TrustCost, TenThousandMembersAndAHundredThousandActs) {
  const double before = HeapMegabytes();
  auto tree = std::make_unique<TrustTree>(GenesisFact{.founder = TrustWorld::Peer(0)});
  LargeGroup group(tree->branches());
  std::vector<int> admins;
  std::vector<ActId> newest;
  std::vector<ActEntry> entries = EntriesOf(group, admins, *tree, newest);
  auto begin = std::clock();
  ASSERT_TRUE(tree->AddAll(std::move(entries), {}).ok());
  const double fold_ms = MillisSince(begin);
  entries = {};
  const double megabytes = HeapMegabytes() - before;
  EXPECT_EQ(tree->Members().size(), static_cast<std::size_t>(kMembers));

  double worst_ms = 0;
  double sum_ms = 0;
  constexpr int kMore = 2000;
  for (int i = 0; i < kMore; ++i) {
    const int peer = kAdmins + 1 + i * 4;
    const ActEntry entry = group.Write(admins[peer % kAdmins],
                                       {.kind = i % 2 == 0 ? ActKind::kRemove : ActKind::kAdmit,
                                        .peer = TrustWorld::Peer(peer),
                                        .names = {newest[peer]}});
    begin = std::clock();
    ASSERT_TRUE(tree->Add(entry).ok());
    const double ms = MillisSince(begin);
    worst_ms = std::max(worst_ms, ms);
    sum_ms += ms;
  }
  // An admin that had admitted a hundredth of all falls with what it wrote.
  begin = std::clock();
  const int founder = group.Begin(0, ActId::Genesis());
  ASSERT_TRUE(tree->Add(group.Write(founder, {.kind = ActKind::kRemove,
                                              .peer = TrustWorld::Peer(1),
                                              .names = {newest[1]}}))
                  .ok());
  const double admin_ms = MillisSince(begin);
  std::cout << "fold of " << kActs << " acts: " << fold_ms << " ms, " << megabytes
            << " MB; one more act: " << sum_ms / kMore << " ms on average, " << worst_ms
            << " ms at worst; an admin with 1,000 acts removed: " << admin_ms << " ms" << std::endl;
  EXPECT_LT(fold_ms, 3 * 2000);
  EXPECT_LT(megabytes, 3 * 100);
  EXPECT_LT(sum_ms / kMore, 3 * 1);
  EXPECT_LT(admin_ms, 3 * 50);
}

// Ten thousand acts about one peer, each of which names 64 of those before: what a stolen admin's
// key can do to the closures of names.
TEST(TrustCost, TenThousandActsAboutOnePeerThatNameSixtyFourEach) {
  const double before = HeapMegabytes();
  TrustTree tree({.founder = TrustWorld::Peer(0)});
  LargeGroup group(tree.branches());
  const int founder = group.Begin(0, ActId::Genesis());
  std::vector<ActId> acts;
  uint64_t random = 12345;
  const auto begin = std::clock();
  for (int i = 0; i < 10'000; ++i) {
    TrustAct act{.kind = i % 4 == 3 ? ActKind::kRemove : ActKind::kAdmit,
                 .peer = TrustWorld::Peer(1),
                 .authority = i % 2 == 0 ? Authority::kAdmin : Authority::kReader};
    for (std::size_t n = 0; n < 64 && n < acts.size(); ++n) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      act.names.push_back(acts[(random >> 33) % acts.size()]);
    }
    ASSERT_TRUE(tree.Add(group.Write(founder, std::move(act))).ok());
    acts.push_back(group.Last());
  }
  const double all_ms = MillisSince(begin);
  const double megabytes = HeapMegabytes() - before;
  std::cout << "10,000 acts about one peer, one by one: " << all_ms << " ms, " << megabytes << " MB"
            << std::endl;
  EXPECT_LT(all_ms, 3 * 5000);
  EXPECT_LT(megabytes, 3 * 20);
}

// A chain of inviters as deep as somebody likes.
TEST(TrustCost, AChainOfFiftyThousandInvitersStandsAndFalls) {
  TrustTree tree({.founder = TrustWorld::Peer(0)});
  LargeGroup group(tree.branches());
  const int founder = group.Begin(0, ActId::Genesis());
  constexpr int kChain = 50'000;
  int numbering = founder;
  ActId first;
  for (int peer = 1; peer <= kChain; ++peer) {
    ASSERT_TRUE(tree.Add(group.Write(numbering, {.peer = TrustWorld::Peer(peer),
                                                 .authority = Authority::kWriter,
                                                 .invites = true,
                                                 .as_inviter = peer > 1}))
                    .ok());
    if (peer == 1) first = group.Last();
    numbering = group.Begin(peer, group.Last());
  }
  EXPECT_EQ(tree.Members().size(), kChain + 1u);
  const auto begin = std::clock();
  ASSERT_TRUE(tree.Add(group.Write(founder, {.kind = ActKind::kRemove,
                                             .peer = TrustWorld::Peer(1),
                                             .names = {first}}))
                  .ok());
  const double ms = MillisSince(begin);
  std::cout << "a chain of " << kChain << " inviters falls: " << ms << " ms" << std::endl;
  EXPECT_EQ(tree.Members().size(), 1u);
  EXPECT_LT(ms, 3 * 500);
}

}  // namespace
}  // namespace waypost::syncgroup
#endif
