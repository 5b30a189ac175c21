#include "service/cli/print.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/harmless.h"
#include "base/status.h"
#include "base/units.h"

// Everything that the command line prints. Names come from other peers, so all of it is made
// harmless first; progress is drawn only on a terminal, on standard error, and wiped before
// anything else is printed.

namespace waypost::service {
namespace {

// Characters, not bytes: columns stay aligned with names in UTF-8.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The first error of standard output; later ones may be others.
std::atomic<int> output_error{0};

void Write(const std::string& bytes, std::FILE* to) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), to) == bytes.size() || to != stdout) return;
  int none = 0;
  output_error.compare_exchange_strong(none, errno);
}

bool IsSize(const std::string& key) {
  return absl::StrContains(key, "bytes") || absl::EndsWith(key, "free") || key == "size";
}

// A value of an answer on one line.
std::string Shown(const std::string& key, const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_unsigned() && IsSize(key)) return base::HumanSize(value.get<uint64_t>());
  if (value.is_number_integer() && absl::EndsWith(key, "_ms")) {
    return base::HumanDuration(base::Millis(value.get<int64_t>()));
  }
  if (value.is_array() && value.empty()) return "-";
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// An answer as "key  value" lines, objects within with their path.
void AddRows(const Json& json, const std::string& path,
             std::vector<std::vector<std::string>>& rows) {
  for (const auto& entry : json.items()) {
    const std::string key = path.empty() ? entry.key() : absl::StrCat(path, ".", entry.key());
    if (entry.value().is_object()) {
      AddRows(entry.value(), key, rows);
    } else {
      rows.push_back({key, Shown(entry.key(), entry.value())});
    }
  }
}

}  // namespace

void PrintLine(std::string_view text) { Write(base::Harmless(text) + "\n", stdout); }

absl::Status PrintBytes(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return absl::OkStatus();
  return OutputError(base::ErrnoStatus(errno, "standard output"));
}

absl::Status FlushOutput() {
  std::cout.flush();  // the help is written there, by the parser of the command line
  int none = 0;
  if (std::fflush(stdout) != 0) output_error.compare_exchange_strong(none, errno);
  if (output_error == 0 && std::ferror(stdout) == 0) return absl::OkStatus();
  const int error = output_error != 0 ? output_error.load() : EIO;
  return OutputError(base::ErrnoStatus(error, "standard output"));
}

void PrintJson(const Json& json) {
  Write(base::HarmlessJson(json.dump(2, ' ', false, Json::error_handler_t::replace)) + "\n",
        stdout);
}

void PrintText(const std::string& text) { Write(text, stdout); }

void PrintTable(std::vector<std::vector<std::string>> rows) {
  // Before widths are counted.
  for (auto& row : rows) {
    for (std::string& cell : row) cell = base::Harmless(cell);
  }
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const auto& row : rows) {
    if (row.empty()) continue;
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    PrintLine(line);
  }
}

void PrintList(bool json, const Json& list, const std::vector<std::vector<std::string>>& rows) {
  if (json) {
    PrintJson(list);
  } else {
    PrintTable(rows);
  }
}

void PrintObject(bool as_json, const Json& json) {
  if (as_json) return PrintJson(json);
  std::vector<std::vector<std::string>> rows;
  AddRows(json, "", rows);
  PrintTable(rows);
}

void PrintError(std::string_view text) { Write(base::Harmless(text) + "\n", stderr); }

std::string Abbreviated(const std::string& id) { return id.substr(0, 12); }

Progress::Progress(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { Finish(); }

void Progress::Show(uint64_t bytes, uint64_t total_bytes, const std::string& detail) {
  if (!terminal_) return;
  const base::SteadyTime now = base::SteadyNow();
  base::MutexLock lock(mutex_);
  if (on_line_ && now - drawn_ < base::Millis(100)) return;
  drawn_ = now;
  on_line_ = true;
  std::string line = "\r" + base::Harmless(label_) + " ";
  if (total_bytes != 0) absl::StrAppend(&line, Bar(bytes, total_bytes), " ");
  absl::StrAppend(&line, base::HumanSize(bytes));
  if (total_bytes != 0) absl::StrAppend(&line, " of ", base::HumanSize(total_bytes));
  absl::StrAppend(&line, detail.empty() ? "" : ", ", base::Harmless(detail), "\x1b[K");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Progress::Finish() {
  base::MutexLock lock(mutex_);
  if (on_line_) std::fputs("\r\x1b[K", stderr);
  on_line_ = false;
}

std::string Bar(uint64_t done, uint64_t total) {
  constexpr std::size_t kWidth = 30;
  const double share =
      total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * kWidth);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]";
}

}  // namespace waypost::service
