#pragma once

#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "signpost/rules.h"
#include "syncgroup/group/core.h"

namespace waypost::syncgroup {

// Who may read a blob here, and what a miss says. Inside a transaction of the caller, so that
// membership, state and holding belong to the same moment. Thread-safe. Borrows what the groups
// share; it outlives it.
class Access {
 public:
  explicit Access(const Core& core) : core_(core) {}

  // May this peer serve the blob to `peer` under one of `groups`? Those granted.
  std::vector<base::GroupId> Granted(base::ReadTxn& txn, const base::PeerId& peer,
                                     const base::BlobId& blob,
                                     const std::vector<base::GroupId>& groups) const;
  // Does one of `groups` that is public, or in which `peer` is a member, mention the blob? Then
  // `peer` may well know of it, and asking is no guess.
  bool MentionedFor(base::ReadTxn& txn, const base::BlobId& blob, const base::PeerId& peer,
                    const std::vector<base::GroupId>& groups) const;
  // What `caller` may learn of a blob's whereabouts as an answer to a miss; see
  // signpost::FilterFor.
  signpost::SharedSignpost SharedSignpostFor(base::ReadTxn& txn, const base::BlobId& blob,
                                             const base::PeerId& caller) const;

 private:
  const Core& core_;
};

}  // namespace waypost::syncgroup
