#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace waypost::service {

// Marks an error of a data folder or of a configuration that is not to be used as it is: only a
// person can mend that, and a start that is tried again meets it again. `serve` ends with an exit
// status of its own. An ok status stays one.
absl::Status Unusable(absl::Status status);
template <class T>
absl::StatusOr<T> Unusable(absl::StatusOr<T> result) {
  if (!result.ok()) return Unusable(std::move(result).status());
  return result;
}
bool IsUnusable(const absl::Status& status);

}  // namespace waypost::service
