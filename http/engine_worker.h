#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/thread.h"
#include "http/engine_connection.h"
#include "http/engine_httplib.h"

namespace waypost::http {

struct Job {
  enum class Kind {
    kRequest,  // parse, handle, answer
    kStep,     // its subscription was woken or its deadline passed
    kSend,     // the client takes bytes again
    kAbort,    // the service stops: end the subscription
    kDrop,     // only destroys `dropped`, which may take a moment
  };
  Kind kind = Kind::kRequest;
  Connection* connection = nullptr;
  std::shared_ptr<Subscription> dropped;
};

// The worker threads of one listener. A job is done without waiting for the client, except for
// request bodies too large to gather. At most one job a connection is here at a time, so that the
// queue is bounded by the limit of connections.
class WorkerPool {
 public:
  WorkerPool(EngineShared& shared, unsigned count);
  ~WorkerPool() { Shutdown(); }
  void Submit(Job job);
  // Does what is queued, then joins.
  void Shutdown();

 private:
  void Run();
  EngineShared& shared_;
  base::Mutex mutex_;
  base::CondVar ready_;
  std::deque<Job> queue_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<base::Thread> threads_;
};

// One request's way through handler and answer, on the thread of one worker.
class RequestRunner {
 public:
  explicit RequestRunner(EngineShared& shared) : shared_(shared) {}
  // Sets Connection::after.
  void Run(const Job& job);

 private:
  void HandleRequest(Connection& c);
  Response CallHandler(Request& request);
  // Takes over the response: the head to send, or nullopt when it comes later.
  std::optional<AnswerHead> Accept(Connection& c, Response response);
  AnswerHead Prepare(Connection& c, Response response);
  void Subscribe(Connection& c, std::shared_ptr<Subscription> subscription);
  void Step(Connection& c);
  void Abort(Connection& c);
  void Answer(Connection& c, Response response);
  // True when the stream may go on.
  void AddToStream(Connection& c, const std::string& content_type, const std::string& bytes,
                   bool end);
  void EndSubscription(Connection& c);
  void Send(Connection& c);

  EngineShared& shared_;
  HeadCodec codec_;
};

}  // namespace waypost::http
