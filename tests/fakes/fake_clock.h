#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace waypost::base {

// A clock that stands still until a test moves it. It keeps those who wait in WaitUntil and wakes
// them when their moment has come, so that a test lets hours pass without waiting for one.
// Thread-safe. Locks: a waiter takes the clock's mutex while it holds its own; whoever moves the
// clock takes a waiter's mutex (so that no wake-up is lost between the waiter's look at the time
// and its wait), but never while it holds the clock's. The clock must not be moved by who holds a
// mutex with which somebody waits.
class FakeClock final : public Clock {
 public:
  // A moment like any other; steady time begins far from zero, so that mixing the two shows.
  explicit FakeClock(WallTime wall = FromMs(1'750'000'000'000))
      : wall_(wall), steady_(std::chrono::hours(1000)) {}

  WallTime WallNow() const override;
  SteadyTime SteadyNow() const override;
  bool WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const override
      EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Time passes: both move.
  void Advance(Millis by);
  // Somebody sets the clock: wall time jumps, either way, and nobody is woken.
  void SetWall(WallTime wall);
  void SetSteady(SteadyTime steady);

  // Lets time pass from one awaited moment to the next, until `condition` holds; false when it does
  // not within `limit` of this clock. Time goes on only when the threads have done what was due:
  // the test says how many then wait (ExpectIdle), else they get a few real milliseconds each time.
  bool AdvanceUntil(absl::FunctionRef<bool()> condition, Millis limit = std::chrono::minutes(10));
  // So many threads wait here when there is nothing to do: the loops of the code under test. 0: not
  // known.
  void ExpectIdle(std::size_t threads);

  // How many threads wait for a moment that has not come. Who was notified counts until it runs.
  std::size_t Parked() const;
  // Waits, in real time, until `count` threads do. Ends the test loudly instead of hanging for
  // ever.
  void AwaitParked(std::size_t count) const;
  // The first moment that anybody waits for.
  std::optional<SteadyTime> NextDeadline() const;

 private:
  // One call of WaitUntil, on its stack.
  struct Waiter {
    CondVar* changed;
    Mutex* mutex;
    SteadyTime deadline;
    bool woken = false;   // its moment came, and somebody saw to it
    bool pinned = false;  // in use by who wakes it: the call must not return
  };

  bool Settle(absl::FunctionRef<bool()> condition, std::chrono::microseconds patience) const;
  std::size_t ParkedNow() const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeDue();
  Waiter* TakeDue() EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  mutable CondVar unpinned_;
  WallTime wall_ GUARDED_BY(mutex_);
  SteadyTime steady_ GUARDED_BY(mutex_);
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  mutable std::vector<Waiter*> waiters_ GUARDED_BY(mutex_);
};

}  // namespace waypost::base
