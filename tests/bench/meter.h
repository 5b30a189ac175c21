#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/copiers.h"
#include "tests/bench/figures.h"

namespace waypost::bench {

// What is under way costs, from the beginning of this object to End: our children that ended, and
// these servers.
class Meter {
 public:
  explicit Meter(std::vector<int> servers);
  Cost End() const;

 private:
  const std::vector<int> servers_;
  const double cpu_;
  const uint64_t wire_;
  const Clock::time_point begin_;
};

// The most that a process has had in memory; 0 when it is gone.
uint64_t PeakBytes(pid_t pid);
// Touches as much memory once and gives it back, so that what is measured next does not pay for
// pages that the host of a virtual machine took away: 5 us each here, as much as a copy costs.
void TouchMemory(uint64_t bytes);
absl::Status SyncFileSystem(const std::string& folder);

}  // namespace waypost::bench
