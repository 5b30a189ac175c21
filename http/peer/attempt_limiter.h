#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace waypost::http {

// Counts what somebody does too often: at most `limit` times within `window`. Thread-safe; memory
// is bounded: of more keys than `keys_max` the one that has been quiet longest is forgotten.
class AttemptLimiter {
 public:
  AttemptLimiter(std::size_t limit, base::Millis window, std::size_t keys_max = 4096)
      : limit_(limit), window_(window), keys_max_(keys_max) {}

  // How long `key` has to wait; nullopt: it may go on.
  std::optional<base::Millis> Wait(const std::string& key, base::SteadyTime now);
  void Note(const std::string& key, base::SteadyTime now);

 private:
  const std::size_t limit_;
  const base::Millis window_;
  const std::size_t keys_max_;
  base::Mutex mutex_;
  std::unordered_map<std::string, std::deque<base::SteadyTime>> times_ GUARDED_BY(mutex_);
};

// Blocks until `then`, so that how long an answer takes tells nothing.
void AnswerNotBefore(base::SteadyTime then);

}  // namespace waypost::http
