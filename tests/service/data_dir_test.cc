#include "service/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

using ::testing::HasSubstr;

class DataDirTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(base::InitCrypto()); }

  std::string ReadFile(const std::string& name) {
    std::ifstream file(path_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name, std::ios::trunc) << text;
  }
  int ModeOf(const std::string& name) {
    struct stat info {};
    EXPECT_EQ(stat((path_ + "/" + name).c_str(), &info), 0) << name;
    return info.st_mode & 0777;
  }

  const base::TempDir temp_;
  const std::string root_ = temp_.path();
  const std::string path_ = root_ + "/sub/folder";
  std::unique_ptr<base::FileSystem> fs_ = base::NewPosixFileSystem();
};

TEST_F(DataDirTest, InitMakesAFolderThatOnlyItsOwnerCanRead) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "[node]\n").ok());
  EXPECT_EQ(ModeOf("identity.key"), 0600);
  EXPECT_EQ(ModeOf("api.token"), 0600);
  EXPECT_EQ(ModeOf("read.token"), 0600);
  EXPECT_EQ(ModeOf("."), 0700);
  EXPECT_EQ(ReadFile("waypost.toml"), "[node]\n");
  EXPECT_NE(ReadFile("api.token"), ReadFile("read.token"));
  EXPECT_EQ(ReadFile("api.token").size(), 65u);
}

TEST_F(DataDirTest, InitNeverOverwritesAnIdentityNorSettings) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "first\n").ok());
  const std::string key = ReadFile("identity.key");
  EXPECT_EQ(DataDir::Init(*fs_, path_, "second\n").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile("identity.key"), key);
  // What a killed init left is completed.
  std::filesystem::remove(path_ + "/identity.key");
  const std::string token = ReadFile("api.token");
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "third\n").ok());
  EXPECT_EQ(ReadFile("waypost.toml"), "first\n");
  EXPECT_EQ(ReadFile("api.token"), token);
}

TEST_F(DataDirTest, OpenNeedsInitAndKeepsIdentityAndTokens) {
  const auto before = DataDir::Open(*fs_, path_);
  EXPECT_EQ(before.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(before.status().message()), HasSubstr("waypost init --data " + path_));
  EXPECT_FALSE(std::filesystem::exists(path_));

  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  base::PeerId peer;
  std::string token;
  {
    const auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok()) << dir.status();
    peer = (*dir)->identity().peer_id();
    token = (*dir)->api_token();
    EXPECT_TRUE(std::filesystem::is_directory((*dir)->index_dir()));
    EXPECT_EQ(token + "\n", ReadFile("api.token"));
  }
  const auto again = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->identity().peer_id(), peer);
  EXPECT_EQ((*again)->api_token(), token);
}

TEST_F(DataDirTest, ASecondProcessIsToldWhoHasTheFolder) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  auto first = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(first.ok());
  const auto second = DataDir::Open(*fs_, path_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("process " + std::to_string(getpid()) + ";"));
  first->reset();
  EXPECT_TRUE(DataDir::Open(*fs_, path_).ok());
}

TEST_F(DataDirTest, AFolderOfAnotherFormatIsRefused) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  WriteFile("FORMAT", "waypost data folder, format 3\n");
  const auto dir = DataDir::Open(*fs_, path_);
  EXPECT_EQ(dir.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(dir.status().message()), HasSubstr("format 3"));
}

TEST_F(DataDirTest, AFolderOfFormat1IsTakenAndKeptFromOlderPrograms) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  const std::string format = ReadFile("FORMAT");
  WriteFile("FORMAT", "waypost data folder, format 1\n");
  const auto dir = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ(ReadFile("FORMAT"), format);
  EXPECT_THAT(format, HasSubstr("format 2"));
}

TEST_F(DataDirTest, EndpointsAreThereOnlyWhileReady) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  EXPECT_EQ(ReadEndpoints(*fs_, path_).status().code(), absl::StatusCode::kUnavailable);
  {
    auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok());
    ASSERT_TRUE((*dir)
                    ->WriteEndpoints({.http = "127.0.0.1:1",
                                      .peer = "127.0.0.1:2",
                                      .peer_id = "ab",
                                      .pid = 42,
                                      .version = "1.0"})
                    .ok());
    const auto read = ReadEndpoints(*fs_, path_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->http, "127.0.0.1:1");
    EXPECT_EQ(read->peer, "127.0.0.1:2");
    EXPECT_EQ(read->peer_id, "ab");
    EXPECT_EQ(read->pid, 42);
    EXPECT_EQ(read->version, "1.0");
    // As after a kill: the file stays.
  }
  {
    auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok());
    EXPECT_EQ(ReadEndpoints(*fs_, path_).status().code(), absl::StatusCode::kUnavailable);
  }
  WriteFile("endpoints.json", "{\"http\":1}");
  EXPECT_EQ(ReadEndpoints(*fs_, path_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DataDirTest, APickedPortIsKeptAndAConfiguredOneIsNotTouched) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  base::HostPort first;
  {
    auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok());
    const auto picked = (*dir)->SettlePort("http", {.host = "127.0.0.1", .port = 0});
    ASSERT_TRUE(picked.ok()) << picked.status();
    first = *picked;
    EXPECT_NE(first.port, 0);
    const auto other = (*dir)->SettlePort("http", {.host = "127.0.0.1", .port = 7440});
    ASSERT_TRUE(other.ok());
    EXPECT_EQ(other->port, 7440);
  }
  auto dir = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ((*dir)->SettlePort("http", {.host = "127.0.0.1", .port = 0})->port, first.port);
  WriteFile("http.port", "none");
  EXPECT_EQ((*dir)->SettlePort("http", {.host = "127.0.0.1", .port = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(DataDirTest, ADeletedTokenIsMadeAnewAndAShortOneIsRefused) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  const std::string old = ReadFile("api.token");
  std::filesystem::remove(path_ + "/api.token");
  {
    auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok()) << dir.status();
    EXPECT_NE((*dir)->api_token() + "\n", old);
  }
  WriteFile("api.token", "short\n");
  EXPECT_EQ(DataDir::Open(*fs_, path_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace waypost::service
