#pragma once

#include <cstdint>

#include "base/time.h"

namespace waypost::fetcher {

struct RetryPolicy {
  base::Millis base{1000};
  base::Millis max{3600 * 1000};
};

// The wait after `failures` consecutive failures: uniform in [0.5, 1) x base x 2^min(failures, 20),
// at most `max` (the rule of Syncbase's server blob fetcher, with our bounds). `unit_random` in [0,
// 1). Pure. Zero failures wait nothing.
base::Millis RetryDelay(uint32_t failures, const RetryPolicy& policy, double unit_random);

}  // namespace waypost::fetcher
