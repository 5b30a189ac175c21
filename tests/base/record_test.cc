// The envelope of rows, and what becomes of rows that fail their check.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/ids.h"
#include "base/index.h"
#include "base/reseal.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::base {
namespace {

using Lane = Index::Lane;

TEST(Record, OpensToWhatWasSealed) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(5000, '\0')}) {
    const std::string stored = SealRecord(Table::kRefs, "key", 1, payload);
    EXPECT_EQ(stored.size(), payload.size() + 9);
    EXPECT_EQ(OpenRecord(Table::kRefs, "key", stored), payload);
  }
}

// Stored bytes are a contract: if this fails, existing data folders can no longer be read.
TEST(Record, HasTheseBytes) {
  EXPECT_EQ(ToHex(SealRecord(Table::kBlobs, "key", 1, "payload")),
            "81e8c01fbb7f3d9e8d7061796c6f6164");
  EXPECT_EQ(ToHex(SealRecord(Table::kSettings, "k", 7, "")), "87e47b84061ecf1c31");
}

// As data folders of format 1 have them.
TEST(Record, OpensRowsWithTheOlderChecksum) {
  const auto opens = [](Table table, std::string_view key, const char* hex) {
    const std::string stored = FromHex(hex).value();
    const auto payload = OpenRecord(table, key, stored);
    return payload ? std::string(*payload) : "-";
  };
  EXPECT_EQ(opens(Table::kBlobs, "key", "019eea2d23b0bc866c7061796c6f6164"), "payload");
  EXPECT_EQ(opens(Table::kSettings, "k", "072acdd72f6e5ac408"), "");
  EXPECT_EQ(opens(Table::kBlobs, "kez", "019eea2d23b0bc866c7061796c6f6164"), "-");
  EXPECT_EQ(opens(Table::kLog, "key", "019eea2d23b0bc866c7061796c6f6164"), "-");
  EXPECT_EQ(opens(Table::kBlobs, "key", "029eea2d23b0bc866c7061796c6f6164"), "-");
  EXPECT_EQ(opens(Table::kBlobs, "key", "019eea2d23b0bc866c7061796c6f6165"), "-");
}

TEST(Record, RowsOfFormat1GetTheChecksumOfNowWhereverTheWalkWasBrokenOff) {
  const TempDir dir;
  const auto index = Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok()) << index.status();
  const std::string old = FromHex("019eea2d23b0bc866c7061796c6f6164").value();
  const std::string position = std::string(1, static_cast<char>(Table::kRefs)) + "x";
  for (const bool broken_off : {false, true}) {
    ASSERT_TRUE((*index)
                    ->Update(Lane::kForeground,
                             [&](WriteTxn& txn) {
                               txn.PutRaw(Table::kBlobs, "key", old);
                               txn.PutRaw(Table::kBlobs, "kez", old);   // damaged
                               txn.PutRaw(Table::kInline, "key", old);  // never had one
                               txn.Put(Table::kRefs, "new", "payload");
                               if (broken_off) txn.Put(Table::kMeta, "reseal", position);
                               return absl::OkStatus();
                             })
                    .ok());
    ASSERT_TRUE(ResealRows(**index).ok());
    ASSERT_TRUE((*index)
                    ->Read([&](ReadTxn& txn) {
                      const std::string fresh = "81e8c01fbb7f3d9e8d7061796c6f6164";
                      EXPECT_EQ(ToHex(*txn.GetRaw(Table::kBlobs, "key")),
                                broken_off ? ToHex(old) : fresh);
                      EXPECT_EQ(txn.GetRaw(Table::kBlobs, "kez"), old);
                      EXPECT_EQ(txn.GetRaw(Table::kInline, "key"), old);
                      EXPECT_EQ(txn.Get(Table::kRefs, "new"), "payload");
                      EXPECT_EQ(txn.Rows(Table::kMeta), 0u);
                    })
                    .ok());
  }
}

TEST(Record, EveryFlippedBitIsFound) {
  const std::string stored = SealRecord(Table::kRefs, "key", 1, "a payload of some length");
  for (std::size_t bit = 0; bit < stored.size() * 8; ++bit) {
    std::string damaged = stored;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(OpenRecord(Table::kRefs, "key", damaged), std::nullopt) << "bit " << bit;
  }
  for (std::size_t length = 0; length < stored.size(); ++length) {
    EXPECT_EQ(OpenRecord(Table::kRefs, "key", stored.substr(0, length)), std::nullopt) << length;
  }
}

TEST(Record, ASoundRowInAStrangePlaceIsFound) {
  const std::string stored = SealRecord(Table::kRefs, "key", 1, "payload");
  EXPECT_EQ(OpenRecord(Table::kRefs, "kez", stored), std::nullopt);
  EXPECT_EQ(OpenRecord(Table::kLog, "key", stored), std::nullopt);
}

class BadRowTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        Index::Open({.dir = dir_.path(), .map_size = uint64_t{1} << 30, .metrics = &metrics_});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
  }
  void PutRaw(const std::string& key, const std::string& bytes) {
    ASSERT_TRUE(index_
                    ->Update(Lane::kForeground,
                             [&](WriteTxn& txn) {
                               txn.PutRaw(Table::kRefs, key, bytes);
                               return absl::OkStatus();
                             })
                    .ok());
  }
  std::string Raw(Table table, const std::string& key) {
    std::string bytes = "-";
    EXPECT_TRUE(index_
                    ->Read([&](ReadTxn& txn) {
                      if (const auto row = txn.GetRaw(table, key)) bytes = std::string(*row);
                    })
                    .ok());
    return bytes;
  }
  bool Reads(const std::string& key) {
    bool there = false;
    EXPECT_TRUE(
        index_->Read([&](ReadTxn& txn) { there = txn.Get(Table::kRefs, key).has_value(); }).ok());
    return there;
  }
  void Drain() {
    ASSERT_TRUE(index_->Update(Lane::kBulk, [](WriteTxn&) { return absl::OkStatus(); }).ok());
  }
  static std::string BadKey(const std::string& key) {
    return std::string(1, static_cast<char>(Table::kRefs)) + key;
  }

  TempDir dir_;
  Metrics metrics_;
  std::unique_ptr<Index> index_;
};

TEST_F(BadRowTest, ADamagedRowIsAbsentCountedAndSetAside) {
  std::string stored = SealRecord(Table::kRefs, "k", 1, "payload");
  stored.back() ^= 1;
  PutRaw("k", stored);
  EXPECT_FALSE(Reads("k"));
  Drain();
  EXPECT_EQ(index_->bad_rows(), 1u);
  EXPECT_NE(metrics_.Render().find("waypost_bad_rows_total 1\n"), std::string::npos);
  EXPECT_EQ(Raw(Table::kRefs, "k"), "-");
  EXPECT_EQ(Raw(Table::kBadRows, BadKey("k")), stored);
  EXPECT_FALSE(Reads("k"));
  Drain();
  EXPECT_EQ(index_->bad_rows(), 1u) << "counted once";
}

TEST_F(BadRowTest, ADamagedRowMeetsACursorToo) {
  PutRaw("a", SealRecord(Table::kRefs, "a", 1, "1"));
  PutRaw("b", "too short");
  PutRaw("c", SealRecord(Table::kRefs, "c", 1, "3"));
  std::string seen;
  ASSERT_TRUE(index_
                  ->Read([&](ReadTxn& txn) {
                    Cursor cursor(txn, Table::kRefs);
                    for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
                      if (const auto payload = cursor.payload()) seen += *payload;
                    }
                  })
                  .ok());
  EXPECT_EQ(seen, "13");
  Drain();
  EXPECT_EQ(Raw(Table::kRefs, "b"), "-");
  EXPECT_EQ(Raw(Table::kBadRows, BadKey("b")), "too short");
}

TEST_F(BadRowTest, ARowWrittenAnewMeanwhileStays) {
  PutRaw("k", "damaged");
  ASSERT_TRUE(index_
                  ->Update(Lane::kForeground,
                           [](WriteTxn& txn) {
                             EXPECT_EQ(txn.Get(Table::kRefs, "k"), std::nullopt);
                             txn.Put(Table::kRefs, "k", "sound");
                             return absl::OkStatus();
                           })
                  .ok());
  Drain();
  EXPECT_EQ(index_->bad_rows(), 1u);
  EXPECT_TRUE(Reads("k"));
  EXPECT_EQ(Raw(Table::kBadRows, BadKey("k")), "-");
}

TEST_F(BadRowTest, ARowWhosePayloadDoesNotParseCanBeReported) {
  PutRaw("k", SealRecord(Table::kRefs, "k", 1, "no message"));
  ASSERT_TRUE(index_
                  ->Read([](ReadTxn& txn) {
                    txn.ReportBadRow(Table::kRefs, "k");
                    txn.ReportBadRow(Table::kRefs, "k");
                    txn.ReportBadRow(Table::kRefs, "not there");
                  })
                  .ok());
  Drain();
  EXPECT_EQ(index_->bad_rows(), 1u);
  EXPECT_FALSE(Reads("k"));
}

TEST_F(BadRowTest, TheLongestKeyIsCutToFit) {
  const std::string key(511, 'k');
  PutRaw(key, "damaged");
  EXPECT_FALSE(Reads(key));
  Drain();
  EXPECT_EQ(Raw(Table::kRefs, key), "-");
  EXPECT_EQ(Raw(Table::kBadRows, BadKey(key).substr(0, 511)), "damaged");
}

}  // namespace
}  // namespace waypost::base
