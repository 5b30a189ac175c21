#pragma once

#include <cstdint>
#include <string_view>

#include "absl/hash/hash.h"

namespace waypost::base {

// Whom work, room and connections are counted for: a member by the key of the member that brought
// it in, or its own where an admin admitted it; a stranger, who draws keys at will, by the network
// that it comes from. A number of this process only.
using Payer = uint64_t;
// What is not shared: all there is of an app listener, and what this peer does for itself.
inline constexpr Payer kNobody = 0;

inline Payer PayerOf(std::string_view key_or_network) { return absl::HashOf(key_or_network) | 1; }

}  // namespace waypost::base
