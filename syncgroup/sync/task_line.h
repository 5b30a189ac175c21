#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/fair_line.h"
#include "base/ids.h"
#include "base/time.h"

namespace waypost::syncgroup {

// Is a peer whose calls take `took` slow beside others, of which the middle one takes `median`? Ten
// times as long, and over a second: on a quick network all are quick. Pure.
bool IsSlow(base::Millis took, base::Millis median);
// How long a peer's calls take, once another one took `last`: at least that, and a quarter less
// than before with each call, so that who is slow now and then counts as slow. Pure.
base::Millis CallTime(base::Millis before, base::Millis last);

// What the syncer's workers do next: of those with something to do the one that has used the least
// of their time, a member together with all whom it brought in, so that nobody who pokes without
// end keeps others waiting (base/fair_line.h). Calls to slow peers hold half of the workers at
// most: however many peers drip their answers, the rounds with all others go on. Pure; not
// thread-safe.
class TaskLine {
 public:
  struct Task {
    std::function<void()> run;
    std::optional<base::PeerId> peer;  // whom it calls; none: nobody that may be slow
    base::PeerId sponsor = {};         // that brought it in; zero: nobody
    bool is_long = false;              // counts as a call to a slow peer
    // As Take found it.
    bool slow = false;
    base::SteadyTime began = {};
  };
  // `first`: before all that waits for the same peer and those that one member brought in with it.
  // What calls nobody and is not long goes first of all.
  void Add(Task task, bool first);
  // The next task that may start with `workers` workers; take Ended with it afterwards.
  std::optional<Task> Take(uint32_t workers, base::SteadyTime now);
  // It is done. Who came by the invites of one member is judged with all whom that one
  // brought in, so that nobody is new again and again.
  void Ended(const Task& task, base::SteadyTime now);
  // Members that are gone are forgotten.
  template <class Predicate>
  void ForgetUnless(Predicate is_known) {
    std::erase_if(took_, [&](const auto& item) { return !is_known(item.first); });
  }
  // What waits is dropped.
  void Clear() { line_.DropWaiting(); }

 private:
  bool Slow(const Task& task) const;

  base::FairLine<Task> line_{0};
  std::map<base::Payer, base::Millis> took_;
  base::Millis median_{0};  // of took_
  uint32_t active_slow_ = 0;
};

}  // namespace waypost::syncgroup
