#include "service/cli/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/sha256.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(base::InitCrypto()); }
  static absl::Status Write(const std::string& path, const std::string& text,
                            OutputOptions options = {}) {
    if (options.name.empty()) options.name = "name";
    return WriteOutput(path, base::Sha256::Of(text), options,
                       [&text](uint64_t, Take take) { return take(text); });
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void Put(const std::string& path, const std::string& text, mode_t mode) {
    std::ofstream(path) << text;
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  static struct stat Look(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info;
  }
  std::size_t Entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(temp_.path()), {}));
  }

  const base::TempDir temp_;
  const std::string path_ = temp_ / "file";
};

TEST_F(OutputFileTest, ANewFileIsWrittenWholeOrNotAtAll) {
  const auto wrong = [](uint64_t, Take take) { return take("y"); };
  EXPECT_TRUE(base::IsDigestMismatch(WriteOutput(path_, base::Sha256::Of("x"), {}, wrong)));
  EXPECT_EQ(Entries(), 0u);
  ASSERT_TRUE(Write(path_, "x").ok());
  EXPECT_EQ(Read(path_), "x");
  ASSERT_TRUE(Write(temp_ / "secret", "x", {.mode = 0600}).ok());
  EXPECT_EQ(Look(temp_ / "secret").st_mode & 07777, 0600u);
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(OutputFileTest, AFileWithOtherBytesIsOverwrittenWithForceOnlyAndKeepsModeAndOwner) {
  Put(path_, "old", 0640);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(path_.c_str(), 65534, 65533), 0);
  }
  const struct stat before = Look(path_);
  const absl::Status refused = Write(path_, "new");
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_NE(std::string(refused.message()).find("--force"), std::string::npos);
  EXPECT_EQ(Read(path_), "old");
  // The same bytes are no matter, and are not asked for again.
  EXPECT_TRUE(WriteOutput(path_, base::Sha256::Of("old"), {}, [](uint64_t, Take) {
                return absl::InternalError("asked");
              }).ok());
  ASSERT_TRUE(Write(path_, "new", {.force = true}).ok());
  EXPECT_EQ(Read(path_), "new");
  EXPECT_EQ(Look(path_).st_mode, before.st_mode);
  EXPECT_EQ(Look(path_).st_uid, before.st_uid);
  EXPECT_EQ(Look(path_).st_gid, before.st_gid);
  // Wrong bytes leave it as it was.
  EXPECT_FALSE(WriteOutput(path_, base::Sha256::Of("x"), {.force = true}, [](uint64_t, Take take) {
                 return take("y");
               }).ok());
  EXPECT_EQ(Read(path_), "new");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(OutputFileTest, OfALinkItsTargetIsWritten) {
  fs::create_directory(temp_ / "away");
  Put(temp_ / "away/target", "old", 0600);
  fs::create_symlink("away/target", path_);
  fs::create_symlink("file", temp_ / "second");
  ASSERT_TRUE(Write(temp_ / "second", "new", {.force = true}).ok());
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_TRUE(fs::is_symlink(temp_ / "second"));
  EXPECT_EQ(Read(temp_ / "away/target"), "new");
  EXPECT_EQ(Look(temp_ / "away/target").st_mode & 07777, 0600u);
  // One that leads to nothing yet, and one that leads to itself.
  fs::create_symlink("away/later", temp_ / "dangling");
  ASSERT_TRUE(Write(temp_ / "dangling", "x").ok());
  EXPECT_EQ(Read(temp_ / "away/later"), "x");
  fs::create_symlink("round", temp_ / "round");
  EXPECT_FALSE(Write(temp_ / "round", "x").ok());
  EXPECT_TRUE(fs::is_symlink(temp_ / "round"));
}

TEST_F(OutputFileTest, APipeADeviceAndAnOpenFileAreWrittenInto) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int end = open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(end, 0);
  EXPECT_TRUE(Write(path_, "through the pipe").ok());
  char came[32] = {};
  EXPECT_EQ(read(end, came, sizeof(came)), 16);
  EXPECT_STREQ(came, "through the pipe");
  close(end);
  EXPECT_TRUE(S_ISFIFO(Look(path_).st_mode));

  // A terminal of our own: no mistake here can take a device from this machine, for nothing can be
  // made or renamed in /dev/pts.
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal) + unlockpt(terminal), 0);
  const std::string device = ptsname(terminal);
  EXPECT_TRUE(Write(device, "x").ok());
  char shown = 0;
  EXPECT_EQ(read(terminal, &shown, 1), 1);
  EXPECT_EQ(shown, 'x');
  EXPECT_TRUE(S_ISCHR(Look(device).st_mode));
  close(terminal);

  const std::string kept = temp_ / "kept";
  Put(kept, "before ", 0600);
  const int fd = open(kept.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(Write("/dev/fd/" + std::to_string(fd), "after").ok());
  close(fd);
  EXPECT_EQ(Read(kept), "before after");
}

