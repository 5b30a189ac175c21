#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace waypost::syncgroup {

// How this peer's clock stands to those of the members that it meets.
struct ClockReport {
  bool behind = false;  // most of them are ahead of it
  bool ahead = false;   // most of them are behind it, or it was ahead when it wrote
  // For people: what was found, what waits for it and until when. Empty: all is well.
  std::vector<std::string> reasons;
};

struct ClockFacts {
  struct Contact {
    // Its clock less ours, as it said last; nullopt: it does not say.
    std::optional<base::Millis> offset;
    bool entries_ahead = false;  // some of its entries wait for the time of their stamps
  };
  std::vector<Contact> contacts;
  // What this peer writes in these groups is stamped later than its clock shows.
  struct Stamped {
    base::GroupId group;
    base::WallTime latest;
  };
  std::vector<Stamped> stamped;
  base::WallTime now;
};
// Pure. Clocks differ where it is by more than kClockAheadMax; one contact alone cannot tell whose
// is wrong, and both are named.
ClockReport JudgeClocks(const ClockFacts& facts);

}  // namespace waypost::syncgroup
