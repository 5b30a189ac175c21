#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/rounds.h"
#include "tests/syncgroup/membership/trust_comparison.h"
#include "tests/syncgroup/membership/trust_world.h"
#include "tests/syncgroup/seed.h"

namespace waypost::syncgroup {
namespace {

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
  std::string wrong = CompareDecisions(history, world);
  if (!wrong.empty()) return "one by one: " + wrong;
  if (!run.all_answers) return "";
  wrong = CompareAnswers(history, world);
  if (!wrong.empty()) return wrong;
  const std::vector<int> dropped = DropSome(history, world, random, 4);
  wrong = CompareDecisions(history, world) + CompareAnswers(history, world);
  if (!wrong.empty()) return "after drops: " + wrong;
  for (auto it = dropped.rbegin(); it != dropped.rend(); ++it) {
    if (!world.Add(*it).ok()) return "not taken again";
  }
  wrong = CompareDecisions(history, world);
  if (!wrong.empty()) return "taken again: " + wrong;
  TrustWorld at_once(history);
  if (!at_once.AddAll().ok()) return "not taken at once";
  wrong = CompareDecisions(history, at_once);
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
  CheckMany(support::Rounds(92'000), {.entries_max = 16});
}

TEST(TrustDifferential, AllAnswersDropsAndFoldsAtOnceAgree) {
  CheckMany(support::Rounds(7'000), {.entries_max = 20, .all_answers = true});
}

TEST(TrustDifferential, LongHistoriesToo) {
  CheckMany(support::Rounds(1'000), {.entries_max = 60, .all_answers = true});
}

}  // namespace
}  // namespace waypost::syncgroup
