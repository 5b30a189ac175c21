#include "http/message/range.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

using RangeKind = RangeResult::Kind;

struct Case {
  const char* name;
  std::optional<std::string_view> header;
  uint64_t size;
  RangeKind kind;
  uint64_t offset;
  uint64_t length;
};

const Case kCases[] = {
    {"no header", std::nullopt, 100, RangeKind::kWhole, 0, 100},
    {"both ends", "bytes=0-9", 100, RangeKind::kPart, 0, 10},
    {"one byte", "bytes=99-99", 100, RangeKind::kPart, 99, 1},
    {"open end", "bytes=40-", 100, RangeKind::kPart, 40, 60},
    {"end beyond the blob is cut", "bytes=90-5000", 100, RangeKind::kPart, 90, 10},
    {"suffix", "bytes=-30", 100, RangeKind::kPart, 70, 30},
    {"suffix longer than the blob", "bytes=-300", 100, RangeKind::kPart, 0, 100},
    {"suffix of nothing", "bytes=-0", 100, RangeKind::kUnsatisfiable, 0, 0},
    {"start at the end", "bytes=100-", 100, RangeKind::kUnsatisfiable, 0, 0},
    {"start far beyond", "bytes=4000-9999", 100, RangeKind::kUnsatisfiable, 0, 0},
    {"empty blob", "bytes=0-", 0, RangeKind::kUnsatisfiable, 0, 0},
    {"empty blob, suffix", "bytes=-5", 0, RangeKind::kWhole, 0, 0},
    {"empty blob, suffix of nothing", "bytes=-0", 0, RangeKind::kUnsatisfiable, 0, 0},
    {"two ranges", "bytes=0-1,5-6", 100, RangeKind::kMultiple, 0, 0},
    {"backwards is ignored", "bytes=9-1", 100, RangeKind::kWhole, 0, 100},
    {"another unit is ignored", "lines=0-1", 100, RangeKind::kWhole, 0, 100},
    {"no number is ignored", "bytes=a-b", 100, RangeKind::kWhole, 0, 100},
    {"no dash is ignored", "bytes=5", 100, RangeKind::kWhole, 0, 100},
    {"a lone dash is ignored", "bytes=-", 100, RangeKind::kWhole, 0, 100},
    {"a sign is ignored", "bytes=+1-2", 100, RangeKind::kWhole, 0, 100},
    {"more than 64 bits is ignored", "bytes=0-99999999999999999999", 100, RangeKind::kWhole, 0,
     100},
    {"unit in capitals, spaces", " Bytes= 1 - 2 ", 100, RangeKind::kPart, 1, 2},
    {"largest numbers", "bytes=0-18446744073709551615", UINT64_MAX, RangeKind::kPart, 0,
     UINT64_MAX},
};

TEST(RangeTest, FollowsTheTable) {
  for (const Case& c : kCases) {
    const RangeResult result = ParseRange(c.header, c.size);
    EXPECT_EQ(result.kind, c.kind) << c.name;
    if (c.kind == RangeKind::kPart || c.kind == RangeKind::kWhole) {
      EXPECT_EQ(result.offset, c.offset) << c.name;
      EXPECT_EQ(result.length, c.length) << c.name;
    }
  }
}

TEST(RangeTest, ContentRangeComesBackAsItWent) {
  EXPECT_EQ(ContentRange(10, 5, 100), "bytes 10-14/100");
  EXPECT_EQ(ContentRangeUnsatisfied(7), "bytes */7");
  const auto parts = ParseContentRange("bytes 10-14/100");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->offset, 10u);
  EXPECT_EQ(parts->length, 5u);
  EXPECT_EQ(parts->size, 100u);
}

TEST(RangeTest, MalformedContentRangesAreRefused) {
  for (const char* text :
       {"", "bytes", "bytes */7", "bytes 5-4/100", "bytes 0-100/100", "bytes 1-2/*", "bytes -2/5",
        "items 0-1/5", "bytes 0-1/5 ", "bytes 0-1"}) {
    EXPECT_FALSE(ParseContentRange(text)) << text;
  }
}

TEST(RangeTest, EntityTagsMatchInListsAndWeakly) {
  EXPECT_TRUE(MatchesEtag("\"abc\"", "\"abc\""));
  EXPECT_TRUE(MatchesEtag("\"x\" , W/\"abc\"", "\"abc\""));
  EXPECT_TRUE(MatchesEtag("*", "\"abc\""));
  EXPECT_FALSE(MatchesEtag("\"abcd\"", "\"abc\""));
  EXPECT_FALSE(MatchesEtag("abc", "\"abc\""));
  EXPECT_FALSE(MatchesEtag("", "\"abc\""));
}

}  // namespace
}  // namespace waypost::http
