#include "fetcher/ranking.h"

#include <algorithm>

namespace waypost::fetcher {

std::vector<base::PeerId> Rank(const signpost::Locations& locations,
                               const std::vector<base::PeerId>& members, const base::PeerId& self,
                               const std::vector<base::PeerId>& skip,
                               const std::function<bool(const base::PeerId&)>& cooling) {
  std::vector<base::PeerId> ranked;
  const auto add = [&](const base::PeerId& peer) {
    if (peer == self || peer.IsZero()) return;
    if (std::find(skip.begin(), skip.end(), peer) != skip.end()) return;
    if (std::find(ranked.begin(), ranked.end(), peer) != ranked.end()) return;
    ranked.push_back(peer);
  };
  const auto denied = [&](const base::PeerId& peer) {
    const signpost::Location& location = locations.at(peer);
    return location.denied != base::kNever && location.denied >= location.when_seen;
  };
  const std::vector<base::PeerId> order = signpost::LocationOrder(locations);
  for (const base::PeerId& peer : order) {
    if (!denied(peer)) add(peer);
  }
  for (const base::PeerId& peer : members) {
    if (!locations.contains(peer)) add(peer);
  }
  for (const base::PeerId& peer : order) add(peer);
  std::stable_partition(ranked.begin(), ranked.end(),
                        [&](const base::PeerId& peer) { return !cooling(peer); });
  return ranked;
}

}  // namespace waypost::fetcher