TEST_F(OutputFileTest, IntoAFolderTheFileGoesUnderItsName) {
  fs::create_directory(path_);
  ASSERT_TRUE(Write(path_ + "/", "x", {.name = "a"}).ok());
  ASSERT_TRUE(Write(path_, "y", {.name = "b"}).ok());
  EXPECT_EQ(Read(path_ + "/a") + Read(path_ + "/b"), "xy");
  EXPECT_TRUE(absl::IsAlreadyExists(Write(path_, "z", {.name = "b"})));
  EXPECT_FALSE(Write(temp_ / "none/", "x").ok());
  Put(temp_ / "plain", "x", 0600);
  EXPECT_FALSE(Write(temp_ / "plain/", "x").ok());
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(OutputFileTest, BelowAFolderNothingIsFollowedNorOpened) {
  Put(temp_ / "precious", "old", 0600);
  fs::create_symlink("precious", temp_ / "link");
  ASSERT_EQ(mkfifo((temp_ / "pipe").c_str(), 0600), 0);
  const int folder = open(temp_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(folder, 0);
  const auto write = [&](const std::string& name, bool force) {
    return WriteFileIn(folder, name, base::Sha256::Of("x"), {.force = force},
                       [](uint64_t, Take take) { return take("x"); });
  };
  EXPECT_TRUE(absl::IsAlreadyExists(write("link", false)));
  EXPECT_TRUE(fs::is_symlink(temp_ / "link"));
  EXPECT_TRUE(write("link", true).ok());
  EXPECT_EQ(Read(temp_ / "link"), "x");
  EXPECT_EQ(Read(temp_ / "precious"), "old");
  EXPECT_TRUE(absl::IsFailedPrecondition(write("pipe", false)));
  EXPECT_TRUE(absl::IsFailedPrecondition(write("pipe", true)));
  EXPECT_TRUE(S_ISFIFO(Look(temp_ / "pipe").st_mode));
  close(folder);
}

class ResumedOutputTest : public ::testing::Test {
 protected:
  // Writes "0123456789" as far as `until` and then fails; where it went on from.
  uint64_t Write(std::size_t until, bool ok, const std::string& what = "0123456789") {
    uint64_t began = 0;
    const absl::Status status =
        WriteOutput(temp_ / "file", base::Sha256::Of("0123456789"), {.resume = true},
                    [&](uint64_t from, Take take) -> absl::Status {
                      began = from;
                      if (from < until) {
                        const absl::Status taken = take(what.substr(from, until - from));
                        if (!taken.ok()) return taken;
                      }
                      return until < what.size() ? absl::UnavailableError("cut") : absl::OkStatus();
                    });
    EXPECT_EQ(status.ok(), ok) << status;
    return began;
  }
  std::size_t Files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(temp_.path()), {}));
  }
  std::string Partial() const {
    return temp_ / (".waypost-part-" + base::Sha256::Of("0123456789").ToHex().substr(0, 16));
  }
  std::string Content() {
    std::ifstream in(temp_ / "file");
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const base::TempDir temp_;
};

TEST_F(ResumedOutputTest, GoesOnBehindWhatAnEarlierCallLeft) {
  EXPECT_EQ(Write(4, false), 0u);
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(Write(7, false), 4u);
  EXPECT_EQ(Write(10, true), 7u);
  EXPECT_EQ(Content(), "0123456789");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(ResumedOutputTest, WhatIsThereAndIsNotItsBeginningIsThrownAway) {
  std::ofstream(Partial()) << "abcd";
  EXPECT_EQ(Write(10, true), 0u);  // the second time
  EXPECT_EQ(Content(), "0123456789");
  // Wrong bytes never stay.
  std::filesystem::remove(temp_ / "file");
  EXPECT_EQ(Write(10, false, "9876543210"), 0u);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(ResumedOutputTest, OnlyAFileOfOnesOwnIsGoneOnWith) {
  std::ofstream(temp_ / "other") << "0123";
  std::filesystem::create_symlink("other", Partial());
  EXPECT_EQ(Write(10, true), 0u);
  std::filesystem::remove(Partial());
  std::filesystem::remove(temp_ / "file");
  std::filesystem::create_hard_link(temp_ / "other", Partial());
  EXPECT_EQ(Write(10, true), 0u);
  std::ifstream other(temp_ / "other");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(other), {}), "0123");
  std::filesystem::remove(Partial());
  std::filesystem::remove(temp_ / "file");
  // Somebody else writes it.
  std::ofstream(Partial()) << "0123";
  const int fd = open(Partial().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  EXPECT_EQ(Write(10, true), 0u);
  close(fd);
}

}  // namespace
}  // namespace waypost::service
