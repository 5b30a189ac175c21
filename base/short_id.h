#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"

namespace waypost::base {

// A peer's id as people read it to each other, "kq3m-...": six groups of four letters and digits of
// RFC 4648's base32 in lower case, 115 bits of the id and a check digit (Luhn, mod 32) that finds
// one wrong character and most that changed places. For people: programs compare whole ids.
std::string ShortId(const PeerId& peer);
// Has it the form, and does the check digit fit? Capitals and missing hyphens are forgiven.
bool IsShortId(std::string_view text);
// Is it the short id of this peer?
bool IsShortIdOf(std::string_view text, const PeerId& peer);

}  // namespace waypost::base
