#include "syncgroup/sync/clocks.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/units.h"
#include "syncgroup/protocol/hybrid_clock.h"

// Who is ahead: what members say of their clocks counts, and of those that say nothing what they
// wrote. A majority decides; of two clocks neither is right for sure. What is said of the clocks
// comes before what was written ahead.

namespace waypost::syncgroup {
namespace {

std::string About(base::Millis difference) {
  return base::HumanDuration(difference < base::Millis(0) ? -difference : difference);
}

}  // namespace

ClockReport JudgeClocks(const ClockFacts& facts) {
  std::size_t ahead_of_us = 0, behind_us = 0;
  base::Millis furthest{0};
  for (const ClockFacts::Contact& contact : facts.contacts) {
    const base::Millis offset = contact.offset.value_or(base::Millis(0));
    if (offset > kClockAheadMax || (!contact.offset && contact.entries_ahead)) ++ahead_of_us;
    if (offset < -kClockAheadMax) ++behind_us;
    if (std::max(offset, -offset) > std::max(furthest, -furthest)) furthest = offset;
  }
  const std::size_t contacts = facts.contacts.size();
  ClockReport report{.behind = 2 * ahead_of_us > contacts, .ahead = 2 * behind_us > contacts};
  const std::string by = furthest == base::Millis(0) ? "" : absl::StrCat(" by ", About(furthest));
  if (contacts == 1 && (report.behind || report.ahead)) {
    report.reasons.push_back(absl::StrCat(
        "the clocks of this peer and of the only other one that it meets differ", by,
        ": this one is ", report.behind ? "behind or that one ahead" : "ahead or that one behind",
        "; set the wrong one. What the later clock writes waits until then"));
  } else if (report.behind) {
    report.reasons.push_back(
        absl::StrCat("this clock is behind the clocks of most members", by, ": set it"));
  } else if (report.ahead) {
    report.reasons.push_back(absl::StrCat("this clock is ahead of the clocks of most members", by,
                                          ": set it; they do not take what is written here"));
  }
  for (const ClockFacts::Stamped& stamped : facts.stamped) {
    if (stamped.latest <= facts.now + kClockAheadMax) continue;
    report.ahead = true;
    const base::WallTime taken = stamped.latest - kClockAheadMax;
    // The figures first: what shows this may have little room.
    report.reasons.push_back(absl::StrCat("others take from ", base::FormatTime(taken), " on, in ",
                                          About(taken - facts.now),
                                          ", what this peer wrote ahead of time in group ",
                                          stamped.group.ToHex(), ", and all that it writes there"));
  }
  return report;
}

}  // namespace waypost::syncgroup
