#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/protocol/entry.h"

namespace waypost::syncgroup {

// One act about the group: an admission, a removal, settings, a member that lowered its own role.
struct HistoryItem {
  Stamp stamp;
  std::string place;            // tells apart the acts of one moment; in the order of stamps
  Op op;                        // never a reference; a profile only where it lowers the role
  bool changes_member = false;  // of an admission: its peer was a member already
};

// The acts of a group's log that count, in the order of stamps; of one that names several
// numberings of a peer the last. Inside a transaction. Its size is that of the membership's.
std::vector<HistoryItem> ReadHistory(base::ReadTxn& txn, const base::GroupId& group);

}  // namespace waypost::syncgroup
