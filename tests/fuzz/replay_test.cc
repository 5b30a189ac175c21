// The fuzzers' targets without libFuzzer: their seeds, every seed cut short, what fuzzing found and
// was kept of it, and a fixed number of random mutations, the same ones each time. A broken promise
// aborts.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/rounds.h"

namespace waypost::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kMutationsPerTarget = support::Rounds(40000);
// The corpus is part of the repository, so it stays small; ./dev fuzz keep has the same numbers.
constexpr std::size_t kFileMax = 4096, kFilesMax = 250, kCorpusMax = 200 << 10;

// What is kept of one target, by name, so that mutations are the same on every file system.
std::vector<std::string> ReadCorpus(const Target& target) {
  std::vector<fs::path> paths;
  const fs::path folder = fs::path(WAYPOST_FUZZ_CORPUS) / target.name;
  if (!fs::is_directory(folder)) return {};
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const fs::path& path : paths) {
    std::ifstream in(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    EXPECT_FALSE(in.bad()) << path;
  }
  return inputs;
}

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
  for (const std::string& input : ReadCorpus(target)) target.run(input);
  std::mt19937_64 random(20260101);
  for (int i = 0; i < kMutationsPerTarget / target.slowness; ++i) {
    target.run(Mutate(seeds[random() % seeds.size()], seeds, random));
  }
}

TEST_P(ReplayTest, HasACorpusAndASmallOne) {
  const std::vector<std::string> inputs = ReadCorpus(*GetParam());
  EXPECT_FALSE(inputs.empty()) << "./dev fuzz " << GetParam()->name << ", then ./dev fuzz keep";
  EXPECT_LE(inputs.size(), kFilesMax);
  std::size_t bytes = 0;
  for (const std::string& input : inputs) {
    EXPECT_LE(input.size(), kFileMax);
    bytes += input.size();
  }
  EXPECT_LE(bytes, kCorpusMax);
}

INSTANTIATE_TEST_SUITE_P(All, ReplayTest, testing::ValuesIn(AllTargets()),
                         [](const auto& target) { return std::string(target.param->name); });

std::set<std::string> TargetNames() {
  std::set<std::string> names;
  for (const Target* target : AllTargets()) names.insert(target->name);
  return names;
}

TEST(FuzzTargets, HaveNamesOfTheirOwn) { EXPECT_EQ(TargetNames().size(), AllTargets().size()); }

// A target that was renamed would leave its corpus behind, and nobody would run it.
TEST(FuzzTargets, EveryCorpusHasATarget) {
  const std::set<std::string> names = TargetNames();
  for (const fs::directory_entry& entry : fs::directory_iterator(WAYPOST_FUZZ_CORPUS)) {
    EXPECT_TRUE(entry.is_directory() && names.contains(entry.path().filename().string()))
        << entry.path() << " belongs to no target";
  }
}

}  // namespace
}  // namespace waypost::fuzz
