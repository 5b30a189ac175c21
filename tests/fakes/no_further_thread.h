#pragma once

#include <pthread.h>

#include "base/status.h"

namespace waypost::base {

// While it lives no thread can begin in this process, as where the system has none left: the stack
// that each would get is larger than what can be addressed.
class NoFurtherThread {
 public:
  NoFurtherThread() {
    CHECK(pthread_getattr_default_np(&before_) == 0);
    pthread_attr_t huge;
    CHECK(pthread_attr_init(&huge) == 0);
    CHECK(pthread_attr_setstacksize(&huge, std::size_t{1} << 52) == 0);
    CHECK(pthread_setattr_default_np(&huge) == 0);
    pthread_attr_destroy(&huge);
  }
  ~NoFurtherThread() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoFurtherThread(const NoFurtherThread&) = delete;
  NoFurtherThread& operator=(const NoFurtherThread&) = delete;

 private:
  pthread_attr_t before_;
};

}  // namespace waypost::base
