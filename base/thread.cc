#include "base/thread.h"

#include <pthread.h>

#include <utility>

#include "base/status.h"
#ifdef WAYPOST_SIM
#include "base/sim_scheduler.h"
#endif

// A thread that has a name and is joined, by its owner or at the latest by its destructor. In
// builds for the simulated world the scheduler runs the body instead, one thread at a time.

namespace waypost::base {

Thread::Thread(std::string name, std::function<void()> body) {
  CHECK(name.size() <= 15);  // what the kernel keeps
#ifdef WAYPOST_SIM
  if (SimScheduler* const sim = SimScheduler::Active()) {
    simulated_ = sim->StartThread(std::move(name), std::move(body));
    return;
  }
#endif
  thread_ = std::thread([name = std::move(name), body = std::move(body)]() {
    pthread_setname_np(pthread_self(), name.c_str());
    body();
  });
}

void Thread::Join() {
#ifdef WAYPOST_SIM
  if (simulated_ != nullptr) {
    SimScheduler::Active()->Join(std::exchange(simulated_, nullptr));
    return;
  }
#endif
  if (!thread_.joinable()) return;
  CHECK(thread_.get_id() != std::this_thread::get_id());
  thread_.join();
}

}  // namespace waypost::base
