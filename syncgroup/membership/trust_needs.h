#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "syncgroup/membership/act_store.h"

namespace waypost::syncgroup {

// Walks entries of acts with all that they rest on, follow, name and pin, each once and in no
// order. O(entries, names and pins) in all. Inside the fold only.
class TrustNeeds {
 public:
  explicit TrustNeeds(const ActStore& store) : store_(store) {}

  void Open(ActEntryNumber entry) { open_.push_back(entry); }
  // The next one; what it needs is opened. nullopt: there is none.
  std::optional<ActEntryNumber> Next();
  // Of each branch the last entry that was reached, all before it with it.
  const absl::flat_hash_map<BranchNumber, uint64_t>& up_to() const { return up_to_; }

 private:
  void OpenUpTo(const BranchPlace& place);
  void OpenAct(ActNumber act);

  const ActStore& store_;
  std::vector<ActEntryNumber> open_;
  absl::flat_hash_set<ActEntryNumber> seen_;
  absl::flat_hash_map<BranchNumber, uint64_t> up_to_;
};

}  // namespace waypost::syncgroup
