#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "syncgroup/membership/membership.h"

// The inner half of the fold of membership: which admissions and removals count. Pure.
namespace waypost::syncgroup {

// What one entry says for one peer.
struct Admission {
  Stamp stamp;  // of its first operation
  base::PeerId peer;
  base::Incarnation incarnation;  // named last: the one it writes under
  Role role = Role::kNormal;
  Authority authority = Authority::kReader;
  bool invites = false;
  bool as_inviter = false;
  After after;

  const base::PeerId& author() const { return stamp.place.origin; }
  bool by_itself() const { return author() == peer; }
  // Does it say with what authority this was written?
  bool HoldsFor(const EntryPlace& place) const {
    const auto it = after.find(place.incarnation);
    return it == after.end() || place.generation > it->second;
  }
};

// What one entry says against one peer.
struct Removal {
  Stamp stamp;
  base::PeerId target;
  std::map<base::Incarnation, uint64_t> named;

  const base::PeerId& author() const { return stamp.place.origin; }
  bool by_itself() const { return author() == target; }
};

struct Facts {
  Founder founder;
  std::vector<Admission> admissions;  // in the order of stamps; the first is the founder's own
  std::vector<Removal> removals;      // in the order of stamps
};
Facts CollectFacts(const Founder& founder, const std::vector<StampedOp>& ops, const Forks& forks);

bool Forked(const Forks& forks, const EntryPlace& place);

struct JudgedFacts {
  std::vector<const Admission*> admissions;  // in the order of stamps
  std::vector<const Removal*> removals;
};
JudgedFacts JudgeFacts(const Facts& facts);

// Up to which generation the entries of an incarnation stand under a removal.
uint64_t LimitUnder(const Removal& removal, const base::Incarnation& incarnation,
                    const std::vector<const Admission*>& admissions_of_target);
// Does an admission end what the removal says of incarnations it does not name?
bool Readmits(const Admission& admission, const Removal& removal);

}  // namespace waypost::syncgroup
