#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace waypost::base {

// A clock that stands still until it is told otherwise. Thread-safe. It wakes nobody: whoever waits
// on steady time waits in real time.
class FakeClock final : public Clock {
 public:
  // A moment like any other; steady time begins far from zero, so that mixing the two shows.
  explicit FakeClock(WallTime wall = FromMs(1'750'000'000'000))
      : wall_(wall), steady_(std::chrono::hours(1000)) {}

  WallTime WallNow() const override {
    MutexLock lock(mutex_);
    return wall_;
  }
  SteadyTime SteadyNow() const override {
    MutexLock lock(mutex_);
    return steady_;
  }

  // Time passes: both move.
  void Advance(Millis by) {
    MutexLock lock(mutex_);
    wall_ += by;
    steady_ += by;
  }
  // Somebody sets the clock: wall time jumps, either way.
  void SetWall(WallTime wall) {
    MutexLock lock(mutex_);
    wall_ = wall;
  }
  void SetSteady(SteadyTime steady) {
    MutexLock lock(mutex_);
    steady_ = steady;
  }

 private:
  mutable Mutex mutex_;
  WallTime wall_ GUARDED_BY(mutex_);
  SteadyTime steady_ GUARDED_BY(mutex_);
};

}  // namespace waypost::base
