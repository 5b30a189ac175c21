#include "base/events.h"

#include <algorithm>

#include "base/clock.h"

// A ring of the latest events, numbered without gaps, so that an event is found by subtraction.
// Bursts of a kind are folded into their latest event, as long as that one is still kept.

namespace waypost::base {

EventLog::EventLog(const Clock& clock, std::string boot_id)
    : clock_(clock), boot_id_(std::move(boot_id)) {}

namespace {

constexpr std::size_t kBurstsKept = 1000;

// Whoever watches one group misses nothing of it for what happens in another.
std::string BurstOf(EventKind kind,
                    const std::vector<std::pair<std::string, std::string>>& fields) {
  for (const auto& [name, value] : fields) {
    if (name == "group") return EventKindName(kind) + (" " + value);
  }
  return EventKindName(kind);
}

}  // namespace

void EventLog::Publish(EventKind kind, std::vector<std::pair<std::string, std::string>> fields) {
  {
    MutexLock lock(mutex_);
    const SteadyTime now = clock_.SteadyNow();
    if (bursts_.size() >= kBurstsKept) {
      std::erase_if(bursts_,
                    [&](const auto& item) { return now - item.second.began >= kBurstWindow; });
    }
    Burst& burst = bursts_[BurstOf(kind, fields)];
    if (burst.seen == 0 || now - burst.began >= kBurstWindow) {
      burst.began = now;
      burst.seen = 0;
    }
    ++burst.seen;
    const uint64_t first_kept = events_.empty() ? next_number_ : events_.front().number;
    if (burst.seen > kBurst && burst.last_number >= first_kept) {
      Event& folded = events_[burst.last_number - first_kept];
      ++folded.count;
      folded.fields = std::move(fields);
      return;  // nothing new to read
    }
    burst.last_number = next_number_;
    events_.push_back({.number = next_number_++,
                       .at = clock_.WallNow(),
                       .kind = kind,
                       .fields = std::move(fields)});
    if (events_.size() > kKept) events_.pop_front();
  }
  changed_.Notify();
}

EventLog::Page EventLog::Read(uint64_t after, std::size_t limit) const {
  MutexLock lock(mutex_);
  Page page;
  if (events_.empty() || after >= events_.back().number) return page;
  const uint64_t first_kept = events_.front().number;
  page.gap = first_kept > after + 1;
  const std::size_t begin = page.gap ? 0 : static_cast<std::size_t>(after + 1 - first_kept);
  const std::size_t end = begin + std::min(limit, events_.size() - begin);
  page.events.assign(events_.begin() + static_cast<std::ptrdiff_t>(begin),
                     events_.begin() + static_cast<std::ptrdiff_t>(end));
  return page;
}

uint64_t EventLog::last_number() const {
  MutexLock lock(mutex_);
  return next_number_ - 1;
}

}  // namespace waypost::base
