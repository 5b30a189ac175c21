#include "http/message/text.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

// Small parsers and comparisons of HTTP's text, in ASCII whatever the locale says. A number is
// digits only and fits, or is none.

namespace waypost::http {
namespace {

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> ParseDecimal(std::string_view digits) {
  if (digits.empty() || digits.size() > 20) return std::nullopt;
  uint64_t value = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  if (std::none_of(text.begin(), text.end(), [](char c) { return c == '%' || IsControl(c); })) {
    return std::string(text);
  }
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (IsControl(c)) return std::nullopt;
    out.push_back(c);
  }
  return out;
}

std::string HttpDate(int64_t seconds) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return absl::StrFormat("%s, %02u %s %04d %02d:%02d:%02d GMT",
                         kDays[std::chrono::weekday(day).c_encoding()], unsigned{date.day()},
                         kMonths[unsigned{date.month()} - 1], int{date.year()},
                         clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string Base64(std::string_view bytes) { return absl::Base64Escape(base::Abs(bytes)); }

std::string Base64Url(std::string_view bytes) {
  return absl::WebSafeBase64Escape(base::Abs(bytes));
}

std::optional<std::string> FromBase64Url(std::string_view text) {
  std::string out;
  if (!absl::WebSafeBase64Unescape(base::Abs(text), &out)) return std::nullopt;
  // Only the one spelling that we write: nothing ignored, no padding.
  if (Base64Url(out) != text) return std::nullopt;
  return out;
}

}  // namespace waypost::http
