#pragma once

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "syncgroup/core.h"

// What takes more than one transaction. Progress is in the group's row, so that a crash resumes it.
namespace waypost::syncgroup {

// One transaction of the work that the group's row names. False if there was none.
//
//   rewriting  own entries that no longer count, or that the members never saw, are written again
//              under the numbering of now
//   refolding  references are folded again from the log; then what is left over from the fold
//              before goes
//   dropping   everything of a group that was left goes: references, holdings, log and the rest
absl::StatusOr<bool> WorkStep(const Core& core, const base::GroupId& group);

}  // namespace waypost::syncgroup
