#pragma once

#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace waypost::base {

// Counts what somebody does too often: at most `limit` times within `window`. Thread-safe; memory
// is bounded: of more keys than `keys_max` the one that has been quiet longest is forgotten.
class AttemptLimiter {
 public:
  AttemptLimiter(std::size_t limit, Millis window, std::size_t keys_max = 4096)
      : limit_(limit), window_(window), keys_max_(keys_max) {}

  // How long `key` has to wait; nullopt: it may go on.
  std::optional<Millis> Wait(const std::string& key, SteadyTime now);
  void Note(const std::string& key, SteadyTime now);

 private:
  const std::size_t limit_;
  const Millis window_;
  const std::size_t keys_max_;
  Mutex mutex_;
  struct Attempts {
    std::deque<SteadyTime> times;
    std::list<std::string>::iterator place;  // in `quiet_`
  };
  std::unordered_map<std::string, Attempts> attempts_ GUARDED_BY(mutex_);
  // Keys, the one that has been quiet longest first: whoever invents keys makes nobody search.
  std::list<std::string> quiet_ GUARDED_BY(mutex_);
};

}  // namespace waypost::base
