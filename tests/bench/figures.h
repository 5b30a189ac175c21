#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
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

// The first argument is "quick": only to see that it runs, with figures that say nothing. Takes it
// away.
inline bool TakeQuick(int& argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "quick") != 0) return false;
  for (int i = 1; i + 1 < argc; ++i) argv[i] = argv[i + 1];
  --argc;
  return true;
}

// A line of JSON for programs, into the file that BENCH_JSON names; without it nothing.
inline void Record(const nlohmann::json& figures) {
  const char* const path = std::getenv("BENCH_JSON");
  std::FILE* const file = path != nullptr ? std::fopen(path, "a") : nullptr;
  if (file == nullptr) return;
  std::fprintf(file, "%s\n", figures.dump().c_str());
  std::fclose(file);
}

}  // namespace waypost::bench
