#include "syncgroup/membership/branches.h"

#include <algorithm>
#include <cstddef>

#include "base/status.h"

// Each branch knows its parent and one ancestor farther up, chosen so that from any branch the
// ancestor at a given depth is found in about two log2 steps (jump pointers by skew-binary
// numbers): a thief may nest branches as deep as it likes. Nothing here calls itself.

namespace waypost::syncgroup {

BranchNumber Branches::Begin(const base::PeerId& origin, const base::EntryHash& numbering,
                             const ActId& basis) {
  const auto [it, fresh] =
      by_hash_.try_emplace(numbering, static_cast<uint32_t>(numberings_.size()));
  if (!fresh) return numberings_[it->second].branches.front();
  const auto branch = static_cast<BranchNumber>(branches_.size());
  by_origin_[origin].push_back(it->second);
  numberings_.push_back({origin, numbering, basis, {branch}});
  branches_.push_back({.numbering = it->second, .jump = branch});
  return branch;
}

BranchNumber Branches::Split(const BranchPlace& shared) {
  const BranchPlace owner = Owner(shared);
  CHECK(owner.generation > 0);
  const Branch parent = branches_.at(owner.branch);
  const Branch jump = branches_[parent.jump];
  const bool longer = parent.depth - jump.depth == jump.depth - branches_[jump.jump].depth;
  const auto branch = static_cast<BranchNumber>(branches_.size());
  branches_.push_back({.numbering = parent.numbering,
                       .parent = owner.branch,
                       .jump = longer ? jump.jump : owner.branch,
                       .depth = parent.depth + 1,
                       .after = owner.generation,
                       .newest = owner.generation});
  numberings_[parent.numbering].branches.push_back(branch);
  return branch;
}

void Branches::Extend(const BranchPlace& place) {
  Branch& branch = branches_.at(place.branch);
  branch.newest = std::max(branch.newest, place.generation);
}

std::optional<BranchPlace> Branches::LeavesAfter(BranchNumber branch) const {
  const Branch& of = branches_.at(branch);
  if (of.parent == kNoBranch) return std::nullopt;
  return BranchPlace{of.parent, of.after};
}

std::optional<BranchNumber> Branches::FirstOf(const base::EntryHash& numbering) const {
  const auto it = by_hash_.find(numbering);
  if (it == by_hash_.end()) return std::nullopt;
  return numberings_[it->second].branches.front();
}

std::vector<BranchNumber> Branches::Siblings(BranchNumber branch) const {
  return NumberingOf(branch).branches;
}

std::vector<BranchNumber> Branches::BranchesOf(const base::PeerId& origin) const {
  std::vector<BranchNumber> branches;
  const auto it = by_origin_.find(origin);
  if (it == by_origin_.end()) return branches;
  for (const uint32_t numbering : it->second) {
    const std::vector<BranchNumber>& of = numberings_[numbering].branches;
    branches.insert(branches.end(), of.begin(), of.end());
  }
  return branches;
}

BranchNumber Branches::AncestorAt(BranchNumber branch, uint32_t depth) const {
  while (branches_[branch].depth > depth) {
    const BranchNumber jump = branches_[branch].jump;
    branch = branches_[jump].depth >= depth ? jump : branches_[branch].parent;
  }
  return branch;
}

bool Branches::IsAncestorOrSelf(const BranchPlace& place, const BranchPlace& head) const {
  const BranchPlace owner = Owner(place);
  return owner.generation > 0 && owner.generation <= SharedUpTo(owner.branch, head);
}

uint64_t Branches::SharedUpTo(BranchNumber branch, const BranchPlace& head) const {
  const Branch& of = branches_.at(branch);
  const Branch& from = branches_.at(head.branch);
  if (of.numbering != from.numbering || from.depth < of.depth) return 0;
  uint64_t up_to = head.generation;
  if (from.depth > of.depth) {
    const Branch& child = branches_[AncestorAt(head.branch, of.depth + 1)];
    if (child.parent != branch) return 0;
    // The head itself may be given on a branch that has it from before its split.
    up_to = std::min(up_to, child.after);
  } else if (head.branch != branch) {
    return 0;
  }
  return up_to > of.after ? up_to : 0;
}

BranchPlace Branches::Owner(BranchPlace place) const {
  for (const Branch* of = &branches_.at(place.branch);
       place.generation <= of->after && of->parent != kNoBranch; of = &branches_[of->parent]) {
    place.branch = of->parent;
  }
  return place;
}

bool Branches::IsNewest(const BranchPlace& place) const {
  for (const BranchNumber branch : NumberingOf(place.branch).branches) {
    const uint64_t newest = branches_[branch].newest;
    if (newest == branches_[branch].after) continue;  // nothing of its own
    if (!IsAncestorOrSelf({branch, newest}, place)) return false;
  }
  return true;
}

}  // namespace waypost::syncgroup
