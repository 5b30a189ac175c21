#include "service/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "base/index.h"
#include "service/format.h"
#include "service/unusable.h"
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
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "third\n").ok());
  EXPECT_EQ(ReadFile("waypost.toml"), "first\n");
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

TEST_F(DataDirTest, WhereLockWasRemovedTheFolderIsStillTakenAndKeepsItsEndpoints) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  auto first = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(first.ok());
  const Endpoints endpoints{
      .http = "127.0.0.1:1", .peer = "127.0.0.1:2", .peer_id = "ab", .pid = 42, .version = "1.0"};
  ASSERT_TRUE((*first)->WriteEndpoints(endpoints).ok());
  std::filesystem::remove(path_ + "/LOCK");
  const auto second = DataDir::Open(*fs_, path_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("process 42;"));
  EXPECT_TRUE(ReadEndpoints(*fs_, path_).ok());
  first->reset();
  EXPECT_TRUE(DataDir::Open(*fs_, path_).ok());
}

// Every name and all bytes below the folder.
std::map<std::string, std::string> WholeFolder(const std::string& path) {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    std::ifstream file(entry.path());
    found[entry.path()] =
        entry.is_directory() ? "a folder" : std::string(std::istreambuf_iterator<char>(file), {});
  }
  return found;
}

TEST_F(DataDirTest, AFormatThatIsNotKnownIsRefusedAndNothingIsWritten) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  WriteFile("endpoints.json", "{}");
  for (const char* format :
       {"waypost data folder, format 4\n", "something else\n", "",
        "waypost data folder, format 3\ncompatible:\nread-compatible:\nincompatible: later\n",
        "waypost data folder, format 3\ncompatible:\nread-compatible: later\nincompatible:\n"}) {
    WriteFile("FORMAT", format);
    const auto before = WholeFolder(path_);
    const auto dir = DataDir::Open(*fs_, path_);
    EXPECT_EQ(dir.status().code(), absl::StatusCode::kFailedPrecondition) << format;
    EXPECT_TRUE(IsUnusable(dir.status())) << format;
    EXPECT_EQ(DataDir::RotateToken(*fs_, path_, "api.token").code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(WholeFolder(path_), before) << format;
  }
  // Nor does init make one of its own there.
  std::filesystem::remove(path_ + "/identity.key");
  EXPECT_TRUE(IsUnusable(DataDir::Init(*fs_, path_, "")));
}

TEST_F(DataDirTest, AFormatNamesTheFeaturesThatNobodyHereKnows) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  WriteFile("FORMAT",
            "waypost data folder, format 3\ncompatible:\nread-compatible:\nincompatible: later\n");
  EXPECT_THAT(std::string(DataDir::Open(*fs_, path_).status().message()), HasSubstr("later"));
}

TEST_F(DataDirTest, AWordThatIsOnlyCompatibleStays) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  auto format = ParseFormat(ReadFile("FORMAT"));
  ASSERT_TRUE(format.ok()) << format.status();
  format->compatible.insert("later");
  WriteFile("FORMAT", FormatText(*format));
  const auto dir = DataDir::Open(*fs_, path_);
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ(ParseFormat(ReadFile("FORMAT")).value(), *format);
}

TEST_F(DataDirTest, FormatKnowsWhoseTheFolderIs) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  const auto open_with_index = [&] {
    const auto dir = DataDir::Open(*fs_, path_);
    if (!dir.ok()) return dir.status();
    const auto index = base::Index::Open({.dir = (*dir)->index_dir()});
    if (!index.ok()) return index.status();
    return (*dir)->ClaimIndex(**index);
  };
  const std::string key = ReadFile("identity.key");
  std::string another = key;
  another[another.size() - 2] = another[another.size() - 2] == '1' ? '3' : '1';
  // Before the first start, and where the index does not know its owner.
  WriteFile("identity.key", another);
  const absl::Status refused = open_with_index();
  EXPECT_TRUE(IsUnusable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("waypost identity restore"));
  WriteFile("identity.key", key);
  EXPECT_TRUE(open_with_index().ok());
  // A folder of before has no such word: it gets one at the next start.
  const std::string format = ReadFile("FORMAT");
  Format before = ParseFormat(format).value();
  std::erase_if(before.compatible, IsPeerWord);
  WriteFile("FORMAT", FormatText(before));
  EXPECT_TRUE(open_with_index().ok());
  EXPECT_EQ(ReadFile("FORMAT"), format);
  // Where the key is gone, only the one that was there makes the folder whole again.
  std::filesystem::remove(path_ + "/identity.key");
  EXPECT_TRUE(IsUnusable(DataDir::Open(*fs_, path_).status()));
  EXPECT_TRUE(IsUnusable(DataDir::Init(*fs_, path_, "")));
  EXPECT_EQ(ReadFile("FORMAT"), format);
}

