#include "service/cli/put_sources.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "base/status.h"
#include "service/cli/commands.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

class PutReaderTest : public ::testing::Test {
 protected:
  void Write(const std::string& text, std::ios::openmode how = std::ios::trunc) {
    std::ofstream(path_, std::ios::out | how) << text;
  }
  static std::unique_ptr<PutReader> Open(const std::string& path) {
    auto reader = PutReader::Open({.path = path});
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }
  // The next `count` bytes.
  static absl::StatusOr<std::string> Next(PutReader& reader, std::size_t count) {
    std::string bytes(count, '\0');
    const auto got = reader.Read(bytes);
    RETURN_IF_ERROR(got.status());
    bytes.resize(*got);
    return bytes;
  }

  const base::TempDir temp_;
  const std::string path_ = temp_ / "file";
};

TEST_F(PutReaderTest, AFileIsReadFromItsBeginningToItsEnd) {
  Write("hello world");
  const auto reader = Open(path_);
  EXPECT_EQ(reader->size(), 11u);
  EXPECT_EQ(*Next(*reader, 5), "hello");
  EXPECT_EQ(*Next(*reader, 6), " world");
  Write("");
  EXPECT_EQ(Open(path_)->size(), 0u);
}

TEST_F(PutReaderTest, AFileThatIsChangedWhileItIsReadIsNeverWhole) {
  // Rewritten at once after it was written, with as many bytes.
  Write("hello world");
  auto reader = Open(path_);
  EXPECT_EQ(*Next(*reader, 5), "hello");
  Write("HELLO WORLD");
  EXPECT_TRUE(absl::IsAborted(Next(*reader, 6).status()));
  // Grown, and cut.
  reader = Open(path_);
  EXPECT_EQ(*Next(*reader, 5), "HELLO");
  Write(" AND MORE", std::ios::app);
  EXPECT_TRUE(absl::IsAborted(Next(*reader, 6).status()));
  reader = Open(path_);
  EXPECT_EQ(reader->size(), 20u);
  EXPECT_EQ(*Next(*reader, 5), "HELLO");
  Write("HEL");
  EXPECT_TRUE(absl::IsAborted(Next(*reader, 15).status()));
}

TEST_F(PutReaderTest, AFileThatCallsItselfEmptyIsReadToItsEnd) {
  std::ifstream file("/proc/version");
  const std::string version{std::istreambuf_iterator<char>(file), {}};
  const auto reader = Open("/proc/version");
  ASSERT_EQ(reader->size(), version.size());
  EXPECT_EQ(*Next(*reader, version.size()), version);
}

// Root reads what nobody may; without these rights of it this thread is held to modes as others
// are.
class WithoutRootsRights {
 public:
  WithoutRootsRights() {
    CHECK(syscall(SYS_capget, &header_, before_) == 0);
    __user_cap_data_struct now[2] = {before_[0], before_[1]};
    now[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
    CHECK(syscall(SYS_capset, &header_, now) == 0);
  }
  ~WithoutRootsRights() { CHECK(syscall(SYS_capset, &header_, before_) == 0); }

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct before_[2] = {};
};

TEST(CollectSources, WhatCannotBeReadIsLeftOutAndTheRestIsThere) {
  const base::TempDir temp;
  for (const char* name : {"a", "b", "closed", "closed/sub", "d"}) {
    std::filesystem::create_directories(temp / name);
    std::ofstream(temp / name + "/file") << name;
  }
  ASSERT_EQ(chmod((temp / "closed").c_str(), 0), 0);
  PutArgs args{.paths = {temp.path(), temp / "none"}, .recursive = true, .group = "g"};
  const auto found = [&] {
    const WithoutRootsRights as_anybody;
    return CollectSources(args, temp / "none");
  }();
  ASSERT_EQ(chmod((temp / "closed").c_str(), 0700), 0);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->unreadable, 2u);
  std::set<std::string> keys;
  for (const PutItem& item : found->items) keys.insert(item.key);
  EXPECT_EQ(keys, (std::set<std::string>{"a/file", "b/file", "d/file"}));
}

