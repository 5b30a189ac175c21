#include "service/cli/lists.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/harmless.h"
#include "base/units.h"
#include "service/cli/print.h"
#include "service/cli/progress_line.h"
#include "service/cli/shown.h"

// What each list shows, and in which order, so that what is looked for comes first. An id is shown
// whole where it must be typed whole; everything else that is long gives way to what is beside it.

namespace waypost::service {
namespace {

// Rows that fit, or all of what they hold.
Rows ForLook(Rows rows, const ListLook& look, const std::vector<std::size_t>& most) {
  return look.whole ? rows : Fitted(std::move(rows), most);
}

std::string Time(const Json& json, const char* key, const ListLook& look) {
  const std::string time = TextOf(json, key);
  if (look.whole || look.now == base::kNever) return time.empty() ? "never" : time;
  return Ago(time, look.now);
}

std::string Peer(const std::string& id, const ListLook& look) {
  return look.whole ? id : ShortPeer(id);
}

std::string Id(const std::string& id, const ListLook& look) {
  return look.whole ? id : id.substr(0, 8);
}

std::string Group(const std::string& id, const ListLook& look) {
  if (look.whole || id.empty()) return id.empty() ? "-" : id;
  const auto name = look.groups.find(id);
  return name == look.groups.end() || name->second.empty() ? Id(id, look) : name->second;
}

std::string YesOrNo(const Json& json, const char* key) {
  return TextOf(json, key) == "true" ? "yes" : "no";
}

std::vector<std::string> TextsOf(const Json& json, const char* key) {
  std::vector<std::string> texts;
  if (!json.contains(key) || !json[key].is_array()) return texts;
  for (const Json& text : json[key]) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::string GroupsOf(const Json& token, const ListLook& look) {
  if (!token.contains("groups") || !token["groups"].is_array()) return "all";
  std::vector<std::string> groups = TextsOf(token, "groups");
  for (std::string& group : groups) group = Group(group, look);
  return absl::StrJoin(groups, ", ");
}

// Who did something: a member by its short id, or a token by its name.
std::string ByWhom(const Json& act, const ListLook& look) {
  if (!act.contains("by") || !act["by"].is_object()) return "-";
  const std::string peer = TextOf(act["by"], "peer");
  if (!peer.empty()) return Peer(peer, look);
  const std::string token = TextOf(act["by"], "token");
  return token.empty() ? "this machine" : absl::StrCat("token ", token);
}

std::string ProblemOf(const Json& member) {
  const std::string error = TextOf(member, "last_error");
  if (TextOf(member, "clock_ahead") != "true") return error;
  return absl::StrCat("clock is ahead", error.empty() ? "" : "; ", error);
}

bool IsRemoved(const Json& group) {
  return group.contains("removed") && group["removed"].is_object();
}

}  // namespace

std::string RoleOf(const Json& group) {
  return IsRemoved(group) ? "removed" : TextOf(group, "role");
}

std::vector<std::string> GroupLines(const Json& group, base::WallTime now) {
  std::vector<std::string> lines;
  for (const char* key : {"name", "id", "description", "public", "inviters", "role", "authority",
                          "members", "servers", "refs", "wanted", "blobs", "created"}) {
    const bool role = std::string_view(key) == "role";
    const std::string value = role ? RoleOf(group) : TextOf(group, key);
    if (!value.empty()) lines.push_back(absl::StrCat(key, ": ", value));
    if (!role || !IsRemoved(group)) continue;
    const std::string by = TextOf(group["removed"], "by"), at = TextOf(group["removed"], "at");
    lines.push_back(
        absl::StrCat("removed: by ", by.empty() ? "somebody" : ShortPeer(by),
                     at.empty() ? "" : absl::StrCat(", ", Ago(at, now), " (", at, ")")));
  }
  lines.push_back(absl::StrCat("bytes: ", base::HumanSize(NumberOf(group, "bytes"))));
  return lines;
}

Rows GroupRows(const Json& groups, const ListLook& look) {
  Rows rows = {{"NAME", "ROLE", "MEMBERS", "REFS", "WANTED", "BYTES", "ID"}};
  for (const Json& group : groups) {
    rows.push_back({TextOf(group, "name"), RoleOf(group), TextOf(group, "members"),
                    TextOf(group, "refs"), TextOf(group, "wanted"),
                    base::HumanSize(NumberOf(group, "bytes")), Id(TextOf(group, "id"), look)});
  }
  return ForLook(std::move(rows), look, {16});
}

Rows MemberRows(const Json& members, const ListLook& look) {
  Rows rows = {{"NAME", "ROLE", "AUTHORITY", "ONLINE", "LAST SYNC", "PEER"}};
  if (look.whole) rows[0].emplace_back("PROBLEM");
  for (const Json& member : members) {
    rows.push_back({TextOf(member, "name"), TextOf(member, "role"), TextOf(member, "authority"),
                    YesOrNo(member, "online"),
                    member.value("self", false) ? "-" : Time(member, "last_sync", look),
                    Peer(TextOf(member, "peer"), look)});
    if (!look.whole) continue;
    const std::string problem = ProblemOf(member);
    rows.back().push_back(problem.empty() ? "-" : problem);
  }
  rows = ForLook(std::move(rows), look, {24});
  if (look.whole) return rows;
  Rows with_problems = {std::move(rows[0])};
  for (std::size_t i = 0; i < members.size(); ++i) {
    with_problems.push_back(std::move(rows[i + 1]));
    const std::string problem = ProblemOf(members[i]);
    if (problem.empty()) continue;
    for (std::string& line : Wrapped("PROBLEM: " + problem, kShownColumns - 4)) {
      with_problems.push_back({"    " + std::move(line)});
    }
  }
  return with_problems;
}

Rows InviteRows(const Json& invites, const ListLook& look) {
  Rows rows = {{"ROLE", "AUTHORITY", "USES LEFT", "EXPIRES", "ID"}};
  for (const Json& invite : invites) {
    rows.push_back({TextOf(invite, "role", "server"), TextOf(invite, "authority"),
                    TextOf(invite, "uses_left"), Time(invite, "expires", look),
                    TextOf(invite, "id")});
  }
  return ForLook(std::move(rows), look, {});
}

Rows TokenRows(const Json& tokens, const ListLook& look) {
  Rows rows = {{"NAME", "RIGHTS", "EXPIRES", "CREATED", "GROUPS"}};
  for (const Json& token : tokens) {
    rows.push_back({TextOf(token, "name"), TextOf(token, "rights"), Time(token, "expires", look),
                    Time(token, "created", look), GroupsOf(token, look)});
  }
  return ForLook(std::move(rows), look, {30});
}

Rows AuditRows(const Json& acts, const ListLook& look) {
  Rows rows = {{"TIME", "BY", "ACT", "GROUP", "WHAT"}};
  for (const Json& act : acts) {
    rows.push_back({Time(act, "time", look), ByWhom(act, look), TextOf(act, "act"),
                    Group(TextOf(act, "group"), look), TextOf(act, "what")});
  }
  return ForLook(std::move(rows), look, {12, 18, 16, 12});
}

Rows LinkRows(const Json& links, const ListLook& look) {
  Rows rows = {{"KEY", "GROUP", "EXPIRES", "BY", "ID"}};
  for (const Json& link : links) {
    rows.push_back({TextOf(link, "key", Id(TextOf(link, "blob"), look)),
                    Group(TextOf(link, "group"), look), Time(link, "expires", look),
                    TextOf(link, "by"), TextOf(link, "id")});
  }
  return ForLook(std::move(rows), look, {24, 12, 9, 10});
}

Rows PeerRows(const Json& peers, const ListLook& look) {
  Rows rows = {{"NAME", "ONLINE", "LAST SEEN", "PEER", "ADDRESSES"}};
  for (const Json& peer : peers) {
    rows.push_back({TextOf(peer, "name"), YesOrNo(peer, "online"), Time(peer, "last_seen", look),
                    Peer(TextOf(peer, "peer"), look),
                    absl::StrJoin(TextsOf(peer, "addresses"), " ")});
  }
  return ForLook(std::move(rows), look, {20});
}

Rows RefRows(const Json& refs, const ListLook& look) {
  Rows rows = {{}};
  for (const Json& ref : refs) {
    const std::string blob = TextOf(ref, "blob");
    rows.push_back({TextOf(ref, "key"), look.whole ? blob : Abbreviated(blob)});
  }
  return ForLook(std::move(rows), look, {20});
}

Rows WhyRows(const Rows& steps, const ListLook& look) {
  if (look.whole) return steps;
  std::size_t before = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    std::size_t width = 0;
    for (const Row& step : steps) width = std::max(width, Columns(step[i]));
    before += width + 2;
  }
  Rows rows;
  for (const Row& step : steps) {
    Row row = {step[0], step[1], ""};
    for (std::string& line : Wrapped(step[2], kShownColumns - std::min(before, kShownColumns))) {
      row[2] = std::move(line);
      rows.push_back(std::exchange(row, {"", "", ""}));
    }
  }
  return rows;
}

std::string EventLine(const Json& event, const ListLook& look) {
  constexpr std::size_t kValueColumns = 30;
  std::string line = absl::StrCat(event.contains("at") ? Time(event, "at", look) : "-", "  ",
                                  TextOf(event, "kind"));
  for (const auto& field : event.items()) {
    const std::string& name = field.key();
    if (name == "at" || name == "kind" || name == "id") continue;
    if (name == "count" && NumberOf(event, "count") < 2) continue;
    std::string value = TextOf(event, name.c_str());
    if (name == "peer") value = Peer(value, look);
    if (name == "group") value = Group(value, look);
    if (name == "blob") value = Id(value, look);
    if (name == "until") value = Time(event, "until", look);
    value = base::Harmless(value);
    absl::StrAppend(&line, "  ", name, "=",
                    look.whole ? value : CutToColumns(value, kValueColumns));
  }
  return look.whole ? line : CutToColumns(line, kShownColumns);
}

}  // namespace waypost::service
