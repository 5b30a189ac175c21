#include "syncgroup/group/second_copy.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/log.h"

// Who is met is told apart from a data folder that was restored by the stamps: what was lost with
// it was written before this process began. The numberings that this process wrote under are kept,
// for a group that was left and joined again brings back what this process wrote there before.

namespace waypost::syncgroup {

void SecondCopy::Writes(const base::Incarnation& numbering) {
  base::MutexLock lock(mutex_);
  written_.insert(numbering);
}

bool SecondCopy::WroteElsewhere(const base::Incarnation& numbering, base::WallTime stamp) const {
  if (!StampedSinceStart(stamp)) return false;
  base::MutexLock lock(mutex_);
  return !written_.contains(numbering);
}

// A wall clock that was set since tells by the steady one when this process began. A stamp that
// lies ahead was drawn there by another member's clock and says nothing of when it was written.
bool SecondCopy::StampedSinceStart(base::WallTime stamp) const {
  const base::WallTime now = clock_.WallNow();
  const base::Millis runs =
      std::chrono::duration_cast<base::Millis>(clock_.SteadyNow() - started_steady_);
  return stamp > std::max(started_, now - runs) + kStampsAhead && stamp <= now + kStampsAhead;
}

void SecondCopy::Met(const base::GroupId& group, const base::PeerId& via, base::WallTime stamp) {
  const std::string reason = absl::StrCat(
      "a second copy of this data folder runs: it wrote as this peer in group ", group.ToHex(),
      ", at ", base::FormatTime(stamp), ". Stop one of the two and delete its folder");
  {
    base::MutexLock lock(mutex_);
    reason_ = reason;
  }
  if (warnings_.May(std::string(group.bytes()), clock_.SteadyNow())) {
    base::LogWarning(reason, "; heard from peer ", via.ToHex());
  }
}

std::string SecondCopy::reason() const {
  base::MutexLock lock(mutex_);
  return reason_;
}

}  // namespace waypost::syncgroup
