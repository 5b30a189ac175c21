#pragma once

#include <cstdint>
#include <string_view>

#include "absl/hash/hash.h"
#include "base/ids.h"

namespace waypost::base {

// Whom work, room and connections are counted for: a member that an admin admitted by its key;
// those that came by the invites of one member together; a stranger, who draws keys at will, by the
// network that it comes from. A number of this process only.
using Payer = uint64_t;
// What is not shared: all there is of an app listener, and what this peer does for itself.
inline constexpr Payer kNobody = 0;

inline Payer PayerOf(std::string_view key_or_network) { return absl::HashOf(key_or_network) | 1; }
// Of a member, by whose invites it came; `sponsor` zero: an admin admitted it. All whom one brought
// in pay together, and apart from that one, which they do not keep from anything.
inline Payer PayerOf(const PeerId& member, const PeerId& sponsor) {
  return sponsor.IsZero() ? PayerOf(member.bytes())
                          : absl::HashOf(std::string_view("brought in"), sponsor.bytes()) | 1;
}

}  // namespace waypost::base
