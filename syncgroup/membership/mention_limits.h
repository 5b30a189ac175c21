#pragma once

#include <cstdint>

#include "base/time.h"

namespace waypost::syncgroup {

// How many references one member may put into one group, as far as this peer takes them: so that
// nobody can fill its table. They are counted for ever, deleted ones too.
struct MentionLimits {
  uint64_t total = 5'000'000;
  // At once, and then so many a second, since the member was admitted.
  uint64_t burst = 100'000;
  uint64_t per_second = 200;
  // That a server fetches because of what they mention, for ever; blobs that an app here asks for
  // are no part of it.
  uint64_t bytes = uint64_t{1} << 40;
};

// How large a blob may be whose first mention is by a member for which so much was fetched. Pure.
uint64_t BytesAllowed(const MentionLimits& limits, uint64_t fetched_bytes);

// Of a member that was admitted then, all its references together. Pure.
uint64_t MentionsAllowed(const MentionLimits& limits, base::WallTime admitted, base::WallTime now);

}  // namespace waypost::syncgroup
