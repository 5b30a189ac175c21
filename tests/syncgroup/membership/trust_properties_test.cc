#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/trust_world.h"
#include "tests/syncgroup/seed.h"

// What must hold of every history, whatever the rules in detail say.
namespace waypost::syncgroup {
namespace {

constexpr int kHistories = 3000;
constexpr int kEntriesMax = 30;

class TrustProperties : public testing::Test {
 protected:
  // Calls `check` with many histories, and says in which it failed.
  template <class Check>
  void ForHistories(Check check) {
    const uint64_t seed = TestSeed();
    for (uint64_t i = 0; i < static_cast<uint64_t>(support::Rounds(kHistories)); ++i) {
      std::mt19937_64 random(seed + i);
      const History history = RandomHistory(random, kEntriesMax);
      check(history, random);
      ASSERT_FALSE(HasFailure()) << "WAYPOST_TEST_SEED=" << seed + i << "\n" << history.ToText();
    }
  }
};

int SizeOf(const History& history) { return static_cast<int>(history.entries.size()); }

template <class Each>
void ForActs(const History& history, Each each) {
  for (int entry = 0; entry < SizeOf(history); ++entry) {
    for (int i = 0; i < static_cast<int>(history.entries[entry].acts.size()); ++i) {
      each(ActAt{entry, i}, history.entries[entry].acts[i]);
    }
  }
}

std::set<ActAt> NamedBy(const History& history, const ActAt& act) {
  std::set<ActAt> named;
  std::vector<ActAt> open = {act};
  while (!open.empty()) {
    const ActAt at = open.back();
    open.pop_back();
    if (at.entry < 0) continue;
    for (const ActAt& name : history.entries[at.entry].acts[at.position].names) {
      if (named.insert(name).second) open.push_back(name);
    }
  }
  return named;
}

bool Pins(const History& history, const HistoryAct& act, int entry) {
  return std::any_of(act.pins.begin(), act.pins.end(), [&](int head) {
    const std::vector<int> chain = history.WithAllBefore(head);
    return std::find(chain.begin(), chain.end(), entry) != chain.end();
  });
}

std::set<int> AllThatNeeds(const History& history, std::vector<int> open) {
  std::set<int> all;
  while (!open.empty()) {
    const int entry = open.back();
    open.pop_back();
    if (!all.insert(entry).second) continue;
    for (const int needed : history.Needs(entry)) open.push_back(needed);
  }
  return all;
}

bool Without(const std::optional<EntryRights>& after, const EntryRights& before) {
  return !after || after->authority > before.authority || (before.invites && !after->invites);
}

// An entry has in the end the rights that it had by all that its author named, rested on and
// pinned, unless an act about it or its upline took them without pinning it: one that its author
// did not know of, or that counted for nothing then, and does now.
TEST_F(TrustProperties, WhatWasWrittenByARightCountsButForActsAboutItsUplineThatDoNotPinIt) {
  ForHistories([&](const History& history, std::mt19937_64& random) {
    TrustWorld all(history);
    ASSERT_TRUE(all.AddAll().ok());
    const int entry = static_cast<int>(random() % static_cast<uint64_t>(SizeOf(history)));
    if (history.entries[entry].origin == kRecoveryEntry) return;
    const std::set<int> known = AllThatNeeds(history, {entry});
    TrustWorld then(history);
    for (const int each : known) ASSERT_TRUE(then.Add(each).ok());
    const auto had = then.tree().RightsOf(then.PlaceOf(entry));
    const auto has = all.tree().RightsOf(all.PlaceOf(entry));
    if (!had || !Without(has, *had)) return;
    bool excused = false;
    for (int at = entry; at >= 0; at = history.entries[at].basis.entry) {
      const int origin = history.entries[at].origin;
      ForActs(history, [&](const ActAt& by, const HistoryAct& act) {
        if (act.peer != origin || !all.tree().Counts(all.Id(by))) return;
        // Who wrote it may have had no right to by what was known then, and have it back.
        if (known.contains(by.entry) && then.tree().Counts(then.Id(by))) return;
        if (act.kind != ActKind::kLeave && !act.as_inviter && !Pins(history, act, at)) {
          excused = true;
        }
      });
    }
    EXPECT_TRUE(excused) << "entry " << entry << " lost rights by nobody's act";
  });
}

TEST_F(TrustProperties, ARemovalIsNotUndoneWithoutAnActThatNamesIt) {
  ForHistories([&](const History& history, std::mt19937_64&) {
    TrustWorld world(history);
    ASSERT_TRUE(world.AddAll().ok());
    ForActs(history, [&](const ActAt& at, const HistoryAct& act) {
      if (act.kind != ActKind::kRemove || act.only_named) return;
      if (!world.tree().Counts(world.Id(at))) return;
      const auto member = world.tree().FindMember(TrustWorld::Peer(act.peer));
      if (!member) return;
      const ActAt basis = world.At(member->basis);
      const ActAt author = history.entries[at.entry].basis;
      const bool above = member->authority == Authority::kAdmin && !(author == kByRecovery) &&
                         !world.tree().IsSenior(world.Id(author), member->basis);
      EXPECT_TRUE(above || NamedBy(history, basis).contains(at))
          << act.peer << " is back in spite of " << at.entry;
    });
  });
}

TEST_F(TrustProperties, AJuniorTakesNothingFromASeniorAdmin) {
  ForHistories([&](const History& history, std::mt19937_64&) {
    TrustWorld world(history);
    std::vector<ActAt> admins = {kByGenesis};
    for (int entry = 0; entry < SizeOf(history); ++entry) {
      const auto rights = [&](const ActAt& at) { return world.tree().RightsUnder(world.Id(at)); };
      std::vector<std::optional<EntryRights>> before;
      for (const ActAt& at : admins) before.push_back(rights(at));
      ASSERT_TRUE(world.Add(entry).ok());
      const ActAt author = history.entries[entry].basis;
      for (std::size_t i = 0; i < admins.size(); ++i) {
        if (!before[i] || before[i]->authority != Authority::kAdmin) continue;
        if (author == kByRecovery) continue;
        if (world.tree().IsSenior(world.Id(author), world.Id(admins[i]))) continue;
        EXPECT_EQ(rights(admins[i]), before[i]) << "entry " << entry;
      }
      for (int i = 0; i < static_cast<int>(history.entries[entry].acts.size()); ++i) {
        const HistoryAct& act = history.entries[entry].acts[i];
        if (act.kind == ActKind::kAdmit && act.authority == Authority::kAdmin) {
          admins.push_back({entry, i});
        }
      }
    }
  });
}

// Whatever everybody wrote before, and whatever the removed one, and whom it had admitted, write
// on.
TEST_F(TrustProperties, RecoveryAlwaysWins) {
  ForHistories([&](const History& original, std::mt19937_64& random) {
    History history = original;
    const int target = static_cast<int>(random() % 3);
    HistoryEntry removal{.origin = kRecoveryEntry,
                         .basis = kByRecovery,
                         .stamp = 1'000'000,
                         .hash = 7,
                         .acts = {{.kind = ActKind::kRemove, .peer = target}}};
    std::vector<ActAt> by_recovery;
    ForActs(history, [&](const ActAt& at, const HistoryAct& act) {
      if (history.entries[at.entry].origin == kRecoveryEntry && act.peer == target) {
        by_recovery.push_back(at);
      }
    });
    history.entries.push_back(removal);
    const ActAt removed{SizeOf(history) - 1, 0};
    // An admin lets it in again by naming the removal.
    HistoryEntry back{
        .origin = 0,
        .basis = kByGenesis,
        .stamp = 2'000'000,
        .hash = 9,
        .acts = {{.peer = target, .authority = Authority::kAdmin, .names = {removed}}}};
    history.entries.push_back(back);
    TrustWorld world(history);
    ASSERT_TRUE(world.AddAll().ok());
    EXPECT_FALSE(world.tree().FindMember(TrustWorld::Peer(target)).has_value());
    for (int entry = 0; entry < SizeOf(history); ++entry) {
      if (history.entries[entry].origin != target) continue;
      EXPECT_EQ(world.tree().RightsOf(world.PlaceOf(entry)), std::nullopt) << "entry " << entry;
    }
  });
}

// Whoever has the acts that say why, with all that they rest on, name and pin, finds the same.
TEST_F(TrustProperties, WhyNoMemberConvincesWhoHasNothingElse) {
  int asked = 0;
  ForHistories([&](const History& history, std::mt19937_64&) {
    TrustWorld world(history);
    ASSERT_TRUE(world.AddAll().ok());
    for (int peer = 0; peer < 7; ++peer) {
      const base::PeerId id = TrustWorld::Peer(peer);
      const std::vector<ActId> why = world.tree().WhyNoMember(id);
      if (why.empty()) continue;
      std::vector<int> told;
      for (const ActId& act : why) told.push_back(world.At(act).entry);
      // What the peer itself shows: the admissions that it has.
      ForActs(history, [&](const ActAt& at, const HistoryAct& act) {
        if (act.peer == peer && act.kind == ActKind::kAdmit) told.push_back(at.entry);
      });
      TrustWorld other(history);
      for (const int entry : AllThatNeeds(history, told)) ASSERT_TRUE(other.Add(entry).ok());
      EXPECT_FALSE(other.tree().FindMember(id).has_value()) << "peer " << peer;
      ++asked;
    }
  });
  EXPECT_GT(asked, support::Rounds(kHistories) / 2);
}

}  // namespace
}  // namespace waypost::syncgroup
