#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <utility>

#include "base/mutex.h"

namespace waypost::base {

// std::stop_callback, for callbacks that take a Mutex: runs `callback` when a stop is requested, on
// the thread that requests it, or at once if that was before. The destructor waits until it has
// run, if it runs just now.
#ifndef WAYPOST_SIM
using StopCallback = std::stop_callback<std::function<void()>>;
#else
// That wait must go through base in a simulated run: the callback may have handed the baton on.
class StopCallback {
 public:
  StopCallback(const std::stop_token& stop, std::function<void()> callback)
      : callback_(std::move(callback)), registered_(stop, Run{*this}) {}
  ~StopCallback() {
    if (SimScheduler::Active() == nullptr) return;
    MutexLock lock(mutex_);
    while (running_) ended_.Wait(mutex_);
  }

 private:
  struct Run {
    StopCallback& self;
    // Without the mutex: nothing may hand the baton on between a change of running_ and what
    // std::stop_callback does before and after the call.
    void operator()() const {
      self.running_ = true;
      self.callback_();
      self.running_ = false;
      self.ended_.NotifyAll();
    }
  };

  const std::function<void()> callback_;
  Mutex mutex_;
  CondVar ended_;
  std::atomic<bool> running_{false};
  std::stop_callback<Run> registered_;
};
#endif

}  // namespace waypost::base
