#include "http/engine/engine_pool.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "http/engine/engine_worker.h"

// The workers of a listener, each with a bed of its own to be woken in. No more are awake for
// computing than there are cores, since others would only take turns; a job that may wait for
// something gets a worker of its own, and one that lies for a millisecond wakes another. Which job
// of a queue goes next is fair_line.h's business.

namespace waypost::http {
namespace {

// After this a job is no longer left to the workers that are awake.
constexpr base::Millis kJobWait{1};

bool MayWait(const Job& job) {
  switch (job.kind) {
    case Job::Kind::kRequest:
      return job.connection->facts.content_length.has_value();
    case Job::Kind::kSend:
    case Job::Kind::kHandshake:
      return false;
    case Job::Kind::kStep:
    case Job::Kind::kAbort:
    case Job::Kind::kDrop:
      break;
  }
  return true;
}

}  // namespace

WorkerPool::WorkerPool(EngineShared& shared)
    : shared_(shared),
      cores_(std::max(1u, std::thread::hardware_concurrency())),
      has_writers_(shared.options.writers > 0),
      members_(shared.options.workers),
      changes_(shared.options.writers),
      strangers_(shared.strangers.workers),
      handshakes_(shared.strangers.handshake_workers) {
  const unsigned count = shared.options.workers + shared.options.writers;
  called_beds_.reserve(count);
  {
    base::MutexLock lock(mutex_);
    idle_.reserve(count);
  }
  for (unsigned i = 0; i < count; ++i) {
    beds_.push_back(std::make_unique<Bed>());
    threads_.emplace_back(absl::StrCat(shared.options.listener, "-w", i),
                          [this, bed = beds_.back().get()] { Run(*bed); });
  }
}

void WorkerPool::Call(std::size_t count, std::vector<Bed*>& beds) {
  beds.clear();
  for (; count > 0 && !idle_.empty(); --count) {
    beds.push_back(idle_.back());
    idle_.pop_back();
    beds.back()->called = true;
    ++called_;
  }
}

void WorkerPool::Submit(std::vector<Job>& jobs) {
  if (jobs.empty()) return;
  const base::SteadyTime now = base::SteadyNow();
  std::size_t left = 0;
  {
    base::MutexLock lock(mutex_);
    unsigned waiting = 0, computing = 0;
    for (Job& job : jobs) {
      Queue& queue = QueueOf(job);
      const bool may_wait = &queue == &changes_ || MayWait(job);
      const base::Payer payer = job.connection == nullptr ? base::kNobody : job.connection->payer;
      Queued queued{std::move(job), may_wait, &queue, now, payer};
      const absl::Status pushed = base::WithinMemory([&] {
        queue.line.Push(payer, std::move(queued));
        return absl::OkStatus();
      });
      if (pushed.ok()) {
        ++(may_wait ? waiting : computing);
      } else {
        jobs[left++] = std::move(queued.job);
      }
    }
    const unsigned awake = computing_ + called_;
    Call(waiting + (awake < cores_ ? std::min(computing, cores_ - awake) : 0), called_beds_);
  }
  jobs.resize(left);
  for (Bed* bed : called_beds_) bed->ready.NotifyOne();
}

std::optional<base::SteadyTime> WorkerPool::WakeForLate() {
  const base::SteadyTime now = base::SteadyNow();
  {
    base::MutexLock lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    const Queued* const next = Next(now);
    if (next == nullptr) return std::nullopt;
    const base::SteadyTime late = next->since + kJobWait;
    if (now < late) return late;
    Call(1, called_beds_);
  }
  called_beds_[0]->ready.NotifyOne();
  return now + kJobWait;
}

WorkerPool::Queue& WorkerPool::QueueOf(const Job& job) {
  if (job.kind == Job::Kind::kHandshake) return handshakes_;
  if (job.connection != nullptr && job.connection->by_stranger) return strangers_;
  if (job.kind != Job::Kind::kRequest || !has_writers_) return members_;
  const HeadFacts& facts = job.connection->facts;
  const std::string_view target = facts.target;
  const bool changes = shared_.options.changes(facts.method, target.substr(0, target.find('?')));
  return changes ? changes_ : members_;
}

WorkerPool::Queued* WorkerPool::Next(base::SteadyTime now) {
  Queued* next = nullptr;
  for (Queue* const queue : {&members_, &changes_, &strangers_, &handshakes_}) {
    Queued* const of_queue = queue->line.Next(now);
    if (of_queue == nullptr) continue;
    if (next == nullptr || of_queue->since < next->since) next = of_queue;
  }
  return next;
}

std::optional<WorkerPool::Queued> WorkerPool::Take(Bed& bed, const std::optional<Queued>& done) {
  base::MutexLock lock(mutex_);
  // What nobody pays for is not timed.
  base::SteadyTime now = shared_.options.peers ? base::SteadyNow() : base::SteadyTime();
  if (done && !done->may_wait) --computing_;
  if (done) done->from->line.Done(done->payer, now);
  Queued* first = Next(now);
  while (first == nullptr) {
    // Jobs that may not be taken yet are left to those who run some of their kind.
    if (stop_) return std::nullopt;
    bed.called = false;
    idle_.push_back(&bed);
    while (!bed.called) bed.ready.Wait(mutex_);
    --called_;
    if (shared_.options.peers) now = base::SteadyNow();
    first = Next(now);
  }
  Queued next = first->from->line.Take(now);
  if (!next.may_wait) ++computing_;
  return next;
}

void WorkerPool::Shutdown() {
  std::vector<Bed*> beds;
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
    Call(idle_.size(), beds);
  }
  for (Bed* bed : beds) bed->ready.NotifyOne();
  for (auto& thread : threads_) thread.Join();
}

void WorkerPool::Run(Bed& bed) {
  RequestRunner runner(shared_, kTurnBytes);
  std::optional<Queued> job;
  while ((job = Take(bed, job))) {
    if (job->job.kind == Job::Kind::kDrop) {
      job->job.dropped.reset();
      continue;
    }
    runner.Run(job->job);
    shared_.inbox->Return(*job->job.connection);
  }
}

}  // namespace waypost::http
