// Group commit: who shares a transaction with whom, in which order, and what one failure costs the
// others.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/index.h"
#include "base/key_codec.h"
#include "base/status.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/engine/allocation_limit.h"

namespace waypost::base {
namespace {

using Lane = Index::Lane;

class IndexWriterTest : public testing::Test {
 protected:
  void SetUp() override { Open(uint64_t{1} << 30); }
  void Open(uint64_t map_size) {
    index_ = nullptr;
    auto opened = Index::Open({.dir = dir_.path(), .map_size = map_size, .metrics = &metrics_});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
  }

  // Keeps the writer busy, so that what is submitted until Release gathers to one batch.
  void Hold() {
    index_->Submit(
        Lane::kForeground,
        [this](WriteTxn&) {
          gate_.Pass();
          return absl::OkStatus();
        },
        nullptr);
    gate_.AwaitArrivals(1);
  }
  void Release() { gate_.Open(); }

  struct Outcome {
    absl::Status status = absl::UnknownError("not done");
    int runs = 0;
    int callbacks = 0;
  };
  // An operation that writes `key` (unless empty), then returns `result`.
  void Submit(Lane lane, Outcome& outcome, const std::string& key, absl::Status result = {}) {
    index_->Submit(
        lane,
        [this, &outcome, key, result](WriteTxn& txn) {
          ++outcome.runs;
          ran_ += key + " ";
          if (!key.empty()) txn.Put(Table::kMeta, key, "x");
          txn.AfterCommit([this, &outcome, key] {
            ++outcome.callbacks;
            told_ += "after:" + key + " ";
          });
          return result;
        },
        [this, &outcome, key](absl::Status status) {
          outcome.status = std::move(status);
          told_ += "done:" + key + " ";
        });
  }
  void Drain() {
    ASSERT_TRUE(index_->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  }
  bool Has(const std::string& key) {
    bool has = false;
    EXPECT_TRUE(
        index_->Read([&](ReadTxn& txn) { has = txn.Get(Table::kMeta, key).has_value(); }).ok());
    return has;
  }
  uint64_t Commits() {
    const std::string text = metrics_.Render();
    const std::string name = "waypost_index_commit_seconds_count ";
    return std::stoull(text.substr(text.find(name) + name.size()));
  }

  TempDir dir_;
  Metrics metrics_;
  Gate gate_;
  std::unique_ptr<Index> index_;
  // Written on the writer thread only, read after Drain.
  std::string ran_;
  std::string told_;
};

TEST_F(IndexWriterTest, WhatGathersSharesOneCommit) {
  Hold();
  std::vector<Outcome> outcomes(500);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Submit(Lane::kForeground, outcomes[i], std::to_string(i));
  }
  const uint64_t before = Commits();
  Release();
  Drain();
  EXPECT_EQ(Commits() - before, 3u) << "the one that was held, the batch, and Drain's";
  for (const Outcome& outcome : outcomes) {
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_EQ(outcome.runs, 1);
    EXPECT_EQ(outcome.callbacks, 1);
  }
}

TEST_F(IndexWriterTest, ABatchHasAtMostTwoThousandOperationsAndSixThousandRows) {
  Hold();
  std::vector<Outcome> many(2001);
  for (Outcome& outcome : many) Submit(Lane::kForeground, outcome, "");
  std::atomic<int> big_done{0};
  for (int i = 0; i < 3; ++i) {
    index_->Submit(
        Lane::kForeground,
        [i](WriteTxn& txn) {
          for (int row = 0; row < 4500; ++row) {
            txn.PutRaw(Table::kInline, std::to_string(i * 10000 + row), "x");
          }
          return absl::OkStatus();
        },
        [&](const absl::Status& status) { big_done += status.ok() ? 1 : 0; });
  }
  const uint64_t before = Commits();
  Release();
  Drain();
  // Held; 2,000 empty ones; the last empty one and two big ones (4,500 rows are fewer than
  // 6,000, 9,000 are not); the third; Drain's.
  EXPECT_EQ(Commits() - before, 5u);
  EXPECT_EQ(big_done, 3);
}

TEST_F(IndexWriterTest, OneThatFailsWithoutWritingOnlyFailsItself) {
  Hold();
  Outcome a, b, c;
  Submit(Lane::kForeground, a, "a");
  Submit(Lane::kForeground, b, "", absl::NotFoundError("no"));
  Submit(Lane::kForeground, c, "c");
  Release();
  Drain();
  EXPECT_TRUE(a.status.ok() && c.status.ok());
  EXPECT_TRUE(absl::IsNotFound(b.status));
  EXPECT_EQ(a.runs + b.runs + c.runs, 3) << "nothing ran twice";
  EXPECT_EQ(b.callbacks, 0);
  EXPECT_TRUE(Has("a") && Has("c"));
}

TEST_F(IndexWriterTest, OneThatFailsAfterItWroteFailsAlone) {
  Hold();
  Outcome a, b, c;
  Submit(Lane::kForeground, a, "a");
  Submit(Lane::kForeground, b, "b", absl::AbortedError("no"));
  Submit(Lane::kForeground, c, "c");
  Release();
  Drain();
  EXPECT_TRUE(a.status.ok() && c.status.ok());
  EXPECT_TRUE(absl::IsAborted(b.status));
  EXPECT_EQ(a.runs, 2) << "once in the batch, once without b";
  EXPECT_EQ(b.runs, 2) << "once in the batch, once as the first of the next";
  EXPECT_EQ(c.runs, 1);
  EXPECT_EQ(a.callbacks, 1);
  EXPECT_EQ(b.callbacks, 0);
  EXPECT_TRUE(Has("a") && Has("c"));
  EXPECT_FALSE(Has("b"));
}

TEST_F(IndexWriterTest, ManyThatFailAfterTheyWroteFailEachAlone) {
  Hold();
  std::vector<Outcome> outcomes(60);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Submit(Lane::kForeground, outcomes[i], std::to_string(i),
           i % 3 == 0 ? absl::AbortedError("no") : absl::OkStatus());
  }
  Release();
  Drain();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].status.ok(), i % 3 != 0) << i;
    EXPECT_EQ(outcomes[i].callbacks, i % 3 != 0 ? 1 : 0) << i;
    EXPECT_LE(outcomes[i].runs, 2) << i;
    EXPECT_EQ(Has(std::to_string(i)), i % 3 != 0) << i;
  }
}