TEST(CollectSources, LinksAreFollowedOnlyWhenAskedForAndExcludesAreCounted) {
  const base::TempDir temp;
  for (const char* file : {"tree/a", "tree/sub/b", "tree/sub/.DS_Store", "tree/skip/c", "else/d",
                           "data/identity.key", "data/FORMAT"}) {
    std::filesystem::create_directories(std::filesystem::path(temp / file).parent_path());
    std::ofstream(temp / file) << file;
  }
  std::filesystem::create_symlink("a", temp / "tree/link");
  std::filesystem::create_directory_symlink("../else", temp / "tree/other");
  std::filesystem::create_directory_symlink("..", temp / "tree/sub/circle");
  std::filesystem::create_symlink("nowhere", temp / "tree/dangling");
  std::filesystem::create_symlink("../data/FORMAT", temp / "tree/secret");
  const auto keys = [&](const PutArgs& args, std::size_t excluded, std::size_t others,
                        std::size_t unreadable) {
    std::set<std::string> found_keys;
    const auto found = CollectSources(args, temp / "none");
    EXPECT_TRUE(found.ok()) << found.status();
    for (const PutItem& item : found->items) {
      found_keys.insert(item.key);
      EXPECT_TRUE(PutReader::Open(item).ok()) << item.path;
    }
    EXPECT_EQ(found->excluded, excluded);
    EXPECT_EQ(found->others, others);
    EXPECT_EQ(found->unreadable, unreadable);
    return found_keys;
  };
  PutArgs args{.paths = {temp / "tree"}, .recursive = true, .excludes = {"skip"}, .group = "g"};
  EXPECT_EQ(keys(args, 2, 5, 0), (std::set<std::string>{"a", "sub/b"}));
  args.no_default_excludes = true;
  EXPECT_EQ(keys(args, 1, 5, 0), (std::set<std::string>{"a", "sub/b", "sub/.DS_Store"}));
  args.follow = true;
  EXPECT_EQ(keys(args, 1, 2, 1),
            (std::set<std::string>{"a", "link", "other/d", "sub/b", "sub/.DS_Store"}));
}

class DataFoldersTest : public ::testing::Test {
 protected:
  DataFoldersTest() {
    // The service's own need not look like one: it may be of an older release.
    for (const char* file : {"home/a", "home/own/api.token", "home/own/blobs/b",
                             "home/deep/other/identity.key", "home/deep/other/FORMAT",
                             "home/deep/other/index/c", "home/deep/d", "home/keys/identity.key"}) {
      std::filesystem::create_directories(std::filesystem::path(temp_ / file).parent_path());
      std::ofstream(temp_ / file) << file;
    }
  }
  absl::StatusOr<std::set<std::string>> Put(const std::string& path, bool recursive = true) {
    PutArgs args{.paths = {path}, .recursive = recursive};
    auto found = CollectSources(args, temp_ / "link");
    RETURN_IF_ERROR(found.status());
    EXPECT_EQ(found->unreadable, 0u);
    std::set<std::string> paths;
    for (const PutItem& item : found->items) paths.insert(item.path);
    return paths;
  }

  const base::TempDir temp_;
};

TEST_F(DataFoldersTest, AreLeftOutOfTreesByWhatTheyAre) {
  std::filesystem::create_directory_symlink(temp_ / "home/own", temp_ / "link");
  std::filesystem::create_hard_link(temp_ / "home/own/api.token", temp_ / "home/copy");
  EXPECT_EQ(*Put(temp_ / "home"), (std::set<std::string>{temp_ / "home/a", temp_ / "home/deep/d",
                                                         temp_ / "home/keys/identity.key"}));
}

TEST_F(DataFoldersTest, AreRefusedWhereTheyOrWhatIsInThemIsNamed) {
  std::filesystem::create_directory_symlink(temp_ / "home/own", temp_ / "link");
  std::filesystem::create_symlink("home/own/api.token", temp_ / "token");
  for (const char* path : {"home/own", "link", "home/own/blobs", "home/own/api.token", "token",
                           "home/deep/other", "home/deep/other/index/c"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Put(temp_ / path).status())) << path;
  }
  EXPECT_TRUE(Put(temp_ / "home/a").ok());
  EXPECT_TRUE(Put(temp_ / "home/keys").ok());
}

}  // namespace
}  // namespace waypost::service
