// What users run is compiled and confined as docs/security.md says.
#include <gtest/gtest.h>

#include "integration/cluster.h"
#include "integration/peer.h"
#include "integration/process.h"

namespace waypost::integration {
namespace {

std::string ReadElf(const std::string& what) {
  const CommandResult result = RunCommand({"/usr/bin/readelf", "-W", what, WaypostProgram()});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  return result.out;
}

bool Has(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

TEST(HardenedTest, TheProgramIsPositionIndependentAndItsTablesAreReadOnly) {
  const std::string segments = ReadElf("-l"), dynamic = ReadElf("-d");
  EXPECT_TRUE(Has(segments, "DYN (Position-Independent Executable file)")) << segments;
  EXPECT_TRUE(Has(segments, "GNU_RELRO")) << segments;
  EXPECT_TRUE(Has(dynamic, "BIND_NOW")) << dynamic;
  const std::size_t stack = segments.find("GNU_STACK");
  ASSERT_NE(stack, std::string::npos);
  EXPECT_FALSE(Has(segments.substr(stack, segments.find('\n', stack) - stack), "RWE"));
}

TEST(HardenedTest, StacksAndBuffersAreChecked) {
  const std::string symbols = ReadElf("--dyn-syms");
  EXPECT_TRUE(Has(symbols, "__stack_chk_fail"));
  EXPECT_TRUE(Has(symbols, "_chk@")) << "no call that _FORTIFY_SOURCE checks";
}

TEST(HardenedTest, AServiceSaysWhatItGaveUp) {
  Cluster cluster;
  Peer& confined = cluster.Add("confined");
  const std::string said = confined.Status().value("sandbox", "");
  if (Has(said, "neither")) GTEST_SKIP() << "NOT TESTED: " << said;
  EXPECT_TRUE(Has(said, "seccomp") || Has(said, "landlock")) << said;
  Peer& open = cluster.Add("open", {"--security.sandbox=false"});
  EXPECT_EQ(open.Status().value("sandbox", ""), "none: security.sandbox = false");
  EXPECT_EQ(confined.Stop(), 0);
  EXPECT_EQ(open.Stop(), 0);
}

}  // namespace
}  // namespace waypost::integration
