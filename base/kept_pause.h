#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/index.h"
#include "base/time.h"

namespace waypost::base {

// Until when an operator has something paused, in a row of the table `meta`, so that it outlives
// the process. Thread-safe; waits for commits.
class KeptPause {
 public:
  struct Pause {
    std::optional<WallTime> until;  // nullopt: until End
  };

  // `key`: of the row, which nobody else uses.
  KeptPause(Index& index, const Clock& clock, std::string key)
      : index_(index), clock_(clock), key_(std::move(key)) {}

  // From now on, in place of one that is kept; nullopt: until End. Durable when it returns.
  absl::StatusOr<Pause> Begin(std::optional<Millis> how_long);
  // Durable when it returns. Idempotent.
  absl::Status End();
  // What a run before this one left; nullopt where there is none or its time is over.
  absl::StatusOr<std::optional<Pause>> Load() const;

 private:
  Index& index_;
  const Clock& clock_;
  const std::string key_;
};

}  // namespace waypost::base
