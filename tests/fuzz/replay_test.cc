// The fuzzers' targets without libFuzzer: their seeds, every seed cut short, and a fixed number of
// random mutations, the same ones each time. A broken promise aborts.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/rounds.h"

namespace waypost::fuzz {
namespace {

constexpr int kMutationsPerTarget = support::Rounds(40000);

class ReplayTest : public testing::TestWithParam<const Target*> {};

// One to eight small changes: bytes set, removed, doubled, or taken from another seed.
std::string Mutate(std::string text, const std::vector<std::string>& seeds,
                   std::mt19937_64& random) {
  const auto below = [&random](std::size_t bound) {
    return static_cast<std::size_t>(random() % std::max<std::size_t>(1, bound));
  };
  for (std::size_t changes = 1 + below(8); changes > 0; --changes) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t count = std::min(text.size() - at, 1 + below(16));
    switch (below(5)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, count);
        break;
      case 2:
        text.insert(at, text.substr(at, count));
        break;
      case 3:
        text.insert(at, 1, "\r\n \0%:,/\xff\x80"[below(10)]);
        break;
      default: {
        const std::string& other = seeds[below(seeds.size())];
        text.insert(at, other.substr(below(other.size()), 1 + below(32)));
      }
    }
  }
  return text;
}

TEST_P(ReplayTest, KeepsItsPromises) {
  const Target& target = *GetParam();
  const std::vector<std::string> seeds = target.seeds();
  ASSERT_FALSE(seeds.empty());
  target.run("");
  for (const std::string& seed : seeds) {
    const std::size_t stride = target.slowness == 1 ? 1 : 8;
    for (std::size_t length = 0; length <= seed.size(); length += stride) {
      // Of its own allocation, so that a sanitizer sees a read past the end.
      const std::string cut(seed.data(), length);
      target.run(cut);
    }
  }
  std::mt19937_64 random(20260101);
  for (int i = 0; i < kMutationsPerTarget / target.slowness; ++i) {
    target.run(Mutate(seeds[random() % seeds.size()], seeds, random));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReplayTest, testing::ValuesIn(AllTargets()),
                         [](const auto& target) { return std::string(target.param->name); });

TEST(FuzzTargets, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Target* target : AllTargets()) EXPECT_TRUE(names.insert(target->name).second);
}

}  // namespace
}  // namespace waypost::fuzz
