#include "fetcher/attempt/rate_limiter.h"

#include <algorithm>
#include <chrono>

#include "base/stop_callback.h"

// A bucket shared by all fetches. Who takes reserves its turn at once and then waits for it, so
// that turns are kept; a rate that changes makes everybody who waits reserve anew.

namespace waypost::fetcher {

void RateLimiter::SetRate(uint64_t bytes_per_s) {
  base::MutexLock lock(mutex_);
  rate_ = bytes_per_s;
  ++rates_set_;
  free_at_ = {};
  changed_.NotifyAll();
}

base::SteadyTime RateLimiter::Reserve(uint64_t bytes) {
  const base::SteadyTime now = clock_.SteadyNow();
  if (rate_ == 0) return now;
  // What was not used earlier may be used now, a quarter of a second's worth at most.
  free_at_ = std::max(free_at_, now - std::chrono::milliseconds(250));
  free_at_ += std::chrono::nanoseconds(
      static_cast<int64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(rate_)));
  return free_at_;
}

bool RateLimiter::Take(uint64_t bytes, const std::stop_token& stop) {
  {
    base::MutexLock lock(mutex_);
    if (rate_ == 0) return !stop.stop_requested();
  }
  base::StopCallback wake(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  base::MutexLock lock(mutex_);
  base::SteadyTime until = Reserve(bytes);
  uint64_t reserved_under = rates_set_;
  while (!stop.stop_requested() && clock_.SteadyNow() < until) {
    clock_.WaitUntil(changed_, mutex_, until);
    if (rates_set_ == reserved_under) continue;
    until = Reserve(bytes);
    reserved_under = rates_set_;
  }
  return !stop.stop_requested();
}

}  // namespace waypost::fetcher
