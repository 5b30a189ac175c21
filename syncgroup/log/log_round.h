#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "syncgroup/log/branch_search.h"
#include "syncgroup/log/log_intake.h"
#include "syncgroup/log/log_reader.h"
#include "syncgroup/protocol/log_messages.h"

namespace waypost::syncgroup {

// One side asking the other for all that it keeps of one group: what to ask next, from what was
// answered. It takes nothing itself: whoever runs it takes the entries of an answer, in their
// order, before Learn. The heads that the other side has told since the last time come in pages;
// of each the way is fetched; where a numbering has split in two the branch point is searched. If
// the two still keep different things after that, all heads are gone through once.
//
// It ends: each answer brings something new, makes a search shorter, or gives a head up. A value,
// of no thread.
class LogRound {
 public:
  // `since`: where the last round with this peer ended.
  explicit LogRound(const LogCursor& since) : cursor_(since) {}

  // nullopt: there is nothing to ask any more.
  std::optional<LogAsk> Next(const LogReader& log);
  // What an entry of the answer that comes next to Learn lacked: it is asked for first, and taken
  // whoever had a right to it.
  void Need(const EntryNeeds& needs);
  // Of those entries of an answer, which stand on the way to something that is needed?
  std::set<base::EntryHash> Needed(const std::vector<OpenedEntry>& entries, bool more) const;

  // `taken`: so many of the answer's entries were taken, of which nothing was here.
  void Learn(const LogReader& log, const LogAnswer& answer, std::size_t taken);

  // Heads that were told and whose way cannot be taken now. Where there are none, what was told up
  // to cursor() is here, and need not be told again.
  const std::set<LogHead>& given_up() const { return given_up_; }
  const LogCursor& cursor() const { return cursor_; }

 private:
  void AskFor(const LogReader& log, LogAsk& ask);
  void LearnProbes(const LogReader& log, const LogAnswer& answer);
  void TakePage(const LogReader& log, const LogAnswer& answer);
  void GiveUp(const LogHead& head);

  LogCursor cursor_;               // up to here all is here, or given up
  std::optional<LogCursor> page_;  // where the page of heads ends whose ways are asked for
  bool more_heads_ = true;
  bool all_ = false;         // of the other's log from its beginning
  base::EntryHash theirs_;   // what it keeps, as it said last
  std::set<LogHead> heads_;  // whose ways are asked for
  // Of these the branch point is searched, or was found.
  std::map<LogHead, BranchSearch> searches_;
  std::set<LogHead> wanted_;     // in the last request
  std::vector<LogHead> probed_;  // ...
  std::set<LogHead> given_up_;
  std::set<LogHead> needed_;        // by entries that are not taken yet
  std::set<base::EntryHash> acts_;  // ... of which it is not known where they stand
  std::set<base::EntryHash> asked_acts_;
  bool needs_more_ = false;  // than before the last answer
};

}  // namespace waypost::syncgroup
