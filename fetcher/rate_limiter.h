#pragma once

#include <cstdint>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"

namespace waypost::fetcher {

// A token bucket that all fetches share: at most `rate` bytes a second, a quarter of a second's
// worth at once. Thread-safe.
class RateLimiter {
 public:
  // 0: no limit.
  void SetRate(uint64_t bytes_per_s);
  // Waits until `bytes` more may be taken; false when `stop` was requested meanwhile.
  bool Take(uint64_t bytes, std::stop_token stop);

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  uint64_t rate_ GUARDED_BY(mutex_) = 0;
  base::SteadyTime free_at_ GUARDED_BY(mutex_){};
};

}  // namespace waypost::fetcher
