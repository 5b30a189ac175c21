#include "base/file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <random>
#include <thread>

#include "base/direct_writer.h"
#include "base/posix_file.h"
#include "base/status.h"
#include "tests/contract/file_system_contract.h"
#include "tests/fakes/fake_file_system.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::base {
namespace {

class RealDisk {
 public:
  FileSystem& fs() { return *fs_; }
  std::string root() const { return dir_.path(); }

 private:
  TempDir dir_;
  std::unique_ptr<FileSystem> fs_ = NewPosixFileSystem();
};

class FakeDisk {
 public:
  FakeDisk() { CHECK(fs_.MakeDir("/data").ok()); }
  FileSystem& fs() { return fs_; }
  std::string root() const { return "/data"; }

 private:
  FakeFileSystem fs_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Real, FileSystemContract, RealDisk);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, FileSystemContract, FakeDisk);

TEST(PosixFileSystem, FilesAndFoldersAreForTheirOwnerOnly) {
  TempDir dir;
  const auto fs = NewPosixFileSystem();
  ASSERT_TRUE(fs->CreateExclusive(dir / "a").ok());
  ASSERT_TRUE(fs->MakeDir(dir / "d").ok());
  auto unnamed = fs->CreateUnnamed(dir.path());
  ASSERT_TRUE(unnamed.ok());
  ASSERT_TRUE(fs->Link(**unnamed, dir / "b").ok());
  struct stat info;
  for (const char* const name : {"a", "b"}) {
    ASSERT_EQ(stat((dir / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u) << name;
  }
  ASSERT_EQ(stat((dir / "d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST(PosixFileSystem, LinksAreNotFollowedToFiles) {
  TempDir dir;
  const auto fs = NewPosixFileSystem();
  ASSERT_TRUE(ReplaceFile(*fs, dir / "target", "secret").ok());
  ASSERT_EQ(symlink((dir / "target").c_str(), (dir / "link").c_str()), 0);
  ASSERT_EQ(symlink((dir / "nowhere").c_str(), (dir / "dangling").c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(fs->OpenRead(dir / "link").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(fs->OpenWrite(dir / "link").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(fs->CreateExclusive(dir / "dangling").status()));
}

TEST(PosixFileSystem, AFifoInTheWayDoesNotStopTheService) {
  TempDir dir;
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(NewPosixFileSystem()->OpenRead(dir / "fifo").status()));
}

TEST(PosixFileSystem, DescriptorsAreNotInherited) {
  TempDir dir;
  const auto fs = NewPosixFileSystem();
  auto file = fs->CreateExclusive(dir / "a");
  ASSERT_TRUE(file.ok());
  EXPECT_NE(fcntl((*file)->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

// What stands in for an unnamed file where the file system has no O_TMPFILE.
TEST(PosixFile, AHiddenNameEndsWithTheLinkOrWithTheFile) {
  TempDir dir;
  const auto fs = NewPosixFileSystem();
  const auto make = [&](const std::string& hidden) {
    const int fd = open(hidden.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return std::make_unique<PosixFile>(fd, hidden, hidden);
  };
  { const auto dropped = make(dir / "hidden-1"); }
  EXPECT_TRUE(fs->List(dir.path()).value().empty());
  {
    const auto linked = make(dir / "hidden-2");
    ASSERT_TRUE(linked->WriteAt(0, "content").ok());
    ASSERT_TRUE(ReplaceFile(*fs, dir / "taken", "first").ok());
    EXPECT_TRUE(absl::IsAlreadyExists(fs->Link(*linked, dir / "taken")));
    ASSERT_TRUE(fs->Link(*linked, dir / "a").ok());
  }
  EXPECT_EQ(ReadSmallFile(*fs, dir / "a", 100).value(), "content");
  EXPECT_EQ(ReadSmallFile(*fs, dir / "taken", 100).value(), "first");
  EXPECT_EQ(fs->List(dir.path()).value().size(), 2u);
}

// Long files, of which the later part goes past the page cache.
class LongFileTest : public testing::Test {
 protected:
  void SetUp() override {
    auto file = fs_->CreateExclusive(dir_ / "long");
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = *std::move(file);
    file_->KeepOutOfCache();
  }
  // In pieces of every size, beginning where the file ends.
  absl::Status Append(std::size_t count) {
    while (count > 0) {
      const std::size_t piece = std::min<std::size_t>(count, random_() % 70'000 + 1);
      std::string bytes(piece, static_cast<char>(random_()));
      for (std::size_t i = 0; i < piece; i += 61) bytes[i] = static_cast<char>(random_());
      RETURN_IF_ERROR(file_->WriteAt(model_.size(), bytes));
      model_ += bytes;
      count -= piece;
    }
    return absl::OkStatus();
  }
  std::string Bytes(uint64_t offset, std::size_t count) const {
    std::string bytes(count, '?');
    const auto got = file_->ReadAt(offset, std::span<char>(bytes));
    CHECK(got.ok());
    bytes.resize(*got);
    return bytes;
  }
  // What others read.
  bool OnDisk() const {
    return ReadSmallFile(*fs_, dir_ / "long", std::size_t{1} << 30).value() == model_;
  }
  // How many MiB of the file the kernel keeps in memory.
  std::size_t CachedMib() const {
    void* const map = mmap(nullptr, model_.size(), PROT_READ, MAP_SHARED, file_->fd(), 0);
    CHECK(map != MAP_FAILED);
    std::vector<unsigned char> pages((model_.size() + 4095) / 4096);
    CHECK(mincore(map, model_.size(), pages.data()) == 0);
    munmap(map, model_.size());
    return static_cast<std::size_t>(
               std::count_if(pages.begin(), pages.end(), [](auto page) { return page % 2 == 1; })) /
           256;
  }

  const TempDir dir_;
  const std::unique_ptr<FileSystem> fs_ = NewPosixFileSystem();
  std::unique_ptr<File> file_;
  std::string model_;
  std::mt19937_64 random_{1};
};

TEST(ReadSmallFileTest, IsReadToItsEndWhateverItsSizeSays) {
  const auto fs = NewPosixFileSystem();
  // The kernel says that they have no bytes.
  const auto boot_id = ReadSmallFile(*fs, "/proc/sys/kernel/random/boot_id", 64);
  ASSERT_TRUE(boot_id.ok()) << boot_id.status();
  EXPECT_EQ(boot_id->size(), 37u) << *boot_id;
  EXPECT_EQ(ReadSmallFile(*fs, "/proc/sys/kernel/random/boot_id", 64).value(), *boot_id);
  EXPECT_TRUE(
      absl::IsOutOfRange(ReadSmallFile(*fs, "/proc/sys/kernel/random/boot_id", 36).status()));
  const auto limits = ReadSmallFile(*fs, "/proc/self/limits", 1 << 16);
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_GT(limits->size(), 500u);
  EXPECT_TRUE(limits->ends_with('\n'));
  // Of other files as much as there is.
  const TempDir dir;
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 10000}) {
    const std::string content(size, 'c');
    ASSERT_TRUE(ReplaceFile(*fs, dir / "file", content).ok());
    EXPECT_EQ(ReadSmallFile(*fs, dir / "file", 10000).value(), content);
    EXPECT_EQ(ReadSmallFile(*fs, dir / "file", 9999).ok(), size < 10000);
  }
}

constexpr std::size_t kMib = std::size_t{1} << 20;

TEST_F(LongFileTest, ItsLaterPartDoesNotFillTheMemory) {
  struct statfs where {};
  ASSERT_EQ(fstatfs(file_->fd(), &where), 0);
  if (where.f_type == TMPFS_MAGIC) GTEST_SKIP() << dir_.path() << " is memory";
  if (DirectWriter::Open(file_->fd()) == nullptr) GTEST_SKIP() << "no O_DIRECT in " << dir_.path();
  ASSERT_TRUE(Append(40 * kMib).ok());
  ASSERT_TRUE(file_->Sync().ok());
  EXPECT_LE(CachedMib(), PosixFile::kDirectFromBytes / kMib + 2);
  EXPECT_TRUE(OnDisk());
}

TEST_F(LongFileTest, UnaskedItIsKeptInMemory) {
  file_ = fs_->CreateExclusive(dir_ / "other").value();
  ASSERT_TRUE(Append(20 * kMib).ok());
  EXPECT_GT(CachedMib(), PosixFile::kDirectFromBytes / kMib + 4);
  EXPECT_EQ(ReadSmallFile(*fs_, dir_ / "other", 20 * kMib).value(), model_);
}

TEST_F(LongFileTest, WhatIsHeldBackIsReadAndCounted) {
  ASSERT_TRUE(Append(12 * kMib + 12345).ok());
  EXPECT_EQ(file_->Look()->size, model_.size());
  EXPECT_EQ(Bytes(model_.size() - 5000, 10'000), model_.substr(model_.size() - 5000));
  EXPECT_EQ(Bytes(11 * kMib - 7, 2 * kMib), model_.substr(11 * kMib - 7));
}

TEST_F(LongFileTest, AFlushGivesEverythingToTheKernel) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Append(9 * kMib + 777).ok());
    ASSERT_TRUE(file_->Flush().ok());
    EXPECT_TRUE(OnDisk()) << i;
  }
}

TEST_F(LongFileTest, ItsEndIsWrittenWhenItIsClosed) {
  ASSERT_TRUE(Append(10 * kMib + 999).ok());
  file_ = nullptr;
  EXPECT_TRUE(OnDisk());
}

TEST_F(LongFileTest, CheckSyncedDoesNotForgetWhatIsHeldBack) {
  ASSERT_TRUE(Append(10 * kMib + 999).ok());
  ASSERT_TRUE(file_->CheckSynced().ok());
  EXPECT_TRUE(OnDisk());
}

TEST_F(LongFileTest, AnyOrderOfWritesReadsAndCutsIsThatOfAString) {
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    switch (random_() % 6) {
      case 0: {  // somewhere in the middle
        const uint64_t at = model_.empty() ? 0 : random_() % model_.size();
        const std::string bytes(random_() % 50'000, 'm');
        ASSERT_TRUE(file_->WriteAt(at, bytes).ok());
        model_.resize(std::max<std::size_t>(model_.size(), at + bytes.size()));
        model_.replace(at, bytes.size(), bytes);
        break;
      }
      case 1: {
        const uint64_t size =
            model_.size() - std::min<std::size_t>(model_.size(), random_() % kMib);
        ASSERT_TRUE(file_->Truncate(size).ok());
        model_.resize(size);
        break;
      }
      case 2:
        ASSERT_TRUE(file_->Flush().ok());
        break;
      default:
        ASSERT_TRUE(Append(random_() % (5 * kMib)).ok());
    }
    ASSERT_EQ(file_->Look()->size, model_.size());
    const uint64_t from = model_.size() - std::min<std::size_t>(model_.size(), random_() % kMib);
    ASSERT_EQ(Bytes(from, 2 * kMib), model_.substr(from));
  }
  ASSERT_GT(model_.size(), 30 * kMib);
  ASSERT_TRUE(file_->Sync().ok());
  EXPECT_TRUE(OnDisk());
}

// As on a disk that is full in the middle of a piece.
TEST_F(LongFileTest, WhereNothingMoreFitsItSaysSoAndKeepsWhatFits) {
  constexpr std::size_t kFits = 12 * kMib + 12'345;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = kFits;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status appended = Append(14 * kMib);
  const absl::Status synced = file_->Sync();
  const absl::Status extended = file_->Truncate(14 * kMib);
  const std::string on_disk = ReadSmallFile(*fs_, dir_ / "long", 20 * kMib).value();
  // What is cut off need not be written first.
  const absl::Status cut = file_->Truncate(kMib);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(appended.message(), testing::HasSubstr("File too large"));
  EXPECT_FALSE(synced.ok());
  EXPECT_FALSE(extended.ok());
  EXPECT_EQ(on_disk.size(), kFits);
  EXPECT_EQ(on_disk.substr(0, model_.size()), model_.substr(0, on_disk.size()));
  EXPECT_TRUE(cut.ok()) << cut;
}

class FakeFileSystemTest : public testing::Test {
 protected:
  // A file with a durable name and content.
  void Durable(const std::string& path, std::string_view content) {
    auto file = fs_.CreateExclusive(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, content).ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE(fs_.SyncDir("/").ok());
  }
  FakeFileSystem fs_;
};

TEST_F(FakeFileSystemTest, ASyncOfAllKeepsNamesAndContentsAlsoOfWhatHasNoNameYet) {
  auto named = fs_.CreateExclusive("/a");
  auto unnamed = fs_.CreateUnnamed("/");
  ASSERT_TRUE((*named)->WriteAt(0, "one").ok() && (*unnamed)->WriteAt(0, "two").ok());
  ASSERT_TRUE(fs_.SyncAll("/").ok());
  ASSERT_TRUE(fs_.Link(**unnamed, "/b").ok());
  ASSERT_TRUE(fs_.SyncDir("/").ok());
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "one");
  EXPECT_EQ(ReadSmallFile(fs_, "/b", 100).value(), "two");
}

TEST_F(FakeFileSystemTest, AfterAFailedSyncOfAllTheFilesSaySoAndTheNextOneLies) {
  auto file = fs_.CreateExclusive("/a");
  ASSERT_TRUE(fs_.SyncDir("/").ok());
  ASSERT_TRUE((*file)->WriteAt(0, "one").ok() && fs_.CreateExclusive("/b").ok());
  fs_.FailNth(FakeFileSystem::Op::kSyncAll, 1, EIO);
  EXPECT_FALSE(fs_.SyncAll("/").ok());
  EXPECT_TRUE(fs_.SyncAll("/").ok());
  EXPECT_FALSE((*file)->CheckSynced().ok());
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "");
  EXPECT_TRUE(absl::IsNotFound(ReadSmallFile(fs_, "/b", 100).status()));
}

TEST_F(FakeFileSystemTest, APowerCutKeepsWhatWasSynced) {
  Durable("/a", "content");
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "content");
}

TEST_F(FakeFileSystemTest, APowerCutLosesContentThatWasNotSynced) {
  Durable("/a", "old");
  ASSERT_TRUE(fs_.OpenWrite("/a").value()->WriteAt(0, "newer").ok());
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "old");
}

TEST_F(FakeFileSystemTest, APowerCutLosesNamesWhoseFolderWasNotSynced) {
  auto file = fs_.CreateUnnamed("/").value();
  ASSERT_TRUE(file->WriteAt(0, "content").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(fs_.Link(*file, "/a").ok());
  fs_.PowerCut();
  EXPECT_FALSE(fs_.Stat("/a").value().has_value());
}

TEST_F(FakeFileSystemTest, APowerCutLosesAllBelowAFolderThatWasNotSynced) {
  ASSERT_TRUE(fs_.MakeDir("/d").value());
  ASSERT_TRUE(ReplaceFile(fs_, "/d/a", "content").ok());
  fs_.PowerCut();
  EXPECT_FALSE(fs_.Stat("/d").value().has_value());
}

TEST_F(FakeFileSystemTest, ARenameAndARemovalAreUndoneUntilTheFolderIsSynced) {
  Durable("/a", "a");
  Durable("/b", "b");
  ASSERT_TRUE(fs_.Rename("/a", "/b").ok());
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "a");
  EXPECT_EQ(ReadSmallFile(fs_, "/b", 100).value(), "b");
  ASSERT_TRUE(fs_.Remove("/a").ok());
  ASSERT_TRUE(fs_.SyncDir("/").ok());
  fs_.PowerCut();
  EXPECT_FALSE(fs_.Stat("/a").value().has_value());
}

TEST_F(FakeFileSystemTest, ReplaceFileSurvivesAPowerCutAtEveryCall) {
  using Op = FakeFileSystem::Op;
  for (const Op op :
       {Op::kRemove, Op::kCreateExclusive, Op::kWrite, Op::kSync, Op::kRename, Op::kSyncDir}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      FakeFileSystem fs;
      ASSERT_TRUE(ReplaceFile(fs, "/a", "old").ok());
      fs.FailNth(op, 1, EIO);
      EXPECT_FALSE(ReplaceFile(fs, "/a", "new").ok());
      fs.PowerCutKeepingSome(seed);
      const std::string now = ReadSmallFile(fs, "/a", 100).value();
      EXPECT_TRUE(now == "old" || now == "new") << now << " seed " << seed;
    }
  }
}

TEST_F(FakeFileSystemTest, OpenFilesAreUselessAfterAPowerCut) {
  Durable("/a", "content");
  auto file = fs_.OpenWrite("/a").value();
  fs_.PowerCut();
  EXPECT_FALSE(file->WriteAt(0, "x").ok());
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_FALSE(file->Look().ok());
}

TEST_F(FakeFileSystemTest, SomeOfWhatWasNotSyncedSurvivesAndTheSeedDecides) {
  int kept = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    bool before = false;
    for (int round = 0; round < 2; ++round) {
      FakeFileSystem fs;
      ASSERT_TRUE(fs.CreateExclusive("/a").ok());
      fs.PowerCutKeepingSome(seed);
      const bool there = fs.Stat("/a").value().has_value();
      if (round == 0) {
        before = there;
        kept += there ? 1 : 0;
      } else {
        EXPECT_EQ(there, before) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(kept, 50);
  EXPECT_LT(kept, 150);
}

TEST_F(FakeFileSystemTest, AFullDiskCutsAWriteShort) {
  fs_.SetFreeSpace(4);
  auto file = fs_.CreateExclusive("/a").value();
  EXPECT_TRUE(IsNoSpace(file->WriteAt(0, "123456")));
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "1234");
  EXPECT_EQ(fs_.FreeSpace("/").value().free_bytes, 0u);
  EXPECT_TRUE(file->WriteAt(0, "abcd").ok());  // in place needs no room
  file = nullptr;
  ASSERT_TRUE(fs_.Remove("/a").ok());
  EXPECT_EQ(fs_.FreeSpace("/").value().free_bytes, 4u);
}

TEST_F(FakeFileSystemTest, TheNthCallFailsOnce) {
  fs_.FailNth(FakeFileSystem::Op::kWrite, 2, EIO);
  auto file = fs_.CreateExclusive("/a").value();
  EXPECT_TRUE(file->WriteAt(0, "1").ok());
  EXPECT_EQ(file->WriteAt(0, "2").code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(file->WriteAt(0, "3").ok());
  EXPECT_EQ(fs_.calls(FakeFileSystem::Op::kWrite), 3u);
}

TEST_F(FakeFileSystemTest, ASyncAfterAFailedOneSavesNothing) {
  Durable("/a", "old");
  auto file = fs_.OpenWrite("/a").value();
  ASSERT_TRUE(file->WriteAt(0, "new").ok());
  fs_.FailNth(FakeFileSystem::Op::kSync, 1, EIO);
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_TRUE(file->Sync().ok());
  fs_.PowerCut();
  EXPECT_EQ(ReadSmallFile(fs_, "/a", 100).value(), "old");
}

// On Linux /dev/shm is a file system of its own nearly everywhere.
TEST(MoveFile, CopiesWhereItCannotRename) {
  TempDir dir;
  char there[] = "/dev/shm/waypost-move-XXXXXX";
  if (mkdtemp(there) == nullptr) GTEST_SKIP() << "NOT TESTED: there is no /dev/shm";
  const std::string other = there, from = other + "/from", to = dir.path() + "/to";
  const auto fs = NewPosixFileSystem();
  const std::string content(3'000'000, 'c');
  ASSERT_TRUE(ReplaceFile(*fs, from, content).ok());
  const bool apart = absl::IsUnimplemented(fs->Rename(from, to));
  const absl::Status moved = apart ? MoveFile(*fs, from, to) : absl::OkStatus();
  const bool left = fs->Stat(from)->has_value();
  fs->Remove(from).IgnoreError();
  rmdir(there);
  if (!apart) GTEST_SKIP() << "NOT TESTED: temporary folders are in /dev/shm too";
  ASSERT_TRUE(moved.ok()) << moved;
  EXPECT_FALSE(left);
  EXPECT_EQ(*ReadSmallFile(*fs, to, 4'000'000), content);
}

// A folder that is mounted a second time is on the same device, and no rename goes across.
TEST(FreeSpace, TellsTwoMountsOfOneFileSystemApart) {
  TempDir dir;
  const auto fs = NewPosixFileSystem();
  const std::string once = dir.path() + "/once", twice = dir.path() + "/twice";
  ASSERT_TRUE(fs->MakeDir(once).ok());
  ASSERT_TRUE(fs->MakeDir(twice).ok());
  EXPECT_TRUE(fs->FreeSpace(once)->SamePlaceAs(*fs->FreeSpace(twice)));
  bool mounted = false, same = true, renamed = true;
  std::thread([&] {
    // Of this thread alone, and gone with it.
    if (unshare(CLONE_FS | CLONE_NEWNS) != 0) return;
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
    mounted = mount(once.c_str(), twice.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (!mounted) return;
    same = fs->FreeSpace(once)->SamePlaceAs(*fs->FreeSpace(twice));
    CHECK(ReplaceFile(*fs, once + "/file", "content").ok());
    renamed = fs->Rename(once + "/file", twice + "/other").ok();
    umount(twice.c_str());
  }).join();
  if (!mounted) GTEST_SKIP() << "NOT TESTED: this user may not mount";
  EXPECT_FALSE(renamed);
  EXPECT_FALSE(same);
}

}  // namespace
}  // namespace waypost::base
