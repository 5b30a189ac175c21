#pragma once

#include "absl/status/status.h"
#include "base/index.h"

namespace waypost::base {

// Gives every row that data folders of format 1 brought the checksum that rows have now. Goes on
// where an earlier call was broken off, and is quick where nothing is left to do. A damaged row
// stays as it is. Waits for its commits; runs beside whatever else uses the index.
absl::Status ResealRows(Index& index);

}  // namespace waypost::base
