#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_kind.h"
#include "base/mutex.h"
#include "base/notifier.h"

namespace waypost::base {

struct Event {
  uint64_t number = 0;  // 1, 2, 3, ... since this start
  WallTime at;
  EventKind kind{};
  uint64_t count = 1;  // more than one when events of a kind were folded together
  std::vector<std::pair<std::string, std::string>> fields;  // of the latest one folded
};

// The last 1,000 events of this start, for people and programs that watch. More than 10 of a kind
// in one group, or in none, within 100 ms become one with a count. Thread-safe.
class EventLog {
 public:
  static constexpr std::size_t kKept = 1000;
  static constexpr std::size_t kBurst = 10;
  static constexpr Millis kBurstWindow{100};

  EventLog(const Clock& clock, std::string boot_id);
  void Publish(EventKind kind, std::vector<std::pair<std::string, std::string>> fields);

  struct Page {
    std::vector<Event> events;
    bool gap = false;  // events after `after` are no longer kept
  };
  // At most `limit` events with a number over `after`, in order. An event that was folded after it
  // was read does not come again.
  Page Read(uint64_t after, std::size_t limit) const;
  uint64_t last_number() const;
  // Ids on the wire are "<boot>-<number>".
  const std::string& boot_id() const { return boot_id_; }
  Notifier& changed() { return changed_; }

 private:
  const Clock& clock_;
  const std::string boot_id_;
  Notifier changed_;
  // Of one kind and group: when its window began, how many it has seen, and the event that later
  // ones fold into.
  struct Burst {
    SteadyTime began;
    uint64_t seen = 0;
    uint64_t last_number = 0;
  };

  mutable Mutex mutex_;
  std::deque<Event> events_ GUARDED_BY(mutex_);             // numbers without gaps
  std::map<std::string, Burst> bursts_ GUARDED_BY(mutex_);  // old ones go when they are many
  uint64_t next_number_ GUARDED_BY(mutex_) = 1;
};

}  // namespace waypost::base
