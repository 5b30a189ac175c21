#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"

namespace waypost::syncgroup {

// How many servers each group of this peer has, in memory: status says it without the index. A
// group without one is a warning in the log when that comes about. Thread-safe.
class ServerCounts {
 public:
  struct News {
    uint64_t number = 0;  // later news have greater ones; see Next
    std::string name;     // the group's
    bool here = false;    // this peer is a member of the group and stays one
    uint64_t servers = 0;
  };
  // For news that are made one after the other, inside transactions.
  uint64_t Next();
  // News may come in another order than they were made.
  void Learn(const base::GroupId& group, const News& news);

  // 0 where the group is not here as well.
  uint64_t Of(const base::GroupId& group) const;
  // The groups that are here.
  uint64_t Groups() const;
  // The groups here that have none, by id, with their names.
  std::vector<std::pair<base::GroupId, std::string>> WithoutServer() const;

 private:
  mutable base::Mutex mutex_;
  uint64_t last_ GUARDED_BY(mutex_) = 0;
  std::map<base::GroupId, News> groups_ GUARDED_BY(mutex_);
};

}  // namespace waypost::syncgroup
