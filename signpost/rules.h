#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "signpost/signpost.h"

// The pure rules of signposts: merge, trim, filter, who is asked first. No disk, lock or socket.
namespace waypost::signpost {

using Locations = std::map<base::PeerId, Location>;

// A "not here" of a peer makes its name in another signpost no evidence for this long.
inline constexpr base::Millis kDenialTrust{10 * 60 * 1000};

// Per peer the newest when_seen wins, at most `now`; at equal times flags are or-ed. The later
// denial stands, whichever sighting wins. Commutative, associative, idempotent. True when `into`
// gained evidence: a location that is new or fresher, and not denied within kDenialTrust before
// `now`.
bool MergeLocations(Locations& into, const Locations& from, base::WallTime now);

// Keeps at most `max_locations`: those not denied since they were seen, then servers, proxies, the
// freshest, ties by peer id.
void TrimLocations(Locations& locations, std::size_t max_locations);

// The order in which locations are asked when nothing else is known (a pure function of the
// signpost; health and time come in later): denied since last seen goes last, then as
// TrimLocations.
std::vector<base::PeerId> LocationOrder(const Locations& locations);
// The first of LocationOrder; zero when there is none.
base::PeerId FirstPeer(const Locations& locations);

// What filtering must know of groups and membership.
struct FilterView {
  base::PeerId self;  // zero: never a proxy
  std::function<bool(const base::GroupId&)> is_public;
  std::function<bool(const base::GroupId&, const base::PeerId&)> is_member;
};

// What another peer may learn of a blob's whereabouts.
struct SharedSignpost {
  Locations locations;  // denied is never set
  std::vector<base::GroupId> groups;
  std::optional<uint64_t> size_hint_bytes;
};
// Reveals a group if it is public or `caller` is a member; a location if it is a member of a group
// being revealed; the size if no group is hidden. Nothing at all where no group is revealed: a
// stranger does not learn that the blob exists. The caller itself is left out. Trimmed
// to `max_locations`. Where this peer's own app put the blob into a revealed group while a group
// that is not revealed mentions it too, this peer is a location of its own, as a proxy: it may get
// the blob from where the caller cannot.
SharedSignpost FilterFor(const Signpost& signpost, const base::PeerId& caller,
                         const FilterView& view, std::size_t max_locations);

}  // namespace waypost::signpost
