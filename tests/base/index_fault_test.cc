// What the index does when the disk below it misbehaves, or the process is killed.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/fault_point.h"
#include "base/index.h"
#include "base/status.h"
#include "base/thread.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/support/eventually.h"
#include "tests/support/unwritable_index.h"

namespace waypost::base {
namespace {

using Lane = Index::Lane;

absl::Status Put(Index& index, const std::string& key, const std::string& value) {
  return index.Update(Lane::kForeground, [&](WriteTxn& txn) {
    txn.Put(Table::kMeta, key, value);
    return absl::OkStatus();
  });
}

std::string Get(Index& index, const std::string& key) {
  std::string value = "-";
  const absl::Status status = index.Read([&](ReadTxn& txn) {
    if (const auto row = txn.Get(Table::kMeta, key)) value = std::string(*row);
  });
  return status.ok() ? value : status.ToString();
}

std::unique_ptr<Index> OpenOrDie(const std::string& dir) {
  auto index = Index::Open({.dir = dir, .map_size = uint64_t{1} << 30});
  CHECK(index.ok());
  return std::move(*index);
}

TEST(IndexFault, AfterAMetaPageThatCouldNotBeWrittenTheIndexIsOpenedAnew) {
  TempDir dir;
  const auto index = OpenOrDie(dir.path());
  ASSERT_TRUE(Put(*index, "before", "1").ok());
  ASSERT_NO_FATAL_FAILURE(support::MakeMetaPagesUnwritable(dir / "data.mdb"));
  std::atomic<int> told = 0;
  index->SetCommitListener([&](const absl::Status& status) { told += status.ok() ? 100 : 1; });
  EXPECT_FALSE(Put(*index, "during", "2").ok());
  index->SetCommitListener({});
  EXPECT_EQ(told, 1);
  // Nobody needs to write first.
  EXPECT_EQ(Get(*index, "before"), "1");
  EXPECT_TRUE(index->State().ok());
  EXPECT_TRUE(Put(*index, "after", "3").ok());
  EXPECT_EQ(Get(*index, "before"), "1");
  EXPECT_EQ(Get(*index, "after"), "3");
  EXPECT_EQ(Get(*index, "during"), "-");
}

TEST(IndexFault, WhoeverTakesTheCommitListenerAwayMayGoWhenThatReturns) {
  TempDir dir;
  const auto index = OpenOrDie(dir.path());
  ASSERT_NO_FATAL_FAILURE(support::MakeMetaPagesUnwritable(dir / "data.mdb"));
  Gate gate;
  std::atomic<bool> inside = false, taken_away = false;
  index->SetCommitListener([&](const absl::Status&) {
    inside = true;
    gate.Pass();
    EXPECT_FALSE(taken_away);
    inside = false;
  });
  Thread writes("writes", [&] { EXPECT_FALSE(Put(*index, "during", "1").ok()); });
  gate.AwaitArrivals(1);
  Thread takes_away("takes", [&] {
    index->SetCommitListener({});
    EXPECT_FALSE(inside);
    taken_away = true;
  });
  // It waits for the one that is inside.
  EXPECT_FALSE(support::Eventually([&] { return taken_away.load(); }, Millis(50)));
  gate.Open();
  takes_away.Join();
  writes.Join();
  EXPECT_TRUE(taken_away);
}

TEST(IndexFault, WhereItCannotBeOpenedAnewReadersAreToldSoAndTryAgain) {
  TempDir dir;
  const std::string folder = dir / "index";
  std::filesystem::create_directory(folder);
  const auto index = OpenOrDie(folder);
  ASSERT_TRUE(Put(*index, "before", "1").ok());
  ASSERT_NO_FATAL_FAILURE(support::MakeMetaPagesUnwritable(folder + "/data.mdb"));
  std::filesystem::rename(folder, dir / "away");
  EXPECT_FALSE(Put(*index, "during", "2").ok());
  EXPECT_TRUE(absl::IsUnavailable(index->State())) << index->State();
  for (int i = 0; i < 2; ++i) {
    const absl::Status read = index->Read([](ReadTxn& txn) { txn.Get(Table::kMeta, "before"); });
    EXPECT_TRUE(absl::IsUnavailable(read)) << read;
  }
  std::filesystem::rename(dir / "away", folder);
  EXPECT_TRUE(support::Eventually([&] { return Get(*index, "before") == "1"; }));
  EXPECT_TRUE(index->State().ok());
  EXPECT_EQ(Get(*index, "during"), "-");
}

TEST(IndexFault, AFullDiskFailsWhatDoesNotFitAndNothingElse) {
  TempDir dir;
  const auto index = OpenOrDie(dir.path());
  ASSERT_TRUE(Put(*index, "before", "1").ok());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 256 * 1024;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const absl::Status full = Put(*index, "large", std::string(1 << 20, 'x'));
  const absl::Status small = Put(*index, "small", "2");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(IsNoSpace(full)) << full;
  EXPECT_TRUE(small.ok()) << small;
  EXPECT_EQ(Get(*index, "large"), "-");
  EXPECT_EQ(Get(*index, "small"), "2");
  EXPECT_TRUE(Put(*index, "large", std::string(1 << 20, 'x')).ok()) << "there is room again";
}

TEST(IndexFault, ATruncatedFileGivesErrorsInsteadOfASignal) {
  TempDir dir;
  constexpr int kRows = 2000;
  {
    const auto index = OpenOrDie(dir.path());
    ASSERT_TRUE(index
                    ->Update(Lane::kForeground,
                             [](WriteTxn& txn) {
                               for (int i = 0; i < kRows; ++i) {
                                 txn.Put(Table::kMeta, std::to_string(i), std::string(500, 'x'));
                               }
                               return absl::OkStatus();
                             })
                    .ok());
  }
  std::filesystem::resize_file(dir / "data.mdb", std::filesystem::file_size(dir / "data.mdb") / 2);
  const auto index = Index::Open({.dir = dir.path(), .map_size = uint64_t{1} << 30});
  if (!index.ok()) return;  // the cut hit a page that is needed to open: an error too
  int sound = 0;
  for (int i = 0; i < kRows; ++i) {
    const std::string value = Get(**index, std::to_string(i));
    if (value == std::string(500, 'x')) ++sound;
  }
  EXPECT_LT(sound, kRows);
}

TEST(IndexFault, AFlippedBitInTheFileIsNeverReadAsData) {
  TempDir dir;
  constexpr int kRows = 200;
  {
    const auto index = OpenOrDie(dir.path());
    for (int i = 0; i < kRows; ++i) {
      ASSERT_TRUE(Put(*index, "key" + std::to_string(i), std::string(100, 'x')).ok());
    }
  }
  std::string file;
  {
    std::ifstream in(dir / "data.mdb", std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(in), {});
  }
  // One bit in the middle of every run of x.
  int damaged = 0;
  for (std::size_t at = file.find(std::string(100, 'x')); at != std::string::npos;
       at = file.find(std::string(100, 'x'), at + 100)) {
    file[at + 50] ^= 4;
    ++damaged;
  }
  ASSERT_GE(damaged, kRows);
  std::ofstream(dir / "data.mdb", std::ios::binary) << file;
  const auto index = OpenOrDie(dir.path());
  for (int i = 0; i < kRows; ++i) EXPECT_EQ(Get(*index, "key" + std::to_string(i)), "-");
  ASSERT_TRUE(index->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(index->bad_rows(), uint64_t{kRows});
}

// A key with one bit wrong is not where a search looks for it.
TEST(IndexFault, AFlippedBitInAKeyIsFoundCountedAndOutOfTheWay) {
  for (const std::string flipped : {"kmy100", "kdy100", "key140"}) {
    TempDir dir;
    constexpr int kRows = 200;
    {
      const auto index = OpenOrDie(dir.path());
      for (int i = 100; i < 100 + kRows; ++i) {
        ASSERT_TRUE(Put(*index, "key" + std::to_string(i), std::string(100, 'x')).ok());
      }
    }
    std::string file;
    {
      std::ifstream in(dir / "data.mdb", std::ios::binary);
      file.assign(std::istreambuf_iterator<char>(in), {});
    }
    // In every copy of the page.
    const std::string right = flipped == "key140" ? "key100" : "key150";
    const std::string wrong = flipped.substr(0, 4) + (flipped == "key140" ? "40" : "50");
    for (std::size_t at = file.find(right); at != std::string::npos;
         at = file.find(right, at + 1)) {
      file.replace(at, wrong.size(), wrong);
    }
    std::ofstream(dir / "data.mdb", std::ios::binary) << file;
    const auto index = OpenOrDie(dir.path());
    const auto walk = [&](int& rows) {
      rows = 0;
      return index->Read([&](ReadTxn& txn) {
        Cursor cursor(txn, Table::kMeta);
        for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
          if (cursor.payload()) ++rows;
        }
      });
    };
    int rows = 0;
    const absl::Status first = walk(rows);
    EXPECT_TRUE(first.ok() || absl::IsUnavailable(first)) << first;
    ASSERT_TRUE(index->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
    ASSERT_TRUE(walk(rows).ok());
    EXPECT_EQ(rows, kRows - 1) << flipped;
    EXPECT_EQ(index->bad_rows(), 1u) << flipped;
    for (int i = 100; i < 100 + kRows; ++i) {
      const std::string key = "key" + std::to_string(i);
      EXPECT_EQ(Get(*index, key) == "-", key == right) << flipped << ": " << key;
    }
  }
}

TEST(IndexFault, RowsThatStandInTheWrongOrderArePutWhereTheyBelong) {
  TempDir dir;
  {
    const auto index = OpenOrDie(dir.path());
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(index
                      ->Update(Lane::kForeground,
                               [&](WriteTxn& txn) {
                                 txn.PutRaw(Table::kDue, "due" + std::to_string(10 + i), "x");
                                 return absl::OkStatus();
                               })
                      .ok());
    }
  }
  std::string file;
  {
    std::ifstream in(dir / "data.mdb", std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (std::size_t at = file.find("due15"); at != std::string::npos; at = file.find("due15", at)) {
    file.replace(at, 5, "due95");
  }
  std::ofstream(dir / "data.mdb", std::ios::binary) << file;
  const auto index = OpenOrDie(dir.path());
  std::string keys;
  const auto walk = [&] {
    keys.clear();
    return index->Read([&](ReadTxn& txn) {
      Cursor cursor(txn, Table::kDue);
      for (cursor.Seek(""); cursor.valid(); cursor.Next()) keys += cursor.key().substr(3);
    });
  };
  EXPECT_TRUE(absl::IsUnavailable(walk()));
  ASSERT_TRUE(index->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  ASSERT_TRUE(walk().ok());
  EXPECT_EQ(keys,
            "10111213141617181920212223242526272829"
            "95");
}

// Runs an update in a process of its own that ends at `point`; its exit status.
int UpdateAndDieAt(const std::string& point, const std::string& dir) {
  const pid_t child = fork();
  if (child == 0) {
    if (!EnableFaultPoints(point).ok()) _exit(1);
    auto index = Index::Open({.dir = dir, .map_size = uint64_t{1} << 30});
    if (!index.ok() || !Put(**index, "a", "1").ok()) _exit(2);
    if (!Put(**index, "b", "2").ok()) _exit(3);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(IndexFault, ACrashBeforeTheCommitLosesOnlyWhatWasNotAcknowledged) {
  TempDir dir;
  ASSERT_EQ(UpdateAndDieAt("index.before:2", dir.path()), kFaultPointExit);
  const auto index = OpenOrDie(dir.path());
  EXPECT_EQ(Get(*index, "a"), "1");
  EXPECT_EQ(Get(*index, "b"), "-");
}

TEST(IndexFault, ACrashAfterTheCommitLosesNothing) {
  TempDir dir;
  ASSERT_EQ(UpdateAndDieAt("index.committed:2", dir.path()), kFaultPointExit);
  const auto index = OpenOrDie(dir.path());
  EXPECT_EQ(Get(*index, "a"), "1");
  EXPECT_EQ(Get(*index, "b"), "2");
}

TEST(IndexFault, APointThatIsNotReachedChangesNothing) {
  TempDir dir;
  EXPECT_EQ(UpdateAndDieAt("index.committed:1000", dir.path()), 0);
}

TEST(FaultPoint, AnUnknownNameOrCountIsAnErrorThatNamesTheChoices) {
  const absl::Status unknown = EnableFaultPoints("blob.eaten");
  EXPECT_TRUE(absl::IsInvalidArgument(unknown));
  for (const std::string_view point : kFaultPoints) {
    EXPECT_NE(std::string(unknown.message()).find(point), std::string::npos) << point;
  }
  for (const char* const setting : {"blob.linked:", "blob.linked:0", "blob.linked:x", ":1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(EnableFaultPoints(setting))) << setting;
  }
  FaultPoint("blob.linked");  // still off
}

}  // namespace
}  // namespace waypost::base
