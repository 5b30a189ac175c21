#pragma once

#include <cstddef>

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
// Of a table whose cases start a program each: every so many. The release build takes all.
inline constexpr std::size_t kCaseStep = kTimesCount ? 1 : 4;

}  // namespace waypost::integration
