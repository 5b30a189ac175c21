#include "base/index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/environment.h"
#include "base/index_impl.h"
#include "base/key_codec.h"
#include "base/status.h"
#include "base/thread.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/support/eventually.h"

namespace waypost::base {
namespace {

using Lane = Index::Lane;

class IndexTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open(uint64_t map_size = uint64_t{1} << 30) {
    index_ = nullptr;
    auto opened = Index::Open({.dir = dir_.path(), .map_size = map_size, .metrics = &metrics_});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
  }

  absl::Status Put(const std::string& key, const std::string& value,
                   Lane lane = Lane::kForeground) {
    return index_->Update(lane, [&](WriteTxn& txn) {
      txn.Put(Table::kMeta, key, value);
      return absl::OkStatus();
    });
  }
  // "-" where there is no row.
  std::string Get(const std::string& key, Table table = Table::kMeta) {
    std::string value = "-";
    const absl::Status status = index_->Read([&](ReadTxn& txn) {
      if (const auto row = txn.Get(table, key)) value = std::string(*row);
    });
    return status.ok() ? value : status.ToString();
  }
  uint64_t Rows(Table table) {
    uint64_t rows = 0;
    EXPECT_TRUE(index_->Read([&](ReadTxn& txn) { rows = txn.Rows(table); }).ok());
    return rows;
  }
  // Everything submitted before this is over when it returns: bulk has its turn when foreground is
  // empty.
  void Drain() {
    ASSERT_TRUE(index_->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  }

  TempDir dir_;
  Metrics metrics_;
  std::unique_ptr<Index> index_;
};

TEST_F(IndexTest, WhatWasAcknowledgedIsThereAfterReopening) {
  ASSERT_TRUE(Put("a", "1").ok());
  EXPECT_EQ(Get("a"), "1");
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "-");
}

TEST_F(IndexTest, TablesAreApart) {
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [](WriteTxn& txn) {
                             for (std::size_t i = 0; i < kTableCount; ++i) {
                               txn.Put(static_cast<Table>(i), "k", std::to_string(i));
                             }
                             return absl::OkStatus();
                           })
                  .ok());
  for (std::size_t i = 0; i < kTableCount; ++i) {
    EXPECT_EQ(Get("k", static_cast<Table>(i)), std::to_string(i))
        << TableName(static_cast<Table>(i));
  }
}

TEST_F(IndexTest, AnUpdateSeesItsOwnWrites) {
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [](WriteTxn& txn) {
                             txn.Put(Table::kMeta, "a", "1");
                             EXPECT_EQ(txn.Get(Table::kMeta, "a"), "1");
                             EXPECT_TRUE(txn.Delete(Table::kMeta, "a"));
                             EXPECT_FALSE(txn.Delete(Table::kMeta, "a"));
                             EXPECT_EQ(txn.Get(Table::kMeta, "a"), std::nullopt);
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(Rows(Table::kMeta), 0u);
}

TEST_F(IndexTest, ReadsAreOfOneMoment) {
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(index_
                  ->Read([&](ReadTxn& txn) {
                    std::thread writer([&] { EXPECT_TRUE(Put("a", "2").ok()); });
                    writer.join();
                    EXPECT_EQ(txn.Get(Table::kMeta, "a"), "1");
                  })
                  .ok());
  EXPECT_EQ(Get("a"), "2");
}

TEST_F(IndexTest, ACursorWalksInKeyOrderAndFindsTheLast) {
  for (const char* const key : {"b", "d", "a", "c"}) ASSERT_TRUE(Put(key, key).ok());
  std::string seen;
  ASSERT_TRUE(index_
                  ->Read([&](ReadTxn& txn) {
                    Cursor cursor(txn, Table::kMeta);
                    EXPECT_FALSE(cursor.valid());
                    EXPECT_FALSE(cursor.Next()) << "nowhere yet";
                    for (cursor.Seek("bb"); cursor.valid(); cursor.Next()) seen += cursor.key();
                    EXPECT_FALSE(cursor.payload().has_value());
                    EXPECT_TRUE(cursor.Last());
                    seen += *cursor.payload();
                    EXPECT_FALSE(cursor.Next());
                    cursor.Seek("");
                    seen += cursor.key();
                    EXPECT_FALSE(cursor.Seek("e"));
                  })
                  .ok());
  EXPECT_EQ(seen, "cdda");
}

TEST_F(IndexTest, AnOperationThatFailsLeavesNothing) {
  const absl::Status status = index_->Update(Lane::kForeground, [](WriteTxn& txn) {
    txn.Put(Table::kMeta, "a", "1");
    return absl::AbortedError("changed my mind");
  });
  EXPECT_EQ(status.message(), "changed my mind");
  EXPECT_EQ(Get("a"), "-");
}

TEST_F(IndexTest, AKeyOfAnImpossibleLengthIsAnErrorOfTheWholeTransaction) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{512}}) {
    const std::string key(length, 'k');
    EXPECT_TRUE(absl::IsInvalidArgument(Put(key, "x"))) << length;
    const absl::Status read =
        index_->Read([&](ReadTxn& txn) { EXPECT_EQ(txn.Get(Table::kMeta, key), std::nullopt); });
    // LMDB looks a key up that is too long, and does not find it; an empty one it refuses.
    EXPECT_EQ(read.ok(), length != 0);
  }
  EXPECT_TRUE(Put(std::string(511, 'k'), "x").ok());
}

