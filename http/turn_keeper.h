#pragma once

#include <map>
#include <stop_token>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "http/engine.h"
#include "http/peer_http_client.h"
#include "signpost/peer_book.h"
#include "syncgroup/group_store.h"

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
  TurnKeeper(syncgroup::GroupStore& groups, PeerHttpClient& client, Engine& engine,
             signpost::PeerBook& peers, const base::Clock& clock);
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

  syncgroup::GroupStore& groups_;
  PeerHttpClient& client_;
  Engine& engine_;
  signpost::PeerBook& peers_;
  const base::Clock& clock_;
  std::stop_source stop_;
  std::map<base::PeerId, Server> servers_;  // of the thread
  base::Mutex mutex_;
  base::CondVar wake_;
  bool poked_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  base::Thread thread_;
};

}  // namespace waypost::http
