// The commands that README.md shows do what it says.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "integration/peer.h"
#include "integration/process.h"

namespace waypost::integration {
namespace {

// The shell blocks of README.md with the program under test in place of the release build, each run
// where the reader stands.
std::vector<CommandResult> RunTours() {
  const std::string readme = ReadWholeFile(WAYPOST_SOURCE_DIR "/README.md");
  const std::string fence = "```bash\n", built = "$PWD/build/release";
  std::vector<CommandResult> results;
  for (std::size_t end = 0;;) {
    const std::size_t begin = readme.find(fence, end);
    if (begin == std::string::npos) return results;
    end = readme.find("```", begin + fence.size());
    std::string tour = readme.substr(begin + fence.size(), end - begin - fence.size());
    tour.replace(tour.find(built), built.size(),
                 std::filesystem::path(WaypostProgram()).parent_path().string());
    results.push_back(
        RunCommand({"/bin/bash", "-c",
                    absl::StrCat("set -e\ncd '", WAYPOST_SOURCE_DIR,
                                 "'\nset -m\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n", tour)}));
  }
}

TEST(ReadmeTest, TheToursRunAsTheyStandThere) {
  if (std::system("command -v curl >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "NOT TESTED: the tours of README.md; curl is not installed here.";
  }
  const std::vector<CommandResult> tours = RunTours();
  ASSERT_EQ(tours.size(), 2u);
  const std::string curl = tours[0].out + tours[0].err, invite = tours[1].out + tours[1].err;
  EXPECT_NE(curl.find("the same"), std::string::npos) << curl;
  EXPECT_NE(curl.find("\"complete\":true"), std::string::npos) << curl;
  EXPECT_NE(invite.find("docs/architecture.md"), std::string::npos) << invite;
  EXPECT_NE(invite.find("nas"), std::string::npos) << invite;
}

}  // namespace
}  // namespace waypost::integration
