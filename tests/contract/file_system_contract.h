#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

// What every FileSystem does, the real one and the fake. `T` has fs() and root(): a fresh, empty
// folder.
namespace waypost::base {

template <class T>
class FileSystemContract : public testing::Test {
 protected:
  FileSystem& fs() { return under_test_.fs(); }
  std::string Path(const std::string& name) { return under_test_.root() + "/" + name; }
  std::string root() { return under_test_.root(); }

  void Write(const std::string& name, std::string_view content) {
    auto file = fs().CreateExclusive(Path(name));
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->WriteAt(0, content).ok());
  }
  std::string Read(const std::string& name) {
    const auto content = ReadSmallFile(fs(), Path(name), 1 << 20);
    return content.ok() ? *content : "<" + content.status().ToString() + ">";
  }

 private:
  T under_test_;
};

TYPED_TEST_SUITE_P(FileSystemContract);

TYPED_TEST_P(FileSystemContract, WhatIsWrittenIsRead) {
  auto file = this->fs().CreateExclusive(this->Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->WriteAt(0, "hello").ok());
  EXPECT_TRUE((*file)->WriteAt(3, "p me").ok());
  EXPECT_EQ((*file)->Look()->size, 7u);
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(this->Read("a"), "help me");
}

TYPED_TEST_P(FileSystemContract, AnOpenFileKnowsWhetherItHasAName) {
  auto file = this->fs().CreateExclusive(this->Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Look()->named);
  EXPECT_TRUE(this->fs().Rename(this->Path("a"), this->Path("b")).ok());
  EXPECT_TRUE((*file)->Look()->named);
  EXPECT_TRUE(this->fs().Remove(this->Path("b")).ok());
  EXPECT_FALSE((*file)->Look()->named);
  auto unnamed = this->fs().CreateUnnamed(this->Path(""));
  ASSERT_TRUE(unnamed.ok()) << unnamed.status();
  EXPECT_FALSE((*unnamed)->Look()->named);
}

TYPED_TEST_P(FileSystemContract, AWriteBeyondTheEndLeavesZeros) {
  auto file = this->fs().CreateExclusive(this->Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->WriteAt(3, "x").ok());
  EXPECT_EQ(this->Read("a"), std::string("\0\0\0x", 4));
}

