#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "service/cli/progress_line.h"

namespace waypost::service {

// A line on standard error that is drawn anew, at most ten times a second and never wider than the
// terminal; nothing when standard error is no terminal. Thread-safe.
class Progress {
 public:
  // `unit`: of what is counted; empty: bytes.
  explicit Progress(const std::string& label, std::string unit = "");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Of `total` (0: unknown); `detail` follows.
  void Show(uint64_t done, uint64_t total, const std::string& detail);
  // Ends the line. Idempotent.
  void Finish();

 private:
  const std::string label_, unit_;
  const bool terminal_;
  base::Mutex mutex_;
  base::SteadyTime drawn_ GUARDED_BY(mutex_);
  bool on_line_ GUARDED_BY(mutex_) = false;
  RateMeter rate_ GUARDED_BY(mutex_);
};

}  // namespace waypost::service
