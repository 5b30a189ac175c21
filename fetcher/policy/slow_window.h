#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/time.h"

namespace waypost::fetcher {

// Below this rate, over a whole window, a transfer gives its slot to a blob that waits at another
// peer, and goes on from what is here when its turn comes again. At this rate the break costs
// little: one request, and hashing again what is here, which goes a thousand times faster. What is
// too small to be continued is over within a window, or has come at less than 18 KiB a second.
inline constexpr uint64_t kSlowBytesPerS = 1024 * 1024;
inline constexpr base::Millis kSlowWindow{60 * 1000};

// Judges a transfer, or all that one slot was held for, once a window, each window anew. Pure: told
// the time.
class SlowWindow {
 public:
  explicit SlowWindow(base::SteadyTime now) : began_(now) {}

  // That was not the peer's fault.
  void Excuse(base::SteadyTime::duration time) { began_ += time; }
  // `bytes` more came. `excused`: time since the last call that was not the peer's fault. True once
  // at the end of each window that was slow.
  bool Slow(uint64_t bytes, base::SteadyTime now, base::SteadyTime::duration excused = {}) {
    bytes_ += bytes;
    Excuse(excused);
    if (now - began_ < kSlowWindow) return false;
    const std::chrono::duration<double> window = now - std::exchange(began_, now);
    was_slow_ = static_cast<double>(std::exchange(bytes_, 0)) / window.count() <
                static_cast<double>(kSlowBytesPerS);
    return was_slow_;
  }
  // Was the last window that ended slow?
  bool was_slow() const { return was_slow_; }

 private:
  base::SteadyTime began_;
  uint64_t bytes_ = 0;
  bool was_slow_ = false;
};

}  // namespace waypost::fetcher
