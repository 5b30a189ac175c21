#include "service/cli/shown.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/units.h"
#include "service/cli/print.h"
#include "service/cli/progress_line.h"

// What fits on a screen is chosen here; all of it, whole ids among it, is to be had with --long and
// --json.

namespace waypost::service {
namespace {

constexpr std::size_t kGroupsShown = 6;
constexpr std::size_t kFetchesShown = 2;
constexpr std::size_t kLabelColumns = 12;

// The largest unit alone: nobody looks for seconds behind hours.
std::string Roughly(int64_t seconds) {
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min");
  if (seconds < 2 * 86400) return absl::StrCat(seconds / 3600, " h");
  return absl::StrCat(seconds / 86400, " d");
}

std::string StatusRow(const char* label, const std::string& text) {
  const std::string name = label;
  const std::size_t pad = kLabelColumns - std::min(kLabelColumns, Columns(name));
  return CutToColumns(name + std::string(pad, ' ') + text, kShownColumns);
}

Json Within(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) ? json[key] : Json();
}

std::string Sized(const Json& json, const char* key) {
  return base::HumanSize(NumberOf(json, key));
}

std::string WantedLine(const Json& status) {
  std::vector<std::string> states;
  const Json counts = Within(status, "wanted_states");
  for (const auto& state : counts.items()) {
    if (NumberOf(counts, state.key().c_str()) == 0) continue;
    states.push_back(absl::StrCat(state.value().dump(), " ", state.key()));
  }
  if (NumberOf(status, "wanted") == 0) return "nothing";
  return absl::StrCat(NumberOf(status, "wanted"), " blobs (", Sized(status, "bytes_wanted"),
                      "): ", absl::StrJoin(states, ", "));
}

std::string PauseLine(const Json& status, base::WallTime now) {
  const Json pause = Within(status, "pause");
  if (!pause.is_object()) return "no";
  const std::string until = TextOf(pause, "until"), detail = TextOf(pause, "detail");
  return absl::StrCat("fetching, by ", TextOf(pause, "reason"),
                      until.empty() ? "" : ", ends " + Ago(until, now), detail.empty() ? "" : ": ",
                      detail);
}

std::string ScanLine(const Json& scan, base::WallTime now) {
  const Json last = Within(scan, "last"), running = Within(scan, "running");
  std::string line =
      last.is_object() ? "ended " + Ago(TextOf(last, "ended"), now) : "none since the start";
  if (running.is_object()) absl::StrAppend(&line, "; one runs");
  if (TextOf(scan, "paused") == "true") {
    const std::string until = TextOf(scan, "paused_until");
    return absl::StrCat(line, "; paused", until.empty() ? "" : ", ends " + Ago(until, now));
  }
  return running.is_object() ? line : absl::StrCat(line, "; next ", Ago(TextOf(scan, "next"), now));
}

void AddFetches(const Json& status, std::vector<std::string>& lines) {
  const Json fetching = Within(status, "fetching");
  if (!fetching.is_array()) return;
  for (std::size_t i = 0; i < std::min(fetching.size(), kFetchesShown); ++i) {
    const Json& one = fetching[i];
    const uint64_t total = NumberOf(one, "total");
    lines.push_back(StatusRow(
        i == 0 ? "fetching" : "",
        absl::StrCat(Abbreviated(TextOf(one, "blob")), "  ", TextOf(one, "state"), "  ",
                     Sized(one, "received"), total == 0 ? "" : " of " + base::HumanSize(total))));
  }
  if (fetching.size() > kFetchesShown) {
    lines.push_back(StatusRow("", absl::StrCat("and ", fetching.size() - kFetchesShown, " more")));
  }
}

void AddGroups(const Json& groups, std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < std::min(groups.size(), kGroupsShown); ++i) {
    const Json& group = groups[i];
    const uint64_t wanted = NumberOf(group, "wanted");
    const bool alone = group.contains("servers") && NumberOf(group, "servers") == 0;
    const std::string text =
        absl::StrCat(CutToColumns(TextOf(group, "name"), 24), alone ? "  NO SERVER  " : "  ",
                     TextOf(group, "role"), "  ", NumberOf(group, "members"), " members  ",
                     NumberOf(group, "refs"), " refs  ",
                     wanted == 0 ? "nothing wanted" : absl::StrCat(wanted, " wanted"));
    lines.push_back(StatusRow(i == 0 ? "groups" : "", text));
  }
  if (groups.size() > kGroupsShown) {
    lines.push_back(StatusRow(
        "", absl::StrCat("and ", groups.size() - kGroupsShown, " more: waypost group ls")));
  }
}

}  // namespace

std::string BriefPeer(const std::string& id) { return id.substr(0, 8); }

