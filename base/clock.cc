// The only reads of the system's clocks. A build that simulates time replaces this file.
#include "base/clock.h"

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
