#include "tests/fakes/fake_clock.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/status.h"
#include "tests/support/eventually.h"

// A waiter is in the list from before it gives up its mutex until after it has woken. Whoever moves
// the clock picks the due ones one by one, pins each, and notifies it under the waiter's own mutex:
// by then the waiter waits, or has woken already. A pinned waiter stays until it is let go, so that
// its condition variable is still there.

namespace waypost::base {
namespace {

// Between two steps of AdvanceUntil, in real time. As many looks in a row must find all threads
// idle: one that was just notified still counts as waiting until it runs.
constexpr auto kLook = std::chrono::microseconds(200);
constexpr int kCalmLooks = 5;
// The most for a thread that is held up by something else than time.
constexpr auto kHeldUp = std::chrono::milliseconds(50);
// Where nobody said how many threads are idle; more with every step, so that a loaded machine gets
// more time before the limit is reached.
constexpr auto kSettle = std::chrono::milliseconds(2);
constexpr auto kSettleMore = std::chrono::microseconds(50);
constexpr auto kSettleMax = std::chrono::milliseconds(20);

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
    if (waits) waiters_.push_back(&self);
  }
  if (waits) changed.Wait(mutex);
  // Also where the moment is past: a wait lets others have the mutex.
  mutex.Unlock();
  bool reached = true;
  if (waits) {
    MutexLock lock(mutex_);
    while (self.pinned) unpinned_.Wait(mutex_);
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
    unpinned_.NotifyAll();
  }
}

void FakeClock::ExpectIdle(std::size_t threads) {
  MutexLock lock(mutex_);
  idle_ = threads;
}

// Gives the threads time to do what is due; true as soon as `condition` holds.
bool FakeClock::Settle(absl::FunctionRef<bool()> condition,
                       std::chrono::microseconds patience) const {
  const SteadyTime end = base::SteadyNow() + patience;
  for (int calm = 0; calm < kCalmLooks;) {
    if (condition()) return true;
    {
      MutexLock lock(mutex_);
      calm = idle_ > 0 && ParkedNow() >= idle_ ? calm + 1 : 0;
    }
    if (base::SteadyNow() >= end) return false;
    std::this_thread::sleep_for(kLook);
  }
  return false;
}

bool FakeClock::AdvanceUntil(absl::FunctionRef<bool()> condition, Millis limit) {
  std::chrono::microseconds settle = kSettle;
  {
    MutexLock lock(mutex_);
    if (idle_ > 0) settle = kHeldUp;
  }
  const SteadyTime end = SteadyNow() + limit;
  while (!Settle(condition, settle)) {
    settle =
        std::max(settle, std::min<std::chrono::microseconds>(settle + kSettleMore, kSettleMax));
    const std::optional<SteadyTime> next = NextDeadline();
    const SteadyTime now = SteadyNow();
    if (next && *next <= end) {
      if (*next > now) Advance(std::chrono::ceil<Millis>(*next - now));
      continue;
    }
    // Nobody waits for a moment within the limit: either all is over, or somebody is at work.
    const auto goes_on = [&] {
      const std::optional<SteadyTime> then = NextDeadline();
      return condition() || (then && *then <= end);
    };
    if (support::Eventually(goes_on)) continue;
    return condition();
  }
  return true;
}

std::size_t FakeClock::ParkedNow() const {
  return static_cast<std::size_t>(std::count_if(
      waiters_.begin(), waiters_.end(), [](const Waiter* waiter) { return !waiter->woken; }));
}

std::size_t FakeClock::Parked() const {
  MutexLock lock(mutex_);
  return ParkedNow();
}

void FakeClock::AwaitParked(std::size_t count) const {
  CHECK(support::Eventually([&] { return Parked() >= count; }));
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
