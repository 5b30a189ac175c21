#include "syncgroup/membership/trust_needs.h"

// A branch is taken from its beginning up to a place, so what was reached of it is one number, and
// whatever lies below that was opened when the number rose past it. A numbering of references has
// no entries here, but its basis is needed like that of any other.

namespace waypost::syncgroup {

std::optional<ActEntryNumber> TrustNeeds::Next() {
  while (!open_.empty()) {
    const ActEntryNumber number = open_.back();
    open_.pop_back();
    if (!seen_.insert(number).second) continue;
    const EntryRecord& entry = store_.entry(number);
    if (entry.place.branch != kNoBranch) OpenUpTo(entry.place);
    for (const ActNumber act : entry.acts) {
      for (const ActNumber named : store_.act(act).names) OpenAct(named);
      for (const BranchPlace& head : store_.act(act).pins) OpenUpTo(head);
    }
    return number;
  }
  return std::nullopt;
}

void TrustNeeds::OpenAct(ActNumber act) {
  if (act > kGenesisBasis) open_.push_back(store_.act(act).entry);
}

void TrustNeeds::OpenUpTo(const BranchPlace& place) {
  const Branches& branches = store_.branches();
  if (const auto basis = store_.FindAct(branches.BasisOf(place.branch))) OpenAct(*basis);
  for (std::optional<BranchPlace> at = place; at; at = branches.LeavesAfter(at->branch)) {
    uint64_t& up_to = up_to_[at->branch];
    if (up_to >= at->generation) return;
    const auto& by_place = store_.by_place();
    for (auto it = by_place.lower_bound({at->branch, up_to + 1});
         it != by_place.end() && it->first <= *at; ++it) {
      open_.push_back(it->second);
    }
    up_to = at->generation;
  }
}

}  // namespace waypost::syncgroup
