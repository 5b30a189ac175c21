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
  // `clock` must outlive this.
  explicit RateLimiter(const base::Clock& clock) : clock_(clock) {}
  // 0: no limit. Holds at once, also for those who wait.
  void SetRate(uint64_t bytes_per_s);
  // Waits until `bytes` more may be taken; false when `stop` was requested meanwhile.
  bool Take(uint64_t bytes, const std::stop_token& stop);

 private:
  // The next `bytes` in turn: when they may be taken.
  base::SteadyTime Reserve(uint64_t bytes) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  uint64_t rate_ GUARDED_BY(mutex_) = 0;
  uint64_t rates_set_ GUARDED_BY(mutex_) = 0;
  base::SteadyTime free_at_ GUARDED_BY(mutex_){};
};

}  // namespace waypost::fetcher
