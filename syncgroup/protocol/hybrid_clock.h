#pragma once

#include <algorithm>

#include "base/time.h"

namespace waypost::syncgroup {

// An entry further ahead of our clock than this is not taken, nor does it move our stamps.
inline constexpr base::Millis kClockAheadMax{10 * 60 * 1000};

// The time of an entry written now: the later of now and one more than the latest seen, so that
// what is written after something was seen also wins over it, however the clocks differ. Pure.
inline base::WallTime HybridNow(base::WallTime now, base::WallTime latest_seen) {
  return std::max(now, latest_seen + base::Millis(1));
}

}  // namespace waypost::syncgroup
