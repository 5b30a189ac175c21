#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "syncgroup/membership/act_store.h"
#include "syncgroup/membership/trust_acts.h"

// What a basis gives to the entries that rest on it (the rules: trust_tree.h). Inside the fold
// only.
namespace waypost::syncgroup {

// What a basis gives an admin alone is decided in a first pass, by what seniors take.
enum class TrustPass : uint8_t { kAdmins, kAll };

// To an entry that nothing pins, or that is yet to be written. O(1). nullopt: nothing.
std::optional<EntryRights> UnpinnedRights(const ActStore& store, ActNumber basis);

// To the entries of one branch. From a generation on everything is lost that somebody takes, so a
// few numbers say it for all of them.
class BranchRights {
 public:
  // O(1) while nothing is taken from the basis, else O(acts about its peer, and their pins).
  BranchRights(const ActStore& store, ActNumber basis, BranchNumber branch);
  // In the first pass only what seniors take is known. nullopt: nothing.
  std::optional<EntryRights> At(uint64_t generation, TrustPass pass = TrustPass::kAll) const;
  // The last generation that has any right; kAllOfBranch when none is without.
  uint64_t LastWithAny() const { return LastWith(Authority::kReader); }
  // ... with at least this authority.
  uint64_t LastWith(Authority least) const;
  static constexpr uint64_t kAllOfBranch = UINT64_MAX;

 private:
  // By loss, the last generation that is not touched by it.
  using Until = std::array<uint64_t, kLosses>;
  static Loss LossAt(const Until& until, uint64_t generation);

  const ActRecord& basis_;
  Until by_seniors_;
  Until by_all_;
};

}  // namespace waypost::syncgroup
