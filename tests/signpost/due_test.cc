#include "signpost/due.h"

#include <gtest/gtest.h>

#include "base/key_codec.h"
#include "tests/fakes/temp_dir.h"
#include "tests/signpost/samples.h"

namespace waypost::signpost {
namespace {

using base::FromMs;
using base::ToHex;

// ---- stored bytes: a contract ----

TEST(DueKey, GoldenBytes) {
  const DueKey key = {.first_peer = Peer(0xab),
                      .lane = DueLane::kRetry,
                      .due = FromMs(0x0102030405060708),
                      .blob = Blob(0xcd)};
  std::string expected;
  for (int i = 0; i < 32; ++i) expected += "ab";
  expected += "02";
  expected += "0102030405060708";
  for (int i = 0; i < 32; ++i) expected += "cd";
  EXPECT_EQ(ToHex(EncodeDueKey(key)), expected);
  EXPECT_EQ(DecodeDueKey(EncodeDueKey(key)), key);
}

TEST(DueKey, ByteOrderIsTheOrderOfTheStruct) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  const auto any = [&] {
    return DueKey{
        .first_peer = Peer(static_cast<uint8_t>(samples.Below(3))),
        .lane = samples.Chance(50) ? DueLane::kNew : DueLane::kRetry,
        .due = samples.Chance(50) ? FromMs(static_cast<int64_t>(samples.Below(3))) : samples.Time(),
        .blob = samples.Chance(50) ? Blob(static_cast<uint8_t>(samples.Below(255)))
                                   : samples.AnyId<base::BlobId>()};
  };
  for (int round = 0; round < 20000; ++round) {
    const DueKey a = any();
    const DueKey b = any();
    ASSERT_EQ(a < b, EncodeDueKey(a) < EncodeDueKey(b));
    ASSERT_EQ(DecodeDueKey(EncodeDueKey(a)), a);
  }
}

TEST(DueKey, BeforeTheEpochIsTheEpoch) {
  DueKey key = {.due = FromMs(-5)};
  EXPECT_EQ(DecodeDueKey(EncodeDueKey(key))->due, FromMs(0));
}

TEST(DueKey, RefusesWhatIsNone) {
  const std::string good = EncodeDueKey({.first_peer = Peer(1), .due = FromMs(5), .blob = Blob(2)});
  ASSERT_TRUE(DecodeDueKey(good));
  EXPECT_FALSE(DecodeDueKey(""));
  EXPECT_FALSE(DecodeDueKey(good.substr(1)));
  EXPECT_FALSE(DecodeDueKey(good + "x"));
  std::string lane = good;
  lane[32] = 0;
  EXPECT_FALSE(DecodeDueKey(lane));
  lane[32] = 3;
  EXPECT_FALSE(DecodeDueKey(lane));
  std::string time = good;
  time[33] = static_cast<char>(0x80);
  EXPECT_FALSE(DecodeDueKey(time));
}

// ---- the row a signpost should have ----

TEST(DueKeyOf, GoesUnderTheFirstPeerAndTheLaneOfItsFailures) {
  Signpost signpost;
  signpost.locations = {{Peer(1), {.when_seen = FromMs(10)}},
                        {Peer(2), {.when_seen = FromMs(5), .is_server = true}}};
  signpost.wanted_since = FromMs(100);
  EXPECT_EQ(
      DueKeyOf(Blob(7), signpost),
      (DueKey{.first_peer = Peer(2), .lane = DueLane::kNew, .due = FromMs(100), .blob = Blob(7)}));
  signpost.failures = 1;
  signpost.next_attempt = FromMs(900);
  signpost.locations.clear();
  EXPECT_EQ(
      DueKeyOf(Blob(7), signpost),
      (DueKey{.first_peer = {}, .lane = DueLane::kRetry, .due = FromMs(900), .blob = Blob(7)}));
}

// ---- the table ----

TEST(DueTable, PutsFindsAndDeletesRows) {
  base::TempDir dir;
  auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok()) << index.status();
  const DueKey key = {.first_peer = Peer(1), .due = FromMs(5), .blob = Blob(2)};
  bool first = false;
  bool second = true;
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             EXPECT_FALSE(HasDueRow(txn, key));
                             PutDueRow(txn, key, FromMs(0x0102));
                             EXPECT_TRUE(HasDueRow(txn, key));
                             base::Cursor cursor(txn, base::Table::kDue);
                             EXPECT_TRUE(cursor.Seek({}));
                             EXPECT_EQ(ToHex(*cursor.payload()), "0000000000000102");
                             EXPECT_EQ(DecodeWantedSince(*cursor.payload()), FromMs(0x0102));
                             first = DeleteDueRow(txn, key);
                             second = DeleteDueRow(txn, key);
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  EXPECT_FALSE(DecodeWantedSince("1234567"));
}

TEST(DueTable, AVisitShowsAlsoRowsWhoseKeysDoNotParseAndGoesOnWhereItEnded) {
  base::TempDir dir;
  auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok()) << index.status();
  const DueKey first = {.first_peer = Peer(1), .due = FromMs(5), .blob = Blob(2)};
  const DueKey last = {.first_peer = Peer(2), .due = FromMs(5), .blob = Blob(2)};
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             PutDueRow(txn, first, FromMs(1));
                             PutDueRow(txn, last, FromMs(1));
                             txn.PutRaw(base::Table::kDue, EncodeDueKey(first) + "x", "damaged");
                             return absl::OkStatus();
                           })
                  .ok());
  std::vector<std::optional<DueKey>> seen;
  std::vector<std::string> stored;
  std::string from;
  for (bool more = true; more;) {
    const auto visit = [&](std::string_view row, const std::optional<DueKey>& key) {
      stored.emplace_back(row);
      seen.push_back(key);
    };
    ASSERT_TRUE((*index)
                    ->Read([&](base::ReadTxn& txn) {
                      const auto rest = VisitDueRows(txn, from, 2, visit);
                      more = rest.has_value();
                      from = rest.value_or("");
                    })
                    .ok());
  }
  EXPECT_EQ(seen, (std::vector<std::optional<DueKey>>{first, std::nullopt, last}));
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             EXPECT_TRUE(DeleteRawDueRow(txn, stored.at(1)));
                             EXPECT_FALSE(DeleteRawDueRow(txn, stored.at(1)));
                             EXPECT_TRUE(HasDueRow(txn, last));
                             return absl::OkStatus();
                           })
                  .ok());
}

}  // namespace
}  // namespace waypost::signpost
