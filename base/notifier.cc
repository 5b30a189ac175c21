#include "base/notifier.h"

#include <utility>
#include <vector>

namespace waypost::base {

// One registration. `mutex` is held while the callback runs, so that ending the registration waits for it.
struct Notifier::Registration::Entry {
  std::function<void()> callback;
  Mutex mutex;
  bool ended GUARDED_BY(mutex) = false;
  std::weak_ptr<Notifier::State> state;
  uint64_t id = 0;

  void Call() {
    MutexLock lock(mutex);
    if (!ended) callback();
  }
};

struct Notifier::State {
  Mutex mutex;
  uint64_t next_id GUARDED_BY(mutex) = 1;
  std::map<uint64_t, std::shared_ptr<Registration::Entry>> entries GUARDED_BY(mutex);
};

Notifier::Notifier() : state_(std::make_shared<State>()) {}
Notifier::~Notifier() = default;

Notifier::Registration& Notifier::Registration::operator=(Registration&& other) noexcept {
  if (this != &other) {
    Reset();
    entry_ = std::move(other.entry_);
  }
  return *this;
}

void Notifier::Registration::Reset() {
  if (entry_ == nullptr) return;
  if (auto state = entry_->state.lock()) {
    MutexLock lock(state->mutex);
    state->entries.erase(entry_->id);
  }
  {
    MutexLock lock(entry_->mutex);
    entry_->ended = true;
  }
  entry_ = nullptr;
}

Notifier::Registration Notifier::Register(std::function<void()> callback) {
  auto entry = std::make_shared<Registration::Entry>();
  entry->callback = std::move(callback);
  entry->state = state_;
  {
    MutexLock lock(state_->mutex);
    entry->id = state_->next_id++;
    state_->entries.emplace(entry->id, entry);
  }
  Registration registration;
  registration.entry_ = std::move(entry);
  return registration;
}

void Notifier::Notify() {
  std::vector<std::shared_ptr<Registration::Entry>> entries;
  {
    MutexLock lock(state_->mutex);
    if (state_->entries.empty()) return;
    entries.reserve(state_->entries.size());
    for (const auto& item : state_->entries) entries.push_back(item.second);
  }
  for (const auto& entry : entries) entry->Call();
}

}  // namespace waypost::base
