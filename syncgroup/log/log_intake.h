#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/log/log_trust.h"
#include "syncgroup/log/log_writer.h"
#include "syncgroup/membership/member_limits.h"
#include "syncgroup/protocol/log_entry.h"

namespace waypost::syncgroup {

// Takes entries of others into a group's log with branches: each when all that it needs is here and
// its basis gives its author any right, within the limits of its author, and none that is stamped
// too far ahead. Up to a head that something here needs no right, limit or clock stands in the way.
// In one write transaction.
class LogIntake {
 public:
  struct Parts {
    LogWriter& log;
    LogTrust& trust;
    base::WallTime latest_allowed;  // stamps after it are too far ahead
    // What is beyond a limit if an origin brings so much more, in words; nullopt: nothing. Null: no
    // limits.
    std::function<std::optional<std::string>(const base::PeerId& origin, const MemberUse& more)>
        beyond;
  };
  explicit LogIntake(Parts parts) : parts_(std::move(parts)) {}

  enum class Outcome : uint8_t {
    kTaken,
    kHere,     // it was here
    kLacks,    // something that it needs is not here: it is asked for again, after that
    kRefused,  // nobody may ever take it
    kNoRight,  // its basis gives nothing, as far as is known here
    kTooFarAhead,
    kBeyondLimits,
  };
  // `needed`: it stands up to a head that something here needs.
  Outcome Take(const OpenedEntry& entry, bool needed = false);
  // ... of the last one that was not taken, for people; and what the last kLacks lacked.
  const std::string& why() const { return why_; }
  const EntryNeeds& lacked() const { return lacked_; }

 private:
  Outcome Not(Outcome outcome, std::string why);
  bool BeginsBranch(const OpenedEntry& entry) const;

  const Parts parts_;
  std::string why_;
  EntryNeeds lacked_;
};

// Of entries in the order in which they came: those that stand on the way to one of these heads, as
// far as the entries show it.
std::set<base::EntryHash> OnTheWayTo(const std::vector<OpenedEntry>& entries,
                                     const std::vector<LogHead>& heads);

// After acts were taken: keeps of every branch what counts, what that rests on, follows and names,
// and what acts pin, and nothing else. O(acts, and branches). True if anything changed.
bool KeepWhatCounts(LogWriter& log, const LogTrust& trust);

}  // namespace waypost::syncgroup
