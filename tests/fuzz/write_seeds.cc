#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/standard_descriptors.h"
#include "tests/fuzz/fuzz_target.h"

// Writes the seeds of every target to FOLDER/NAME/seed-N, where ./dev fuzz begins with them. What
// it found itself is apart from them: build/fuzz/corpus, and what is kept of it, tests/fuzz/corpus.

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  if (argc != 2) {
    std::fprintf(stderr, "write_seeds FOLDER\n");
    return 2;
  }
  for (const auto* target : waypost::fuzz::AllTargets()) {
    const auto folder = std::filesystem::path(argv[1]) / target->name;
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const std::string& seed : target->seeds()) {
      std::ofstream file(folder / absl::StrCat("seed-", number++), std::ios::binary);
      if (!(file << seed).flush()) {
        std::fprintf(stderr, "cannot write to %s\n", folder.c_str());
        return 1;
      }
    }
  }
  return 0;
}
