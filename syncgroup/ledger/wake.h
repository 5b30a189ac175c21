#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "signpost/due.h"

namespace waypost::syncgroup {

// What one committed transaction did to one blob, for those who act on it.
struct BlobChange {
  base::BlobId blob;
  std::optional<signpost::DueKey> due_before;
  std::optional<signpost::DueKey> due_after;
  bool wanted = false;  // wanted or asked for, and not stopped
  bool stored = false;  // the bytes were not here before and are now
  // Groups to which this peer may serve the blob, and might not before.
  std::vector<base::GroupId> granted;
  bool evidence = false;  // the signpost's evidence grew
};

// Who wants to hear of changes. Implemented by the fetcher; called on the writer thread after the
// commit, in commit order: must be quick and must not wait or touch the index.
class Wake {
 public:
  virtual ~Wake() = default;
  virtual void OnBlobChange(const BlobChange& change) = 0;
  // A role or the members of a group changed: a scan is wanted.
  virtual void OnMembershipChange(const base::GroupId& group) = 0;
};

}  // namespace waypost::syncgroup
