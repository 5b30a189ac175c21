#include "service/cli/shown.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/harmless.h"
#include "base/units.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"
#include "service/cli/progress_line.h"

// What fits on a screen is chosen here; all of it, whole ids among it, is to be had with --long and
// --json.

namespace waypost::service {
namespace {

constexpr std::size_t kLines = 20;
constexpr std::size_t kFetchesShown = 2;
// Of what the clock is said to do; groups have two lines besides.
constexpr std::size_t kClockLines = 4;
constexpr std::size_t kClockLinesWithCopy = 2;
constexpr std::size_t kCopyLines = 3;
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
  return CutToColumns(name + std::string(pad, ' ') + base::Harmless(text), kShownColumns);
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

// An id of a group within a text, which takes a line by itself, as its name.
std::string WithNames(std::string text, const Json& groups) {
  for (const Json& group : groups) {
    const std::string id = TextOf(group, "id");
    const std::size_t at = id.empty() ? std::string::npos : text.find(id);
    if (at == std::string::npos) continue;
    text.replace(at, id.size(), absl::StrCat("\"", CutToColumns(TextOf(group, "name"), 24), "\""));
  }
  return text;
}

void AddClock(const Json& status, const Json& groups, std::vector<std::string>& lines) {
  const Json reasons = Within(status, "clock");
  if (!reasons.is_array()) return;
  std::vector<std::string> all;
  for (const Json& reason : reasons) {
    if (!reason.is_string()) continue;
    for (std::string& line :
         Wrapped(WithNames(reason.get<std::string>(), groups), kShownColumns - kLabelColumns)) {
      all.push_back(std::move(line));
    }
  }
  // A second copy of the folder is told of below, and takes lines of these.
  const bool copied = !TextOf(status, "second_copy").empty();
  const std::size_t lines_max = copied ? kClockLinesWithCopy : kClockLines;
  for (std::size_t i = 0; i < std::min(all.size(), lines_max); ++i) {
    const bool cut = i + 1 == lines_max && all.size() > lines_max;
    lines.push_back(StatusRow(i == 0 ? "clock" : "", cut ? "... more: status --long" : all[i]));
  }
}

// What people put into a group without a server is collected by nobody: these are seen first.
void AddGroups(const Json& groups, std::vector<std::string>& lines) {
  const auto alone = [](const Json& group) {
    return group.contains("servers") && NumberOf(group, "servers") == 0 &&
           RoleOf(group) != "removed";
  };
  std::vector<const Json*> ordered;
  for (const Json& group : groups) ordered.push_back(&group);
  std::stable_partition(ordered.begin(), ordered.end(), [&](const Json* g) { return alone(*g); });
  const std::size_t room = kLines - std::min(kLines, lines.size());
  const std::size_t shown =
      ordered.size() <= room ? ordered.size() : std::max<std::size_t>(room, 1) - 1;
  for (std::size_t i = 0; i < shown; ++i) {
    const Json& group = *ordered[i];
    const uint64_t wanted = NumberOf(group, "wanted");
    const std::string text =
        absl::StrCat(CutToColumns(base::Harmless(TextOf(group, "name")), 24),
                     alone(group) ? "  NO SERVER  " : "  ", RoleOf(group), "  ",
                     NumberOf(group, "members"), " members  ", NumberOf(group, "refs"), " refs  ",
                     wanted == 0 ? "nothing wanted" : absl::StrCat(wanted, " wanted"));
    lines.push_back(StatusRow(i == 0 ? "groups" : "", text));
  }
  if (ordered.size() > shown) {
    lines.push_back(
        StatusRow(shown == 0 ? "groups" : "",
                  absl::StrCat("and ", ordered.size() - shown, " more groups: waypost group ls")));
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
      StatusRow("blobs", absl::StrCat(NumberOf(status, "blobs"), " (", Sized(status, "bytes"),
                                      "), ", NumberOf(status, "refs"), " references")),
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
  AddClock(status, groups, lines);
  if (const std::string copy = TextOf(status, "second_copy"); !copy.empty()) {
    const std::vector<std::string> text =
        Wrapped(WithNames(copy, groups), kShownColumns - kLabelColumns);
    for (std::size_t i = 0; i < std::min(text.size(), kCopyLines); ++i) {
      lines.push_back(StatusRow(i == 0 ? "copied" : "", text[i]));
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

std::string WhyDetail(const Json& step, base::WallTime now, bool whole) {
  const std::string kind = TextOf(step, "step"), detail = TextOf(step, "detail");
  const auto time = [&](const char* key) {
    const std::string text = TextOf(step, key);
    return whole && !text.empty() ? text : Ago(text, now);
  };
  if (kind == "location") {
    const std::string peer = TextOf(step, "peer");
    return absl::StrCat(whole ? peer : BriefPeer(peer), ": ", detail, "; seen ", time("last_seen"),
                        step.contains("until") ? "; asked again " + time("until") : "");
  }
  if (kind == "next_attempt") {
    return absl::StrCat("tried ", TextOf(step, "attempts", "0"), " times, ",
                        TextOf(step, "failures", "0"), " failed; next ", time("at"),
                        detail.empty() ? "" : "; ", detail);
  }
  return detail;
}

std::vector<std::vector<std::string>> Fitted(std::vector<std::vector<std::string>> rows,
                                             const std::vector<std::size_t>& most) {
  const auto width_of = [&rows](std::size_t column) {
    std::size_t width = 0;
    for (const auto& row : rows) {
      if (column < row.size()) width = std::max(width, Columns(row[column]));
    }
    return width;
  };
  const auto cut = [&rows](std::size_t column, std::size_t columns) {
    for (auto& row : rows) {
      if (column < row.size()) row[column] = CutToColumns(row[column], columns);
    }
  };
  std::size_t count = 0;
  for (auto& row : rows) {
    count = std::max(count, row.size());
    for (std::string& cell : row) cell = base::Harmless(cell);
  }
  if (count == 0) return rows;
  const auto line = [&] {
    std::size_t columns = 2 * (count - 1);
    for (std::size_t i = 0; i < count; ++i) columns += width_of(i);
    return columns;
  };
  if (line() <= kShownColumns) return rows;
  for (std::size_t i = 1; i < std::min(count, most.size()); ++i) cut(i, most[i]);
  const std::size_t others = line() - width_of(0);
  const std::size_t left = kShownColumns - std::min(kShownColumns, others);
  cut(0, std::max(left, most.empty() ? kShownColumns : most[0]));
  for (std::size_t i = 0, before = 0; i < count; ++i) {
    cut(i, kShownColumns - std::min(kShownColumns, before));
    before += width_of(i) + 2;
  }
  return rows;
}

std::vector<std::string> Wrapped(const std::string& text, std::size_t columns) {
  std::vector<std::string> lines = {""};
  for (const absl::string_view piece :
       absl::StrSplit(base::Harmless(text), ' ', absl::SkipEmpty())) {
    std::string word(piece);
    const std::size_t used = Columns(lines.back());
    if (used != 0 && used + 1 + Columns(word) <= columns) {
      absl::StrAppend(&lines.back(), " ", word);
      continue;
    }
    if (used != 0) lines.emplace_back();
    // What is longer than a line goes on in the next ones.
    for (std::size_t bytes = BytesOfColumns(word, columns); bytes != 0 && bytes < word.size();
         bytes = BytesOfColumns(word, columns)) {
      lines.back() = word.substr(0, bytes);
      lines.emplace_back();
      word.erase(0, bytes);
    }
    lines.back() = std::move(word);
  }
  return lines;
}

}  // namespace waypost::service
