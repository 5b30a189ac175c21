#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waypost::service {

// What a peer may be called: what every other peer takes in a profile, for one that they refuse
// makes a peer mute. UTF-8 of at most 200 bytes, no control characters.
absl::Status CheckNodeName(std::string_view name);

// A name for a peer that was given none: that of its machine, with '?' for every byte that may not
// be in it, and cut; "waypost" where there is none.
std::string NodeNameOf(std::string_view host_name);

}  // namespace waypost::service
