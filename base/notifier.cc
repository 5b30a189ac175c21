#include "base/notifier.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"

// Callbacks run without any lock held, so that they may register, end other registrations or notify
// again. A registration that ends waits for the callbacks that run in other threads: afterwards
// none runs and none will.

namespace waypost::base {

// Shared by the Notifier and the registrations, whichever lives longer.
struct Notifier::State {
  Mutex mutex;
  uint64_t next GUARDED_BY(mutex) = 0;
  std::map<uint64_t, std::shared_ptr<Registration::Entry>> entries GUARDED_BY(mutex);
};

struct Notifier::Registration::Entry {
  std::weak_ptr<State> state;
  uint64_t number = 0;

  Mutex mutex;
  CondVar idle;
  bool ended GUARDED_BY(mutex) = false;
  std::vector<std::thread::id> running GUARDED_BY(mutex);  // threads inside the callback
  std::function<void()> callback;  // changed only when ended and nobody is inside

  void Run() {
    const std::thread::id self = std::this_thread::get_id();
    {
      MutexLock lock(mutex);
      if (ended) return;
      running.push_back(self);
    }
    callback();
    MutexLock lock(mutex);
    running.erase(std::find(running.begin(), running.end(), self));
    if (running.empty()) idle.NotifyAll();
  }

  void End() {
    {
      MutexLock lock(mutex);
      ended = true;
      // From inside its own callback it would wait for itself.
      CHECK(std::find(running.begin(), running.end(), std::this_thread::get_id()) == running.end());
      while (!running.empty()) idle.Wait(mutex);
    }
    callback = nullptr;
  }
};

void Notifier::Registration::Reset() {
  const std::shared_ptr<Entry> entry = std::exchange(entry_, nullptr);
  if (entry == nullptr) return;
  if (const auto state = entry->state.lock()) {
    MutexLock lock(state->mutex);
    state->entries.erase(entry->number);
  }
  entry->End();
}

Notifier::Registration& Notifier::Registration::operator=(Registration&& other) noexcept {
  if (this != &other) {
    Reset();
    entry_ = std::exchange(other.entry_, nullptr);
  }
  return *this;
}

Notifier::Notifier() : state_(std::make_shared<State>()) {}
Notifier::~Notifier() = default;

Notifier::Registration Notifier::Register(std::function<void()> callback) {
  auto entry = std::make_shared<Registration::Entry>();
  entry->state = state_;
  entry->callback = std::move(callback);
  {
    MutexLock lock(state_->mutex);
    entry->number = ++state_->next;
    state_->entries.emplace(entry->number, entry);
  }
  Registration registration;
  registration.entry_ = std::move(entry);
  return registration;
}

void Notifier::Notify() {
  // Callbacks run without the lock: they may register, end other registrations, or notify again.
  std::vector<std::shared_ptr<Registration::Entry>> entries;
  {
    MutexLock lock(state_->mutex);
    if (state_->entries.empty()) return;
    entries.reserve(state_->entries.size());
    for (const auto& entry : state_->entries) entries.push_back(entry.second);
  }
  for (const auto& entry : entries) entry->Run();
}

}  // namespace waypost::base
