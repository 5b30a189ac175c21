#include "service/cli/lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/harmless.h"
#include "base/short_id.h"
#include "service/cli/progress_line.h"

namespace waypost::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

const base::WallTime kToday = *base::ParseTime("2026-11-29T12:00:00Z");
const std::string kGroup(64, 'e'), kPeer(64, 'a'), kBlob(64, 'b');
constexpr char kThen[] = "2026-11-29T11:57:00.000Z", kLater[] = "2026-11-30T11:30:00.000Z";

ListLook ShortLook(const std::string& group_name = "photos") {
  return {.now = kToday, .groups = {{kGroup, group_name}}};
}
ListLook LongLook() { return {.whole = true, .now = kToday, .groups = {{kGroup, "photos"}}}; }

Json AGroup(const std::string& name) {
  return {{"id", kGroup},      {"name", name},
          {"role", "server"},  {"removed", nullptr},
          {"members", 3},      {"servers", 1},
          {"refs", 5'000'000}, {"wanted", 5'000'000},
          {"blobs", 12},       {"bytes", 1'000'000'000'000}};
}
Json AMember(const std::string& name, bool ahead, const Json& error) {
  return {{"peer", kPeer},  {"name", name},       {"role", "normal"},     {"authority", "reader"},
          {"online", true}, {"last_sync", kThen}, {"clock_ahead", ahead}, {"last_error", error}};
}
Json AnInvite() {
  return {{"id", std::string(32, 'f')},
          {"role", "server"},
          {"authority", "writer"},
          {"uses_left", 1000},
          {"expires", kLater}};
}
Json AToken(const std::string& name, const Json& groups) {
  return {{"name", name},
          {"rights", "admin"},
          {"groups", groups},
          {"expires", nullptr},
          {"created", kThen}};
}
Json AnAct(const Json& by, const std::string& what) {
  return {
      {"time", kThen}, {"by", by}, {"act", "group.settings"}, {"group", kGroup}, {"what", what}};
}
Json ALink(const std::string& key, const std::string& by) {
  return {{"id", std::string(16, '7')},
          {"key", key},
          {"group", kGroup},
          {"expires", kLater},
          {"by", by}};
}
Json APeer(const std::string& name) {
  return {{"name", name},
          {"peer", kPeer},
          {"online", false},
          {"last_seen", kThen},
          {"addresses", {"[2001:db8::1234:5678:9abc:def0]:7441", "nas.example.org:7441"}}};
}
Json ARef(const std::string& key) { return {{"key", key}, {"blob", kBlob}}; }
Json AnEvent(const std::string& text) {
  return {{"id", "boot-7"},  {"at", kThen},     {"kind", "peer.offline"}, {"count", 12},
          {"key", text},     {"group", kGroup}, {"blob", kBlob},          {"peer", kPeer},
          {"message", text}, {"until", kLater}};
}

// As PrintTable sets it.
std::vector<std::string> Lines(const Rows& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    if (row.size() == 1) continue;
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Columns(base::Harmless(row[i])));
    }
  }
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = base::Harmless(row[i]);
      line += cell;
      if (i + 1 < row.size()) line.append(widths[i] - Columns(cell) + 2, ' ');
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

