#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace waypost::syncgroup {

// How many blobs members said lately that they have, each as a bucket that leaks. Pure; whoever
// has it guards it.
class HavesMeter {
 public:
  // So many at once, and then so many a second.
  struct Rate {
    double burst = 0;
    double per_second = 0;
  };
  // nullopt: `count` more of `peer` are taken. Else they are not, and would be after this time, of
  // a minute at most.
  std::optional<base::Millis> Take(const base::PeerId& peer, std::size_t count, const Rate& rate,
                                   base::SteadyTime now);
  // Members with something in their bucket, and those that were not looked at since.
  std::size_t size() const { return taken_.size(); }

 private:
  struct Taken {
    double count = 0;
    base::SteadyTime at;
    double Now(const Rate& rate, base::SteadyTime now) const;
  };
  std::map<base::PeerId, Taken> taken_;
  std::size_t sweep_at_ = 1024;
};

}  // namespace waypost::syncgroup
