#include "service/cli/shown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "service/cli/progress_line.h"

namespace waypost::service {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const base::WallTime kNow = *base::ParseTime("2026-11-29T12:00:00Z");

TEST(Ago, IsWhatPeopleSay) {
  const struct {
    const char *time, *said;
  } cases[] = {{"2026-11-29T12:00:00Z", "now"},
               {"2026-11-29T11:59:18Z", "42 s ago"},
               {"2026-11-29T11:57:00Z", "3 min ago"},
               {"2026-11-29T10:59:00Z", "1 h ago"},
               {"2026-11-28T11:00:00Z", "25 h ago"},
               {"2026-11-20T12:00:00Z", "9 d ago"},
               {"2026-11-29T12:05:30Z", "in 5 min"},
               {"", "never"},
               {"-", "never"}};
  for (const auto& c : cases) EXPECT_EQ(Ago(c.time, kNow), c.said) << c.time;
}

Json SomeStatus() {
  return Json{
      {"name", "nas of the whole family, with a name that does not end where it should"},
      {"peer", std::string(64, 'a')},
      {"version", "0.1.0"},
      {"uptime_ms", 192'000},
      {"mode", "normal"},
      {"addresses",
       {"192.168.178.20:7441", "[2001:db8::1234:5678:9abc:def0]:7441", "nas.example.org:7441"}},
      {"blobs", 12},
      {"bytes", 4096},
      {"refs", 14},
      {"wanted", 3},
      {"bytes_wanted", 312},
      {"wanted_states", {{"due", 0}, {"fetching", 1}, {"parked", 2}}},
      {"fetching",
       {{{"blob", std::string(64, 'b')},
         {"state", "fetching"},
         {"received", 1024},
         {"total", 2048}},
        {{"blob", std::string(64, 'c')}, {"state", "locating"}},
        {{"blob", std::string(64, 'd')}, {"state", "locating"}}}},
      {"pause", {{"reason", "operator"}, {"until", "2026-11-29T12:30:00Z"}}},
      {"scan",
       {{"last", {{"ended", "2026-11-29T11:57:00Z"}}},
        {"running", nullptr},
        {"next", "2026-11-29T12:20:00Z"}}},
      {"disk_free", uint64_t{1} << 30},
      {"disk_total", uint64_t{4} << 30},
      {"index_size", 1 << 20},
      {"bad_rows", 0},
      {"clock_behind", false},
      {"sandbox", "landlock 7, seccomp"}};
}

TEST(StatusLines, AreTwentyOfEightyColumnsWithNamesFirst) {
  Json groups = Json::array();
  for (int i = 0; i < 9; ++i) {
    groups.push_back({{"name", "photos " + std::to_string(i)},
                      {"role", "server"},
                      {"members", 3},
                      {"refs", 12},
                      {"wanted", i},
                      {"servers", i},
                      {"id", std::string(64, 'e')}});
  }
  const auto lines = StatusLines(SomeStatus(), groups, kNow);
  EXPECT_LE(lines.size(), 22u);
  for (const std::string& line : lines) {
    EXPECT_LE(Columns(line), 80u) << line;
    EXPECT_EQ(line.find("aaaaaaaaaaaaaaaa"), std::string::npos) << line;
  }
  EXPECT_THAT(lines, Contains("version     0.1.0, up 3 min"));
  EXPECT_THAT(lines, Contains("wanted      3 blobs (312 B): 1 fetching, 2 parked"));
  EXPECT_THAT(lines, Contains("fetching    bbbbbbbbbbbb  fetching  1.0 KiB of 2.0 KiB"));
  EXPECT_THAT(lines, Contains("paused      fetching, by operator, ends in 30 min"));
  EXPECT_THAT(lines, Contains("scan        ended 3 min ago; next in 20 min"));
  EXPECT_THAT(lines, Contains("disk        1.0 GiB free of 4.0 GiB"));
  EXPECT_THAT(
      lines,
      Contains("groups      photos 0  NO SERVER  server  3 members  12 refs  nothing wanted"));
  EXPECT_THAT(lines, Contains("            and 3 more: waypost group ls"));
  // Of a service that says less.
  EXPECT_THAT(StatusLines(Json::object(), Json::array(), kNow),
              Contains("scan        none since the start; next never"));
}

TEST(ReasonOf, SaysWhyInAFewWords) {
  EXPECT_EQ(ReasonOf({{"state", "parked"}, {"last_error", nullptr}}), "who has it is away");
  EXPECT_EQ(ReasonOf({{"state", "waiting"}, {"last_error", {{"message", "refused"}}}}), "refused");
  EXPECT_EQ(ReasonOf({{"state", "due"}}), "-");
  EXPECT_THAT(ReasonOf({{"state", "stopped"}, {"last_error", {{"message", "refused"}}}}),
              HasSubstr("retry"));
}

TEST(WhyDetail, SaysWhenAndHowOften) {
  EXPECT_EQ(WhyDetail({{"step", "next_attempt"},
                       {"attempts", "7"},
                       {"failures", "3"},
                       {"at", "2026-11-29T12:05:00Z"},
                       {"detail", "last error: refused"}},
                      kNow),
            "tried 7 times, 3 failed; next in 5 min; last error: refused");
  EXPECT_THAT(WhyDetail({{"step", "location"},
                         {"peer", std::string(64, 'a')},
                         {"detail", "it probably has it"},
                         {"last_seen", "2026-11-29T11:00:00Z"}},
                        kNow),
              HasSubstr(": it probably has it; seen 1 h ago"));
  EXPECT_EQ(WhyDetail({{"step", "role"}, {"detail", "as it is"}}, kNow), "as it is");
}

TEST(Fitted, CutsWhatIsTooLong) {
  const auto rows = Fitted({{"KEY", "STATE", "REASON"},
                            {std::string(100, 'k'), "parked", std::string(100, 'r')},
                            {"a", "due", "-"}},
                           26);
  EXPECT_EQ(rows[1][0], std::string(23, 'k') + "...");
  EXPECT_EQ(rows[1][2], std::string(80 - 26 - 2 - 6 - 2 - 3, 'r') + "...");
  EXPECT_EQ(rows[2][2], "-");
}

}  // namespace
}  // namespace waypost::service
