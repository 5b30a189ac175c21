#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "syncgroup/membership/trust_acts.h"

namespace waypost::syncgroup {

// A log with branches, as far as what stands before what: numberings that begin with a basis, and
// the branches into which they split (a restored backup that wrote before it met anybody, a stolen
// key). The first branch of a numbering begins it; every other one leaves its parent after an entry
// that both share. A branch's entries are those after that one, so each entry has one place.
//
// Neither hashes nor entries are here: who has them says on which branch an entry stands. A place
// that anything here pins must not be given to another entry. Branches do not end: what they take
// (200 bytes a numbering, 40 a branch) is bounded by the limits of heads.
//
// Threads: none of its own; under the lock of its owner. Pure.
class Branches {
 public:
  // The first branch of a numbering, which is named by the hash of its first entry. A numbering
  // that is there already: its first branch. O(1).
  BranchNumber Begin(const base::PeerId& origin, const base::EntryHash& numbering,
                     const ActId& basis);
  // A branch that continues after `shared`, which may stand on any branch with at least one entry
  // of its own there or before. O(depth of branches).
  BranchNumber Split(const BranchPlace& shared);
  // That entries up to this place are here. Folds nothing, whatever depends on the numbering. O(1).
  void Extend(const BranchPlace& place);

  bool Contains(BranchNumber branch) const { return branch < branches_.size(); }
  // CHECK: the branch is there.
  const base::PeerId& OriginOf(BranchNumber branch) const { return NumberingOf(branch).origin; }
  const base::EntryHash& HashOf(BranchNumber branch) const { return NumberingOf(branch).hash; }
  const ActId& BasisOf(BranchNumber branch) const { return NumberingOf(branch).basis; }
  // The entry that a branch leaves its parent after; nullopt: it begins its numbering.
  std::optional<BranchPlace> LeavesAfter(BranchNumber branch) const;
  // The last entry that is known to be here; the one that the branch leaves after if none is.
  uint64_t NewestOf(BranchNumber branch) const { return branches_.at(branch).newest; }
  // The first branch of a numbering; nullopt when there is none.
  std::optional<BranchNumber> FirstOf(const base::EntryHash& numbering) const;
  // All branches of a numbering in the order in which they were found; the branch is one of them.
  std::vector<BranchNumber> Siblings(BranchNumber branch) const;

  // All branches of all numberings of an origin.
  std::vector<BranchNumber> BranchesOf(const base::PeerId& origin) const;

  // Does `place` stand at or before `head`, on the way from the numbering's first entry to it?
  // O(log depth).
  bool IsAncestorOrSelf(const BranchPlace& place, const BranchPlace& head) const;
  // The last of the branch's own entries that is `head` or stands before it; 0: none. O(log depth).
  uint64_t SharedUpTo(BranchNumber branch, const BranchPlace& head) const;
  // The same entry's place on the branch that has it as its own. O(depth).
  BranchPlace Owner(BranchPlace place) const;
  // Is nothing of this numbering here but what stands at or before `place`? Else another hand
  // continued it.
  bool IsNewest(const BranchPlace& place) const;

 private:
  struct Numbering {
    base::PeerId origin;
    base::EntryHash hash;
    ActId basis;
    std::vector<BranchNumber> branches;
  };
  struct Branch {
    uint32_t numbering = 0;
    BranchNumber parent = kNoBranch;
    BranchNumber jump = kNoBranch;  // an ancestor, so that log n of them lead to any
    uint32_t depth = 0;
    uint64_t after = 0;  // the generation that it leaves its parent after
    uint64_t newest = 0;
  };

  const Numbering& NumberingOf(BranchNumber branch) const {
    return numberings_[branches_.at(branch).numbering];
  }
  BranchNumber AncestorAt(BranchNumber branch, uint32_t depth) const;

  std::vector<Numbering> numberings_;
  std::vector<Branch> branches_;
  absl::flat_hash_map<base::EntryHash, uint32_t> by_hash_;
  absl::flat_hash_map<base::PeerId, std::vector<uint32_t>> by_origin_;
};

}  // namespace waypost::syncgroup