TEST_F(IndexTest, AnErrorSticksToItsTransactionAndIsNotTakenForAbsence) {
  ASSERT_TRUE(Put("a", "1").ok());
  const absl::Status status = index_->Read([&](ReadTxn& txn) {
    EXPECT_EQ(txn.GetRaw(Table::kMeta, ""), std::nullopt);  // an error to LMDB
    EXPECT_FALSE(txn.status().ok());
    EXPECT_EQ(txn.Get(Table::kMeta, "a"), std::nullopt);
    Cursor cursor(txn, Table::kMeta);
    EXPECT_FALSE(cursor.Seek("a"));
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(IndexTest, AKeyReadInTheSameTransactionCanBeWritten) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put("k" + std::to_string(i), "v").ok());
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [](WriteTxn& txn) {
                             txn.Put(Table::kMeta, "k", "first");  // the page is now one that moves
                             Cursor cursor(txn, Table::kMeta);
                             EXPECT_TRUE(cursor.Seek("k50"));
                             txn.Put(Table::kMeta, cursor.key(), "a much longer value than before");
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(Get("k50"), "a much longer value than before");
  EXPECT_EQ(Rows(Table::kMeta), 101u);
}

TEST_F(IndexTest, MetricsAreThereFromTheStartAndCount) {
  ASSERT_TRUE(Put("a", "1").ok());
  const std::string text = metrics_.Render();
  EXPECT_NE(text.find("waypost_bad_rows_total 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("waypost_index_commit_seconds_count 1\n"), std::string::npos) << text;
  EXPECT_GT(index_->used_bytes(), 4096u);
  EXPECT_NE(text.find("\nwaypost_index_bytes "), std::string::npos);
  index_ = nullptr;
  metrics_.Render();  // the refresher must not look at an index that is gone
}

TEST_F(IndexTest, OneFolderIsOpenedOnceAProcess) {
  EXPECT_TRUE(absl::IsFailedPrecondition(
      Index::Open({.dir = dir_.path() + "/../" + dir_.path().substr(dir_.path().rfind('/') + 1)})
          .status()));
  ASSERT_TRUE(Put("a", "1").ok());
}

TEST_F(IndexTest, AfterShutdownUpdatesAreRefusedAndReadsGoOn) {
  ASSERT_TRUE(Put("a", "1").ok());
  index_->Shutdown();
  index_->Shutdown();
  EXPECT_TRUE(absl::IsUnavailable(Put("a", "2")));
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(IndexTest, AfterShutdownASubmittedOperationNeverRunsAndItsOwnerIsTold) {
  index_->Shutdown();
  bool ran = false;
  const auto operation = [&ran](WriteTxn&) {
    ran = true;
    return absl::OkStatus();
  };
  absl::Status told;
  index_->Submit(Lane::kBulk, operation,
                 [&told](absl::Status status) { told = std::move(status); });
  EXPECT_TRUE(absl::IsUnavailable(told)) << told;
  index_->Submit(Lane::kForeground, operation, nullptr);  // nobody to tell
  EXPECT_FALSE(ran);
}

TEST_F(IndexTest, ShutdownDrainsWhatWasSubmitted) {
  Gate gate;
  std::atomic<int> done{0};
  index_->Submit(
      Lane::kForeground,
      [&](WriteTxn&) {
        gate.Pass();
        return absl::OkStatus();
      },
      nullptr);
  for (int i = 0; i < 10; ++i) {
    index_->Submit(
        i % 2 == 0 ? Lane::kBulk : Lane::kForeground,
        [i](WriteTxn& txn) {
          txn.Put(Table::kMeta, std::to_string(i), "x");
          return absl::OkStatus();
        },
        [&](const absl::Status& status) { done += status.ok() ? 1 : 0; });
  }
  std::thread shutdown([&] { index_->Shutdown(); });
  gate.Open();
  shutdown.join();
  EXPECT_EQ(done, 10);
  EXPECT_EQ(Rows(Table::kMeta), 10u);
}

// A reader beyond them would be an error of LMDB, whose table of readers is as long as it is made.
TEST(EnvironmentTest, AThousandReadAtOnceAndTheNextWaitsForAPlace) {
  const TempDir dir;
  const auto environment = Environment::Open(dir.path(), uint64_t{1} << 24);
  ASSERT_TRUE(environment.ok()) << environment.status();
  std::vector<MDB_txn*> reads;
  for (int i = 0; i < 1000; ++i) {
    const auto read = (*environment)->BeginRead();
    ASSERT_TRUE(read.ok()) << i << ": " << read.status();
    reads.push_back(*read);
  }
  std::atomic<int> begun{0};
  std::vector<Thread> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back("reader", [&] {
      const auto read = (*environment)->BeginRead();
      EXPECT_TRUE(read.ok()) << read.status();
      ++begun;
      if (read.ok()) (*environment)->EndRead(*read);
    });
  }
  std::this_thread::sleep_for(Millis(100));
  EXPECT_EQ(begun, 0) << "one more than a thousand";
  // The second one has its place from the first.
  (*environment)->EndRead(reads.back());
  reads.pop_back();
  EXPECT_TRUE(support::Eventually([&] { return begun == 2; }));
  for (MDB_txn* const read : reads) (*environment)->EndRead(read);
  waiting.clear();
}

TEST(IndexOpening, AFolderThatIsNotThereIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(Index::Open({.dir = "/nonexistent/waypost"}).status()));
}

TEST(IndexOpening, GarbageIsAnErrorThatSaysWhatToDo) {
  TempDir dir;
  FILE* const file = std::fopen((dir / "data.mdb").c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(std::string(10000, 'x').c_str(), file);
  std::fclose(file);
  const absl::Status status = Index::Open({.dir = dir.path()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_NE(std::string(status.message()).find("restore"), std::string::npos) << status;
  // It can be tried again: the folder is not taken for open.
  ASSERT_EQ(std::remove((dir / "data.mdb").c_str()), 0);
  EXPECT_TRUE(Index::Open({.dir = dir.path()}).ok());
}

using IndexDeathTest = IndexTest;

TEST_F(IndexDeathTest, WhatWouldWaitForItselfForEverEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH({ index_->Read([&](ReadTxn&) { return Put("a", "1"); }).IgnoreError(); },
               "broken invariant");
  EXPECT_DEATH(
      {
        index_->Update(Lane::kForeground, [&](WriteTxn&) { return Put("a", "1"); }).IgnoreError();
      },
      "broken invariant");
  EXPECT_DEATH(
      {
        index_
            ->Update(Lane::kForeground,
                     [&](WriteTxn& txn) {
                       txn.AfterCommit([&] { Put("a", "1").IgnoreError(); });
                       return absl::OkStatus();
                     })
            .IgnoreError();
      },
      "broken invariant");
  EXPECT_DEATH(
      {
        index_
            ->Read(
                [&](ReadTxn&) { return index_->Read([](ReadTxn&) { return absl::OkStatus(); }); })
            .IgnoreError();
      },
      "broken invariant");
}

TEST_F(IndexTest, ReadingIsAllowedAfterACommit) {
  std::string seen;
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [&](WriteTxn& txn) {
                             txn.Put(Table::kMeta, "a", "1");
                             txn.AfterCommit([&] { seen = Get("a"); });
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(seen, "1");
}

}  // namespace
}  // namespace waypost::base
