#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/mutex.h"

namespace waypost::base {

// Announces that something of one kind changed; says nothing of what. Whoever waits registers a
// callback, looks at the state, and looks again when called. Thread-safe.
class Notifier {
 public:
  // Ends the registration when destroyed; when the destructor returns the callback is not running
  // and will not run again. It must not be destroyed from inside its own callback. It may outlive
  // the Notifier.
  class Registration {
   public:
    Registration() = default;
    ~Registration() { Reset(); }
    Registration(Registration&& other) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;
    void Reset();

   private:
    friend class Notifier;
    struct Entry;
    std::shared_ptr<Entry> entry_;
  };

  Notifier();
  ~Notifier();
  // `callback` must be quick, must not wait, and may run on any thread.
  [[nodiscard]] Registration Register(std::function<void()> callback);
  void Notify();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace waypost::base
