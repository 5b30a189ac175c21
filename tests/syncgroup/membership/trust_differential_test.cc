#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/naive_trust.h"
#include "tests/syncgroup/membership/trust_world.h"
#include "tests/syncgroup/seed.h"

namespace waypost::syncgroup {
namespace {

constexpr int kPeersMax = 7;

// All that a tree answers against the naive rules; the first difference in words, empty: none.
class Comparison {
 public:
  Comparison(const History& history, const TrustWorld& world)
      : history_(history), world_(world), naive_(history, Here(history, world)) {}

  // Rights, acts and members.
  std::string Decisions() {
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i)) continue;
      const HistoryEntry& entry = history_.entries[i];
      for (int position = 0; position < static_cast<int>(entry.acts.size()); ++position) {
        const ActAt at{i, position};
        if (world_.tree().Counts(world_.Id(at)) != naive_.Counts(at)) return Says("counts", i);
        if (entry.acts[position].kind != ActKind::kAdmit) continue;
        if (world_.tree().RightsUnder(world_.Id(at)) != naive_.Unpinned(at)) {
          return Says("unpinned rights", i);
        }
      }
      if (entry.origin == kRecoveryEntry) continue;
      if (world_.tree().RightsOf(world_.PlaceOf(i)) != naive_.Rights(i)) return Says("rights", i);
    }
    for (int peer = 0; peer < kPeersMax; ++peer) {
      if (Member(peer) != naive_.FindMember(peer)) return Says("member", peer);
    }
    return "";
  }

  // What follows from them.
  std::string Answers() {
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i) || history_.entries[i].previous != kNone) continue;
      if (history_.entries[i].origin == kRecoveryEntry) continue;
      const auto closed = world_.tree().ClosedAfter(TrustWorld::Hash(history_.entries[i].hash));
      const auto expected = naive_.ClosedAfter(i);
      if (closed.has_value() != expected.has_value()) return Says("closed", i);
      if (closed && base::ToMs(*closed) != *expected) return Says("closed after", i);
    }
    for (int peer = 0; peer < kPeersMax; ++peer) {
      std::set<ActAt> newest;
      for (const ActId& id : world_.tree().NewestAbout(TrustWorld::Peer(peer))) {
        newest.insert(world_.At(id));
      }
      if (newest != naive_.NewestAbout(peer)) return Says("newest", peer);
      for (int author = 0; author < kPeersMax; ++author) {
        if (world_.tree().ActsOn(TrustWorld::Peer(author), TrustWorld::Peer(peer)) !=
            naive_.ActsOn(author, peer)) {
          return Says("acts on", peer);
        }
      }
    }
    return Seniority() + Kept();
  }

 private:
  static uint64_t Here(const History& history, const TrustWorld& world) {
    uint64_t here = 0;
    for (int i = 0; i < static_cast<int>(history.entries.size()); ++i) {
      if (world.Has(i)) here |= uint64_t{1} << i;
    }
    return here;
  }

  std::optional<NaiveTrust::Member> Member(int peer) const {
    const auto member = world_.tree().FindMember(TrustWorld::Peer(peer));
    if (!member) return std::nullopt;
    return NaiveTrust::Member{member->authority, member->invites, member->role,
                              world_.At(member->basis)};
  }

  std::string Seniority() {
    std::vector<ActAt> bases = {kByGenesis};
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i)) continue;
      for (int position = 0; position < static_cast<int>(history_.entries[i].acts.size());
           ++position) {
        if (history_.entries[i].acts[position].kind == ActKind::kAdmit) {
          bases.push_back({i, position});
        }
      }
    }
    for (const ActAt& a : bases) {
      for (const ActAt& b : bases) {
        if (world_.tree().IsSenior(world_.Id(a), world_.Id(b)) != naive_.IsSenior(a, b)) {
          return Says("senior", a.entry);
        }
      }
    }
    return "";
  }

  std::string Kept() {
    const TrustTree::Kept kept = world_.tree().KeptEntries();
    const std::set<int> expected = naive_.Kept();
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i) || history_.entries[i].origin == kRecoveryEntry) continue;
      const BranchPlace place = world_.PlaceOf(i);
      const auto it = kept.find(place.branch);
      const bool stays = it != kept.end() && place.generation <= it->second;
      if (stays != expected.contains(i)) return Says("kept", i);
    }
    return "";
  }

  static std::string Says(const char* what, int of) { return what + (" of " + std::to_string(of)); }

  const History& history_;
  const TrustWorld& world_;
  NaiveTrust naive_;
};

