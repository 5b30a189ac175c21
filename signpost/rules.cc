#include "signpost/rules.h"

#include <algorithm>
#include <tuple>

// The rules as pure functions over maps of locations. Times of other peers are cut at our own now
// before they are compared, so that a clock that is ahead gains nothing, and merging is
// commutative, associative and idempotent: the same news comes over many ways.

namespace waypost::signpost {
namespace {

// A time from another clock, or from this one before it was set back, is not believed beyond now.
Location Clamped(Location location, base::WallTime now) {
  location.when_seen = std::min(location.when_seen, now);
  location.denied = std::min(location.denied, now);
  return location;
}

bool DeniedSinceSeen(const Location& location) {
  return location.denied != base::kNever && location.denied >= location.when_seen;
}

bool RecentlyDenied(const Location& location, base::WallTime now) {
  return location.denied != base::kNever && location.denied > now - kDenialTrust;
}

// A denial is a fact of its own, with its own time: it outlives newer sightings, which only decide
// whether the location is asked last.
Location Merge(const Location& a, const Location& b) {
  Location merged = a.when_seen >= b.when_seen ? a : b;
  if (a.when_seen == b.when_seen) {
    merged.is_server = a.is_server || b.is_server;
    merged.is_proxy = a.is_proxy || b.is_proxy;
  }
  merged.denied = std::max(a.denied, b.denied);
  return merged;
}

// Smaller is asked earlier and kept longer.
auto Rank(const base::PeerId& peer, const Location& location) {
  return std::make_tuple(DeniedSinceSeen(location), !location.is_server, !location.is_proxy,
                         -base::ToMs(location.when_seen), peer);
}

}  // namespace

bool MergeLocations(Locations& into, const Locations& from, base::WallTime now) {
  for (auto& item : into) item.second = Clamped(item.second, now);
  bool evidence = false;
  for (const auto& item : from) {
    const Location learned = Clamped(item.second, now);
    const auto [at, is_new] = into.try_emplace(item.first, learned);
    const bool fresher = is_new || learned.when_seen > at->second.when_seen;
    if (!is_new) at->second = Merge(at->second, learned);
    if (fresher && !RecentlyDenied(at->second, now)) evidence = true;
  }
  return evidence;
}

void TrimLocations(Locations& locations, std::size_t max_locations) {
  if (locations.size() <= max_locations) return;
  const std::vector<base::PeerId> order = LocationOrder(locations);
  for (std::size_t i = max_locations; i < order.size(); ++i) locations.erase(order[i]);
}

std::vector<base::PeerId> LocationOrder(const Locations& locations) {
  std::vector<base::PeerId> order;
  order.reserve(locations.size());
  for (const auto& item : locations) order.push_back(item.first);
  std::sort(order.begin(), order.end(), [&](const base::PeerId& a, const base::PeerId& b) {
    return Rank(a, locations.at(a)) < Rank(b, locations.at(b));
  });
  return order;
}

base::PeerId FirstPeer(const Locations& locations) {
  const auto first =
      std::min_element(locations.begin(), locations.end(), [](const auto& a, const auto& b) {
        return Rank(a.first, a.second) < Rank(b.first, b.second);
      });
  return first == locations.end() ? base::PeerId() : first->first;
}

SharedSignpost FilterFor(const Signpost& signpost, const base::PeerId& caller,
                         const FilterView& view, std::size_t max_locations) {
  SharedSignpost shared;
  for (const auto& item : signpost.groups) {
    const base::GroupId& group = item.first;
    if (view.is_public(group) || view.is_member(group, caller)) shared.groups.push_back(group);
  }
  if (shared.groups.empty()) return shared;
  // Nothing that only a group says which is hidden from the caller: that would tell it that the
  // group has the blob, and who of that group has it would refuse the caller anyway.
  const auto revealed = [&](const base::PeerId& peer) {
    return std::any_of(shared.groups.begin(), shared.groups.end(),
                       [&](const base::GroupId& group) { return view.is_member(group, peer); });
  };
  for (const auto& item : signpost.locations) {
    if (item.first != caller && revealed(item.first)) shared.locations.insert(item);
  }
  const bool brought =
      std::any_of(shared.groups.begin(), shared.groups.end(),
                  [&](const auto& group) { return signpost.groups.at(group).set_here; });
  if (brought && !view.self.IsZero() && shared.groups.size() < signpost.groups.size()) {
    shared.locations[view.self] = {.when_seen = signpost.updated, .is_proxy = true};
  }
  TrimLocations(shared.locations, max_locations);
  for (auto& item : shared.locations) item.second.denied = base::kNever;
  if (shared.groups.size() == signpost.groups.size()) {
    shared.size_hint_bytes = signpost.size_hint_bytes;
  }
  return shared;
}

}  // namespace waypost::signpost
