#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <vector>

// What every benchmark reckons with.
namespace waypost::bench {

using Clock = std::chrono::steady_clock;

inline double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }
inline double SecondsSince(Clock::time_point begin) { return Seconds(Clock::now() - begin); }

// Of an even number the mean of the middle two; 0 of none.
inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// User and system time: of this process (RUSAGE_SELF), or of its children that have ended
// (RUSAGE_CHILDREN).
inline double CpuSecondsOf(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace waypost::bench
