#pragma once

#include <string>
#include <string_view>

// What others say, before a person reads it on a terminal or in a log. Names, keys and messages of
// other peers must not move a cursor, begin a line of their own, or stand in another order than
// they are written in. The one place that decides what is shown as it is. Pure.
namespace waypost::base {

// Controls (C0, DEL, C1), line and paragraph separators, what changes the direction of text, and
// what nobody sees.
bool IsHarmful(char32_t code);

// One line: what is harmful, or no UTF-8, is written out: "\n", "\x9b", "\u202e".
std::string Harmless(std::string_view text);
// The same JSON, where a parser reads what it did before, and no UTF-8 has become U+FFFD: escapes
// stand for what is harmful. Line feeds, which are only between its tokens, stay.
std::string HarmlessJson(std::string_view json);

}  // namespace waypost::base
