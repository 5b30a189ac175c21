#include "base/thread.h"

#include <pthread.h>

#include <utility>

#include "base/status.h"

namespace waypost::base {

Thread::Thread(std::string name, std::function<void()> body) {
  CHECK(name.size() <= 15);  // what the kernel keeps
  thread_ = std::thread([name = std::move(name), body = std::move(body)]() {
    pthread_setname_np(pthread_self(), name.c_str());
    body();
  });
}

void Thread::Join() {
  if (!thread_.joinable()) return;
  CHECK(thread_.get_id() != std::this_thread::get_id());
  thread_.join();
}

}  // namespace waypost::base
