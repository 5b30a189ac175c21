#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "service/cli/client.h"

// What commands write to standard output, and how they show that they are still at it.
namespace waypost::service {

// One line, whatever stands in it: see base/harmless.h, as for all below.
void PrintLine(std::string_view text);
void PrintJson(const Json& json);
// Lines of our own, as they are.
void PrintText(const std::string& text);
// Bytes as they are: of a blob, or a file that was asked for on standard output. An error, with
// exit status 5, as soon as some of them are lost.
absl::Status PrintBytes(std::string_view bytes);
// Everything printed is where it should go; else an error with exit status 5. `get` writes to
// standard output as well.
absl::Status FlushOutput();
// Columns aligned by spaces; the first row is the head, left out when it is empty.
void PrintTable(std::vector<std::vector<std::string>> rows);
// To standard error.
void PrintError(std::string_view text);
// As JSON, or for people.
void PrintList(bool json, const Json& list, const std::vector<std::vector<std::string>>& rows);

// An answer: as JSON, or each value on a line with its path.
void PrintObject(bool json, const Json& object);

// The first 12 digits: enough for people.
std::string Abbreviated(const std::string& id);

// A line on standard error that is drawn anew, at most ten times a second; nothing when standard
// error is no terminal. Thread-safe.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Of `total_bytes` (0: unknown); `detail` follows.
  void Show(uint64_t bytes, uint64_t total_bytes, const std::string& detail);
  // Ends the line. Idempotent.
  void Finish();

 private:
  const std::string label_;
  const bool terminal_;
  base::Mutex mutex_;
  base::SteadyTime drawn_ GUARDED_BY(mutex_);
  bool on_line_ GUARDED_BY(mutex_) = false;
};

// "[#########.....................]"
std::string Bar(uint64_t done, uint64_t total);

}  // namespace waypost::service
