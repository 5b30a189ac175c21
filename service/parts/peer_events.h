#pragma once

#include <set>

#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "signpost/peer_book.h"

namespace waypost::service {

// Says "peer.offline" when a peer's cool-down begins and "peer.online" when it has answered again:
// once each, however often its health changes between. Thread-safe.
class PeerEvents {
 public:
  PeerEvents(const base::Clock& clock, base::EventLog& events) : clock_(clock), events_(events) {}
  void OnHealth(const base::PeerId& peer, const signpost::PeerHealth& health);

 private:
  const base::Clock& clock_;
  base::EventLog& events_;
  base::Mutex mutex_;
  std::set<base::PeerId> offline_ GUARDED_BY(mutex_);
};

}  // namespace waypost::service
