#include "syncgroup/group/server_counts.h"

#include <algorithm>

#include "base/log.h"

// The newest that is known of each group. What is warned of is a change: a group that comes without
// a server, or loses its last one.

namespace waypost::syncgroup {

uint64_t ServerCounts::Next() {
  base::MutexLock lock(mutex_);
  return ++last_;
}

void ServerCounts::Learn(const base::GroupId& group, const News& news) {
  {
    base::MutexLock lock(mutex_);
    News& known = groups_[group];
    if (news.number < known.number) return;
    const bool had_none = known.here && known.servers == 0;
    known = news;
    if (!news.here) known.name.clear();
    if (had_none || !news.here || news.servers != 0) return;
  }
  base::LogWarning("group ", group.ToHex(), " (", news.name,
                   ") has no server: nobody collects what is put there. Make one: waypost group "
                   "role G SHORT-ID server");
}

uint64_t ServerCounts::Of(const base::GroupId& group) const {
  base::MutexLock lock(mutex_);
  const auto it = groups_.find(group);
  return it == groups_.end() ? 0 : it->second.servers;
}

uint64_t ServerCounts::Groups() const {
  base::MutexLock lock(mutex_);
  return static_cast<uint64_t>(std::count_if(groups_.begin(), groups_.end(),
                                             [](const auto& each) { return each.second.here; }));
}

std::vector<std::pair<base::GroupId, std::string>> ServerCounts::WithoutServer() const {
  base::MutexLock lock(mutex_);
  std::vector<std::pair<base::GroupId, std::string>> without;
  for (const auto& [group, known] : groups_) {
    if (known.here && known.servers == 0) without.emplace_back(group, known.name);
  }
  return without;
}

}  // namespace waypost::syncgroup
