#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace waypost::syncgroup {

// Is a peer whose last call took `took` slow beside others, of which the middle one takes `median`?
// Ten times as long, and over a second: on a quick network all are quick. Pure.
bool IsSlow(base::Millis took, base::Millis median);

// What the syncer's workers do next. Calls to slow peers hold half of the workers at most: however
// many peers drip their answers, the rounds with all others go on. Pure; not thread-safe.
class TaskLine {
 public:
  struct Task {
    std::function<void()> run;
    std::optional<base::PeerId> peer;  // whom it calls; none: nobody that may be slow
    bool slow = false;                 // as Take found it
  };
  void Add(Task task, bool first);
  // The first task that may start with `workers` workers; take Ended with it afterwards.
  std::optional<Task> Take(uint32_t workers);
  // It took that long. The peer is judged by its last call.
  void Ended(const Task& task, base::Millis took);
  // Members that are gone are forgotten.
  template <class Predicate>
  void ForgetUnless(Predicate is_known) {
    std::erase_if(took_, [&](const auto& item) { return !is_known(item.first); });
  }
  void Clear() { tasks_.clear(); }

 private:
  bool Slow(const Task& task) const;

  std::deque<Task> tasks_;
  std::map<base::PeerId, base::Millis> took_;
  base::Millis median_{0};  // of took_
  uint32_t active_ = 0, active_slow_ = 0;
};

}  // namespace waypost::syncgroup
