#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/act_id.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/types.h"

// What the tree of trust is folded from (trust_tree.h says how), as plain values.
namespace waypost::syncgroup {

// A numbering's branch (branches.h). Numbers are of this process and never stored.
using BranchNumber = uint32_t;
inline constexpr BranchNumber kNoBranch = UINT32_MAX;

// Where an entry stands: on which branch, and as which entry of its numbering (1, 2, 3, ...).
struct BranchPlace {
  BranchNumber branch = kNoBranch;
  uint64_t generation = 0;
  friend auto operator<=>(const BranchPlace&, const BranchPlace&) = default;
};

// A head that an act keeps: this entry and all before it on its branch.
struct Pin {
  BranchPlace head;
  base::WallTime stamp;  // of the entry that is pinned
  friend bool operator==(const Pin&, const Pin&) = default;
};

enum class ActKind : uint8_t { kAdmit, kRemove, kLeave };

// Says something about the membership of `peer`.
struct TrustAct {
  ActKind kind = ActKind::kAdmit;
  base::PeerId peer;
  // Of an admission: the authority it gives, the most that the peer may do for the group, and
  // whether it may admit others. Admins always may.
  Authority authority = Authority::kReader;
  Role role = Role::kServer;
  bool invites = false;
  bool as_inviter = false;  // an admission by the right to invite, not by an admin's
  bool only_named = false;  // a removal that acts only on the bases it names (of one that left)
  std::vector<ActId> names;
  std::vector<Pin> pins;
};

// An entry of a numbering of acts. Who wrote it, and on which basis, its branch says.
struct ActEntry {
  base::EntryHash hash;
  BranchPlace place;
  base::WallTime stamp;
  base::WallTime previous;  // stamp of the entry before it on its branch; kNever: it is the first
  std::vector<TrustAct> acts;
};

// An act by the group's recovery keys, whose signatures the caller has checked.
struct RecoveryAct {
  base::EntryHash identity;  // its act is number 0 of this
  base::WallTime stamp;
  TrustAct act;
};

// From `place` on its author takes nothing that it wrote in `numbering` after `stamp`.
struct CloseFact {
  base::EntryHash numbering;  // that is closed
  BranchPlace place;          // of the Close's own entry
  base::WallTime stamp;       // of the Close's own entry
  friend bool operator==(const CloseFact&, const CloseFact&) = default;
};

// A profile in which a member lowers its own role.
struct ProfileFact {
  BranchPlace place;
  base::WallTime stamp;
  Role role = Role::kServer;
  friend bool operator==(const ProfileFact&, const ProfileFact&) = default;
};

// What the fold takes from the genesis.
struct GenesisFact {
  base::PeerId founder;
  base::WallTime when;
  Role role = Role::kServer;
};

// What one may do somewhere.
struct EntryRights {
  Authority authority = Authority::kReader;
  bool invites = false;
  friend bool operator==(const EntryRights&, const EntryRights&) = default;
};
// More authority, or as much and the right to invite besides.
constexpr bool GivesMore(const EntryRights& a, const EntryRights& b) {
  if (a.authority != b.authority) return a.authority < b.authority;
  return a.invites && !b.invites;
}

}  // namespace waypost::syncgroup
