#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

// What a line of progress says. Pure.
namespace waypost::service {

// Columns that a terminal needs for text in UTF-8; letters that may be wide count two.
std::size_t Columns(std::string_view text);
// How many bytes of the beginning of the text fit into so many columns.
std::size_t BytesOfColumns(std::string_view text, std::size_t columns);
// As much of the text as fits, with "..." where something was cut.
std::string CutToColumns(const std::string& text, std::size_t columns);

// How fast something comes: over the last seconds, so that it follows changes and does not tremble.
class RateMeter {
 public:
  void Add(base::SteadyTime now, uint64_t done);
  // A second; nullopt until there is something to say.
  std::optional<double> rate() const;

 private:
  std::deque<std::pair<base::SteadyTime, uint64_t>> samples_;
};

struct ProgressFacts {
  std::string label;
  uint64_t done = 0, total = 0;  // total 0: unknown
  std::optional<double> rate;    // a second
  std::string detail;
  std::string unit;  // of what is counted: "blobs"; empty: bytes
};
// One line of at most `columns`: what fits least is left out first, the label last.
std::string ProgressLine(const ProgressFacts& facts, std::size_t columns);

// "[#########.....................]"
std::string Bar(uint64_t done, uint64_t total);

}  // namespace waypost::service
