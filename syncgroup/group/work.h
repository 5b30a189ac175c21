#pragma once

#include <cstddef>
#include <map>
#include <set>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"
#include "syncgroup/group/core.h"

namespace waypost::syncgroup {

// What a group needs done in more than one transaction:
//
//     rewriting   own entries that no longer count, or that the members never saw, are written
//                 again under the numbering of now
//     refolding   references are folded again from the log; then what is left over from the fold
//                 before goes
//     dropping    everything of a group that was left goes: references, holdings, log and the rest
//
// Progress is in the group's row, so that a crash resumes it. Thread-safe.
class GroupWork {
 public:
  // When a group that was left is dropped although not every member has learned of it.
  static constexpr base::Millis kLeaveLinger{10 * 1000};

  // `core` outlives it.
  explicit GroupWork(const Core& core) : core_(core) {}

  // Up to `steps` transactions for one group, or for each; true if work is left that can be done
  // now.
  absl::StatusOr<bool> Do(const base::GroupId& group, std::size_t steps);
  absl::StatusOr<bool> DoAll(std::size_t steps);
  // All that can be done now; kCancelled when the service stops meanwhile.
  absl::Status Finish(const base::GroupId& group);

  // `peer` has pulled the entry by which this peer left the group. Only in memory: after a restart
  // the group lingers again.
  void NoteToldOfLeaving(const base::GroupId& group, const base::PeerId& peer);

 private:
  // False while members are still to learn of it.
  absl::StatusOr<bool> EndLeaving(const base::GroupId& group);
  // One transaction of what the group's row names. False if there was none.
  absl::StatusOr<bool> Step(const base::GroupId& group);

  const Core& core_;
  base::Mutex mutex_;
  std::map<base::GroupId, std::set<base::PeerId>> told_of_leaving_ GUARDED_BY(mutex_);
};

}  // namespace waypost::syncgroup
