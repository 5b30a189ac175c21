#include "service/cli/print.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/harmless.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/progress_line.h"

// Everything that the command line prints. Names come from other peers, so all of it is made
// harmless first.

namespace waypost::service {
namespace {

constexpr std::size_t kColumnsUnknown = 80;

// What belongs to standard output and standard error is kept beside them, once a process as they
// are. An object would go through every command and helper, none of which could choose another.

// How notes are written. Set before the first command runs, while there is one thread; only read
// after that.
bool notes_as_json = false;

// The first error of standard output, from any thread; later ones may be others.
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
    if (row.size() == 1 && rows[0].size() > 1) continue;
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  for (const auto& row : rows) {
    if (row.empty()) continue;
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Columns(row[i]) + 2, ' ');
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

bool OnTerminal() { return isatty(STDERR_FILENO) == 1; }

std::size_t ColumnsOfTerminal() {
  struct winsize size {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsUnknown;
  return size.ws_col;
}

void DrawText(const std::string& text) { Write(text, stderr); }

void PrintErrorJson(const Json& error) {
  Write(base::HarmlessJson(error.dump(-1, ' ', false, Json::error_handler_t::replace)) + "\n",
        stderr);
}

void NotesAsJson() { notes_as_json = true; }

void PrintError(std::string_view text) {
  if (notes_as_json) return PrintErrorJson({{"note", std::string(text)}});
  Write(base::Harmless(text) + "\n", stderr);
}

std::string Abbreviated(const std::string& id) { return id.substr(0, 12); }

}  // namespace waypost::service