std::string Ago(const std::string& time, base::WallTime now) {
  const auto at = base::ParseTime(time);
  if (!at) return "never";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - *at).count();
  if (seconds == 0) return "now";
  return seconds > 0 ? Roughly(seconds) + " ago" : "in " + Roughly(-seconds);
}

std::vector<std::string> StatusLines(const Json& status, const Json& groups, base::WallTime now) {
  std::vector<std::string> addresses;
  const Json listed = Within(status, "addresses");
  if (listed.is_array()) {
    for (const Json& address : listed) {
      if (address.is_string()) addresses.push_back(address.get<std::string>());
    }
  }
  const auto uptime = static_cast<int64_t>(NumberOf(status, "uptime_ms") / 1000);
  std::vector<std::string> lines = {
      StatusRow("name", absl::StrCat(CutToColumns(TextOf(status, "name"), 40), "  ",
                                     BriefPeer(TextOf(status, "peer")))),
      StatusRow("version", absl::StrCat(TextOf(status, "version"), ", up ", Roughly(uptime))),
      StatusRow("mode", TextOf(status, "mode", "normal")),
      StatusRow("addresses", addresses.empty() ? "none" : absl::StrJoin(addresses, " ")),
      StatusRow("blobs",
                absl::StrCat(NumberOf(status, "blobs"), " (", Sized(status, "bytes"), ")")),
      StatusRow("references", absl::StrCat(NumberOf(status, "refs"))),
      StatusRow("wanted", WantedLine(status))};
  AddFetches(status, lines);
  lines.push_back(StatusRow("paused", PauseLine(status, now)));
  lines.push_back(StatusRow("scan", ScanLine(Within(status, "scan"), now)));
  lines.push_back(StatusRow(
      "disk", absl::StrCat(Sized(status, "disk_free"), " free of ", Sized(status, "disk_total"))));
  const uint64_t bad_rows = NumberOf(status, "bad_rows");
  lines.push_back(StatusRow(
      "index", absl::StrCat(Sized(status, "index_size"), bad_rows == 0 ? "" : ", rows set aside: ",
                            bad_rows == 0 ? "" : absl::StrCat(bad_rows))));
  if (status.contains("clock") && status["clock"].is_array()) {
    std::size_t told = 0;
    for (const Json& reason : status["clock"]) {
      if (!reason.is_string() || ++told > 2) continue;
      lines.push_back(StatusRow("clock", reason.get<std::string>()));
    }
  }
  if (status.contains("groups_without_server") && status["groups_without_server"].is_array()) {
    for (std::size_t i = 0; i < std::min<std::size_t>(status["groups_without_server"].size(), 2);
         ++i) {
      lines.push_back(StatusRow(
          "no server", absl::StrCat("in group ", TextOf(status["groups_without_server"][i], "name"),
                                    ": nobody collects what is put there")));
    }
  }
  lines.push_back(StatusRow("sandbox", TextOf(status, "sandbox", "none")));
  if (groups.is_array()) AddGroups(groups, lines);
  return lines;
}

std::string ReasonOf(const Json& wanted) {
  const std::string state = TextOf(wanted, "state");
  if (state == "stopped") return "stopped: waypost retry starts it again";
  const Json error = Within(wanted, "last_error");
  const std::string message = TextOf(error, "message");
  if (!message.empty()) return message;
  if (state == "parked") return "who has it is away";
  if (state == "fetching") return "on its way";
  return "-";
}

std::string WhyDetail(const Json& step, base::WallTime now) {
  const std::string kind = TextOf(step, "step"), detail = TextOf(step, "detail");
  if (kind == "location") {
    return absl::StrCat(
        BriefPeer(TextOf(step, "peer")), ": ", detail, "; seen ",
        Ago(TextOf(step, "last_seen"), now),
        step.contains("until") ? "; asked again " + Ago(TextOf(step, "until"), now) : "");
  }
  if (kind == "next_attempt") {
    return absl::StrCat("tried ", TextOf(step, "attempts", "0"), " times, ",
                        TextOf(step, "failures", "0"), " failed; next ",
                        Ago(TextOf(step, "at"), now), detail.empty() ? "" : "; ", detail);
  }
  return detail;
}

std::vector<std::vector<std::string>> Fitted(std::vector<std::vector<std::string>> rows,
                                             std::size_t first) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    if (!row.empty()) row[0] = CutToColumns(row[0], first);
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  for (auto& row : rows) {
    std::size_t before = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t room = kShownColumns - std::min(kShownColumns, before);
      row[i] = CutToColumns(row[i], room);
      before += widths[i] + 2;
    }
  }
  return rows;
}

}  // namespace waypost::service
