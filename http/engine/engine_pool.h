#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/fair_line.h"
#include "base/payer.h"
#include "base/thread.h"
#include "http/engine/engine_connection.h"

namespace waypost::http {

struct Job {
  enum class Kind {
    kRequest,    // parse, handle, answer
    kStep,       // its subscription was woken or its deadline passed
    kSend,       // the client takes bytes again
    kAbort,      // the service stops: end the subscription
    kHandshake,  // a step of it
    kDrop,       // only destroys `dropped`, which may take a moment
  };
  Kind kind = Kind::kRequest;
  Connection* connection = nullptr;
  std::shared_ptr<Subscription> dropped;
};

// The worker threads of one listener. A job is done without waiting for the client, except for
// request bodies too large to gather. At most one job a connection is here at a time, so that the
// queue is bounded by the limit of connections.
//
// Waking a thread costs more than a small answer, and more threads than cores only take turns. So
// each job that may wait (for the disk, for a body) wakes a worker of its own; those that compute
// wake as many as there are cores, and more one by one while a job is left lying for kJobWait.
//
// Requests that change something wait until that is durable, for as long as the disk likes. They
// have a queue and threads of their own, so that reading goes on meanwhile.
//
// Strangers' jobs and handshakes have queues of their own, and no more workers at a time than their
// share, so that members find workers whatever strangers ask for. Within each queue the members
// (and the networks of strangers) share its workers: see fair_line.h.
class WorkerPool {
 public:
  explicit WorkerPool(EngineShared& shared);
  ~WorkerPool() { Shutdown(); }
  // Takes over the jobs of one round of the loop, and leaves those there that memory had no room
  // for. By the loop alone, as WakeForLate.
  void Submit(std::vector<Job>& jobs);
  // The loop calls it before it waits: wakes one more worker if a job is left lying, and says when
  // to call again if some are queued.
  std::optional<base::SteadyTime> WakeForLate();
  // Does what is queued, then joins.
  void Shutdown();

 private:
  struct Queue;
  struct Queued {
    Job job;
    bool may_wait = false;
    Queue* from = nullptr;
    base::SteadyTime since;
    base::Payer payer = base::kNobody;
  };
  struct Queue {
    explicit Queue(unsigned running_max) : line(running_max) {}
    base::FairLine<Queued> line;
  };
  // Where one worker sleeps.
  struct Bed {
    base::CondVar ready;
    bool called = false;
  };

  void Run(Bed& bed);
  // The next job; nullopt: stop. `done`: the one before, which is over.
  std::optional<Queued> Take(Bed& bed, const std::optional<Queued>& done);
  Queue& QueueOf(const Job& job) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of what each queue would give next the oldest, which is to be taken from its queue; nullptr:
  // none may be taken now.
  Queued* Next(base::SteadyTime now) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes up to `count` workers out of their beds, into `beds`: whom to notify once the lock is
  // gone.
  void Call(std::size_t count, std::vector<Bed*>& beds) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EngineShared& shared_;
  const unsigned cores_;
  const bool has_writers_;
  base::Mutex mutex_;
  Queue members_ GUARDED_BY(mutex_), changes_ GUARDED_BY(mutex_), strangers_ GUARDED_BY(mutex_),
      handshakes_ GUARDED_BY(mutex_);
  // A worker is in bed, or was called and has not come yet, or runs a job. The one that went to bed
  // last is called first: its memory is still in the caches.
  std::vector<Bed*> idle_ GUARDED_BY(mutex_);  // room for all is taken at once
  unsigned called_ GUARDED_BY(mutex_) = 0;
  unsigned computing_ GUARDED_BY(mutex_) = 0;  // those of the running ones that will not wait
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<Bed*> called_beds_;           // the loop's; room for all is taken at once
  std::vector<std::unique_ptr<Bed>> beds_;  // outlive the threads
  std::vector<base::Thread> threads_;
};

}  // namespace waypost::http
