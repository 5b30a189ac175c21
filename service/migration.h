#pragma once

#include "absl/status/status.h"
#include "base/index.h"
#include "service/data_dir.h"

namespace waypost::service {

// Brings a folder of an older format to this program's: does nothing unless `data.migrating()`.
// Before the first step FORMAT says that a migration is under way, and until after the last, so
// that no other version touches what is half done; a start after a kill goes on. Each step may be
// run again from its beginning, and keeps its own position where it is long.
absl::Status Migrate(DataDir& data, base::Index& index);

}  // namespace waypost::service
