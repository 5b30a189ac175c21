#pragma once

#include <cstdint>

#include "base/clock.h"
#include "syncgroup/types.h"

namespace waypost::syncgroup {

// How many references one member may put into one group, as far as this peer takes them: so that
// nobody can fill its table. They are counted for ever, deleted ones too.
struct MentionLimits {
  uint64_t total = 5'000'000;
  // At once, and then so many a second, since the member was admitted.
  uint64_t burst = 100'000;
  uint64_t per_second = 200;
  // Of what they make this peer want and fetch as a server; the size counts as it turns out, not as
  // the member says.
  uint64_t bytes = uint64_t{1} << 40;
};

// How large a blob may be at most whose first mention is by a member with this charge; `counted`:
// of it so far for this blob. Pure.
uint64_t BytesAllowed(const MentionLimits& limits, const Charge& charge, uint64_t counted);

// Of a member that was admitted then, all its references together. Pure.
uint64_t MentionsAllowed(const MentionLimits& limits, base::WallTime admitted, base::WallTime now);

}  // namespace waypost::syncgroup
