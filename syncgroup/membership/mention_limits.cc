#include "syncgroup/membership/mention_limits.h"

#include <algorithm>

// What one member may mention and make this peer fetch, as numbers that only grow with its age.
// Arithmetic saturates: no age and no limit makes it wrap around.

namespace waypost::syncgroup {

uint64_t BytesAllowed(const MentionLimits& limits, uint64_t fetched_bytes) {
  return limits.bytes - std::min(limits.bytes, fetched_bytes);
}

uint64_t MentionsAllowed(const MentionLimits& limits, base::WallTime admitted, base::WallTime now) {
  if (now <= admitted) return std::min(limits.total, limits.burst);
  const auto seconds = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now - admitted).count());
  // Saturating: no time is long enough to overflow what is compared with `total`.
  const uint64_t more = limits.total > limits.burst ? limits.total - limits.burst : 0;
  if (limits.per_second != 0 && seconds >= more / limits.per_second) return limits.total;
  return std::min(limits.total, limits.burst + limits.per_second * seconds);
}

}  // namespace waypost::syncgroup
