#include "signpost/health.h"

#include <algorithm>
#include <utility>

namespace waypost::signpost {

base::Millis CoolDown(uint32_t failures, std::optional<base::Millis> retry_after,
                      double unit_random) {
  const uint32_t doublings = std::min<uint32_t>(failures == 0 ? 0 : failures - 1, 8);
  const double first_ms = 1000 + 9000 * unit_random;
  auto delay = base::Millis(static_cast<int64_t>(first_ms * static_cast<double>(1u << doublings)));
  if (retry_after) delay = std::max(delay, std::min(*retry_after, kRetryAfterMax));
  return delay;
}

bool Succeed(PeerHealth& health, base::WallTime now) {
  const bool returned = health.cool_down_end != base::kNever;
  health.consecutive_failures = 0;
  health.cool_down_end = base::kNever;
  health.last_success = now;
  health.suspect = false;
  if (returned) ++health.returns;
  return returned;
}

bool Fail(PeerHealth& health, uint64_t returns_at_start, LastError error,
          std::optional<base::Millis> retry_after, base::WallTime now, double unit_random) {
  health.last_error = std::move(error);
  if (health.returns != returns_at_start) return false;
  // Requests that were under way together fail together: one failure, not several.
  if (!health.Cooling(now)) ++health.consecutive_failures;
  const base::WallTime end = now + CoolDown(health.consecutive_failures, retry_after, unit_random);
  health.cool_down_end = std::max(health.cool_down_end, health.Cooling(now) && !retry_after
                                                            ? health.cool_down_end
                                                            : end);
  return true;
}

void SendWrongBytes(PeerHealth& health, LastError error, base::WallTime now) {
  health.last_error = std::move(error);
  ++health.consecutive_failures;
  health.suspect = true;
  health.cool_down_end = std::max(health.cool_down_end, now + kWrongBytesCoolDown);
}

void ClampCoolDown(PeerHealth& health, base::WallTime now) {
  health.cool_down_end = std::min(health.cool_down_end, now + kCoolDownMax);
}

}  // namespace waypost::signpost
