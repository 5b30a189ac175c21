#include "service/cli/put_excludes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "service/cli/client.h"
#include "service/cli/put_counts.h"

namespace waypost::service {
namespace {

TEST(Excludes, AreHeldAgainstNamesOrPaths) {
  const struct {
    const char* name;
    std::vector<std::string> patterns;
    std::string below;
    bool folder, out;
  } cases[] = {
      {"a desktop's leftover", {}, "a/.DS_Store", false, true},
      {"another", {}, "Thumbs.db", false, true},
      {"another", {}, "b/desktop.ini", false, true},
      {"of an office program", {}, "a/~$letter.doc", false, true},
      {"nothing else by itself", {}, ".git", true, false},
      {"nor what looks alike", {}, "thumbs.db", false, false},
      {"nor temporary files", {}, "a/b.tmp", false, false},
      {"a name anywhere", {"*.tmp"}, "a/b/c.tmp", false, true},
      {"the whole name", {"a"}, "a/b", false, false},
      {"a folder", {"node_modules"}, "x/node_modules", true, true},
      {"a folder only, a folder", {"cache/"}, "x/cache", true, true},
      {"a folder only, a file", {"cache/"}, "x/cache", false, false},
      {"a path", {"a/*.jpg"}, "a/1.jpg", false, true},
      {"a path from the top only", {"a/*.jpg"}, "b/a/1.jpg", false, false},
      {"a star ends at a slash", {"a/*.jpg"}, "a/b/1.jpg", false, false},
      {"the top", {"/a"}, "a", true, true},
      {"hidden files are files", {"*.bak"}, ".x.bak", false, true},
      {"a set", {"[0-9]*"}, "a/7up", false, true},
      {"one of several", {"x", "*.tmp"}, "c.tmp", false, true},
  };
  for (const auto& c : cases) {
    const auto excludes = Excludes::Of(c.patterns, /*with_defaults=*/true);
    ASSERT_TRUE(excludes.ok());
    EXPECT_EQ(excludes->Match(c.below, c.folder), c.out) << c.name << ": " << c.below;
  }
  EXPECT_FALSE(Excludes::Of({}, /*with_defaults=*/false)->Match(".DS_Store", false));
  for (const char* empty : {"", "/"}) {
    EXPECT_EQ(ExitOf(Excludes::Of({empty}, true).status()), kExitUsage) << empty;
  }
}

TEST(ClosingLine, CountsWhatCameOfEach) {
  EXPECT_EQ(ClosingLine({.put = 12, .sent = 3, .bytes = 4096, .bytes_sent = 312}, false),
            "12 files put (4.0 KiB): 3 sent (312 B), 9 already here, 0 excluded, 0 failed");
  EXPECT_EQ(ClosingLine({.put = 1,
                         .sent = 1,
                         .excluded = 2,
                         .others_left_out = 4,
                         .failed = 3,
                         .bytes = 1,
                         .bytes_sent = 1},
                        true),
            "1 file would be put (1 B): 1 to be sent (1 B), 0 already here, 2 excluded, 3 failed, "
            "4 left out");
}

}  // namespace
}  // namespace waypost::service
