#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include "blobstore/blob_row.h"
#include "blobstore/inline_table.h"
#include "blobstore/layout.h"
#include "blobstore/partial.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::blobstore {
namespace {

using base::FromMs;
using base::ToHex;

std::mt19937_64& Engine() {
  static const uint64_t seed = [] {
    const char* const given = std::getenv("WAYPOST_TEST_SEED");
    const uint64_t s =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    testing::Test::RecordProperty("seed", std::to_string(s));
    return s;
  }();
  static std::mt19937_64 engine(seed);
  return engine;
}
std::string RandomString(std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(Engine()());
  return bytes;
}
BlobRow AnyRow() {
  BlobRow row;
  row.size_bytes = Engine()();
  row.placement = Engine()() % 2 == 0 ? Placement::kInline : Placement::kFile;
  row.inline_sequence = Engine()() % 5;
  row.inline_tail = RandomString(Engine()() % 4);
  row.stored = FromMs(static_cast<int64_t>(Engine()() % 2'000'000'000'000));
  row.verified = FromMs(static_cast<int64_t>(Engine()() % 2'000'000'000'000));
  row.fetch_attempts = Engine()() % 100;
  for (uint64_t i = Engine()() % 5; i > 0; --i) {
    row.holdings[*base::GroupId::FromBytes(RandomString(32))] = {
        .acquired = FromMs(static_cast<int64_t>(Engine()() % 2'000'000'000'000)),
        .via = static_cast<Via>(1 + Engine()() % 3),
        .shares = static_cast<uint32_t>(Engine()() % 4)};
  }
  return row;
}
std::optional<std::vector<std::string>> Visit(const std::string& payload) {
  static HoldingsView view;  // what the payload before left in it is gone
  if (!ReadView(payload, view)) return std::nullopt;
  return std::vector<std::string>(view.groups.begin(), view.groups.end());
}
std::vector<std::string> GroupsOf(const BlobRow& row) {
  std::vector<std::string> groups;
  for (const auto& item : row.holdings) groups.emplace_back(item.first.bytes());
  return groups;
}

// Stored bytes: a contract. A change here loses what users have on disk.
TEST(BlobRowCodec, GoldenBytes) {
  std::array<uint8_t, 32> group{};
  group.fill(0x22);
  BlobRow row;
  row.size_bytes = 300;
  row.placement = Placement::kInline;
  row.inline_sequence = 2;
  row.stored = FromMs(3);
  row.verified = FromMs(4);
  row.fetch_attempts = 5;
  row.holdings[base::GroupId(group)] = {.acquired = FromMs(6), .via = Via::kFetch, .shares = 7};
  EXPECT_EQ(ToHex(EncodeBlobRow(row)),
            "08ac02"
            "1001"
            "1802"
            "2003"
            "2804"
            "3005"
            "3a28"
            "0a20"
            "2222222222222222222222222222222222222222222222222222222222222222"
            "1006"
            "1803"
            "2007");
  EXPECT_EQ(DecodeBlobRow(EncodeBlobRow(row)), row);
  row.holdings.clear();
  row.inline_tail = "ab";
  EXPECT_EQ(ToHex(EncodeBlobRow(row)), "08ac021001180220032804300542026162");
}

TEST(BlobRowCodec, AnyRowComesBackAsItWas) {
  for (int round = 0; round < 2000; ++round) {
    const BlobRow row = AnyRow();
    ASSERT_EQ(DecodeBlobRow(EncodeBlobRow(row)), row);
  }
}

TEST(BlobRowCodec, RefusesARowWithoutAPlacement) {
  EXPECT_FALSE(DecodeBlobRow(""));
  EXPECT_TRUE(DecodeBlobRow("\x10\x02"));
  EXPECT_FALSE(DecodeBlobRow("\x10\x03"));
}

TEST(ReadView, AgreesWithTheDecoder) {
  for (int round = 0; round < 2000; ++round) {
    const BlobRow row = AnyRow();
    const std::string payload = EncodeBlobRow(row);
    ASSERT_EQ(Visit(payload), GroupsOf(row));
    HoldingsView view;
    ASSERT_TRUE(ReadView(payload, view));
    ASSERT_EQ(view.size_bytes, row.size_bytes);
  }
}

TEST(ReadView, AgreesWithTheDecoderOnDamagedBytes) {
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string payload = EncodeBlobRow(AnyRow());
    if (Engine()() % 3 == 0) {
      payload.resize(Engine()() % (payload.size() + 1));
    } else if (Engine()() % 3 == 0) {
      payload = RandomString(Engine()() % 60);
    } else {
      payload[Engine()() % payload.size()] ^= static_cast<char>(1u << Engine()() % 8);
    }
    const auto decoded = DecodeBlobRow(payload);
    const auto visited = Visit(payload);
    // The decoder looks at more; Protobuf's groups are refused by the parser alone.
    if (!decoded || !visited) continue;
    ++accepted;
    ASSERT_EQ(visited->size(), decoded->holdings.size()) << ToHex(payload);
    for (const std::string& group : *visited) {
      ASSERT_TRUE(decoded->holdings.contains(*base::GroupId::FromBytes(group))) << ToHex(payload);
    }
  }
  EXPECT_GT(accepted, 1000);
}

