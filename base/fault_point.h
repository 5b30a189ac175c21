#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waypost::base {

// A crash that WAYPOST_FAULT_POINT asked for ends the process with this status.
inline constexpr int kFaultPointExit = 86;

// The places on the write path at which a test can end the process, as SIGKILL would. Only a build
// with WAYPOST_FAULT_POINTS has them (./dev's presets do, packages do not): elsewhere nothing
// happens. They cost one load of a flag that is off. Every name is listed in kFaultPoints.
void FaultPoint(std::string_view name);
inline constexpr std::string_view kFaultPoints[] = {
    "blob.written",     // bytes are in the file, nothing is synced
    "blob.synced",      // the file is durable, without a name
    "blob.linked",      // it has its name, the folder is not synced
    "blob.durable",     // file and folder are durable, the index does not know
    "partial.marked",   // a partial file's mark was just made
    "index.before",     // an index batch has run, its commit has not begun
    "index.committed",  // the commit returned, nobody has been told
    "fetch.verified",   // a fetched blob hashed to its id, nothing recorded
    "sync.applied",     // a page of log entries was committed, the cursor's owner not told
    "migrate.marked",   // FORMAT says that a migration is under way, nothing else has changed
    "migrate.page",     // a page of rows was migrated, and how far it came written down
    "migrate.done",     // all steps are done, FORMAT does not say so yet
};

// Reads WAYPOST_FAULT_POINT="name" or "name:N" (the Nth time it is reached). An unknown name is an
// error, and any name where the build has no fault points.
absl::Status EnableFaultPoints(const std::string& setting);

}  // namespace waypost::base