TEST(Lists, AreEightyColumnsWideWhateverOthersCallThemselves) {
  const std::string names[] = {
      "nas",
      std::string(200, 'n'),
      std::string(66, '\xe5') + "no UTF-8",
      "\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c"
      "\x9f"
      "\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c\x9f\xe5\x86\x99\xe7\x9c"
      "\x9f",
      "turned \xe2\x80\xae\xe2\x80\xae\xe2\x80\xae\xe2\x80\xae\xe2\x80\xae\xe2\x80\xae\xe2\x80\xae",
      "of many words that say little and go on and on until nobody reads them any more at all"};
  const struct {
    const char* name;
    std::function<Rows(const std::string& text)> rows;
  } lists[] = {
      {"group list",
       [](const auto& t) {
         return GroupRows(Json::array({AGroup(t), AGroup("b")}), ShortLook(t));
       }},
      {"group members",
       [](const auto& t) {
         return MemberRows(Json::array({AMember(t, true, t), AMember("b", false, nullptr)}),
                           ShortLook(t));
       }},
      {"group invites",
       [](const auto& t) { return InviteRows(Json::array({AnInvite()}), ShortLook(t)); }},
      {"token ls",
       [](const auto& t) {
         return TokenRows(Json::array({AToken(t, {kGroup, kGroup}), AToken("b", nullptr)}),
                          ShortLook(t));
       }},
      {"audit",
       [](const auto& t) {
         return AuditRows(Json::array({AnAct({{"token", t}}, t), AnAct({{"peer", kPeer}}, "b")}),
                          ShortLook(t));
       }},
      {"link ls",
       [](const auto& t) {
         return LinkRows(Json::array({ALink(t, t), ALink("b", "c")}), ShortLook(t));
       }},
      {"peers",
       [](const auto& t) {
         return PeerRows(Json::array({APeer(t), APeer("b")}), ShortLook(t));
       }},
      {"ref ls",
       [](const auto& t) {
         return RefRows(Json::array({ARef(t), ARef("b")}), ShortLook(t));
       }},
      {"why",
       [](const auto& t) {
         return WhyRows({{"mentioned", "yes", t}, {"", "", t + t}, {"next_attempt", "at", t}},
                        ShortLook(t));
       }},
      {"events", [](const auto& t) { return Rows{{EventLine(AnEvent(t), ShortLook(t))}}; }},
  };
  for (const auto& list : lists) {
    for (const std::string& name : names) {
      const auto lines = Lines(list.rows(name));
      EXPECT_FALSE(lines.empty()) << list.name;
      for (const std::string& line : lines) {
        EXPECT_LE(Columns(line), 80u) << list.name << ": " << line;
        for (const std::string& id : {kGroup, kPeer, kBlob}) {
          EXPECT_EQ(line.find(id.substr(0, 13)), std::string::npos) << list.name << ": " << line;
        }
      }
    }
  }
}

TEST(Lists, HaveNamesFirstAndTimesAsPeopleSayThem) {
  const std::string peer = base::ShortId(*base::PeerId::FromHex(kPeer));
  EXPECT_THAT(GroupRows(Json::array({AGroup("photos")}), ShortLook())[1],
              ElementsAre("photos", "server", "3", "5000000", "5000000", "931.3 GiB", "eeeeeeee"));
  EXPECT_THAT(MemberRows(Json::array({AMember("nas", false, nullptr)}), ShortLook())[1],
              ElementsAre("nas", "normal", "reader", "yes", "3 min ago", peer));
  EXPECT_THAT(InviteRows(Json::array({AnInvite()}), ShortLook())[1],
              ElementsAre("server", "writer", "1000", "in 23 h", std::string(32, 'f')));
  EXPECT_THAT(TokenRows(Json::array({AToken("app", {kGroup})}), ShortLook())[1],
              ElementsAre("app", "admin", "never", "3 min ago", "photos"));
  EXPECT_THAT(TokenRows(Json::array({AToken("app", nullptr)}), ShortLook())[1],
              ElementsAre("app", "admin", "never", "3 min ago", "all"));
  EXPECT_THAT(
      AuditRows(Json::array({AnAct({{"token", "app"}}, "w"), AnAct({{"peer", kPeer}}, "w")}),
                ShortLook()),
      ElementsAre(ElementsAre("TIME", "BY", "ACT", "GROUP", "WHAT"),
                  ElementsAre("3 min ago", "token app", "group.settings", "photos", "w"),
                  ElementsAre("3 min ago", peer, "group.settings", "photos", "w")));
  EXPECT_THAT(LinkRows(Json::array({ALink("a.jpg", "app")}), ShortLook())[1],
              ElementsAre("a.jpg", "photos", "in 23 h", "app", std::string(16, '7')));
  EXPECT_THAT(PeerRows(Json::array({APeer("nas")}), ShortLook())[1][3], peer);
  EXPECT_THAT(RefRows(Json::array({ARef("a.jpg")}), ShortLook()),
              ElementsAre(ElementsAre(), ElementsAre("a.jpg", "bbbbbbbbbbbb")));
  // A group that is not here any more.
  EXPECT_EQ(AuditRows(Json::array({AnAct({{"token", "app"}}, "w")}), {.now = kToday})[1][3],
            "eeeeeeee");
}