// A random order in which each finds what it needs.
std::vector<int> Arrival(const History& history, std::mt19937_64& random) {
  const int size = static_cast<int>(history.entries.size());
  std::vector<int> order;
  std::vector<bool> here(size);
  std::vector<int> waiting(size);
  for (int i = 0; i < size; ++i) waiting[i] = i;
  while (!waiting.empty()) {
    const std::size_t at = random() % waiting.size();
    const int entry = waiting[at];
    const std::vector<int> needs = history.Needs(entry, /*pins=*/true);
    const bool recovery = history.entries[entry].origin == kRecoveryEntry;
    const std::vector<int> must = recovery ? history.Needs(entry, /*pins=*/false) : needs;
    if (!std::all_of(must.begin(), must.end(), [&](int each) { return here[each]; })) continue;
    here[entry] = true;
    order.push_back(entry);
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return order;
}

bool IsNeeded(const History& history, const TrustWorld& world, int entry) {
  for (int i = entry + 1; i < static_cast<int>(history.entries.size()); ++i) {
    if (!world.Has(i)) continue;
    const std::vector<int> needs = history.Needs(i);
    if (std::find(needs.begin(), needs.end(), entry) != needs.end()) return true;
  }
  return false;
}

// Drops up to `count` entries that nothing needs.
std::vector<int> DropSome(const History& history, TrustWorld& world, std::mt19937_64& random,
                          int count) {
  std::vector<int> dropped;
  for (int tries = 0; tries < 3 * count && static_cast<int>(dropped.size()) < count; ++tries) {
    const int entry = static_cast<int>(random() % history.entries.size());
    if (!world.Has(entry) || IsNeeded(history, world, entry)) continue;
    EXPECT_TRUE(world.Drop(entry).ok());
    dropped.push_back(entry);
  }
  return dropped;
}

struct Run {
  int entries_max = 0;
  bool all_answers = false;
};

std::string CheckHistory(const History& history, std::mt19937_64& random, const Run& run) {
  TrustWorld world(history);
  for (const int entry : Arrival(history, random)) {
    const absl::Status status = world.Add(entry);
    if (!status.ok()) return "entry " + std::to_string(entry) + ": " + status.ToString();
  }
  std::string wrong = Comparison(history, world).Decisions();
  if (!wrong.empty()) return "one by one: " + wrong;
  if (!run.all_answers) return "";
  wrong = Comparison(history, world).Answers();
  if (!wrong.empty()) return wrong;
  const std::vector<int> dropped = DropSome(history, world, random, 4);
  Comparison after(history, world);
  wrong = after.Decisions() + after.Answers();
  if (!wrong.empty()) return "after drops: " + wrong;
  for (auto it = dropped.rbegin(); it != dropped.rend(); ++it) {
    if (!world.Add(*it).ok()) return "not taken again";
  }
  wrong = Comparison(history, world).Decisions();
  if (!wrong.empty()) return "taken again: " + wrong;
  TrustWorld at_once(history);
  if (!at_once.AddAll().ok()) return "not taken at once";
  wrong = Comparison(history, at_once).Decisions();
  return wrong.empty() ? "" : "at once: " + wrong;
}

void CheckMany(int histories, const Run& run) {
  const uint64_t seed = TestSeed();
  for (int i = 0; i < histories; ++i) {
    std::mt19937_64 random(seed + static_cast<uint64_t>(i));
    const History history = RandomHistory(random, run.entries_max);
    const std::string wrong = CheckHistory(history, random, run);
    ASSERT_TRUE(wrong.empty()) << wrong << " in history " << i
                               << " (WAYPOST_TEST_SEED=" << seed + static_cast<uint64_t>(i)
                               << " finds it first)\n"
                               << history.ToText();
  }
}

TEST(TrustDifferential, ShortHistoriesAreDecidedAsTheRulesAreWorded) {
  CheckMany(support::Rounds(88'000), {.entries_max = 20});
}

TEST(TrustDifferential, AllAnswersDropsAndFoldsAtOnceAgree) {
  CheckMany(support::Rounds(10'000), {.entries_max = 20, .all_answers = true});
}

TEST(TrustDifferential, LongHistoriesToo) {
  CheckMany(support::Rounds(2'000), {.entries_max = 60, .all_answers = true});
}

}  // namespace
}  // namespace waypost::syncgroup
