#pragma once

#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace waypost::base {

// A named thread with one owner. Joins when destroyed; nothing is ever detached. The owner tells
// the body to end before it joins.
class Thread {
 public:
  Thread() = default;
  // `name` shows in top and gdb: at most 15 characters. An exception that leaves `body` ends the
  // process.
  Thread(std::string name, std::function<void()> body);
  ~Thread() { Join(); }
  Thread(Thread&&) = default;
  // Joins what ran here before.
  Thread& operator=(Thread&& other) {
    Join();
    thread_ = std::move(other.thread_);
    return *this;
  }

  // Idempotent. Not from the thread itself.
  void Join();
  bool joinable() const { return thread_.joinable(); }

 private:
  std::thread thread_;
};

}  // namespace waypost::base
