#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/ids.h"
#include "signpost/rules.h"

namespace waypost::fetcher {

// At most this many locations are asked in one attempt.
inline constexpr std::size_t kAskedMax = 8;

// Whom to ask, in order: the signpost's locations (servers, proxies, the freshest; denied ones
// last), then members of the groups that are not among them (`members`, servers first). Cooling
// peers go behind all others; `self` and peers in `skip` are left out. Pure.
std::vector<base::PeerId> Rank(const signpost::Locations& locations,
                               const std::vector<base::PeerId>& members, const base::PeerId& self,
                               const std::vector<base::PeerId>& skip,
                               const std::function<bool(const base::PeerId&)>& cooling);

}  // namespace waypost::fetcher
