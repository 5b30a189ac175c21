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
  // One goes first alone when it has cooled.
  if (health.Withholds()) {
    health.suspect = false;
    return health;
  }
  if (health.cool_down_end != base::kNever) ++health.returns;
  health.cool_down_end = base::kNever;
  health.consecutive_failures = 0;
  health.suspect = false;
  return health;
}

PeerHealth AfterBlob(PeerHealth health, base::WallTime now) {
  if (health.blob_debt > 0) --health.blob_debt;
  health.last_blob = now;
  return AfterSuccess(std::move(health), now);
}

PeerHealth AfterBlobFailure(PeerHealth health, base::WallTime now, uint64_t returns_at_start,
                            LastError error, std::optional<base::Millis> retry_after,
                            double unit_random) {
  const bool news = health.returns == returns_at_start && !health.Cooling(now);
  const bool answered_since = health.blob_debt == 0 || health.last_success >= health.blob_failed;
  if (news && answered_since) {
    health.blob_debt = std::min(health.blob_debt + kBlobFailure, kBlobDebtMax);
    health.blob_failed = now;
  }
  return AfterFailure(std::move(health), now, returns_at_start, std::move(error), retry_after,
                      unit_random);
}

PeerHealth AfterSlow(PeerHealth health, base::WallTime now) {
  health.slow_until = now + kSlowRemembered;
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
  const uint32_t failures = std::max(health.consecutive_failures, health.blob_debt / kBlobFailure);
  health.cool_down_end = now + CoolDown(failures, retry_after, unit_random);
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
  health.blob_debt = 0;
  ++health.returns;
  return health;
}

PeerHealth AfterLoad(PeerHealth health, base::WallTime now) {
  const base::Millis longest = health.suspect ? kWrongBytesCoolDown : kCoolDownMax;
  health.cool_down_end = std::min(health.cool_down_end, now + longest);
  health.blob_debt = std::min(health.blob_debt, kBlobDebtMax);
  health.slow_until = std::min(health.slow_until, now + kSlowRemembered);
  health.returns = 0;
  return health;
}

}  // namespace waypost::signpost
