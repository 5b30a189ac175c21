#pragma once

#include <chrono>
#include <thread>

#include "absl/functional/function_ref.h"
#include "base/clock.h"

namespace waypost::integration {

// Generous: a loaded machine with two cores, under a sanitizer.
inline constexpr base::Millis kPatience{60'000};

// Under a sanitizer times say nothing: what a user would notice is asserted in the release build
// only.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kTimesCount = false;
#else
inline constexpr bool kTimesCount = true;
#endif

// Looks at `condition` again and again until it holds; false after `timeout`.
inline bool Eventually(absl::FunctionRef<bool()> condition, base::Millis timeout = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(base::Millis(5));
  }
  return true;
}

}  // namespace waypost::integration
