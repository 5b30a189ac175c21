#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "syncgroup/entry.h"
#include "syncgroup/messages.h"
#include "syncgroup/types.h"

// Who is a member and which entries count: a pure function of the SET of membership operations, so
// that every order in which they arrive gives the same answer.
namespace waypost::syncgroup {

// An operation with its place in the order that decides who wins.
struct StampedOp {
  Stamp stamp;
  Op op;
};
// Those that this file folds: all but references.
bool DecidesMembership(const Op& op);

inline constexpr uint64_t kAllGenerations = std::numeric_limits<uint64_t>::max();

// Which entries of one origin count: those of a named incarnation up to its limit, those of others
// up to `others`.
struct OriginCut {
  uint64_t others = 0;
  std::map<base::Incarnation, uint64_t> named;

  uint64_t LimitOf(const base::Incarnation& incarnation) const {
    const auto it = named.find(incarnation);
    return it == named.end() ? others : it->second;
  }
  friend bool operator==(const OriginCut&, const OriginCut&) = default;
};

struct Membership {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<bool> is_public;
  std::optional<base::WallTime> created;  // time of the founder's first entry, once it is known
  std::map<base::PeerId, Member> members;
  std::map<base::PeerId, OriginCut> cuts;  // an origin that is absent: nothing of it counts
};

// From a numbering to the least generation with two different entries; from there nothing counts.
using Forks = std::map<OriginKey, uint64_t>;

// The group that this founder begins under this incarnation. A group's id names its founder, so
// that nobody can found it a second time.
base::GroupId GroupIdOf(const base::PeerId& founder, const base::Incarnation& incarnation);

// The rules:
// - The founder's first entry admits the founder; everyone else must be admitted by a member whose
// entry
//   counts. Once admitted all incarnations of a peer count.
// - The removals of one peer in one entry are one removal. Of the incarnations it names what lies
// beyond
//   the named generations is void for good; other incarnations are void until the peer is admitted
//   again, later, under an incarnation that the removal does not name.
// - A removal whose own entry is void by an effective removal is not effective. Among removals that
// void
//   each other the one whose author was admitted first stands.
// - Role and authority: the latest admission since the last removal; afterwards a member's own
// profile
//   entries can lower its role.
// - Name and addresses: the latest profile entry. Settings: each field by itself, the latest.
Membership FoldMembership(const base::GroupId& group, const std::vector<StampedOp>& ops,
                          const Forks& forks);

// What a member of this authority may do. Asked of what an app wants to write here; entries of
// others will be asked the same when they are signed.
bool AuthorityAllows(Authority authority, const Op& op);

// Does an entry at this place count?
bool EntryCounts(const OriginCut& cut, uint64_t forked, const EntryPlace& place);

}  // namespace waypost::syncgroup
