#pragma once

// What base/mutex.h is in builds with WAYPOST_SIM: while a SimScheduler exists, locks and
// conditions go through it, else they are those of the standard library.

#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "base/sim_scheduler.h"
#include "base/time.h"

namespace waypost::base {

class LOCKABLE Mutex {
 public:
  void Lock() EXCLUSIVE_LOCK_FUNCTION() {
    if (SimScheduler* const sim = SimScheduler::Active()) return sim->Lock(sim_);
    mutex_.lock();
  }
  void Unlock() UNLOCK_FUNCTION() {
    if (SimScheduler* const sim = SimScheduler::Active()) return sim->Unlock(sim_);
    mutex_.unlock();
  }

 private:
  friend class CondVar;
  std::mutex mutex_;
  SimMutexState sim_;
};

class CondVar {
 public:
  void Wait(Mutex& mutex) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (SimScheduler* const sim = SimScheduler::Active()) {
      sim->Wait(sim_, mutex.sim_, SteadyTime::max());
      return;
    }
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  bool WaitUntil(Mutex& mutex, SteadyTime deadline) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (SimScheduler* const sim = SimScheduler::Active()) {
      return sim->Wait(sim_, mutex.sim_, deadline);
    }
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool woken = cv_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void NotifyOne() {
    if (SimScheduler* const sim = SimScheduler::Active()) return sim->NotifyOne(sim_);
    cv_.notify_one();
  }
  void NotifyAll() {
    if (SimScheduler* const sim = SimScheduler::Active()) return sim->NotifyAll(sim_);
    cv_.notify_all();
  }

 private:
  std::condition_variable cv_;
  SimCondVarState sim_;
};

}  // namespace waypost::base
