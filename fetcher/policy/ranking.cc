#include "fetcher/policy/ranking.h"

#include <algorithm>

// Whom to ask, in which order. Who denied the blob since it was seen comes last of those that can
// be heard, and who cools behind all; nobody comes twice.

namespace waypost::fetcher {
namespace {

bool Denied(const signpost::Location& location) {
  return location.denied != base::kNever && location.denied >= location.when_seen;
}

}  // namespace

std::vector<base::PeerId> Rank(const signpost::Locations& locations,
                               const std::vector<base::PeerId>& members, const RankView& view) {
  std::vector<base::PeerId> ranked;
  const auto add = [&](const base::PeerId& peer) {
    if (!view.may_ask(peer)) return;
    if (std::find(ranked.begin(), ranked.end(), peer) == ranked.end()) ranked.push_back(peer);
  };
  if (!view.prefer.IsZero()) add(view.prefer);
  const std::vector<base::PeerId> order = signpost::LocationOrder(locations);
  for (const base::PeerId& peer : order) {
    if (!Denied(locations.at(peer))) add(peer);
  }
  for (const base::PeerId& peer : members) {
    if (!locations.contains(peer)) add(peer);
  }
  for (const base::PeerId& peer : order) add(peer);
  std::stable_partition(ranked.begin(), ranked.end(),
                        [&](const base::PeerId& peer) { return !view.cooling(peer); });
  return ranked;
}

std::vector<base::PeerId> RotateMembers(std::vector<base::PeerId> members, uint32_t failures) {
  if (members.size() <= kAskedMax) return members;
  const std::size_t by = failures % members.size() * kAskedMax % members.size();
  std::rotate(members.begin(), members.begin() + static_cast<std::ptrdiff_t>(by), members.end());
  return members;
}

std::optional<base::PeerId> AnotherPeer(const signpost::Locations& locations,
                                        const PeerTest& usable) {
  for (const base::PeerId& peer : signpost::LocationOrder(locations)) {
    if (Denied(locations.at(peer))) return std::nullopt;  // they come last
    if (usable(peer)) return peer;
  }
  return std::nullopt;
}

}  // namespace waypost::fetcher
