#pragma once

#include "tests/support/eventually.h"

namespace waypost::integration {

using support::Eventually;
using support::kPatience;

// Under a sanitizer times say nothing: what a user would notice is asserted in the release build
// only.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kTimesCount = false;
#else
inline constexpr bool kTimesCount = true;
#endif

}  // namespace waypost::integration
