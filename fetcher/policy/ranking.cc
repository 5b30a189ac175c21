#include "fetcher/policy/ranking.h"

#include <algorithm>

// Whom to ask, in which order. Who sent blobs badly comes after other holders, who denied the blob
// since it was seen comes last of those that can be heard, and who cools behind all; nobody comes
// twice.

namespace waypost::fetcher {
namespace {

bool Denied(const signpost::Location& location) {
  return location.denied != base::kNever && location.denied >= location.when_seen;
}

}  // namespace

std::vector<base::PeerId> Rank(const signpost::Locations& locations,
                               const std::vector<base::PeerId>& members, const RankView& view) {
  std::vector<base::PeerId> usable, unproven, poor, cooling;
  const auto add = [&](const base::PeerId& peer) {
    if (usable.size() >= view.usable_max || !view.may_ask(peer)) return;
    const bool cools = view.cooling(peer);
    const bool is_poor = !cools && view.poor && view.poor(peer);
    const bool is_proven = !view.proven || view.proven(peer);
    (cools ? cooling : is_poor ? poor : is_proven ? usable : unproven).push_back(peer);
  };
  const auto add_others = [&] {
    for (std::vector<base::PeerId>* others : {&unproven, &poor}) {
      for (const base::PeerId& peer : *others) {
        if (usable.size() < view.usable_max) usable.push_back(peer);
      }
      others->clear();
    }
  };
  if (!view.prefer.IsZero()) add(view.prefer);
  const std::vector<base::PeerId> order = signpost::LocationOrder(locations);
  const auto add_locations = [&](bool denied) {
    for (const base::PeerId& peer : order) {
      if (peer != view.prefer && Denied(locations.at(peer)) == denied) add(peer);
    }
  };
  add_locations(/*denied=*/false);
  add_others();
  for (std::size_t i = 0; i < members.size() && usable.size() < view.usable_max; ++i) {
    const base::PeerId& peer = members[(view.first_member + i) % members.size()];
    if (peer != view.prefer && !locations.contains(peer)) add(peer);
  }
  add_others();
  add_locations(/*denied=*/true);
  add_others();
  if (usable.size() < view.usable_max) {
    usable.insert(usable.end(), cooling.begin(), cooling.end());
  }
  return usable;
}

std::size_t FirstMember(std::size_t members, uint32_t failures) {
  if (members <= kAskedMax) return 0;
  return failures % members * kAskedMax % members;
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
