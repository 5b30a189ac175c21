#include "service/parts/peer_events.h"

// Turns changes of health into events, one for each time a peer goes and one when it is back.
// Health may be told twice or late; the set of those that are offline decides whether it is news.

namespace waypost::service {

void PeerEvents::OnHealth(const base::PeerId& peer, const signpost::PeerHealth& health) {
  const bool cooling = health.Cooling(clock_.WallNow());
  {
    base::MutexLock lock(mutex_);
    const bool was = offline_.count(peer) != 0;
    if (was == cooling) return;
    if (cooling) {
      offline_.insert(peer);
    } else {
      offline_.erase(peer);
    }
  }
  if (cooling) {
    events_.Publish(base::EventKind::kPeerOffline,
                    {{"peer", peer.ToHex()},
                     {"until", base::FormatTime(health.cool_down_end)},
                     {"error", health.last_error.message}});
  } else {
    events_.Publish(base::EventKind::kPeerOnline, {{"peer", peer.ToHex()}});
  }
}

}  // namespace waypost::service
