#include "service/format.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/utf8.h"

// FORMAT, read strictly: a line that is not understood may be what keeps us from doing harm. A
// program of format 2 compares the whole text with its own, so that any word keeps it away.

namespace waypost::service {
namespace {

using base::Abs;
using Words = Format::Words;

constexpr std::string_view kTitle = "waypost data folder, format ";
constexpr std::size_t kWordsMax = 64;
constexpr std::size_t kWordBytesMax = 32;
constexpr std::string_view kPeer = "peer-";
// The last one without words.
constexpr uint32_t kWordlessNumber = 2;

struct Line {
  std::string_view name;
  Words Format::*words;
};
constexpr Line kLines[] = {{"compatible", &Format::compatible},
                           {"read-compatible", &Format::read_compatible},
                           {"incompatible", &Format::incompatible}};

// What this program knows, by the list in which it stands.
Format Known() {
  Format known = CurrentFormat();
  known.incompatible.insert(std::string(kMigrating));
  return known;
}

absl::Status NoFormat(std::string_view text) {
  return absl::FailedPreconditionError(
      absl::StrCat("FORMAT says what this version of waypost does not understand (\"",
                   base::CutText(text, 80), "\"): use the version that wrote it"));
}

bool IsWord(std::string_view word) {
  return !word.empty() && word.size() <= kWordBytesMax &&
         std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

absl::StatusOr<Words> ParseWords(std::string_view line, std::string_view name) {
  const std::string head = absl::StrCat(Abs(name), ":");
  if (!line.starts_with(head)) return NoFormat(line);
  Words words;
  for (const auto word : absl::StrSplit(Abs(line.substr(head.size())), ' ', absl::SkipEmpty())) {
    if (!IsWord(base::Std(word)) || words.size() == kWordsMax) return NoFormat(line);
    words.emplace(word);
  }
  return words;
}

// Those of `all` that are not in `known`.
std::vector<std::string> Unknown(const Words& all, const Words& known) {
  std::vector<std::string> unknown;
  std::set_difference(all.begin(), all.end(), known.begin(), known.end(),
                      std::back_inserter(unknown));
  return unknown;
}

}  // namespace

Format CurrentFormat() {
  // Who does not know these tables loses nothing by it: named tokens are refused then.
  return {.number = kFormatNumber, .compatible = {"audit", "tokens"}};
}

std::string PeerWord(const base::PeerId& peer) {
  return absl::StrCat(Abs(kPeer), peer.ToHex()).substr(0, kWordBytesMax);
}

bool IsPeerWord(std::string_view word) { return word.starts_with(kPeer); }

absl::StatusOr<Format> ParseFormat(std::string_view text) {
  if (!text.ends_with('\n')) return NoFormat(text);
  std::vector<std::string> lines = absl::StrSplit(Abs(text.substr(0, text.size() - 1)), '\n');
  Format format;
  std::string_view title = lines[0];
  if (!title.starts_with(kTitle)) return NoFormat(title);
  title.remove_prefix(kTitle.size());
  if (!absl::SimpleAtoi(Abs(title), &format.number) || format.number == 0 ||
      format.number > kFormatNumber || absl::StrCat(format.number) != title) {
    return NoFormat(lines[0]);
  }
  if (format.number <= kWordlessNumber) {
    if (lines.size() != 1) return NoFormat(lines[1]);
    return format;
  }
  if (lines.size() != 1 + std::size(kLines)) return NoFormat(lines.back());
  for (std::size_t i = 0; i < std::size(kLines); ++i) {
    ASSIGN_OR_RETURN(format.*kLines[i].words, ParseWords(lines[i + 1], kLines[i].name));
  }
  return format;
}

std::string FormatText(const Format& format) {
  std::string text = absl::StrCat(Abs(kTitle), format.number, "\n");
  if (format.number <= kWordlessNumber) return text;
  for (const Line& line : kLines) {
    const Words& words = format.*line.words;
    absl::StrAppend(&text, Abs(line.name), words.empty() ? ":" : ": ", absl::StrJoin(words, " "),
                    "\n");
  }
  return text;
}

absl::Status CheckFormat(const Format& format, Use use) {
  const Format known = Known();
  const auto refused = [](const std::vector<std::string>& words, std::string_view what) {
    return absl::FailedPreconditionError(
        absl::StrCat("this version of waypost does not know ", absl::StrJoin(words, ", "),
                     ", which FORMAT names: it ", Abs(what), " the folder; use a newer version"));
  };
  const auto incompatible = Unknown(format.incompatible, known.incompatible);
  if (!incompatible.empty()) return refused(incompatible, "leaves alone");
  const auto read_compatible = Unknown(format.read_compatible, known.read_compatible);
  if (use == Use::kChange && !read_compatible.empty()) {
    return refused(read_compatible, "may read, and not change,");
  }
  return absl::OkStatus();
}

}  // namespace waypost::service
