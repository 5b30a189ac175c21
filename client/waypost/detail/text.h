#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "waypost/types.h"

// Text as it goes over the wire.
namespace waypost::client::detail {

// A number of digits only; nullopt for anything else and for what does not fit.
inline std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// So many bytes from the beginning, and no part of a character of UTF-8 at the end.
inline std::string CutText(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (bytes_max > 0 && continues(bytes_max)) --bytes_max;
  return std::string(text.substr(0, bytes_max));
}

// Percent-encodes all but unreserved characters.
inline std::string Escape(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

// Appends "name=value" to a target, the first one after a question mark.
inline void AddQuery(std::string& target, std::string_view name, std::string_view value) {
  target += target.find('?') == std::string::npos ? '?' : '&';
  target.append(name).append("=").append(Escape(value));
}

// 64 lower-case digits; nullopt: it is no id. "sha256:" before it is left out.
inline std::optional<std::string> ParseId(std::string_view text) {
  if (text.substr(0, 7) == "sha256:") text.remove_prefix(7);
  if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(text);
}

// RFC 3339 in UTC, with or without a fraction; nullopt for anything else.
inline std::optional<Time> ParseTime(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, read = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &read) != 6) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(read));
  int milliseconds = 0;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    for (int digit = 100; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; digit /= 10) {
      milliseconds += digit * (rest[0] - '0');
      rest.remove_prefix(1);
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (rest != "Z" || !date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) +
         std::chrono::milliseconds(milliseconds);
}

// Cuts what arrives into lines, without their "\n" or "\r\n".
class LineCutter {
 public:
  // False when `line` said false or a line is longer than 1 MiB (see `too_long`).
  template <class Line>
  bool Add(std::string_view bytes, const Line& line) {
    while (true) {
      const std::size_t end = bytes.find('\n');
      too_long_ = rest_.size() + (end == std::string_view::npos ? bytes.size() : end) > kLineMax;
      if (too_long_) return false;
      rest_.append(bytes.substr(0, end));
      if (end == std::string_view::npos) return true;
      bytes.remove_prefix(end + 1);
      if (!rest_.empty() && rest_.back() == '\r') rest_.pop_back();
      const std::string whole = std::move(rest_);
      rest_.clear();
      if (!line(whole)) return false;
    }
  }
  bool too_long() const { return too_long_; }

 private:
  static constexpr std::size_t kLineMax = std::size_t{1} << 20;
  std::string rest_;
  bool too_long_ = false;
};

}  // namespace waypost::client::detail
