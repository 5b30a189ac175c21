#pragma once

#include <set>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log_bound.h"
#include "base/mutex.h"

namespace waypost::syncgroup {

// Does a second copy of this data folder run? Two that write as one peer lose nothing, but each
// begins numberings without end, and nobody means to have them. What shows it is an entry under our
// own signature, stamped after this process began, that this process did not write. A restart
// forgets what was met. Thread-safe.
class SecondCopy {
 public:
  explicit SecondCopy(const base::Clock& clock)
      : clock_(clock), started_(clock.WallNow()), started_steady_(clock.SteadyNow()) {}

  // This process writes under the numbering, or did. Told before the commit; one that fails does no
  // harm, for nobody else draws the same.
  void Writes(const base::Incarnation& numbering);
  // Would an own entry with this stamp, under a numbering that is neither ours of now nor retired
  // here, have been written by another process?
  bool WroteElsewhere(const base::Incarnation& numbering, base::WallTime stamp) const;
  // ... and one under the numbering of now, which the index does not have?
  bool StampedSinceStart(base::WallTime stamp) const;
  // Such an entry came from `via`. Warns, a few times a minute at most.
  void Met(const base::GroupId& group, const base::PeerId& via, base::WallTime stamp);
  // For people; empty: none was met since the start.
  std::string reason() const;

 private:
  // Many entries in a row are stamped a little later than they were written, which a process that
  // starts at once after another must not take for a copy.
  static constexpr base::Millis kStampsAhead{1000};

  const base::Clock& clock_;
  const base::WallTime started_;
  const base::SteadyTime started_steady_;
  base::LogBound warnings_;
  mutable base::Mutex mutex_;
  std::set<base::Incarnation> written_ GUARDED_BY(mutex_);
  std::string reason_ GUARDED_BY(mutex_);
};

}  // namespace waypost::syncgroup
