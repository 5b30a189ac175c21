#pragma once

#include "base/mutex.h"
#include "base/time.h"

namespace waypost::base {

// The seam through which everything learns the time and waits for it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime WallNow() const = 0;
  virtual SteadyTime SteadyNow() const = 0;
  // Waits until `changed` is notified or the steady time of this clock reaches `deadline`; false
  // when it has. May return true for no reason: call in a loop over the condition.
  virtual bool WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime WallNow() const override;
  SteadyTime SteadyNow() const override;
  bool WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const override
      EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

// The steady time of the system, for code that no clock can be handed to: sockets, which wait in
// the kernel, and what the command line shows.
SteadyTime SteadyNow();
// Blocks until then, for what nobody needs to end early: the command line between two looks, and an
// answer that is held back for less than a blink.
void WaitUntil(SteadyTime then);

}  // namespace waypost::base
