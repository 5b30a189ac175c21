#include "syncgroup/sync/haves_meter.h"

#include <algorithm>
#include <chrono>

// Buckets that ran dry are dropped whenever there are twice as many as were left the last time: so
// that peers that came and went leave nothing, at no cost to speak of.

namespace waypost::syncgroup {
namespace {

constexpr std::size_t kSweepAtLeast = 1024;
constexpr double kWaitMaxMs = 60'000;

}  // namespace

double HavesMeter::Taken::Now(const Rate& rate, base::SteadyTime now) const {
  const std::chrono::duration<double> passed = now - at;
  return std::max(0.0, count - passed.count() * rate.per_second);
}

std::optional<base::Millis> HavesMeter::Take(const base::PeerId& peer, std::size_t count,
                                             const Rate& rate, base::SteadyTime now) {
  if (taken_.size() >= sweep_at_ && !taken_.contains(peer)) {
    std::erase_if(taken_, [&](const auto& item) { return item.second.Now(rate, now) == 0; });
    sweep_at_ = std::max(kSweepAtLeast, 2 * taken_.size());
  }
  Taken& taken = taken_.try_emplace(peer, Taken{0, now}).first->second;
  taken = {taken.Now(rate, now), now};
  const double after = taken.count + static_cast<double>(count);
  if (after <= rate.burst) {
    taken.count = after;
    return std::nullopt;
  }
  const double wait_ms = (after - rate.burst) / std::max(rate.per_second, 0.001) * 1000 + 1;
  return base::Millis(static_cast<int64_t>(std::min(wait_ms, kWaitMaxMs)));
}

}  // namespace waypost::syncgroup