TYPED_TEST_P(FileSystemContract, ReadsAreShortOnlyAtTheEnd) {
  this->Write("a", "0123456789");
  auto file = this->fs().OpenRead(this->Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::string buffer(4, '?');
  EXPECT_EQ((*file)->ReadAt(2, std::span<char>(buffer)).value(), 4u);
  EXPECT_EQ(buffer, "2345");
  EXPECT_EQ((*file)->ReadAt(8, std::span<char>(buffer)).value(), 2u);
  EXPECT_EQ(buffer.substr(0, 2), "89");
  EXPECT_EQ((*file)->ReadAt(10, std::span<char>(buffer)).value(), 0u);
  EXPECT_EQ((*file)->ReadAt(1000, std::span<char>(buffer)).value(), 0u);
}

TYPED_TEST_P(FileSystemContract, AFileOpenedForReadingRefusesWrites) {
  this->Write("a", "x");
  auto file = this->fs().OpenRead(this->Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->WriteAt(0, "y").ok());
  EXPECT_FALSE((*file)->Truncate(0).ok());
  EXPECT_EQ(this->Read("a"), "x");
}

TYPED_TEST_P(FileSystemContract, OpenWriteKeepsWhatIsThere) {
  this->Write("a", "abc");
  auto file = this->fs().OpenWrite(this->Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->WriteAt(1, "X").ok());
  EXPECT_EQ(this->Read("a"), "aXc");
}

TYPED_TEST_P(FileSystemContract, TruncateCutsAndExtends) {
  this->Write("a", "abcdef");
  auto file = this->fs().OpenWrite(this->Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Truncate(2).ok());
  EXPECT_EQ(this->Read("a"), "ab");
  EXPECT_TRUE((*file)->Truncate(4).ok());
  EXPECT_EQ(this->Read("a"), std::string("ab\0\0", 4));
}

TYPED_TEST_P(FileSystemContract, WhatIsMissingIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(this->fs().OpenRead(this->Path("a")).status()));
  EXPECT_TRUE(absl::IsNotFound(this->fs().OpenWrite(this->Path("a")).status()));
  EXPECT_TRUE(absl::IsNotFound(this->fs().Remove(this->Path("a"))));
  EXPECT_TRUE(absl::IsNotFound(this->fs().Rename(this->Path("a"), this->Path("b"))));
  EXPECT_TRUE(absl::IsNotFound(this->fs().List(this->Path("a")).status()));
  EXPECT_TRUE(absl::IsNotFound(this->fs().SyncDir(this->Path("a"))));
  EXPECT_TRUE(absl::IsNotFound(this->fs().CreateExclusive(this->Path("no/a")).status()));
  EXPECT_TRUE(absl::IsNotFound(this->fs().CreateUnnamed(this->Path("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(this->fs().FreeSpace(this->Path("no")).status()));
}

TYPED_TEST_P(FileSystemContract, StatTellsAbsenceFromPresence) {
  const auto absent = this->fs().Stat(this->Path("a"));
  ASSERT_TRUE(absent.ok());
  EXPECT_FALSE(absent->has_value());
  const auto deep = this->fs().Stat(this->Path("no/a"));
  ASSERT_TRUE(deep.ok());
  EXPECT_FALSE(deep->has_value());
  this->Write("a", "12345");
  const auto file = this->fs().Stat(this->Path("a"));
  ASSERT_TRUE(file.ok() && file->has_value());
  EXPECT_EQ((*file)->size, 5u);
  EXPECT_FALSE((*file)->is_directory);
  EXPECT_GT(ToMs((*file)->modified), 1'600'000'000'000);
  const auto folder = this->fs().Stat(this->root());
  ASSERT_TRUE(folder.ok() && folder->has_value());
  EXPECT_TRUE((*folder)->is_directory);
}

TYPED_TEST_P(FileSystemContract, StatBelowAFileIsAnErrorAndNotAbsence) {
  this->Write("a", "");
  EXPECT_FALSE(this->fs().Stat(this->Path("a/b")).ok());
}

TYPED_TEST_P(FileSystemContract, CreateExclusiveNeverReplaces) {
  this->Write("a", "first");
  EXPECT_TRUE(absl::IsAlreadyExists(this->fs().CreateExclusive(this->Path("a")).status()));
  EXPECT_EQ(this->Read("a"), "first");
}

TYPED_TEST_P(FileSystemContract, AnUnnamedFileHasNoNameUntilItIsLinked) {
  auto file = this->fs().CreateUnnamed(this->root());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->WriteAt(0, "content").ok());
  EXPECT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(this->fs().Link(**file, this->Path("a")).ok());
  EXPECT_EQ(this->Read("a"), "content");
  EXPECT_EQ(this->fs().List(this->root()).value(), std::vector<std::string>{"a"});
}

TYPED_TEST_P(FileSystemContract, AnUnnamedFileThatIsNotLinkedLeavesNothing) {
  {
    auto file = this->fs().CreateUnnamed(this->root());
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE((*file)->WriteAt(0, "content").ok());
  }
  EXPECT_TRUE(this->fs().List(this->root()).value().empty());
}

TYPED_TEST_P(FileSystemContract, LinkNeverReplaces) {
  this->Write("a", "first");
  auto file = this->fs().CreateUnnamed(this->root());
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(absl::IsAlreadyExists(this->fs().Link(**file, this->Path("a"))));
  EXPECT_EQ(this->Read("a"), "first");
  EXPECT_TRUE(this->fs().Link(**file, this->Path("b")).ok());
}

TYPED_TEST_P(FileSystemContract, RenameReplacesAndMoves) {
  this->Write("a", "new");
  this->Write("b", "old");
  ASSERT_TRUE(this->fs().Rename(this->Path("a"), this->Path("b")).ok());
  EXPECT_EQ(this->Read("b"), "new");
  EXPECT_FALSE(this->fs().Stat(this->Path("a")).value().has_value());
  ASSERT_TRUE(this->fs().MakeDir(this->Path("d")).value());
  ASSERT_TRUE(this->fs().Rename(this->Path("b"), this->Path("d/c")).ok());
  EXPECT_EQ(this->Read("d/c"), "new");
}

TYPED_TEST_P(FileSystemContract, AnOpenFileOutlivesItsName) {
  this->Write("a", "content");
  auto file = this->fs().OpenRead(this->Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(this->fs().Remove(this->Path("a")).ok());
  std::string buffer(7, '?');
  EXPECT_EQ((*file)->ReadAt(0, std::span<char>(buffer)).value(), 7u);
  EXPECT_EQ(buffer, "content");
}

TYPED_TEST_P(FileSystemContract, MakeDirSaysWhetherItMadeIt) {
  EXPECT_TRUE(this->fs().MakeDir(this->Path("d")).value());
  EXPECT_FALSE(this->fs().MakeDir(this->Path("d")).value());
  this->Write("f", "");
  EXPECT_FALSE(this->fs().MakeDir(this->Path("f")).ok());
}

TYPED_TEST_P(FileSystemContract, ListNamesFilesAndFolders) {
  ASSERT_TRUE(this->fs().MakeDir(this->Path("d")).value());
  this->Write("b", "");
  this->Write("a", "");
  this->Write("d/inner", "");
  auto names = this->fs().List(this->root()).value();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "d"}));
}

TYPED_TEST_P(FileSystemContract, AFolderIsNotOpenedAsAFile) {
  ASSERT_TRUE(this->fs().MakeDir(this->Path("d")).value());
  EXPECT_FALSE(this->fs().OpenRead(this->Path("d")).ok());
  EXPECT_FALSE(this->fs().OpenWrite(this->Path("d")).ok());
  EXPECT_FALSE(this->fs().Remove(this->Path("d")).ok());
}

TYPED_TEST_P(FileSystemContract, FreeSpaceIsAtMostTheTotal) {
  const auto space = this->fs().FreeSpace(this->root());
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TYPED_TEST_P(FileSystemContract, ReplaceFileLeavesOneWholeFile) {
  const std::string path = this->Path("a");
  ASSERT_TRUE(ReplaceFile(this->fs(), path, "first").ok());
  EXPECT_EQ(this->Read("a"), "first");
  this->Write("a.new", "left by a crash");
  ASSERT_TRUE(ReplaceFile(this->fs(), path, "2").ok());
  EXPECT_EQ(this->Read("a"), "2");
  EXPECT_EQ(this->fs().List(this->root()).value(), std::vector<std::string>{"a"});
}

TYPED_TEST_P(FileSystemContract, ReadSmallFileIsBounded) {
  this->Write("a", "12345");
  EXPECT_EQ(ReadSmallFile(this->fs(), this->Path("a"), 5).value(), "12345");
  EXPECT_TRUE(absl::IsOutOfRange(ReadSmallFile(this->fs(), this->Path("a"), 4).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadSmallFile(this->fs(), this->Path("b"), 4).status()));
}

TYPED_TEST_P(FileSystemContract, ManyFilesAreSyncedTogether) {
  ASSERT_TRUE(this->fs().MakeDir(this->Path("d")).value());
  auto named = this->fs().CreateExclusive(this->Path("a"));
  auto unnamed = this->fs().CreateUnnamed(this->Path("d"));
  ASSERT_TRUE(named.ok() && unnamed.ok());
  ASSERT_TRUE((*named)->WriteAt(0, "one").ok());
  ASSERT_TRUE((*unnamed)->WriteAt(0, "two").ok());
  EXPECT_TRUE(this->fs().SyncAll(this->Path("d")).ok());
  EXPECT_TRUE((*named)->CheckSynced().ok());
  EXPECT_TRUE((*unnamed)->CheckSynced().ok());
  EXPECT_TRUE(absl::IsNotFound(this->fs().SyncAll(this->Path("b"))));
}

TYPED_TEST_P(FileSystemContract, ThreadsWorkSideBySide) {
  std::vector<std::thread> threads;
  std::vector<int> made(4, 0);
  for (std::size_t t = 0; t < made.size(); ++t) {
    threads.emplace_back([this, t, &made] {
      for (int i = 0; i < 50; ++i) {
        const std::string path = this->Path("f" + std::to_string(i));
        made[t] += this->fs().CreateExclusive(path).ok() ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(made[0] + made[1] + made[2] + made[3], 50);
  EXPECT_EQ(this->fs().List(this->root()).value().size(), 50u);
}

REGISTER_TYPED_TEST_SUITE_P(
    FileSystemContract, WhatIsWrittenIsRead, AnOpenFileKnowsWhetherItHasAName,
    AWriteBeyondTheEndLeavesZeros, ReadsAreShortOnlyAtTheEnd, AFileOpenedForReadingRefusesWrites,
    OpenWriteKeepsWhatIsThere, TruncateCutsAndExtends, WhatIsMissingIsNotFound,
    StatTellsAbsenceFromPresence, StatBelowAFileIsAnErrorAndNotAbsence,
    CreateExclusiveNeverReplaces, AnUnnamedFileHasNoNameUntilItIsLinked,
    AnUnnamedFileThatIsNotLinkedLeavesNothing, LinkNeverReplaces, RenameReplacesAndMoves,
    AnOpenFileOutlivesItsName, MakeDirSaysWhetherItMadeIt, ListNamesFilesAndFolders,
    AFolderIsNotOpenedAsAFile, FreeSpaceIsAtMostTheTotal, ReplaceFileLeavesOneWholeFile,
    ReadSmallFileIsBounded, ManyFilesAreSyncedTogether, ThreadsWorkSideBySide);

}  // namespace waypost::base