TEST_F(IndexWriterTest, AnLmdbErrorInAnOperationFailsItAlone) {
  Hold();
  Outcome a, b;
  Submit(Lane::kForeground, a, "a");
  Submit(Lane::kForeground, b, std::string(600, 'k'));
  Release();
  Drain();
  EXPECT_TRUE(a.status.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(b.status)) << b.status;
  EXPECT_TRUE(Has("a"));
}

TEST_F(IndexWriterTest, ForegroundGoesBeforeBulkInTheOrderOfSubmission) {
  Hold();
  Outcome outcomes[5];
  Submit(Lane::kBulk, outcomes[0], "b1");
  Submit(Lane::kForeground, outcomes[1], "f1");
  Submit(Lane::kBulk, outcomes[2], "b2");
  Submit(Lane::kForeground, outcomes[3], "f2");
  const uint64_t before = Commits();
  Release();
  Drain();
  EXPECT_EQ(ran_, "f1 f2 b1 b2 ");
  EXPECT_EQ(Commits() - before, 5u) << "each bulk operation has a transaction of its own";
}

TEST_F(IndexWriterTest, BulkHasItsTurnUnderUnendingForeground) {
  // Each foreground operation submits the next one: the queue is never empty.
  std::atomic<bool> stop{false};
  std::atomic<int> foreground{0};
  std::function<void()> next = [&] {
    if (stop) return;
    index_->Submit(
        Lane::kForeground,
        [&](WriteTxn& txn) {
          txn.AfterCommit([&] { next(); });
          ++foreground;
          return absl::OkStatus();
        },
        nullptr);
  };
  next();
  EXPECT_TRUE(index_->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  stop = true;
  Drain();
  EXPECT_GT(foreground, 0);
}

TEST_F(IndexWriterTest, CallbacksRunAfterTheCommitAndBeforeAnyAcknowledgement) {
  Hold();
  Outcome a, b;
  Submit(Lane::kForeground, a, "a");
  Submit(Lane::kForeground, b, "b");
  Release();
  Drain();
  EXPECT_EQ(told_, "after:a after:b done:a done:b ");
}

TEST_F(IndexWriterTest, ThreadsThatCountTogetherLoseNothing) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEach; ++i) {
        const absl::Status status = index_->Update(Lane::kForeground, [&](WriteTxn& txn) {
          const auto row = txn.Get(Table::kMeta, "count");
          std::string next;
          AppendU64(next, (row ? ReadU64(*row) : 0) + 1);
          txn.Put(Table::kMeta, "count", next);
          // Every fifth changes its mind after it wrote.
          return i % 5 == 4 ? absl::AbortedError("no") : absl::OkStatus();
        });
        EXPECT_EQ(status.ok(), i % 5 != 4) << t;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  uint64_t count = 0;
  ASSERT_TRUE(
      index_->Read([&](ReadTxn& txn) { count = ReadU64(*txn.Get(Table::kMeta, "count")); }).ok());
  EXPECT_EQ(count, uint64_t{kThreads} * kEach * 4 / 5);
}

