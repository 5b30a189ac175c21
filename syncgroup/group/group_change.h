#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/types.h"

// How this peer changes a group that it is a member of. For this chamber only.
namespace waypost::syncgroup {

// Transactions of work that a call does itself before it leaves the rest to the syncer.
inline constexpr std::size_t kStepsOfCall = 20;

// Runs `change` on a group that is here and in which this peer is a member; its errors end the
// transaction. Returns when it is durable and the work that follows has been begun.
using GroupChange = std::function<absl::Status(GroupWriter&, const Member& self)>;
absl::Status ChangeGroup(const Core& core, GroupWork& work, const base::GroupId& group,
                         const GroupChange& change);

// kPermissionDenied where one of the operations is not this member's to write.
absl::Status CheckAuthority(const Member& self, const std::vector<Op>& ops);
// Writes them as one entry, after that check.
absl::Status WriteAllowed(GroupWriter& writer, const Member& self, std::vector<Op> ops);

// The group as its row has it, and what `self` is there; no counts.
GroupInfo InfoOf(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                 const GroupRow& row);

}  // namespace waypost::syncgroup
