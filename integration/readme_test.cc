// The commands that README.md shows do what it says.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "integration/peer.h"
#include "integration/process.h"

namespace waypost::integration {
namespace {

TEST(ReadmeTest, TheTourRunsAsItStandsThere) {
  const std::string readme = ReadWholeFile(WAYPOST_SOURCE_DIR "/README.md");
  const std::string fence = "```bash\n";
  const std::size_t begin = readme.find(fence);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = readme.find("```", begin + fence.size());
  ASSERT_NE(end, std::string::npos);
  std::string tour = readme.substr(begin + fence.size(), end - begin - fence.size());
  if (std::system("command -v curl >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "NOT TESTED: the tour of README.md; curl is not installed here.";
  }
  // The program under test in place of the release build.
  const std::string built = "$PWD/build/release";
  const std::size_t at = tour.find(built);
  ASSERT_NE(at, std::string::npos);
  tour.replace(at, built.size(), std::filesystem::path(WaypostProgram()).parent_path().string());
  const CommandResult result =
      RunCommand({"/bin/bash", "-c",
                  absl::StrCat("set -e\ncd '", WAYPOST_SOURCE_DIR,
                               "'\nset -m\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n", tour)});
  EXPECT_NE(result.out.find("the same"), std::string::npos) << result.out << result.err;
  EXPECT_NE(result.out.find("\"complete\":true"), std::string::npos) << result.out << result.err;
}

}  // namespace
}  // namespace waypost::integration
