#include "signpost/rules.h"

#include <algorithm>
#include <tuple>

namespace waypost::signpost {
namespace {

bool DeniedSinceSeen(const Location& location) {
  return location.denied != base::kNever && location.denied >= location.when_seen;
}

bool TrustsDenial(const Location& location, base::WallTime now) {
  return location.denied != base::kNever && now - location.denied < kDenialTrust;
}

// Smaller is asked, and kept, first.
auto Preference(const base::PeerId& peer, const Location& location) {
  return std::make_tuple(DeniedSinceSeen(location), !location.is_server, !location.is_proxy,
                         -base::ToMs(location.when_seen), peer);
}

}  // namespace

bool MergeLocations(Locations& into, const Locations& from, base::WallTime now) {
  bool evidence = false;
  for (const auto& [peer, theirs] : from) {
    Location incoming = theirs;
    incoming.when_seen = std::min(incoming.when_seen, now);
    const auto [it, added] = into.try_emplace(peer, incoming);
    Location& ours = it->second;
    if (added) {
      evidence = evidence || !DeniedSinceSeen(ours);
      continue;
    }
    const base::WallTime denied = std::max(ours.denied, incoming.denied);
    if (incoming.when_seen > ours.when_seen) {
      evidence = evidence || !TrustsDenial(ours, now);
      ours = incoming;
    } else if (incoming.when_seen == ours.when_seen) {
      ours.is_server = ours.is_server || incoming.is_server;
      ours.is_proxy = ours.is_proxy || incoming.is_proxy;
    }
    ours.denied = denied;
  }
  return evidence;
}

void TrimLocations(Locations& locations, std::size_t max_locations) {
  if (locations.size() <= max_locations) return;
  const std::vector<base::PeerId> order = LocationOrder(locations);
  for (std::size_t i = max_locations; i < order.size(); ++i) locations.erase(order[i]);
}

std::vector<base::PeerId> LocationOrder(const Locations& locations) {
  using Item = decltype(Preference(std::declval<base::PeerId>(), std::declval<Location>()));
  std::vector<Item> items;
  items.reserve(locations.size());
  for (const auto& [peer, location] : locations) items.push_back(Preference(peer, location));
  std::sort(items.begin(), items.end());
  std::vector<base::PeerId> order;
  order.reserve(items.size());
  for (const Item& item : items) order.push_back(std::get<base::PeerId>(item));
  return order;
}

base::PeerId FirstPeer(const Locations& locations) {
  const auto first = std::min_element(
      locations.begin(), locations.end(), [](const auto& a, const auto& b) {
        return Preference(a.first, a.second) < Preference(b.first, b.second);
      });
  return first == locations.end() ? base::PeerId() : first->first;
}

SharedSignpost FilterFor(const Signpost& signpost, const base::PeerId& caller,
                         const FilterView& view, std::size_t max_locations) {
  SharedSignpost shared;
  for (const auto& item : signpost.groups) {
    if (view.is_public(item.first) || view.is_member(item.first, caller)) {
      shared.groups.push_back(item.first);
    }
  }
  for (const auto& [peer, location] : signpost.locations) {
    bool reveal = false;
    for (const auto& item : signpost.groups) {
      reveal = reveal || view.is_server(item.first, peer);
    }
    for (const base::GroupId& group : shared.groups) {
      reveal = reveal || view.is_member(group, peer);
    }
    // What was denied here is not passed on: it would look like news there.
    if (!reveal || DeniedSinceSeen(location)) continue;
    Location& added = shared.locations[peer];
    added = location;
    added.denied = base::kNever;
  }
  TrimLocations(shared.locations, max_locations);
  if (!shared.groups.empty()) shared.size_hint_bytes = signpost.size_hint_bytes;
  return shared;
}

}  // namespace waypost::signpost
