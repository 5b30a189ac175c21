// A waiter is in the list from before it gives up its mutex until after it has woken. Whoever moves
// the clock picks the due ones one by one, pins each, and notifies it under the waiter's own mutex:
// by then the waiter waits, or has woken already. A pinned waiter stays until it is let go, so that
// its condition variable is still there.
#include "tests/fakes/fake_clock.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/status.h"

namespace waypost::base {
namespace {

// For what must happen in real time: long enough for a machine under sanitizers and full load.
constexpr auto kPatience = std::chrono::seconds(120);
// What threads get to do what is due before time goes on.
constexpr auto kSettle = std::chrono::milliseconds(3);

// Looks at `condition` again and again for `patience` of real time.
bool Holds(absl::FunctionRef<bool()> condition, std::chrono::milliseconds patience) {
  const SteadyTime end = base::SteadyNow() + patience;
  while (!condition()) {
    if (base::SteadyNow() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace

WallTime FakeClock::WallNow() const {
  MutexLock lock(mutex_);
  return wall_;
}

SteadyTime FakeClock::SteadyNow() const {
  MutexLock lock(mutex_);
  return steady_;
}

bool FakeClock::WaitUntil(CondVar& changed, Mutex& mutex, SteadyTime deadline) const {
  Waiter self{.changed = &changed, .mutex = &mutex, .deadline = deadline};
  bool waits = false;
  {
    MutexLock lock(mutex_);
    waits = steady_ < deadline;
    if (waits) {
      waiters_.push_back(&self);
      changed_.NotifyAll();
    }
  }
  if (waits) changed.Wait(mutex);
  // Also where the moment is past: a wait lets others have the mutex.
  mutex.Unlock();
  bool reached = true;
  if (waits) {
    MutexLock lock(mutex_);
    while (self.pinned) changed_.Wait(mutex_);
    std::erase(waiters_, &self);
    reached = steady_ >= deadline;
  }
  mutex.Lock();
  return !reached;
}

void FakeClock::Advance(Millis by) {
  {
    MutexLock lock(mutex_);
    wall_ += by;
    steady_ += by;
  }
  WakeDue();
}

void FakeClock::SetWall(WallTime wall) {
  MutexLock lock(mutex_);
  wall_ = wall;
}

void FakeClock::SetSteady(SteadyTime steady) {
  {
    MutexLock lock(mutex_);
    steady_ = steady;
  }
  WakeDue();
}

FakeClock::Waiter* FakeClock::TakeDue() {
  for (Waiter* waiter : waiters_) {
    if (waiter->woken || waiter->deadline > steady_) continue;
    waiter->woken = true;
    waiter->pinned = true;
    return waiter;
  }
  return nullptr;
}

void FakeClock::WakeDue() {
  for (;;) {
    Waiter* due = nullptr;
    {
      MutexLock lock(mutex_);
      due = TakeDue();
    }
    if (due == nullptr) return;
    due->mutex->Lock();
    due->changed->NotifyAll();
    due->mutex->Unlock();
    MutexLock lock(mutex_);
    due->pinned = false;
    changed_.NotifyAll();
  }
}

bool FakeClock::AdvanceUntil(absl::FunctionRef<bool()> condition, Millis limit) {
  const SteadyTime end = SteadyNow() + limit;
  while (!Holds(condition, kSettle)) {
    const std::optional<SteadyTime> next = NextDeadline();
    const SteadyTime now = SteadyNow();
    if (next && *next <= end) {
      if (*next > now) Advance(std::chrono::ceil<Millis>(*next - now));
      continue;
    }
    // Nobody waits for a moment within the limit: what is under way is not waiting for time.
    const auto more_to_come = [&] {
      const std::optional<SteadyTime> then = NextDeadline();
      return condition() || (then && *then <= end);
    };
    if (Holds(more_to_come, std::chrono::seconds(10))) continue;
    if (now < end) Advance(std::chrono::ceil<Millis>(end - now));
    return Holds(condition, kSettle);
  }
  return true;
}

std::size_t FakeClock::Parked() const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      waiters_.begin(), waiters_.end(), [](const Waiter* waiter) { return !waiter->woken; }));
}

void FakeClock::AwaitParked(std::size_t count) const {
  CHECK(Holds([&] { return Parked() >= count; }, kPatience));
}

std::optional<SteadyTime> FakeClock::NextDeadline() const {
  MutexLock lock(mutex_);
  std::optional<SteadyTime> next;
  for (const Waiter* waiter : waiters_) {
    if (waiter->woken) continue;
    if (!next || waiter->deadline < *next) next = waiter->deadline;
  }
  return next;
}

}  // namespace waypost::base
