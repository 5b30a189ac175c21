#include "base/harmless.h"

#include <cstdio>

#include "base/utf8.h"

// One walk over the characters of a text; what differs between a line and JSON is how an escape is
// written. Everything that is shown to people passes here, so that a new kind of mischief is a line
// in one table.

namespace waypost::base {
namespace {

struct Range {
  char32_t first, last;
};
// Besides controls.
constexpr Range kHarmful[] = {
    {0x00ad, 0x00ad},    // soft hyphen: seen by nobody
    {0x061c, 0x061c},    // Arabic letter mark
    {0x200b, 0x200f},    // zero width, left-to-right and right-to-left marks
    {0x2028, 0x202e},    // line and paragraph separators, embeddings and overrides
    {0x2060, 0x206f},    // invisible operators, isolates, shaping
    {0xfeff, 0xfeff},    // byte order mark
    {0xfff9, 0xfffb},    // annotations
    {0xe0000, 0xe007f},  // tags
};

enum class Style { kText, kJson };

void AppendUnit(unsigned unit, std::string& out) {
  char escaped[16];
  std::snprintf(escaped, sizeof escaped, "\\u%04x", unit);
  out += escaped;
}

void AppendEscape(char32_t code, Style style, std::string& out) {
  if (style == Style::kText && code < 0x100) {
    char escaped[16];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(code));
    out += escaped;
  } else if (code < 0x10000) {
    AppendUnit(static_cast<unsigned>(code), out);
  } else {
    AppendUnit(0xd800 + static_cast<unsigned>((code - 0x10000) >> 10), out);
    AppendUnit(0xdc00 + static_cast<unsigned>((code - 0x10000) & 0x3ff), out);
  }
}

std::string Escape(std::string_view text, Style style) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = FirstCharacter(text);
    const std::string_view character = text.substr(0, first ? first->bytes : 1);
    text.remove_prefix(character.size());
    if (!first) {
      // In JSON nothing else can stand for a byte.
      AppendEscape(style == Style::kJson ? U'\ufffd' : static_cast<unsigned char>(character[0]),
                   style, out);
    } else if (character == "\n") {
      out += style == Style::kJson ? "\n" : "\\n";
    } else if (IsHarmful(first->code)) {
      AppendEscape(first->code, style, out);
    } else {
      out += character;
    }
  }
  return out;
}

}  // namespace

bool IsHarmful(char32_t code) {
  if (IsControl(code)) return true;
  for (const Range& range : kHarmful) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

std::string Harmless(std::string_view text) { return Escape(text, Style::kText); }
std::string HarmlessJson(std::string_view json) { return Escape(json, Style::kJson); }

}  // namespace waypost::base
