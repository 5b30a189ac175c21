#include "base/events.h"

#include <algorithm>
#include <utility>

namespace waypost::base {

EventLog::EventLog(const Clock& clock, std::string boot_id)
    : clock_(clock), boot_id_(std::move(boot_id)) {}

void EventLog::Publish(std::string kind, std::vector<std::pair<std::string, std::string>> fields) {
  const WallTime now = clock_.WallNow();
  {
    MutexLock lock(mutex_);
    std::size_t recent = 0;
    Event* last_of_kind = nullptr;
    for (auto it = events_.rbegin(); it != events_.rend() && it->at + kBurstWindow > now; ++it) {
      if (it->kind != kind) continue;
      if (last_of_kind == nullptr) last_of_kind = &*it;
      if (++recent >= kBurst) break;
    }
    if (recent >= kBurst) {
      ++last_of_kind->count;
      last_of_kind->fields = std::move(fields);
      return;
    }
    events_.push_back({.number = next_number_++, .at = now, .kind = std::move(kind),
                       .count = 1, .fields = std::move(fields)});
    if (events_.size() > kKept) events_.pop_front();
  }
  changed_.Notify();
}

EventLog::Page EventLog::Read(uint64_t after, std::size_t limit) const {
  MutexLock lock(mutex_);
  Page page;
  if (!events_.empty() && after + 1 < events_.front().number) page.gap = true;
  auto it = std::partition_point(events_.begin(), events_.end(),
                                 [&](const Event& event) { return event.number <= after; });
  for (; it != events_.end() && page.events.size() < limit; ++it) page.events.push_back(*it);
  return page;
}

uint64_t EventLog::last_number() const {
  MutexLock lock(mutex_);
  return next_number_ - 1;
}

}  // namespace waypost::base
