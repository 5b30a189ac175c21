#pragma once

#include <optional>
#include <string>
#include <vector>

#include "syncgroup/ledger/rows.h"
#include "syncgroup/membership/membership.h"

namespace waypost::syncgroup {

// Who is a member by `ops`, as far as it goes back to the founder that `genesis` names, given the
// forks that `knowledge` proves. nullopt: the genesis does not parse, so nobody's word counts.
std::optional<Membership> FoldedMembership(const std::string& genesis, const Knowledge& knowledge,
                                           const std::vector<StampedOp>& ops);

}  // namespace waypost::syncgroup
