#pragma once

#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"

namespace waypost::syncgroup {

// The latest stamp that is known in each group here: what this peer writes there is stamped later,
// also where its clock has been set back since. In memory. Thread-safe.
class LatestStamps {
 public:
  void Learn(const base::GroupId& group, base::WallTime latest) {
    base::MutexLock lock(mutex_);
    base::WallTime& known = latest_[group];
    if (latest > known) known = latest;
  }
  void Forget(const base::GroupId& group) {
    base::MutexLock lock(mutex_);
    latest_.erase(group);
  }
  // Those later than `limit`, by group.
  std::vector<std::pair<base::GroupId, base::WallTime>> After(base::WallTime limit) const {
    base::MutexLock lock(mutex_);
    std::vector<std::pair<base::GroupId, base::WallTime>> after;
    for (const auto& item : latest_) {
      if (item.second > limit) after.push_back(item);
    }
    return after;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<base::GroupId, base::WallTime> latest_ GUARDED_BY(mutex_);
};

}  // namespace waypost::syncgroup
