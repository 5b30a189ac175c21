#include "fetcher/policy/retry_policy.h"

#include <algorithm>

// The wait after failures: it doubles, half of it is random, and it never exceeds the maximum. The
// random half keeps blobs that failed together from being tried together.

namespace waypost::fetcher {

base::Millis RetryDelay(uint32_t failures, const RetryPolicy& policy, double unit_random) {
  if (failures == 0) return base::Millis(0);
  const double doubled =
      static_cast<double>(policy.base.count()) * static_cast<double>(1u << std::min(failures, 20u));
  const double jittered = doubled * (0.5 + 0.5 * unit_random);
  const double limit = static_cast<double>(policy.max.count());
  return base::Millis(static_cast<int64_t>(std::min(jittered, limit)));
}

}  // namespace waypost::fetcher
