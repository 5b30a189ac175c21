#include "base/attempt_limiter.h"

#include <algorithm>
#include <chrono>

// The latest times of each key, in a window that slides. Keys are bounded: where there are too
// many, the one that was quiet the longest is forgotten, so that nobody can fill the memory with
// names.

namespace waypost::base {

std::optional<Millis> AttemptLimiter::Wait(const std::string& key, SteadyTime now) {
  MutexLock lock(mutex_);
  const auto found = times_.find(key);
  if (found == times_.end() || found->second.size() < limit_) return std::nullopt;
  const SteadyTime free = found->second.front() + window_;
  if (free <= now) return std::nullopt;
  return std::chrono::ceil<Millis>(free - now);
}

void AttemptLimiter::Note(const std::string& key, SteadyTime now) {
  MutexLock lock(mutex_);
  if (times_.size() >= keys_max_ && !times_.contains(key)) {
    times_.erase(std::min_element(times_.begin(), times_.end(), [](const auto& a, const auto& b) {
      return a.second.back() < b.second.back();
    }));
  }
  auto& times = times_[key];
  times.push_back(now);
  // Only the latest decide.
  if (times.size() > limit_) times.pop_front();
}

}  // namespace waypost::base
