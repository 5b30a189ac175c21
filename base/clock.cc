#include "base/clock.h"

// The only reads of the system's clocks; a build that simulates time replaces this file. Wall time
// is cut to milliseconds, the form in which times are stored, so that a time that was read equals
// itself after it was stored.

namespace waypost::base {

SteadyTime SteadyNow() { return std::chrono::steady_clock::now(); }

WallTime SystemClock::WallNow() const {
  return std::chrono::floor<Millis>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::SteadyNow() const { return base::SteadyNow(); }

bool SystemClock::WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const {
  return changed.WaitUntil(mutex, deadline);
}

}  // namespace waypost::base
