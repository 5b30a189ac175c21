#include "base/time.h"

#include <algorithm>
#include <array>
#include <cstdio>

// Times as text, RFC 3339. What is written is always UTC with milliseconds; what is read may have
// another offset and a finer fraction, of which the rest is cut off. Years 0000 to 9999 only.

namespace waypost::base {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

// What RFC 3339 can write: the years 0000 to 9999.
constexpr WallTime kFirst = sys_days(std::chrono::year(0) / 1 / 1);
constexpr WallTime kLast = WallTime(sys_days(std::chrono::year(10000) / 1 / 1)) - Millis(1);

// Takes exactly `count` digits from the front of `text`; -1 if they are not there.
int TakeNumber(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// ".5" and ".123456" are both allowed; what is finer than a millisecond is cut off.
std::optional<int> TakeFraction(std::string_view& text) {
  if (!TakeChar(text, '.')) return 0;
  int millis = 0;
  int scale = 100;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    millis += (text[digits] - '0') * scale;
    scale /= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return millis;
}

// "Z" or "+02:00"; how far the text is ahead of UTC.
std::optional<std::chrono::minutes> TakeOffset(std::string_view& text) {
  if (TakeChar(text, 'Z') || TakeChar(text, 'z')) return std::chrono::minutes(0);
  const bool ahead = TakeChar(text, '+');
  if (!ahead && !TakeChar(text, '-')) return std::nullopt;
  const int hours = TakeNumber(text, 2);
  if (!TakeChar(text, ':')) return std::nullopt;
  const int minutes = TakeNumber(text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(hours * 60 + minutes);
  return ahead ? offset : -offset;
}

}  // namespace

std::string FormatTime(WallTime t) {
  t = std::clamp(t, kFirst, kLast);
  const sys_days day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<Millis> time(t - day);
  std::array<char, 64> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
      static_cast<int>(time.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

std::optional<WallTime> ParseTime(std::string_view text) {
  const int year = TakeNumber(text, 4);
  if (year < 0 || !TakeChar(text, '-')) return std::nullopt;
  const int month = TakeNumber(text, 2);
  if (month < 0 || !TakeChar(text, '-')) return std::nullopt;
  const int day = TakeNumber(text, 2);
  if (day < 0 || !(TakeChar(text, 'T') || TakeChar(text, 't'))) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;

  const int hours = TakeNumber(text, 2);
  if (hours < 0 || hours > 23 || !TakeChar(text, ':')) return std::nullopt;
  const int minutes = TakeNumber(text, 2);
  if (minutes < 0 || minutes > 59 || !TakeChar(text, ':')) return std::nullopt;
  const int seconds = TakeNumber(text, 2);
  if (seconds < 0 || seconds > 60) return std::nullopt;  // 60: a leap second, taken as the next one
  const auto millis = TakeFraction(text);
  if (!millis) return std::nullopt;
  const auto offset = TakeOffset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return WallTime(sys_days(date)) + std::chrono::hours(hours) + std::chrono::minutes(minutes) +
         std::chrono::seconds(seconds) + Millis(*millis) - *offset;
}

}  // namespace waypost::base
