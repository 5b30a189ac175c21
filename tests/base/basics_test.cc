// Ids, keys, times, random numbers, statuses, threads: the small things.

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"
#include "base/key_codec.h"
#include "base/random.h"
#include "base/status.h"
#include "base/tables.h"
#include "base/thread.h"
#include "tests/fakes/no_further_thread.h"

namespace waypost::base {
namespace {

TEST(Hex, GoesBothWays) {
  EXPECT_EQ(ToHex(std::string("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(FromHex("007fff"), std::string("\x00\x7f\xff", 3));
  EXPECT_EQ(FromHex(""), "");
  for (const char* const bad : {"0", "0G", "AA", " 0", "0x00"}) {
    EXPECT_EQ(FromHex(bad), std::nullopt) << bad;
  }
}

TEST(Ids, AcceptOnlyTheirOwnLength) {
  const std::string hex(64, 'a');
  ASSERT_TRUE(PeerId::FromHex(hex).has_value());
  EXPECT_EQ(PeerId::FromHex(hex)->ToHex(), hex);
  EXPECT_FALSE(PeerId::FromHex(hex + "aa").has_value());
  EXPECT_FALSE(PeerId::FromHex(hex.substr(2)).has_value());
  EXPECT_FALSE(PeerId::FromHex(std::string(64, 'A')).has_value());
  EXPECT_TRUE(PeerId().IsZero());
  EXPECT_FALSE(PeerId::FromHex(hex)->IsZero());
}

TEST(Ids, OrderIsThatOfTheirBytes) {
  const auto low = *BlobId::FromHex(std::string(64, '7'));
  const auto high = *BlobId::FromHex(std::string(64, 'f'));
  EXPECT_LT(low, high);
  EXPECT_LT(low.bytes(), high.bytes());
}

TEST(Ids, BlobIdsMayComeWithTheirAlgorithm) {
  const std::string hex(64, 'b');
  EXPECT_EQ(ParseBlobId(hex)->ToHex(), hex);
  EXPECT_EQ(ParseBlobId("sha256:" + hex)->ToHex(), hex);
  const std::vector<std::string> refused = {"sha512:" + hex, "sha256:", "sha256:sha256:" + hex,
                                            hex + "\n", " " + hex};
  for (const std::string& bad : refused) {
    EXPECT_FALSE(ParseBlobId(bad).has_value()) << bad;
  }
}

TEST(KeyCodec, ByteOrderIsNumericOrder) {
  const std::vector<uint64_t> numbers = {0,         1, 255, 256, 65535, 1u << 31, uint64_t{1} << 63,
                                         UINT64_MAX};
  std::string before;
  for (const uint64_t number : numbers) {
    std::string key;
    AppendU64(key, number);
    EXPECT_EQ(key.size(), 8u);
    EXPECT_EQ(ReadU64(key), number);
    EXPECT_LT(before, key);
    before = key;
  }
  std::string golden;
  AppendU64(golden, 0x0102030405060708);
  EXPECT_EQ(golden, "\x01\x02\x03\x04\x05\x06\x07\x08");
}

TEST(Tables, HaveNamesThatNeverChange) {
  std::string names;
  for (std::size_t i = 0; i < kTableCount; ++i) {
    names += std::string(TableName(static_cast<Table>(i))) + " ";
  }
  EXPECT_EQ(names,
            "blobs inline signposts due peers groups members refs log knowledge cursors counts "
            "invites meta settings bad_rows tokens audit lost ");
}

struct TimeCase {
  const char* text;
  int64_t ms;
};

TEST(Time, IsWrittenAsRfc3339) {
  for (const TimeCase& c : {TimeCase{"1970-01-01T00:00:00.000Z", 0},
                            TimeCase{"2026-01-02T03:04:05.678Z", 1767323045678},
                            TimeCase{"1969-12-31T23:59:59.999Z", -1},
                            TimeCase{"2024-02-29T12:00:00.000Z", 1709208000000},
                            TimeCase{"9999-12-31T23:59:59.999Z", 253402300799999}}) {
    EXPECT_EQ(FormatTime(FromMs(c.ms)), c.text);
    EXPECT_EQ(ParseTime(c.text), FromMs(c.ms)) << c.text;
  }
  EXPECT_EQ(FormatTime(FromMs(std::numeric_limits<int64_t>::max())), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatTime(FromMs(std::numeric_limits<int64_t>::min())), "0000-01-01T00:00:00.000Z");
}

TEST(Time, IsReadInEveryFormRfc3339Allows) {
  const WallTime expected = FromMs(1767323045000);
  for (const char* const text :
       {"2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02T04:04:05+01:00",
        "2026-01-01T22:34:05-04:30", "2026-01-02T03:04:05.0000009Z"}) {
    EXPECT_EQ(ParseTime(text), expected) << text;
  }
  EXPECT_EQ(ParseTime("2026-01-02T03:04:05.5Z"), expected + Millis(500));
  EXPECT_EQ(ParseTime("2016-12-31T23:59:60Z"), ParseTime("2017-01-01T00:00:00Z"));
}

TEST(Time, WhatIsNoTimeIsRefused) {
  for (const char* const text :
       {"", "now", "infinite-future", "2026-01-02", "2026-01-02T03:04:05", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Z ",
        " 2026-01-02T03:04:05Z", "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05+24:00",
        "26-01-02T03:04:05Z", "+026-01-02T03:04:05Z"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
}

// Says the same each time.
class ConstantRandom final : public Random {
 public:
  explicit ConstantRandom(uint64_t value) : value_(value) {}
  uint64_t Next() override { return value_; }

 private:
  const uint64_t value_;
};

TEST(Random, StaysWithinItsBounds) {
  ConstantRandom low(0);
  ConstantRandom high(UINT64_MAX);
  EXPECT_EQ(low.Unit(), 0.0);
  EXPECT_LT(high.Unit(), 1.0);
  EXPECT_GT(high.Unit(), 0.999999);
}

TEST(Random, CoversItsRangeEvenly) {
  SeededRandom random(1);
  std::map<int, int> counts;
  for (int i = 0; i < 10000; ++i) ++counts[static_cast<int>(random.Unit() * 10)];
  ASSERT_EQ(counts.size(), 10u);
  for (const auto& count : counts) {
    EXPECT_GT(count.second, 850) << count.first;
    EXPECT_LT(count.second, 1150) << count.first;
  }
}

TEST(Random, ASeedGivesTheSameAgainAndTheSystemDoesNot) {
  SeededRandom a(7), b(7), c(8);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
  SystemRandom system;
  EXPECT_NE(system.Next(), system.Next());
}

TEST(Random, BytesAreAsManyAsWereAskedForAndAllOfThemDrawn) {
  SeededRandom a(7), b(7);
  EXPECT_EQ(a.Bytes(0), "");
  EXPECT_EQ(a.Bytes(5).size(), 5u);
  b.Next();
  const std::string drawn = a.Bytes(19);
  EXPECT_EQ(drawn, b.Bytes(19));
  EXPECT_NE(drawn.substr(0, 8), drawn.substr(8, 8));
  EXPECT_NE(drawn.substr(16), std::string(3, '\0'));
}

TEST(Status, ContextComesBeforeTheMessageAndMarksStay) {
  const absl::Status status = Annotate(NoSpaceError("full"), "storing");
  EXPECT_EQ(status.message(), "storing: full");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(IsNoSpace(status));
  EXPECT_FALSE(IsDigestMismatch(status));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "storing").ok());
  EXPECT_TRUE(IsDigestMismatch(Annotate(DigestMismatchError("no"), "x")));
  EXPECT_FALSE(IsNoSpace(absl::ResourceExhaustedError("a full queue is no full disk")));
  EXPECT_FALSE(IsNoSpace(absl::OkStatus()));
  EXPECT_EQ(
      RetryAfterOf(Annotate(WithRetryAfter(absl::UnavailableError("later"), Millis(1500)), "x")),
      Millis(1500));
  EXPECT_EQ(RetryAfterOf(absl::UnavailableError("later")), std::nullopt);
}

TEST(Status, ErrnoFindsItsCode) {
  EXPECT_TRUE(IsNoSpace(ErrnoStatus(ENOSPC, "a")));
  EXPECT_TRUE(IsNoSpace(ErrnoStatus(EDQUOT, "a")));
  EXPECT_TRUE(absl::IsNotFound(ErrnoStatus(ENOENT, "a")));
  EXPECT_TRUE(absl::IsAlreadyExists(ErrnoStatus(EEXIST, "a")));
  EXPECT_EQ(ErrnoStatus(EIO, "reading /x"), absl::InternalError("reading /x: Input/output error"));
}

TEST(Thread, HasItsNameAndEndsWhenJoined) {
  std::string name(16, '\0');
  bool ran = false;
  Thread thread;
  EXPECT_FALSE(thread.joinable());
  thread.Join();
  thread = Thread("fifteen-letters", [&] {
    ran = true;
    pthread_getname_np(pthread_self(), name.data(), name.size());
  });
  EXPECT_TRUE(thread.joinable());
  thread.Join();
  thread.Join();
  EXPECT_TRUE(ran);
  EXPECT_STREQ(name.c_str(), "fifteen-letters");
}

TEST(NetworkOf, CountsIpv6BySlash64AndIpv4ByItself) {
  EXPECT_EQ(NetworkOf("2001:db8::1"), NetworkOf("2001:db8::ffff:2"));
  EXPECT_NE(NetworkOf("2001:db8::1"), NetworkOf("2001:db8:0:1::1"));
  EXPECT_NE(NetworkOf("192.0.2.1"), NetworkOf("192.0.2.2"));
  EXPECT_EQ(NetworkOf("192.0.2.1"), NetworkOf("::ffff:192.0.2.1"));
  EXPECT_NE(NetworkOf("::ffff:192.0.2.1"), NetworkOf("::ffff:192.0.2.2"));
  EXPECT_EQ(NetworkOf("name"), "name");
}

TEST(ThreadDeathTest, WhereTheSystemGivesNoneItIsSaid) {
  const NoFurtherThread none;
  const auto started = Thread::Start("spare", [] {});
  EXPECT_TRUE(absl::IsUnavailable(started.status())) << started.status();
  EXPECT_NE(started.status().message().find("TasksMax"), std::string::npos);
  EXPECT_EXIT(Thread("needed", [] {}), ::testing::ExitedWithCode(1), "no further thread");
}

}  // namespace
}  // namespace waypost::base
