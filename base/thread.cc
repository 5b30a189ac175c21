#include "base/thread.h"

#include <pthread.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#ifdef WAYPOST_SIM
#include "base/sim_scheduler.h"
#endif

// A thread that has a name and is joined, by its owner or at the latest by its destructor. In
// builds for the simulated world the scheduler runs the body instead, one thread at a time.

namespace waypost::base {

Thread::Thread(const std::string& name, std::function<void()> body) {
  auto started = Start(name, std::move(body));
  if (started.ok()) {
    *this = *std::move(started);
    return;
  }
  LogError(started.status().message());
  // Threads that run need what this one's owner would have made: nothing is taken apart.
  _exit(1);
}

absl::StatusOr<Thread> Thread::Start(const std::string& name, std::function<void()> body) {
  Thread thread;
  CHECK(name.size() <= 15);  // what the kernel keeps
#ifdef WAYPOST_SIM
  if (SimScheduler* const sim = SimScheduler::Active()) {
    thread.simulated_ = sim->StartThread(name, std::move(body));
    return thread;
  }
#endif
  try {
    thread.thread_ = std::thread([name, body = std::move(body)]() {
      pthread_setname_np(pthread_self(), name.c_str());
      body();
    });
  } catch (const std::system_error& error) {
    return absl::UnavailableError(absl::StrCat(
        "no further thread (", name, ": ", error.what(),
        "): raise the limits of processes and threads (ulimit -u, TasksMax of systemd, the pids ",
        "cgroup), or make memory free"));
  }
  return thread;
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
