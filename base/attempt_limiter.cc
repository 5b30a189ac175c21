#include "base/attempt_limiter.h"

#include <chrono>

// The latest times of each key, in a window that slides. Keys are bounded: where there are too
// many, the one that was quiet the longest is forgotten, so that nobody can fill the memory with
// names.

namespace waypost::base {

std::optional<Millis> AttemptLimiter::Wait(const std::string& key, SteadyTime now) {
  MutexLock lock(mutex_);
  const auto found = attempts_.find(key);
  if (found == attempts_.end() || found->second.times.size() < limit_) return std::nullopt;
  const SteadyTime free = found->second.times.front() + window_;
  if (free <= now) return std::nullopt;
  return std::chrono::ceil<Millis>(free - now);
}

void AttemptLimiter::Note(const std::string& key, SteadyTime now) {
  MutexLock lock(mutex_);
  auto found = attempts_.find(key);
  if (found == attempts_.end()) {
    if (attempts_.size() >= keys_max_) {
      attempts_.erase(quiet_.front());
      quiet_.pop_front();
    }
    found = attempts_.emplace(key, Attempts{{}, quiet_.insert(quiet_.end(), key)}).first;
  }
  Attempts& attempts = found->second;
  quiet_.splice(quiet_.end(), quiet_, attempts.place);
  attempts.times.push_back(now);
  // Only the latest decide.
  if (attempts.times.size() > limit_) attempts.times.pop_front();
}

}  // namespace waypost::base
