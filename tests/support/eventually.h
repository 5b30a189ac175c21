#pragma once

#include <thread>

#include "absl/functional/function_ref.h"
#include "base/clock.h"

namespace waypost::support {

// Generous: a loaded machine with two cores, under a sanitizer.
inline constexpr base::Millis kPatience{60'000};

// Looks at `condition` again and again until it holds, in real time; false after `patience`, which
// is a limit and no measure. For what other threads or processes do by themselves: what waits for
// time is tested under a FakeClock.
inline bool Eventually(absl::FunctionRef<bool()> condition, base::Millis patience = kPatience) {
  const base::SteadyTime end = base::SteadyNow() + patience;
  while (!condition()) {
    if (base::SteadyNow() >= end) return false;
    std::this_thread::sleep_for(base::Millis(5));
  }
  return true;
}

}  // namespace waypost::support
