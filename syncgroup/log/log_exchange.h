#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "syncgroup/log/branch_search.h"
#include "syncgroup/log/log_reader.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/log_messages.h"
#include "syncgroup/protocol/messages.h"

// What two peers say to each other about a log with branches, each as a function of its own log and
// what the other said. The caller knows what has changed at the callee since it asked last
// (HeadsSince), asks for the ways to the heads that it lacks (WantsOf), and looks for the branch
// point where the callee says that the two part (BranchSearch). Of no thread; in one transaction.
namespace waypost::syncgroup {

// ---- the callee ----

// Heads that were told since a cursor of this log: of each branch of which entries were taken since
// the last one that is kept. At most `rows_max` entries are looked at.
struct HeadsSince {
  std::vector<LogHead> heads;  // in order
  LogCursor cursor;            // ask from it next time
  bool all = false;            // the cursor is not of this log: heads from its beginning
  bool more = false;
};
HeadsSince HeadsTakenSince(const LogReader& log, const LogCursor& cursor, std::size_t rows_max);

// Entries on the ways that are wanted, in the order in which they were taken here, so that whatever
// an entry needs of them comes before it; in all at most `bytes_max`, but always one.
struct ServedEntries {
  std::vector<SealedEntry> entries;
  std::vector<LogHead> parted;  // heads whose way does not lead over what the caller has
  std::vector<LogHead> gone;    // heads that are not here, or not kept any more
  bool more = false;
};
ServedEntries ServeWants(const LogReader& log, const std::vector<LogWant>& wants,
                         std::size_t bytes_max);

// What stands at these generations on the way to a head; those that cannot be said are left out,
// with all after them.
std::vector<LogHead> ServeProbe(const LogReader& log, const LogHead& head,
                                const std::vector<uint64_t>& generations);

// All that is answered about the log of a group to one of its members: in all at most so many bytes
// of entries.
struct LogBudget {
  std::size_t bytes = std::size_t{4} << 20;
  std::size_t rows = 10'000;  // entries looked at for the heads that were told
};
LogAnswer AnswerLog(const LogReader& log, const LogAsk& ask, const LogBudget& budget);

// ---- the caller ----

// What is to be done for heads that are not here. Of a numbering of which the caller has ends that
// are shorter the longest of them is taken for what stands before the head, which it is but where
// the numbering has split: then the callee says `parted`. Where there is none, but other ends, it
// has split for certain, and the branch point is searched at once. So is it where a page brought
// nothing that is new: from an exact branch point on all is.
struct Lacks {
  std::vector<LogWant> wants;
  std::vector<BranchSearch> searches;
};
Lacks LacksOf(const LogReader& log, const std::vector<LogHead>& heads);
BranchSearch SearchFor(const LogReader& log, const LogHead& head);

// What is wanted when the search is done.
LogWant WantAfter(const BranchSearch& search);

}  // namespace waypost::syncgroup
