#pragma once

#include "base/index.h"
#include "base/status.h"
#include "syncgroup/ledger/rows.h"

namespace waypost::support {

// Makes `peer` a member as far as the index knows, without the admission that the log would have:
// for tests of what looks members up, not of how one becomes a member.
inline void AddMemberRow(base::Index& index, const base::GroupId& group, const base::PeerId& peer,
                         syncgroup::Role role) {
  CHECK(index
            .Update(base::Index::Lane::kForeground,
                    [&](base::WriteTxn& txn) {
                      syncgroup::StoreMember(txn, group, {.peer = peer, .role = role});
                      return absl::OkStatus();
                    })
            .ok());
}

}  // namespace waypost::support
