#include "syncgroup/log/branch_search.h"

#include <algorithm>

// Whatever stands before an entry that both sides have is here as well, so what is here is a
// beginning of the way to the head: a search in a sorted row.

namespace waypost::syncgroup {

BranchSearch::BranchSearch(const LogHead& head, std::optional<LogHead> shared)
    : head_(head), shared_(shared), differs_(head.generation) {}

std::vector<uint64_t> BranchSearch::Next() const {
  std::vector<uint64_t> next;
  if (done()) return next;
  const uint64_t open = differs_ - SharedUpTo() - 1;
  const uint64_t count = std::min<uint64_t>(open, kProbedAtOnce);
  // Of the open ones in even distances, or all of them. The first term comes before the second
  // because their product could be too large for a number.
  const uint64_t step = (open + 1) / (count + 1), rest = (open + 1) % (count + 1);
  for (uint64_t i = 1; i <= count; ++i) {
    next.push_back(SharedUpTo() + i * step + i * rest / (count + 1));
  }
  return next;
}

bool BranchSearch::Learn(const std::vector<LogHead>& answer,
                         absl::FunctionRef<bool(const LogHead&)> is_here) {
  const std::vector<uint64_t> asked = Next();
  const std::size_t answered = std::min(answer.size(), asked.size());
  if (answered == 0) return false;
  for (std::size_t i = 0; i < answered; ++i) {
    if (answer[i].numbering != head_.numbering || answer[i].generation != asked[i]) return false;
    if (!is_here(answer[i])) {
      differs_ = asked[i];
      return true;
    }
    shared_ = answer[i];
  }
  return true;
}

}  // namespace waypost::syncgroup
