#include "base/short_id.h"

#include <optional>

#include "absl/strings/ascii.h"

// 115 bits of the id and one check digit, in base32. The check digit is Luhn's over digits to the
// base of 32: it finds one wrong character and most exchanges of neighbours.

namespace waypost::base {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kDigits = 23;  // without the check digit
constexpr std::size_t kGroup = 4;

// Luhn's sum over digits to the base of 32; the last of `values` is not doubled if `whole`.
unsigned LuhnSum(const std::string& values, bool whole) {
  unsigned sum = 0;
  bool twice = !whole;
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    const unsigned addend = static_cast<unsigned>(*value) * (twice ? 2 : 1);
    sum += addend / 32 + addend % 32;
    twice = !twice;
  }
  return sum % 32;
}

// The values of the characters; nullopt for another form.
std::optional<std::string> Values(std::string_view text) {
  std::string values;
  for (const char c : text) {
    if (c == '-') continue;
    const auto at = kAlphabet.find(absl::ascii_tolower(static_cast<unsigned char>(c)));
    if (at == std::string_view::npos || values.size() > kDigits) return std::nullopt;
    values.push_back(static_cast<char>(at));
  }
  if (values.size() != kDigits + 1) return std::nullopt;
  return values;
}

}  // namespace

std::string ShortId(const PeerId& peer) {
  std::string values;
  const std::string_view bytes = peer.bytes();
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    unsigned value = 0;
    for (std::size_t bit = digit * 5; bit < digit * 5 + 5; ++bit) {
      const auto byte = static_cast<unsigned char>(bytes[bit / 8]);
      value = value << 1 | ((byte >> (7 - bit % 8)) & 1u);
    }
    values.push_back(static_cast<char>(value));
  }
  values.push_back(static_cast<char>((32 - LuhnSum(values, /*whole=*/false)) % 32));
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0 && i % kGroup == 0) text.push_back('-');
    text.push_back(kAlphabet[static_cast<std::size_t>(values[i])]);
  }
  return text;
}

bool IsShortId(std::string_view text) {
  const auto values = Values(text);
  return values && LuhnSum(*values, /*whole=*/true) == 0;
}

bool IsShortIdOf(std::string_view text, const PeerId& peer) {
  return IsShortId(text) && Values(text) == Values(ShortId(peer));
}

}  // namespace waypost::base
