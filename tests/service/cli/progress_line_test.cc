#include "service/cli/progress_line.h"

#include <gtest/gtest.h>

#include <string>

namespace waypost::service {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  const ProgressFacts facts{.label = "get 2026/a.jpg",
                            .done = 12 * kMiB,
                            .total = 40 * kMiB,
                            .rate = 4.0 * kMiB,
                            .detail = "fetching from k7qf-2x4a"};
  const struct {
    std::size_t columns;
    std::string line;
  } cases[] = {
      {120,
       "get 2026/a.jpg [#########.....................] 12.0 MiB of 40.0 MiB, 4.0 MiB/s, 8 s left, "
       "fetching from k7qf-2x4a"},
      {100, "get 2026/a.jpg 12.0 MiB of 40.0 MiB, 4.0 MiB/s, 8 s left, fetching from k7qf-2x4a"},
      {72, "get 2026/a.jpg 12.0 MiB of 40.0 MiB, 4.0 MiB/s, 8 s left, fetching fr..."},
      {60, "get 2026/a.jpg 12.0 MiB of 40.0 MiB, 4.0 MiB/s, 8 s left"},
      {20, "get 2026/a.jpg 12..."},
      {2, ".."},
      {0, ""},
  };
  for (const auto& c : cases) EXPECT_EQ(ProgressLine(facts, c.columns), c.line) << c.columns;
  for (std::size_t columns = 0; columns < 130; ++columns) {
    ProgressFacts wide = facts;
    wide.label = "get \xe5\x86\x99\xe7\x9c\x9f.jpg";
    wide.detail = "\xc3\xa4\xc3\xb6\xc3\xbc \xf0\x9f\x93\xb7\xf0\x9f\x93\xb7";
    EXPECT_LE(Columns(ProgressLine(wide, columns)), columns);
  }
}

TEST(Columns, CountCharactersWhateverBytesTheyHave) {
  struct Case {
    const char* name;
    std::string text;
    std::size_t columns;
    std::string cut;  // to five
  };
  const Case cases[] = {
      {"letters", "abcdef", 6, "ab..."},
      {"umlauts", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", 6, "\xc3\xa4\xc3\xb6..."},
      {"wide ones", "\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99", 6, "\xe5\x86\x99..."},
      {"a wide one that does not fit", "a\xe5\x86\x99\xe7\x9c\x9f\xe7\x9c\x9f", 7, "a..."},
      {"pictures", "\xf0\x9f\x93\xb7\xf0\x9f\x93\xb7\xf0\x9f\x93\xb7", 6, "\xf0\x9f\x93\xb7..."},
      // What is no character is a byte, which stands for itself.
      {"no UTF-8",
       "\x80\xff\xe5\x86"
       "abc",
       7, "\x80\xff..."},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Columns(c.text), c.columns) << c.name;
    EXPECT_EQ(CutToColumns(c.text, 5), c.cut) << c.name;
    EXPECT_EQ(CutToColumns(c.text, c.columns), c.text) << c.name;
  }
}

TEST(ProgressLine, SaysOnlyWhatIsKnown) {
  EXPECT_EQ(ProgressLine({.label = "scan", .detail = "rows so far 7"}, 79), "scan rows so far 7");
  EXPECT_EQ(ProgressLine({.label = "put", .done = 312, .rate = 100.0}, 79), "put 312 B, 100 B/s");
  EXPECT_EQ(ProgressLine({.label = "held",
                          .done = 30,
                          .total = 40,
                          .rate = 0.5,
                          .detail = "10 not there yet",
                          .unit = "blobs"},
                         79),
            "held 30 of 40 blobs, 0.5/s, 21 s left, 10 not there yet");
  // Nothing moves: no time is promised.
  EXPECT_EQ(ProgressLine({.label = "get", .done = 1, .total = 2, .rate = 0.0}, 200),
            "get [###############...............] 1 B of 2 B, 0 B/s");
  EXPECT_EQ(ProgressLine({.label = "x", .done = 0, .total = 7200 * kMiB, .rate = 1.0 * kMiB}, 60),
            "x 0 B of 7.0 GiB, 1.0 MiB/s, 2 h 0 min left");
}

TEST(RateMeter, FollowsTheLastSecondsAndBeginsAnewWithNewBytes) {
  RateMeter meter;
  base::SteadyTime now{};
  EXPECT_EQ(meter.rate(), std::nullopt);
  for (int i = 0; i <= 20; ++i, now += base::Millis(500)) meter.Add(now, 500 * i);
  EXPECT_NEAR(*meter.rate(), 1000, 1);
  for (int i = 1; i <= 20; ++i, now += base::Millis(500)) meter.Add(now, 10'000 + 2'000 * i);
  EXPECT_NEAR(*meter.rate(), 4000, 1);
  // It stalls.
  for (int i = 0; i < 20; ++i, now += base::Millis(500)) meter.Add(now, 50'000);
  EXPECT_EQ(*meter.rate(), 0);
  meter.Add(now, 10);
  EXPECT_EQ(meter.rate(), std::nullopt);
}

}  // namespace
}  // namespace waypost::service
