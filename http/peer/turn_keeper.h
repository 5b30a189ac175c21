#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
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
// here, so that a server reaches this peer although nobody can dial it. Thread-safe.
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
  };
  void Run();
  void Look();

  const Parts parts_;
  std::stop_source stop_;
  std::map<base::PeerId, Server> servers_;  // of the thread
  base::Mutex mutex_;
  base::CondVar wake_;
  bool poked_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  base::Thread thread_;
};

}  // namespace waypost::http
