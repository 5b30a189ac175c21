#pragma once

#include <string>

#include "base/attempt_limiter.h"

namespace waypost::base {

// When a warning that others bring about is worth a line: of each of them one a minute, ten of all
// together. Thread-safe, bounded.
class LogBound {
 public:
  bool May(const std::string& who, SteadyTime now) {
    if (each_.Wait(who, now) || all_.Wait("", now)) return false;
    each_.Note(who, now);
    all_.Note("", now);
    return true;
  }

 private:
  static constexpr Millis kMinute{60'000};
  AttemptLimiter each_{1, kMinute, 1024};
  AttemptLimiter all_{10, kMinute, 1};
};

}  // namespace waypost::base
