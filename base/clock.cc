#include "base/clock.h"

#ifdef WAYPOST_SIM
#include "base/sim_scheduler.h"
#endif

// The only reads of the system's clocks; in a simulated run the scheduler says what the time is.
// Wall time is cut to milliseconds, the form in which times are stored, so that a time that was
// read equals itself after it was stored.

namespace waypost::base {

SteadyTime SteadyNow() {
#ifdef WAYPOST_SIM
  if (const SimScheduler* const sim = SimScheduler::Active()) return sim->SteadyNow();
#endif
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::WallNow() const {
#ifdef WAYPOST_SIM
  if (const SimScheduler* const sim = SimScheduler::Active()) return sim->WallNow();
#endif
  return std::chrono::floor<Millis>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::SteadyNow() const { return base::SteadyNow(); }

void WaitUntil(SteadyTime then) {
  Mutex mutex;
  CondVar nobody;
  MutexLock lock(mutex);
  while (nobody.WaitUntil(mutex, then)) {
  }
}

bool SystemClock::WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const {
  return changed.WaitUntil(mutex, deadline);
}

}  // namespace waypost::base
