#include "signpost/health.h"

#include <algorithm>
#include <utility>

// What answers and failures make of a peer's health. A failure counts only if it is news: not when
// the peer has returned since the request began, nor while it cools already, so that requests that
// fail together are one failure.

namespace waypost::signpost {

base::Millis CoolDown(uint32_t failures, std::optional<base::Millis> retry_after,
                      double unit_random) {
  const uint32_t doublings = std::min(std::max(failures, 1u) - 1, kCoolDownDoublings);
  const double base_ms = static_cast<double>(kCoolDownMin.count()) +
                         unit_random * static_cast<double>(kCoolDownSpan.count());
  const base::Millis uniform(static_cast<int64_t>(base_ms * static_cast<double>(1u << doublings)));
  if (!retry_after) return uniform;
  return std::max(uniform, std::min(*retry_after, kRetryAfterMax));
}

PeerHealth AfterSuccess(PeerHealth health, base::WallTime now) {
  health.last_success = now;
  if (health.suspect && health.Cooling(now)) return health;
  if (health.cool_down_end != base::kNever) ++health.returns;
  health.cool_down_end = base::kNever;
  health.consecutive_failures = 0;
  health.suspect = false;
  return health;
}

PeerHealth AfterFailure(PeerHealth health, base::WallTime now, uint64_t returns_at_start,
                        LastError error, std::optional<base::Millis> retry_after,
                        double unit_random) {
  health.last_error = std::move(error);
  if (health.returns != returns_at_start) return health;
  if (health.Cooling(now)) {
    if (retry_after) {
      health.cool_down_end =
          std::max(health.cool_down_end, now + std::min(*retry_after, kRetryAfterMax));
    }
    return health;
  }
  if (health.consecutive_failures < UINT32_MAX) ++health.consecutive_failures;
  health.cool_down_end = now + CoolDown(health.consecutive_failures, retry_after, unit_random);
  return health;
}

PeerHealth AfterWrongBytes(PeerHealth health, base::WallTime now, const base::BlobId& blob,
                           LastError error) {
  health.last_error = std::move(error);
  if (now - health.wrong_since > kWrongBlobsRemembered) health.wrong.clear();
  if (health.wrong.empty()) health.wrong_since = now;
  if (std::find(health.wrong.begin(), health.wrong.end(), blob) == health.wrong.end()) {
    health.wrong.push_back(blob);
  }
  if (health.wrong.size() < kWrongBlobsForCoolDown) return health;
  health.wrong.clear();
  health.suspect = true;
  if (health.consecutive_failures < UINT32_MAX) ++health.consecutive_failures;
  health.cool_down_end = std::max(health.cool_down_end, now + kWrongBytesCoolDown);
  return health;
}

PeerHealth AfterForgiving(PeerHealth health) {
  health.wrong.clear();
  if (!health.suspect) return health;
  health.suspect = false;
  health.cool_down_end = base::kNever;
  health.consecutive_failures = 0;
  ++health.returns;
  return health;
}

PeerHealth AfterLoad(PeerHealth health, base::WallTime now) {
  const base::Millis longest = health.suspect ? kWrongBytesCoolDown : kCoolDownMax;
  health.cool_down_end = std::min(health.cool_down_end, now + longest);
  health.returns = 0;
  return health;
}

}  // namespace waypost::signpost
