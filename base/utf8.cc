#include "base/utf8.h"

// One decoder for what is checked, logged and cut. It is strict, because a lenient one lets the
// same text be written in several ways, and a control character pass as something longer.

namespace waypost::base {
namespace {

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::optional<Character> FirstCharacter(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return Character{.bytes = 1, .code = first};
  Character character;
  char32_t least = 0;  // what is below fits into fewer bytes
  if ((first & 0xe0) == 0xc0) {
    character = {.bytes = 2, .code = first & 0x1fu}, least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    character = {.bytes = 3, .code = first & 0x0fu}, least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    character = {.bytes = 4, .code = first & 0x07u}, least = 0x10000;
  } else {
    return std::nullopt;
  }
  if (text.size() < character.bytes) return std::nullopt;
  for (const char c : text.substr(1, character.bytes - 1)) {
    if (!Continues(c)) return std::nullopt;
    character.code = character.code << 6 | (static_cast<unsigned char>(c) & 0x3fu);
  }
  const bool surrogate = character.code >= 0xd800 && character.code <= 0xdfff;
  if (character.code < least || character.code > 0x10ffff || surrogate) return std::nullopt;
  return character;
}

std::string CutText(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  while (bytes_max > 0 && Continues(text[bytes_max])) --bytes_max;
  return std::string(text.substr(0, bytes_max));
}

}  // namespace waypost::base
