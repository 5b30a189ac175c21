#pragma once

#include "tests/support/eventually.h"

namespace waypost::integration {

using support::Eventually;
using support::kPatience;

// Under a sanitizer times say nothing: what a user would notice is asserted in the release build
// only.
#ifdef WAYPOST_SANITIZED
inline constexpr bool kTimesCount = false;
#else
inline constexpr bool kTimesCount = true;
#endif

}  // namespace waypost::integration
