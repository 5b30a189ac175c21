#include "syncgroup/sync/schedule.h"

#include <algorithm>

// When the next round with a peer is: soon while there is news, then twice as long each time up to
// a limit, with some chance in it, so that peers that started together do not stay together.

namespace waypost::syncgroup {

base::Millis NextPause(base::Millis last_pause, base::Millis interval, bool news) {
  if (news) return interval;
  const base::Millis longest = std::max(interval, kQuietIntervalMax);
  return std::min(std::max(last_pause, interval) * 2, longest);
}

base::Millis WithJitter(base::Millis pause, double unit_random) {
  return base::Millis(
      static_cast<int64_t>(static_cast<double>(pause.count()) * (0.8 + 0.4 * unit_random)));
}

}  // namespace waypost::syncgroup
