#pragma once

#include <cstdint>
#include <string_view>

#include "absl/hash/hash.h"

namespace waypost::base {

// Whom work, room and connections are counted for: a member that an admin admitted by its key;
// those that came by the invites of one member together; a stranger, who draws keys at will, by the
// network that it comes from. A number of this process only.
using Payer = uint64_t;
// What is not shared: all there is of an app listener, and what this peer does for itself.
inline constexpr Payer kNobody = 0;

inline Payer PayerOf(std::string_view key_or_network) { return absl::HashOf(key_or_network) | 1; }
// Of a member by its key, and by that of who answers for it: its own, or that of the one that
// brought it in. All whom one brought in pay together, and apart from that one, which they do not
// keep from anything.
inline Payer PayerOfMember(std::string_view key, std::string_view answers_for) {
  return key == answers_for ? PayerOf(key)
                            : absl::HashOf(std::string_view("brought in"), answers_for) | 1;
}

}  // namespace waypost::base
