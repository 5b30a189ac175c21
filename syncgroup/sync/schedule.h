#pragma once

#include "base/time.h"

// When the next round with a peer is: pure.
namespace waypost::syncgroup {

inline constexpr base::Millis kQuietIntervalMax{30 * 1000};
// Haves gather this long before they are told.
inline constexpr base::Millis kHavesGather{100};

// The pause after a round: `interval` again when the round brought something, else twice the last
// pause, up to 30 s (or `interval`, if that is longer).
base::Millis NextPause(base::Millis last_pause, base::Millis interval, bool news);

// Uniform in [0.8, 1.2) of the pause, so that peers that started together do not stay together.
base::Millis WithJitter(base::Millis pause, double unit_random);

}  // namespace waypost::syncgroup