TEST(Lists, AreWholeWhereThatIsAskedFor) {
  const std::string long_name(200, 'n');
  EXPECT_THAT(GroupRows(Json::array({AGroup(long_name)}), LongLook())[1], Contains(kGroup));
  EXPECT_THAT(GroupRows(Json::array({AGroup(long_name)}), LongLook())[1], Contains(long_name));
  EXPECT_THAT(
      MemberRows(Json::array({AMember(long_name, true, "no room")}), LongLook())[1],
      ElementsAre(long_name, "normal", "reader", "yes", kThen, kPeer, "clock is ahead; no room"));
  EXPECT_THAT(InviteRows(Json::array({AnInvite()}), LongLook())[1], Contains(kLater));
  EXPECT_THAT(TokenRows(Json::array({AToken("app", {kGroup})}), LongLook())[1], Contains(kGroup));
  EXPECT_THAT(AuditRows(Json::array({AnAct({{"peer", kPeer}}, long_name)}), LongLook())[1],
              ElementsAre(kThen, kPeer, "group.settings", kGroup, long_name));
  EXPECT_THAT(LinkRows(Json::array({ALink(long_name, "app")}), LongLook())[1],
              ElementsAre(long_name, kGroup, kLater, "app", std::string(16, '7')));
  EXPECT_THAT(PeerRows(Json::array({APeer("nas")}), LongLook())[1][3], kPeer);
  EXPECT_THAT(RefRows(Json::array({ARef(long_name)}), LongLook())[1],
              ElementsAre(long_name, kBlob));
}

TEST(MemberRows, SayWhatIsWrongBelowTheMember) {
  const auto lines =
      Lines(MemberRows(Json::array({AMember("nas", true, nullptr), AMember("b", false, nullptr),
                                    AMember("c", true, "its entries wait for room")}),
                       ShortLook()));
  EXPECT_THAT(lines, Contains("    PROBLEM: clock is ahead"));
  EXPECT_THAT(lines, Contains("    PROBLEM: clock is ahead; its entries wait for room"));
  EXPECT_EQ(lines.size(), 6u);
}

TEST(Groups, SayWhoRemovedThisPeerAndWhen) {
  Json group = AGroup("photos");
  EXPECT_THAT(GroupLines(group, kToday), Contains("role: server"));
  group["removed"] = {{"by", kPeer}, {"at", kThen}};
  EXPECT_EQ(RoleOf(group), "removed");
  EXPECT_EQ(GroupRows(Json::array({group}), ShortLook())[1][1], "removed");
  const auto lines = GroupLines(group, kToday);
  EXPECT_THAT(lines, Contains("role: removed"));
  EXPECT_THAT(lines, Not(Contains("role: server")));
  EXPECT_THAT(lines, Contains("removed: by " + base::ShortId(*base::PeerId::FromHex(kPeer)) +
                              ", 3 min ago (" + kThen + ")"));
  group["removed"] = {{"by", nullptr}, {"at", nullptr}};
  EXPECT_THAT(GroupLines(group, kToday), Contains("removed: by somebody"));
}

TEST(EventLine, NamesPeopleThingsFirst) {
  const struct {
    const char* name;
    Json event;
    ListLook look;
    std::string line;
  } cases[] = {
      {"a reference",
       {{"id", "boot-7"},
        {"at", kThen},
        {"kind", "ref.set"},
        {"count", 1},
        {"key", "2026/a.jpg"},
        {"group", kGroup},
        {"blob", kBlob}},
       ShortLook(),
       "3 min ago  ref.set  key=2026/a.jpg  group=photos  blob=bbbbbbbb"},
      {"as it comes",
       {{"at", kThen}, {"kind", "ref.set"}, {"group", kGroup}},
       {.now = base::kNever, .groups = {{kGroup, "photos"}}},
       std::string(kThen) + "  ref.set  group=photos"},
      {"whole",
       {{"at", kThen}, {"kind", "ref.set"}, {"group", kGroup}},
       LongLook(),
       std::string(kThen) + "  ref.set  group=" + kGroup},
      {"many as one",
       {{"at", kThen}, {"kind", "blob.stored"}, {"count", 12}},
       ShortLook(),
       "3 min ago  blob.stored  count=12"},
      {"a gap", {{"kind", "gap"}}, ShortLook(), "-  gap"},
  };
  for (const auto& c : cases) EXPECT_EQ(EventLine(c.event, c.look), c.line) << c.name;
}

}  // namespace
}  // namespace waypost::service
