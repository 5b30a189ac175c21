#include "http/engine_pool.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/engine_worker.h"

namespace waypost::http {
namespace {

// After this a job is no longer left to the workers that are awake.
constexpr base::Millis kJobWait{1};

bool MayWait(const Job& job) {
  switch (job.kind) {
    case Job::Kind::kRequest:
      return job.connection->facts.content_length.has_value();
    case Job::Kind::kSend:
      return false;
    case Job::Kind::kStep:
    case Job::Kind::kAbort:
    case Job::Kind::kDrop:
      break;
  }
  return true;
}

}  // namespace

WorkerPool::WorkerPool(EngineShared& shared, unsigned count)
    : shared_(shared), cores_(std::max(1u, std::thread::hardware_concurrency())) {
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back(absl::StrCat(shared.options.listener, "-w", i), [this] { Run(); });
  }
}

void WorkerPool::Submit(std::vector<Job>& jobs) {
  if (jobs.empty()) return;
  const base::SteadyTime now = std::chrono::steady_clock::now();
  unsigned call = 0;
  {
    base::MutexLock lock(mutex_);
    unsigned computing = 0;
    for (Job& job : jobs) {
      const bool may_wait = MayWait(job);
      ++(may_wait ? call : computing);
      queue_.push_back({std::move(job), may_wait, now});
    }
    const unsigned awake = computing_ + called_;
    if (awake < cores_) call += std::min(computing, cores_ - awake);
    call = std::min(call, idle_);
    idle_ -= call;
    called_ += call;
  }
  jobs.clear();
  for (unsigned i = 0; i < call; ++i) ready_.NotifyOne();
}

std::optional<base::SteadyTime> WorkerPool::WakeForLate() {
  const base::SteadyTime now = std::chrono::steady_clock::now();
  {
    base::MutexLock lock(mutex_);
    if (queue_.empty() || idle_ == 0) return std::nullopt;
    const base::SteadyTime late = queue_.front().since + kJobWait;
    if (now < late) return late;
    --idle_;
    ++called_;
  }
  ready_.NotifyOne();
  return now + kJobWait;
}

std::optional<WorkerPool::Queued> WorkerPool::Take(bool computed) {
  base::MutexLock lock(mutex_);
  if (computed) --computing_;
  while (queue_.empty()) {
    if (stop_) return std::nullopt;
    ++idle_;
    while (called_ == 0 && !stop_) ready_.Wait(mutex_);
    // At the end nobody counts any more.
    if (called_ > 0) --called_;
  }
  Queued next = std::move(queue_.front());
  queue_.pop_front();
  if (!next.may_wait) ++computing_;
  return next;
}

void WorkerPool::Shutdown() {
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
  }
  ready_.NotifyAll();
  for (auto& thread : threads_) thread.Join();
}

void WorkerPool::Run() {
  RequestRunner runner(shared_);
  bool computed = false;
  while (auto next = Take(computed)) {
    if (next->job.kind != Job::Kind::kDrop) {
      runner.Run(next->job);
      shared_.inbox->Return(*next->job.connection);
    }
    computed = !next->may_wait;
  }
}

}  // namespace waypost::http
