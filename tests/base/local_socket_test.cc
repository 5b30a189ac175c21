#include "base/local_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/fakes/temp_dir.h"

namespace waypost::base {
namespace {

bool Binds(const std::string& path) {
  const auto where = LocalSocketAddress::Of(path);
  if (!where.ok()) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = ::bind(fd, where->get(), where->size()) == 0;
  ::close(fd);
  return bound && ::access(path.c_str(), F_OK) == 0;
}

TEST(LocalSocketAddress, TakesAPathOfAnyLength) {
  const TempDir dir;
  EXPECT_TRUE(Binds(dir / "short"));
  std::string deep = dir.path();
  for (int i = 0; i < 4; ++i) {
    deep += "/" + std::string(100, 'd');
    ASSERT_EQ(::mkdir(deep.c_str(), 0700), 0);
  }
  EXPECT_TRUE(Binds(deep + "/control.sock"));
}

TEST(LocalSocketAddress, SaysWhatIsTheMatterWithAPath) {
  const TempDir dir;
  const auto no_folder = LocalSocketAddress::Of(dir / "none" + std::string(200, '/') + "s");
  EXPECT_TRUE(absl::IsNotFound(no_folder.status())) << no_folder.status();
  const std::string name(107, 'n');
  const auto long_name = LocalSocketAddress::Of(dir / name);
  EXPECT_TRUE(absl::IsInvalidArgument(long_name.status())) << long_name.status();
  EXPECT_NE(std::string(long_name.status().message()).find("is too long"), std::string::npos);
  EXPECT_TRUE(absl::IsInvalidArgument(LocalSocketAddress::Of(std::string(200, 'n')).status()));
}

}  // namespace
}  // namespace waypost::base