TEST_F(DataDirTest, AnIndexThatIsGoneIsNotReplacedWithoutAWord) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  {
    const auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok()) << dir.status();
    EXPECT_TRUE((*dir)->CheckIndexIsThere(false).ok());  // a first start
    const auto index = base::Index::Open({.dir = (*dir)->index_dir()});
    ASSERT_TRUE(index.ok()) << index.status();
    ASSERT_TRUE((*dir)->ClaimIndex(**index).ok());
    EXPECT_TRUE((*dir)->CheckIndexIsThere(false).ok());
  }
  const std::string format = ReadFile("FORMAT");
  Format before = ParseFormat(format).value();
  before.compatible.erase(std::string(kHasIndex));
  struct Case {
    const char* name;
    bool empty, of_before, blobs, refused;
  };
  for (const Case& c :
       {Case{"gone", false, false, false, true}, Case{"an empty file", true, false, false, true},
        Case{"of before, with blobs", false, true, true, true},
        Case{"of before, without blobs", false, true, false, false}}) {
    std::filesystem::remove_all(path_ + "/index");
    std::filesystem::remove_all(path_ + "/blobs");
    if (c.blobs) std::filesystem::create_directories(path_ + "/blobs/ab");
    WriteFile("FORMAT", c.of_before ? FormatText(before) : format);
    const auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok()) << dir.status();
    if (c.empty) WriteFile("index/data.mdb", "");
    const absl::Status checked = (*dir)->CheckIndexIsThere(false);
    EXPECT_EQ(IsUnusable(checked), c.refused) << c.name << ": " << checked;
    const std::string said(checked.message());
    EXPECT_EQ(said.find("--new-index") != std::string::npos, c.refused) << c.name << ": " << said;
    EXPECT_TRUE((*dir)->CheckIndexIsThere(true).ok()) << c.name;
  }
}

TEST_F(DataDirTest, AnOlderFolderIsMarkedUntilItsMigrationIsDone) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  const std::string format = ReadFile("FORMAT");
  EXPECT_FALSE((*DataDir::Open(*fs_, path_))->migrating());
  for (const char* older : {"waypost data folder, format 1\n", "waypost data folder, format 2\n"}) {
    WriteFile("FORMAT", older);
    for (int start = 0; start < 2; ++start) {  // the first one is killed on its way
      const auto dir = DataDir::Open(*fs_, path_);
      ASSERT_TRUE(dir.ok()) << dir.status();
      EXPECT_TRUE((*dir)->migrating());
      EXPECT_THAT(ReadFile("FORMAT"), HasSubstr("\nincompatible: migrating\n"));
    }
    auto dir = DataDir::Open(*fs_, path_);
    ASSERT_TRUE(dir.ok()) << dir.status();
    ASSERT_TRUE((*dir)->FinishMigration().ok());
    EXPECT_FALSE((*dir)->migrating());
    Format now = ParseFormat(ReadFile("FORMAT")).value();
    // ClaimIndex does.
    now.compatible.insert(PeerWord((*dir)->identity().peer_id()));
    EXPECT_EQ(FormatText(now), format);
  }
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

TEST_F(DataDirTest, InitNeverTakesATokenThatLiesThere) {
  std::filesystem::create_directories(path_);
  const std::string known(64, 'a');
  WriteFile("api.token", known);
  WriteFile("elsewhere", known);
  std::filesystem::create_symlink(path_ + "/elsewhere", path_ + "/read.token");
  std::filesystem::permissions(path_ + "/api.token", std::filesystem::perms::owner_all);
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  for (const char* name : {"api.token", "read.token"}) {
    EXPECT_EQ(ReadFile(name).find(known), std::string::npos) << name;
    EXPECT_EQ(ModeOf(name), 0600) << name;
    EXPECT_FALSE(std::filesystem::is_symlink(path_ + "/" + name)) << name;
  }
  EXPECT_EQ(ReadFile("elsewhere"), known);
}

TEST_F(DataDirTest, ATokenThatOthersCanReadOrThatIsALinkIsRefused) {
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  const std::string token = path_ + "/read.token";
  for (const int mode : {0644, 0640, 0620, 0602}) {
    chmod(token.c_str(), static_cast<mode_t>(mode));
    EXPECT_TRUE(IsUnusable(DataDir::Open(*fs_, path_).status())) << mode;
    EXPECT_FALSE(ReadToken(path_, "read.token").ok()) << mode;
  }
  chmod(token.c_str(), 0600);
  EXPECT_TRUE(DataDir::Open(*fs_, path_).ok());
  std::filesystem::rename(token, path_ + "/moved");
  std::filesystem::create_symlink(path_ + "/moved", token);
  EXPECT_TRUE(IsUnusable(DataDir::Open(*fs_, path_).status()));
  EXPECT_FALSE(ReadToken(path_, "read.token").ok());
}

TEST_F(DataDirTest, AFolderThatOthersCanWriteToIsRefusedBeforeAnythingIsWritten) {
  std::filesystem::create_directories(path_);
  chmod(path_.c_str(), 0770);
  EXPECT_TRUE(IsUnusable(DataDir::Init(*fs_, path_, "")));
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  chmod(path_.c_str(), 0750);
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  std::filesystem::create_directories(path_ + "/blobs");
  for (const char* part : {"", "/blobs", "/waypost.toml"}) {
    const std::string open_to_others = path_ + part;
    chmod(open_to_others.c_str(), 0772);
    const auto before = WholeFolder(path_);
    EXPECT_TRUE(IsUnusable(DataDir::Open(*fs_, path_).status())) << part;
    EXPECT_EQ(WholeFolder(path_), before);
    chmod(open_to_others.c_str(), 0700);
  }
  EXPECT_TRUE(DataDir::Open(*fs_, path_).ok());
}

TEST_F(DataDirTest, AFolderOrTokenOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_TRUE(DataDir::Init(*fs_, path_, "").ok());
  constexpr uid_t kSomebody = 12345;
  for (const char* part : {"/api.token", "/waypost.toml", ""}) {
    const std::string theirs = path_ + part;
    ASSERT_EQ(chown(theirs.c_str(), kSomebody, kSomebody), 0);
    EXPECT_TRUE(IsUnusable(DataDir::Open(*fs_, path_).status())) << part;
    ASSERT_EQ(chown(theirs.c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(DataDir::Open(*fs_, path_).ok());
}

}  // namespace
}  // namespace waypost::service
