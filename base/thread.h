#pragma once

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"

namespace waypost::base {

struct SimThread;

// A named thread with one owner. Joins when destroyed; nothing is ever detached. The owner tells
// the body to end before it joins.
class Thread {
 public:
  Thread() = default;
  // `name` shows in top and gdb: at most 15 characters. An exception that leaves `body` ends the
  // process. So does, with a line in the log and exit status 1, a thread that the system does not
  // give: this is for those without which the process is of no use.
  Thread(const std::string& name, std::function<void()> body);
  // For all others. kUnavailable, in words for the operator: there is no further thread.
  static absl::StatusOr<Thread> Start(const std::string& name, std::function<void()> body);
  ~Thread() { Join(); }
  Thread(Thread&& other) noexcept
      : thread_(std::move(other.thread_)), simulated_(std::exchange(other.simulated_, nullptr)) {}
  // Joins what ran here before.
  Thread& operator=(Thread&& other) noexcept {
    Join();
    thread_ = std::move(other.thread_);
    simulated_ = std::exchange(other.simulated_, nullptr);
    return *this;
  }

  // Idempotent. Not from the thread itself.
  void Join();
  bool joinable() const { return thread_.joinable() || simulated_ != nullptr; }

 private:
  std::thread thread_;
  SimThread* simulated_ = nullptr;  // instead, in a simulated run
};

}  // namespace waypost::base
