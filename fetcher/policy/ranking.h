#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "signpost/rules.h"

// Whom to ask for a blob, and in which order. Pure.
namespace waypost::fetcher {

// At most this many locations are asked in one attempt.
inline constexpr std::size_t kAskedMax = 8;

using PeerTest = std::function<bool(const base::PeerId&)>;

struct RankView {
  base::PeerId prefer;  // goes first where it may be asked and is not poor; zero: nobody
  // Members of a group under which the blob is wanted that were not asked yet. Never ourselves.
  PeerTest may_ask;
  PeerTest cooling;
  // Blobs came from it slowly or not at all: after the other locations, before mere members. Null:
  // nobody is.
  PeerTest poor = nullptr;
  // Has it sent blobs? Those that have come before other locations that are not poor. Null: it is
  // no matter.
  PeerTest proven = nullptr;
  // With so many that do not cool it ends: nobody looks further, however many the members are.
  std::size_t usable_max = kAskedMax;
  std::size_t first_member = 0;  // of `members`, where to begin; those before it follow the last
};
// The signpost's locations (servers, proxies, the freshest; poor ones after the others, so that
// nobody keeps a blob from those who have it by holding it back; denied ones last), before the
// denied ones the members of the groups that are not among them (`members`, each once, servers
// first). Cooling peers go behind all others. In a time that grows with the members alone.
std::vector<base::PeerId> Rank(const signpost::Locations& locations,
                               const std::vector<base::PeerId>& members, const RankView& view);

// Where the groups have more members than one attempt asks, others come first in each: which of
// `members` it begins with, so many further as earlier attempts asked.
std::size_t FirstMember(std::size_t members, uint32_t failures);

// Who may be asked while the first peer cools: the first location that is `usable` and has not said
// no since it was seen.
std::optional<base::PeerId> AnotherPeer(const signpost::Locations& locations,
                                        const PeerTest& usable);

}  // namespace waypost::fetcher
