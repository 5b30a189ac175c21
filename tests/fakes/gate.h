#pragma once

#include <chrono>

#include "base/mutex.h"
#include "base/status.h"

namespace waypost::base {

// Holds threads back until a test lets them pass. Gives up loudly instead of hanging for ever.
class Gate {
 public:
  // Called by the thread that is to wait.
  void Pass() {
    MutexLock lock(mutex_);
    ++arrived_;
    changed_.NotifyAll();
    while (!open_) WaitOrDie();
  }
  // Waits until `count` threads have arrived.
  void AwaitArrivals(int count) {
    MutexLock lock(mutex_);
    while (arrived_ < count) WaitOrDie();
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }

 private:
  void WaitOrDie() EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Long enough for a machine under sanitizers and full load.
    CHECK(changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(120)));
  }

  Mutex mutex_;
  CondVar changed_;
  int arrived_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
};

}  // namespace waypost::base
