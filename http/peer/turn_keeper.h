#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/fair_line.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/payer.h"
#include "base/thread.h"
#include "http/peer/peer_http_client.h"
#include "http/tls/turned.h"
#include "signpost/peer_book.h"
#include "syncgroup/sync/replication.h"

namespace waypost::http {

// How many connections should lie turned at a server: one more than it is using now, so that what
// comes next finds one, up to kTurnedPerPeer. Pure.
uint32_t TurnedWanted(const TurnedLines& lines);
// After so many failures in a row, the pause before the next try: 2 s doubling up to a minute.
base::Millis TurnPause(uint32_t failures);

// Keeps connections to the servers of this peer's groups turned: dialled from here, and answered
// here, so that a server reaches this peer although nobody can dial it. One thread looks what is
// wanted and never dials; kDiallers dial, each one server at a time, so that a server that answers
// slowly keeps none of the others waiting. Servers that one member brought in share what that one
// has, three of the diallers at most (base/fair_line.h). Thread-safe.
// Lifecycle: construct -> Start -> Shutdown (idempotent, joins).
class TurnKeeper {
 public:
  // The engine that serves what was turned is known by two calls only.
  struct Parts {
    syncgroup::Replication& replication;
    PeerHttpClient& client;
    signpost::PeerBook& peers;
    const base::Clock& clock;
    std::function<TurnedLines(const base::PeerId&)> lines_of;
    std::function<absl::Status(std::unique_ptr<TurnedConnection>)> serve;
  };
  static constexpr unsigned kDiallers = 4;
  explicit TurnKeeper(Parts parts);
  ~TurnKeeper();
  void Start();
  void Shutdown();
  // A server began or ended to use one, or one was closed.
  void Poke();

 private:
  struct Server {
    uint32_t failures = 0;
    base::SteadyTime next_try;
    bool under_way = false;  // waits for a dialler, or has one
  };
  struct Due {
    syncgroup::Endpoint to;
    base::Payer payer = base::kNobody;
  };
  void Run();
  void Look();
  void DialLoop();
  absl::Status TurnOne(const syncgroup::Endpoint& to);

  const Parts parts_;
  std::stop_source stop_;
  base::Mutex mutex_;
  base::CondVar wake_;
  std::map<base::PeerId, Server> servers_ GUARDED_BY(mutex_);
  base::FairLine<Due> due_ GUARDED_BY(mutex_){kDiallers};  // each server once
  bool poked_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  base::Thread thread_;
  std::vector<base::Thread> diallers_;
};

}  // namespace waypost::http
