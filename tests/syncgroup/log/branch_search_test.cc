#include "syncgroup/log/branch_search.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/key_codec.h"
#include "base/random.h"
#include "syncgroup/protocol/wire_codec.h"

namespace waypost::syncgroup {
namespace {

// Two ways of a numbering, the same up to a place.
LogHead At(uint64_t generation, bool theirs, uint64_t shared) {
  std::string text = generation > shared && theirs ? "theirs" : "ours";
  base::AppendU64(text, generation);
  return {HashEntry("n"), generation, HashEntry(text)};
}

// Rounds that it took; what was found is checked.
int RoundsToFind(uint64_t head, uint64_t shared) {
  BranchSearch search(At(head, true, shared));
  int rounds = 0;
  while (!search.done()) {
    std::vector<LogHead> answer;
    std::set<uint64_t> asked;
    for (const uint64_t generation : search.Next()) {
      EXPECT_TRUE(generation > 0 && generation < head && asked.insert(generation).second);
      answer.push_back(At(generation, true, shared));
    }
    EXPECT_LE(answer.size(), kProbedAtOnce);
    EXPECT_TRUE(search.Learn(answer, [&](const LogHead& theirs) {
      return theirs == At(theirs.generation, false, shared);
    }));
    if (++rounds > 64) break;
  }
  EXPECT_EQ(search.shared() ? search.shared()->generation : 0, shared);
  if (search.shared()) {
    EXPECT_EQ(*search.shared(), At(shared, true, shared));
  }
  EXPECT_TRUE(search.Next().empty());
  return rounds;
}

TEST(BranchSearch, FindsWhereTwoWaysPart) {
  for (uint64_t head = 1; head < 60; ++head) {
    for (uint64_t shared = 0; shared < head; ++shared) EXPECT_LE(RoundsToFind(head, shared), 2);
  }
}

TEST(BranchSearch, OfAnyLengthInSixteenRounds) {
  const uint64_t longest = kGenerationMax;
  base::SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const auto part = static_cast<uint64_t>(random.Unit() * static_cast<double>(longest - 2));
    EXPECT_LE(RoundsToFind(longest, part), 16);
  }
  EXPECT_LE(RoundsToFind(longest, 0), 16);
  EXPECT_LE(RoundsToFind(longest, longest - 1), 16);
  EXPECT_LE(RoundsToFind(1'000'000, 999'000), 5);
}

TEST(BranchSearch, AnAnswerThatSaysNothingIsNoStep) {
  const LogHead head = At(1000, true, 500);
  const auto nobody = [](const LogHead&) { return false; };
  BranchSearch search(head);
  const std::vector<uint64_t> asked = search.Next();
  EXPECT_FALSE(search.Learn({}, nobody));
  EXPECT_FALSE(search.Learn({At(asked[0] + 1, true, 500)}, nobody)) << "not what was asked";
  EXPECT_FALSE(search.Learn({{HashEntry("m"), asked[0], HashEntry("x")}}, nobody));
  EXPECT_EQ(search.Next(), asked);
  // Less than was asked is a step, if a smaller one.
  EXPECT_TRUE(search.Learn({At(asked[0], true, 500)}, [](const LogHead&) { return true; }));
  EXPECT_GT(search.Next()[0], asked[0]);
}

}  // namespace
}  // namespace waypost::syncgroup