TEST_F(IndexWriterTest, TheMapGrowsUnderReaders) {
  Open(uint64_t{1} << 20);
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        EXPECT_TRUE(index_
                        ->Read([&](ReadTxn& txn) {
                          uint64_t rows = 0;
                          Cursor cursor(txn, Table::kMeta);
                          for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
                            EXPECT_EQ(cursor.payload()->size(), 20000u);
                            ++rows;
                          }
                          EXPECT_EQ(rows, txn.Rows(Table::kMeta));
                        })
                        .ok());
        ++reads;
      }
    });
  }
  const std::string value(20000, 'v');
  for (int i = 0; i < 300; ++i) {  // 6 MB into a map of one
    ASSERT_TRUE(index_
                    ->Update(Lane::kForeground,
                             [&](WriteTxn& txn) {
                               txn.Put(Table::kMeta, std::to_string(i), value);
                               return absl::OkStatus();
                             })
                    .ok());
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_GT(reads, 0);
  EXPECT_GT(index_->used_bytes(), 300 * value.size());
  EXPECT_EQ(index_->bad_rows(), 0u);
  Open(uint64_t{1} << 20);  // smaller than what is there
  EXPECT_TRUE(Has("299"));
}

TEST_F(IndexWriterTest, ABatchThatFillsTheMapRunsAgainWhole) {
  Open(uint64_t{1} << 20);
  Hold();
  std::vector<Outcome> outcomes(100);
  const std::string value(30000, 'v');
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    index_->Submit(
        Lane::kForeground,
        [&value, i](WriteTxn& txn) {
          txn.Put(Table::kMeta, std::to_string(i), value);
          return absl::OkStatus();
        },
        [&outcomes, i](absl::Status status) { outcomes[i].status = std::move(status); });
  }
  Release();
  Drain();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_TRUE(outcomes[i].status.ok()) << outcomes[i].status;
    EXPECT_TRUE(Has(std::to_string(i)));
  }
}

TEST_F(IndexWriterTest, WhereThereIsNoMemoryForABatchFewerGoTogether) {
  if (!http::AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  Hold();
  std::vector<absl::Status> outcomes(1000, absl::UnknownError("not told"));
  for (absl::Status& outcome : outcomes) {
    index_->Submit(
        Lane::kForeground,
        [](WriteTxn& txn) {
          txn.Put(Table::kMeta, "count", "done");
          return absl::OkStatus();
        },
        [&outcome](absl::Status status) { outcome = std::move(status); });
  }
  {
    const http::AllocationLimit limit(4000);
    Release();
    ASSERT_TRUE(index_->Update(Lane::kForeground, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  }
  for (const absl::Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome;
}

TEST_F(IndexWriterTest, WhereMemoryRunsOutOneOperationFailsAndOneRead) {
  EXPECT_TRUE(
      absl::IsUnavailable(index_->Update(Lane::kForeground, [](WriteTxn& txn) -> absl::Status {
        txn.Put(Table::kMeta, "half", "done");
        throw std::bad_alloc();
      })));
  // More reads than there are places for readers.
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(absl::IsUnavailable(WithinMemory(
        [&] { return index_->Read([](ReadTxn&) -> absl::Status { throw std::bad_alloc(); }); })));
  }
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [](WriteTxn& txn) {
                             EXPECT_FALSE(txn.Get(Table::kMeta, "half").has_value());
                             txn.Put(Table::kMeta, "whole", "done");
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_TRUE(
      index_->Read([](ReadTxn& txn) { EXPECT_TRUE(txn.Get(Table::kMeta, "whole").has_value()); })
          .ok());
}

}  // namespace
}  // namespace waypost::base
