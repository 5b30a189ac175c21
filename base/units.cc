#include "base/units.h"

#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

// Durations and sizes as people write them, exact or refused: "1.5h" is a whole number of
// milliseconds, and anything that is not is a mistake. What is formatted parses to the same value.

namespace waypost::base {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
// Ascending.
constexpr Unit kDurations[] = {{"ms", 1},        {"s", 1000},           {"m", 60'000},
                               {"h", 3'600'000}, {"d", 24 * 3'600'000}, {"w", 7 * 24 * 3'600'000}};
// Those that durations are shown in: what a file or a program has of us stays as it is.
constexpr Unit kShownDurations[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr Unit kSizes[] = {{"B", 1},
                           {"KiB", uint64_t{1} << 10},
                           {"MiB", uint64_t{1} << 20},
                           {"GiB", uint64_t{1} << 30},
                           {"TiB", uint64_t{1} << 40}};
// Read, and shown never: the KB of some is the KiB of others.
constexpr Unit kReadSizes[] = {{"B", 1},
                               {"KB", 1000},
                               {"KiB", uint64_t{1} << 10},
                               {"MB", 1'000'000},
                               {"MiB", uint64_t{1} << 20},
                               {"GB", 1'000'000'000},
                               {"GiB", uint64_t{1} << 30},
                               {"TB", 1'000'000'000'000},
                               {"TiB", uint64_t{1} << 40}};
constexpr uint64_t kDurationMax = uint64_t{100} * 366 * 24 * 3'600'000;
// What a double still counts in ones.
constexpr double kLargest = 9'007'199'254'740'992.0;

// A number of digits with at most one point, and what follows it.
bool SplitNumber(std::string_view text, double& number, std::string_view& unit) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string digits(text.substr(0, end));
  unit = end == std::string_view::npos ? std::string_view() : text.substr(end);
  if (digits.empty() || digits.front() == '.' || digits.back() == '.') return false;
  return absl::SimpleAtod(digits, &number) && std::isfinite(number);
}

template <std::size_t N>
std::optional<uint64_t> ParseWithUnit(std::string_view text, const Unit (&units)[N],
                                      bool bare_allowed) {
  double number = 0;
  std::string_view name;
  if (!SplitNumber(text, number, name)) return std::nullopt;
  uint64_t factor = 0;
  for (const Unit& unit : units) {
    if (unit.name == name) factor = unit.factor;
  }
  if (name.empty() && (bare_allowed || number == 0)) factor = 1;
  if (factor == 0) return std::nullopt;
  const double value = number * static_cast<double>(factor);
  if (value > kLargest || value != std::floor(value)) return std::nullopt;
  return static_cast<uint64_t>(value);
}

template <std::size_t N>
std::string FormatWithUnit(uint64_t value, const Unit (&units)[N], std::size_t smallest_for_zero) {
  if (value == 0) return absl::StrCat("0", Abs(units[smallest_for_zero].name));
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) best = &unit;
  }
  return absl::StrCat(value / best->factor, Abs(best->name));
}

}  // namespace

absl::StatusOr<Millis> ParseDuration(std::string_view text) {
  const auto value = ParseWithUnit(text, kDurations, /*bare_allowed=*/false);
  if (!value || *value > kDurationMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Abs(text),
        "\" is no duration: write a number and ms, s, m or h (or d, w), as in 250ms or 1.5h"));
  }
  return Millis(static_cast<int64_t>(*value));
}

std::string FormatDuration(Millis duration) {
  return FormatWithUnit(static_cast<uint64_t>(duration.count()), kShownDurations,
                        /*smallest_for_zero=*/1);
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  const auto value = ParseWithUnit(text, kReadSizes, /*bare_allowed=*/true);
  if (!value) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", Abs(text),
        "\" is no size: write a number and B, KiB, MiB, GiB or TiB (or KB, MB, GB, TB: "
        "powers of 1000), as in 16KiB"));
  }
  return *value;
}

std::string FormatSize(uint64_t bytes) {
  if (bytes == 0) return "0";
  return FormatWithUnit(bytes, kSizes, /*smallest_for_zero=*/0);
}

absl::StatusOr<uint32_t> ParsePercent(std::string_view text) {
  uint32_t percent = 0;
  if (text.size() < 2 || text.back() != '%' ||
      text.find_first_not_of("0123456789") != text.size() - 1 ||
      !absl::SimpleAtoi(Abs(text.substr(0, text.size() - 1)), &percent) || percent > 99) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Abs(text), "\" is no percentage: write 0% to 99%"));
  }
  return percent;
}

std::string HumanSize(uint64_t bytes) {
  const Unit* unit = &kSizes[0];
  for (const Unit& larger : kSizes) {
    if (bytes >= larger.factor) unit = &larger;
  }
  if (unit == &kSizes[0]) return absl::StrCat(bytes, " B");
  return absl::StrFormat("%.1f %s", static_cast<double>(bytes) / static_cast<double>(unit->factor),
                         std::string(unit->name));
}

std::string HumanDuration(Millis duration) {
  const int64_t ms = duration.count();
  if (ms < 1000) return absl::StrCat(ms, " ms");
  if (ms < 60'000) return absl::StrFormat("%.1f s", static_cast<double>(ms) / 1000);
  const int64_t seconds = ms / 1000;
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  return absl::StrCat(seconds / 3600, " h ", seconds % 3600 / 60, " min");
}

}  // namespace waypost::base