TEST(BlobTable, ARowThatDoesNotParseIsAbsentAndReported) {
  base::TempDir dir;
  auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok());
  const base::BlobId good = *base::BlobId::FromBytes(std::string(32, 'g'));
  const base::BlobId bad = *base::BlobId::FromBytes(std::string(32, 'b'));
  const BlobRow row = AnyRow();
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             StoreBlobRow(txn, good, row);
                             txn.Put(base::Table::kBlobs, bad.bytes(), "\x3a\x7f");
                             return absl::OkStatus();
                           })
                  .ok());
  ASSERT_TRUE((*index)
                  ->Read([&](base::ReadTxn& txn) {
                    EXPECT_EQ(LoadBlobRow(txn, good), row);
                    EXPECT_EQ(LoadBlobRow(txn, bad), std::nullopt);
                  })
                  .ok());
  (*index)->Shutdown();  // what it was asked for is done
  EXPECT_EQ((*index)->bad_rows(), 1u);
}

TEST(InlineTable, KeysAreBigEndianAndAppended) {
  EXPECT_EQ(ToHex(EncodeInlineKey(0x0102030405060708)), "0102030405060708");
  base::TempDir dir;
  auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok());
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             const auto append = [&](std::string_view bytes) {
                               BlobRow row;
                               AppendInline(txn, bytes, row);
                               return row.inline_sequence;
                             };
                             EXPECT_EQ(append("one"), 1u);
                             EXPECT_EQ(append("two"), 2u);
                             DeleteInline(txn, 1);
                             EXPECT_EQ(append("three"), 3u);
                             EXPECT_EQ(txn.GetRaw(base::Table::kInline, EncodeInlineKey(3)),
                                       "three");
                             EXPECT_EQ(txn.Rows(base::Table::kInline), 2u);
                             return absl::OkStatus();
                           })
                  .ok());
}

TEST(Layout, BuildsAndParsesItsNames) {
  const Layout layout("/d");
  const std::string hex = "abcd" + std::string(60, '0');
  const base::BlobId blob = *base::BlobId::FromHex(hex);
  EXPECT_EQ(layout.BlobPath(blob), "/d/blobs/ab/cd/" + hex);
  EXPECT_EQ(layout.BlobDir(blob), "/d/blobs/ab/cd");
  EXPECT_EQ(layout.SubDir(0xab, 0xcd), "/d/blobs/ab/cd");
  EXPECT_EQ(layout.TopDir(7), "/d/blobs/07");
  EXPECT_EQ(layout.PartialPath(blob), "/d/partial/" + hex);
  EXPECT_EQ(layout.MarkPath(blob), "/d/partial/" + hex + ".mark");
  EXPECT_EQ(layout.TrashPath(blob), "/d/trash/" + hex);
  EXPECT_EQ(layout.QuarantinePath(hex, 0), "/d/quarantine/" + hex);
  EXPECT_EQ(layout.QuarantinePath(hex, 2), "/d/quarantine/" + hex + ".2");

  EXPECT_EQ(Layout::ParseFolder("ab"), 0xabu);
  for (const char* const name : {"", "a", "AB", "abc", "g0", "lost+found"}) {
    EXPECT_FALSE(Layout::ParseFolder(name)) << name;
  }
  EXPECT_EQ(Layout::ParseBlobName(0xab, 0xcd, hex), blob);
  EXPECT_FALSE(Layout::ParseBlobName(0xab, 0xce, hex)) << "in the wrong folder";
  EXPECT_FALSE(Layout::ParseBlobName(0xab, 0xcd, hex + "0"));
  EXPECT_EQ(Layout::ParsePartialName(hex)->blob, blob);
  EXPECT_FALSE(Layout::ParsePartialName(hex)->is_mark);
  EXPECT_TRUE(Layout::ParsePartialName(hex + ".mark")->is_mark);
  EXPECT_FALSE(Layout::ParsePartialName(hex + ".mark.new"));
  EXPECT_FALSE(Layout::ParsePartialName(".mark"));
}

TEST(PartialMark, OnlyWhatWasWrittenWholeIsRead) {
  const PartialMark mark = {.durable_bytes = 67'108'864, .boot_id = "f00-ba4"};
  const std::string text = EncodeMark(mark);
  EXPECT_EQ(text, "1 67108864 f00-ba4\n");
  ASSERT_TRUE(DecodeMark(text));
  EXPECT_EQ(DecodeMark(text)->durable_bytes, mark.durable_bytes);
  EXPECT_EQ(DecodeMark(text)->boot_id, mark.boot_id);
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(DecodeMark(text.substr(0, size))) << size;
  }
  for (const char* const other : {"2 5 x\n", "1 -5 x\n", "1 5 x\n\n", "1 5  x\n", "1 05 x\n",
                                  "1 5 \n", "1 99999999999999999999 x\n"}) {
    EXPECT_FALSE(DecodeMark(other)) << other;
  }
}

}  // namespace
}  // namespace waypost::blobstore
