#include "base/thread.h"

#include <pthread.h>

#include <utility>

namespace waypost::base {

Thread::Thread(std::string name, std::function<void()> body)
    : thread_([name = std::move(name), body = std::move(body)]() noexcept {
        // The kernel keeps 15 characters and refuses longer names.
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        body();
      }) {}

void Thread::Join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace waypost::base
