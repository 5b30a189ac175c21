#include "base/units.h"

#include <gtest/gtest.h>

namespace waypost::base {
namespace {

TEST(UnitsTest, DurationsReadAndWriteInTheLargestWholeUnit) {
  struct Case {
    const char* text;
    int64_t ms;
    const char* written;
  };
  for (const Case& c :
       {Case{"0", 0, "0s"}, Case{"0s", 0, "0s"}, Case{"250ms", 250, "250ms"},
        Case{"10s", 10'000, "10s"}, Case{"60s", 60'000, "1m"}, Case{"90s", 90'000, "90s"},
        Case{"1.5h", 5'400'000, "90m"}, Case{"720h", 2'592'000'000, "720h"},
        Case{"0.25s", 250, "250ms"}, Case{"90d", 7'776'000'000, "2160h"},
        Case{"1w", 604'800'000, "168h"}, Case{"878400h", 3'162'240'000'000, "878400h"}}) {
    const auto parsed = ParseDuration(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text << ": " << parsed.status();
    EXPECT_EQ(parsed->count(), c.ms) << c.text;
    EXPECT_EQ(FormatDuration(*parsed), c.written) << c.text;
  }
}

TEST(UnitsTest, WhatIsNoDurationIsRefusedWithTheUnits) {
  for (const char* text : {"", "10", "s", "-1s", "1 s", "1S", "1y", "1..5s", ".5s", "5.s", "1e3s",
                           "10sx", "0.5ms", "878401h", "99999999999999999999h", "nan", "inf"}) {
    const auto parsed = ParseDuration(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(std::string(parsed.status().message()).find("ms, s, m or h"), std::string::npos)
        << text;
  }
}

TEST(UnitsTest, SizesReadAndWriteInTheLargestWholeUnit) {
  struct Case {
    const char* text;
    uint64_t bytes;
    const char* written;
  };
  for (const Case& c :
       {Case{"0", 0, "0"}, Case{"4096", 4096, "4KiB"}, Case{"1000B", 1000, "1000B"},
        Case{"16KiB", 16 << 10, "16KiB"}, Case{"1.5GiB", uint64_t{3} << 29, "1536MiB"},
        Case{"64GiB", uint64_t{64} << 30, "64GiB"}, Case{"1KB", 1000, "1000B"},
        Case{"1.024KB", 1024, "1KiB"}, Case{"20MB", 20'000'000, "20000000B"},
        Case{"2GB", 2'000'000'000, "1953125KiB"}, Case{"1TB", 1'000'000'000'000, "976562500KiB"},
        Case{"1024GiB", uint64_t{1} << 40, "1TiB"}}) {
    const auto parsed = ParseSize(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text << ": " << parsed.status();
    EXPECT_EQ(*parsed, c.bytes) << c.text;
    EXPECT_EQ(FormatSize(*parsed), c.written) << c.text;
  }
}

TEST(UnitsTest, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "KiB", "-1", "1kB", "1kib", "1K", "1M", "1 KiB", "0.5B", "99999TiB9",
                           "1e9", "0x10", "100000000TiB"}) {
    EXPECT_EQ(ParseSize(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(UnitsTest, PercentagesAreWholeAndUnderAHundred) {
  EXPECT_EQ(*ParsePercent("0%"), 0u);
  EXPECT_EQ(*ParsePercent("5%"), 5u);
  EXPECT_EQ(*ParsePercent("99%"), 99u);
  for (const char* text : {"", "%", "5", "100%", "-1%", "5.5%", "5 %", "%5", "4294967297%"}) {
    EXPECT_EQ(ParsePercent(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(UnitsTest, PeopleReadSizesAndDurationsWithOneDecimal) {
  EXPECT_EQ(HumanSize(312), "312 B");
  EXPECT_EQ(HumanSize(1536), "1.5 KiB");
  EXPECT_EQ(HumanSize(uint64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(HumanDuration(Millis(12)), "12 ms");
  EXPECT_EQ(HumanDuration(Millis(3210)), "3.2 s");
  EXPECT_EQ(HumanDuration(Millis(312'000)), "5 min 12 s");
  EXPECT_EQ(HumanDuration(Millis(7'260'000)), "2 h 1 min");
}

}  // namespace
}  // namespace waypost::base
