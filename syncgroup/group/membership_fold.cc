#include "syncgroup/group/membership_fold.h"

#include "syncgroup/protocol/genesis.h"

// What is stored of a group becomes what the pure rules fold: the one place, so that papers and log
// are judged alike.

namespace waypost::syncgroup {

std::optional<Membership> FoldedMembership(const std::string& genesis, const Knowledge& knowledge,
                                           const std::vector<StampedOp>& ops) {
  const auto opened = ReadGenesis(genesis);
  if (!opened.ok()) return std::nullopt;
  Forks forks;
  for (const auto& [numbering, known] : knowledge) {
    if (known.forked != 0) forks[numbering] = known.forked;
  }
  return FoldMembership(opened->founder, ops, forks);
}

}  // namespace waypost::syncgroup
