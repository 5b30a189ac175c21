// The client as its users get it: installed, found by CMake, compiled out of this tree, run against
// a real service.
#include <gtest/gtest.h>

#include "integration/cluster.h"

namespace waypost::integration {
namespace {

TEST(PackageTest, AnExampleBuildsAgainstTheInstalledClientAndSharesAFile) {
  Cluster cluster;
  const std::string prefix = cluster.dir() + "/installed", build = cluster.dir() + "/build";
  const auto must = [](std::vector<std::string> command) {
    const CommandResult result = RunCommand(std::move(command), {}, {}, base::Millis(600'000));
    ASSERT_EQ(result.exit_status, 0) << result.out << result.err;
  };
  must(
      {WAYPOST_CMAKE, "--install", WAYPOST_BUILD_DIR, "--component", "client", "--prefix", prefix});
  must({WAYPOST_CMAKE, "-S", WAYPOST_SOURCE_DIR "/client/examples", "-B", build, "-G", "Ninja",
        "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_BUILD_TYPE=None",
        "-DCMAKE_CXX_COMPILER_LAUNCHER=" WAYPOST_COMPILER_LAUNCHER});
  must({WAYPOST_CMAKE, "--build", build});

  Peer& peer = cluster.Add("peer");
  const std::string file = cluster.dir() + "/picture", bytes = SomeBytes(100'000, 1);
  WriteWholeFile(file, bytes);
  const CommandResult shared = RunCommand({build + "/share_file", peer.dir(), "family", file});
  EXPECT_EQ(shared.exit_status, 0) << shared.err;
  EXPECT_NE(shared.out.find(HexOfSha256(bytes)), std::string::npos) << shared.out;
  EXPECT_TRUE(ReadWholeFile(file + ".copy") == bytes);
  EXPECT_TRUE(peer.Has(HexOfSha256(bytes)));
  peer.Kill();
  const CommandResult gone = RunCommand({build + "/share_file", peer.dir(), "family", file});
  EXPECT_EQ(gone.exit_status, 1);
  EXPECT_NE(gone.err.find("connection"), std::string::npos) << gone.err;
}

}  // namespace
}  // namespace waypost::integration
