#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <utility>

namespace waypost::client {

// When a call must have ended, and how to end it sooner. Made from a duration, which begins now:
// client.GetStatus(10s). It holds for the whole call: connecting, sending, waiting, receiving.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  // Longer than a year is a year. `stop` may be used from any thread; the call then ends at once.
  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> timeout,  // NOLINT: a duration is a deadline
           std::stop_token stop = {})
      : at_(Clock::now() + Clamped(timeout)), stop_(std::move(stop)) {}
  explicit Deadline(Clock::time_point at, std::stop_token stop = {})
      : at_(at), stop_(std::move(stop)) {}

  bool stopped() const { return stop_.stop_requested(); }
  const std::stop_token& stop() const { return stop_; }
  // Rounded up; 0 when it is over.
  std::chrono::milliseconds Left() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
    return std::max(left, std::chrono::milliseconds(0));
  }

 private:
  template <class Rep, class Period>
  static Clock::duration Clamped(std::chrono::duration<Rep, Period> timeout) {
    const auto year = std::chrono::hours(24 * 366);
    if (timeout > year) return year;
    return std::chrono::duration_cast<Clock::duration>(timeout);
  }

  Clock::time_point at_;
  std::stop_token stop_;
};

}  // namespace waypost::client
