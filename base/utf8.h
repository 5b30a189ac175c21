#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// Text as UTF-8. Pure.
namespace waypost::base {

struct Character {
  std::size_t bytes = 0;  // 1 to 4
  char32_t code = 0;
};
// The well-formed character that `text` begins with: no form that is longer than needed, no
// surrogate, nothing beyond U+10FFFF. nullopt: there is none.
std::optional<Character> FirstCharacter(std::string_view text);

// What a terminal obeys, and nobody wants to see: below U+0020, and U+007F to U+009F.
inline constexpr bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

// As much of the beginning of `text` as fits into `bytes_max`, never a part of a character.
std::string CutText(std::string_view text, std::size_t bytes_max);

// What is kept of another's message about an error: at most this much.
inline constexpr std::size_t kMessageBytesMax = 200;
inline std::string ShortMessage(std::string_view message) {
  return CutText(message, kMessageBytesMax);
}

}  // namespace waypost::base
