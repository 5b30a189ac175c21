#include "service/cli/shown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_join.h"
#include "base/harmless.h"
#include "service/cli/progress_line.h"

namespace waypost::service {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
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

Json SomeGroups(int count) {
  Json groups = Json::array();
  for (int i = 0; i < count; ++i) {
    groups.push_back({{"name", "photos " + std::to_string(i)},
                      {"role", "server"},
                      {"removed", nullptr},
                      {"members", 3},
                      {"refs", 12},
                      {"wanted", i},
                      {"servers", i % 7},
                      {"id", std::string(63, 'e') + std::to_string(i)}});
  }
  return groups;
}

TEST(StatusLines, AreTwentyOfEightyColumnsWithNamesFirst) {
  const auto lines = StatusLines(SomeStatus(), SomeGroups(9), kNow);
  EXPECT_LE(lines.size(), 20u);
  for (const std::string& line : lines) {
    EXPECT_LE(Columns(line), 80u) << line;
    EXPECT_EQ(line.find("aaaaaaaaaaaaaaaa"), std::string::npos) << line;
  }
  EXPECT_THAT(lines, Contains("version     0.1.0, up 3 min"));
  EXPECT_THAT(lines, Contains("blobs       12 (4.0 KiB), 14 references"));
  EXPECT_THAT(lines, Contains("wanted      3 blobs (312 B): 1 fetching, 2 parked"));
  EXPECT_THAT(lines, Contains("fetching    bbbbbbbbbbbb  fetching  1.0 KiB of 2.0 KiB"));
  EXPECT_THAT(lines, Contains("paused      fetching, by operator, ends in 30 min"));
  EXPECT_THAT(lines, Contains("scan        ended 3 min ago; next in 20 min"));
  EXPECT_THAT(lines, Contains("disk        1.0 GiB free of 4.0 GiB"));
  EXPECT_THAT(
      lines,
      Contains("groups      photos 0  NO SERVER  server  3 members  12 refs  nothing wanted"));
  // Those without a server come first.
  EXPECT_THAT(lines,
              Contains("            photos 7  NO SERVER  server  3 members  12 refs  7 wanted"));
  EXPECT_THAT(lines, Contains("            and 4 more groups: waypost group ls"));
  EXPECT_EQ(lines.size(), 20u);
  // Of a service that says less.
  EXPECT_THAT(StatusLines(Json::object(), Json::array(), kNow),
              Contains("scan        none since the start; next never"));
}

TEST(StatusLines, AreTwentyWithEverythingThereIsToSay) {
  Json status = SomeStatus();
  const std::string id = std::string(63, 'e') + "1";
  status["bad_rows"] = 3;
  status["clock"] = {
      "this clock is ahead of the clocks of most members by 26 h 10 min: set it; they "
      "do not take what is written here",
      "others take from 2026-11-29T12:50:00.000Z on, in 50 min 0 s, what this peer "
      "wrote ahead of time in group " +
          id + ", and all that it writes there",
      "one more", "and another"};
  status["groups_without_server"] = {{{"name", "photos 0"}}, {{"name", "photos 7"}}};
  status["pause"]["detail"] = std::string(200, 'p');
  status["name"] = "a\xe2\x80\xae" + std::string(100, 'n');
  for (const int groups : {0, 1, 2, 3, 1000}) {
    Json list = SomeGroups(groups);
    for (Json& group : list) group["name"] = "\xe2\x80\xae" + std::string(190, 'g');
    const auto lines = StatusLines(status, list, kNow);
    EXPECT_LE(lines.size(), 20u) << groups;
    for (const std::string& line : lines) EXPECT_LE(Columns(base::Harmless(line)), 80u) << line;
    const std::string all = absl::StrJoin(lines, "\n");
    for (const char* what : {"rows set aside: 3", "by 26 h 10 min", "from 2026-11-29T12:50:00.000Z",
                             "landlock", "paused", "and 1 more"}) {
      EXPECT_THAT(all, HasSubstr(what)) << groups;
    }
    EXPECT_EQ(all.find("no server"), std::string::npos);
    Json copied = status;
    copied["second_copy"] = "a second copy of this data folder runs: " + std::string(500, 'c');
    const auto with_copy = StatusLines(copied, list, kNow);
    EXPECT_LE(with_copy.size(), 20u) << groups;
    EXPECT_THAT(absl::StrJoin(with_copy, "\n"),
                AllOf(HasSubstr("copied      a second copy"), HasSubstr("by 26 h 10 min")));
    if (groups == 1000) {
      EXPECT_THAT(all, HasSubstr("and 999 more groups"));
    }
  }
  // By how much, when and where, whole.
  status["clock"].erase(3);
  status["clock"].erase(2);
  status["clock"].erase(0);
  const auto lines = StatusLines(status, SomeGroups(3), kNow);
  EXPECT_THAT(lines, Contains("clock       others take from 2026-11-29T12:50:00.000Z on, in 50 min "
                              "0 s, what"));
  EXPECT_THAT(lines, Contains("            this peer wrote ahead of time in group \"photos 1\", "
                              "and all that it"));
}

TEST(StatusLines, SayWhereThisPeerWasRemoved) {
  Json groups = SomeGroups(2);
  groups[1]["removed"] = {{"by", std::string(64, 'a')}, {"at", "2026-11-29T11:57:00.000Z"}};
  const auto lines = StatusLines(SomeStatus(), groups, kNow);
  EXPECT_THAT(lines, Contains("            photos 1  removed  3 members  12 refs  1 wanted"));
}

TEST(StatusLines, SayThatASecondCopyOfTheFolderRuns) {
  Json status = SomeStatus();
  status["second_copy"] =
      "a second copy of this data folder runs: it wrote as this peer in group " +
      std::string(63, 'e') +
      "1, at 2026-11-29T11:58:00.000Z. Stop one of the two and delete its folder";
  const auto lines = StatusLines(status, SomeGroups(2), kNow);
  EXPECT_THAT(lines,
              Contains("copied      a second copy of this data folder runs: it wrote as this "
                       "peer in"));
  EXPECT_THAT(lines,
              Contains("            group \"photos 1\", at 2026-11-29T11:58:00.000Z. Stop one "
                       "of the two"));
  EXPECT_THAT(lines, Contains("            and delete its folder"));
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

TEST(WhyDetail, IsWholeWhereThatIsAskedFor) {
  EXPECT_EQ(WhyDetail({{"step", "location"},
                       {"peer", std::string(64, 'a')},
                       {"detail", "it has it"},
                       {"last_seen", "2026-11-29T11:00:00.000Z"}},
                      kNow, /*whole=*/true),
            std::string(64, 'a') + ": it has it; seen 2026-11-29T11:00:00.000Z");
}

TEST(Fitted, CutsWhatIsTooLong) {
  const std::vector<std::vector<std::string>> wide = {
      {"KEY", "STATE", "REASON"},
      {std::string(100, 'k'), "parked", std::string(100, 'r')},
      {"a", "due", "-"}};
  auto rows = Fitted(wide, {26});
  EXPECT_EQ(rows[1][0], std::string(23, 'k') + "...");
  EXPECT_EQ(rows[1][2], std::string(80 - 26 - 2 - 6 - 2 - 3, 'r') + "...");
  EXPECT_EQ(rows[2][2], "-");
  // The first gets what the others leave.
  rows = Fitted({{std::string(100, 'k'), "parked"}}, {26});
  EXPECT_EQ(rows[0][0], std::string(80 - 6 - 2 - 3, 'k') + "...");
  // Later ones are cut only where the line is too wide.
  rows = Fitted({{"k", std::string(30, 's'), "r"}}, {26, 9});
  EXPECT_EQ(rows[0][1], std::string(30, 's'));
  rows = Fitted({{"k", std::string(90, 's'), "r"}}, {26, 9});
  EXPECT_EQ(rows[0][1], "ssssss...");
  EXPECT_EQ(rows[0][2], "r");
}

TEST(Wrapped, BreaksBetweenWordsWhereItCan) {
  EXPECT_THAT(Wrapped("", 10), ElementsAre(""));
  EXPECT_THAT(Wrapped("one two  three four", 9), ElementsAre("one two", "three", "four"));
  EXPECT_THAT(Wrapped("a " + std::string(12, 'x') + " b", 5),
              ElementsAre("a", "xxxxx", "xxxxx", "xx b"));
  EXPECT_THAT(Wrapped("\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99", 5),
              ElementsAre("\xe5\x86\x99\xe7\x9c\x9f", "\xe5\x86\x99"));
  EXPECT_THAT(Wrapped("a\nb", 5), ElementsAre("a\\nb"));
}

}  // namespace
}  // namespace waypost::service
