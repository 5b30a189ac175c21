#include "syncgroup/group/access.h"

#include <algorithm>

#include "blobstore/blob_row.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/rows.h"

// A question about rights reads membership, state and holding in the caller's one transaction. Who
// was removed, and what was left, is no member and not here from the commit on that says so.

namespace waypost::syncgroup {
namespace {

// Who knows the id of a public group may read what it holds.
bool MayRead(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive &&
         (row->is_public || LoadMember(txn, group, peer));
}

}  // namespace

std::vector<base::GroupId> Access::Granted(base::ReadTxn& txn, const base::PeerId& peer,
                                           const base::BlobId& blob,
                                           const std::vector<base::GroupId>& groups) const {
  std::vector<base::GroupId> granted;
  const auto row = blobstore::LoadBlobRow(txn, blob);
  if (!row) return granted;
  for (const base::GroupId& group : groups) {
    if (row->holdings.contains(group) && MayRead(txn, group, peer)) granted.push_back(group);
  }
  return granted;
}

bool Access::MentionedFor(base::ReadTxn& txn, const base::BlobId& blob, const base::PeerId& peer,
                          const std::vector<base::GroupId>& groups) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return false;
  return std::any_of(groups.begin(), groups.end(), [&](const base::GroupId& group) {
    return signpost->groups.contains(group) && MayRead(txn, group, peer);
  });
}

signpost::SharedSignpost Access::SharedSignpostFor(base::ReadTxn& txn, const base::BlobId& blob,
                                                   const base::PeerId& caller) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return {};
  const signpost::FilterView view{
      .self = core_.self(),
      .is_public =
          [&](const base::GroupId& group) {
            const auto row = LoadGroupRow(txn, group);
            return row && row->state == GroupRow::State::kActive && row->is_public;
          },
      .is_member =
          [&](const base::GroupId& group, const base::PeerId& peer) {
            return IsActive(txn, group) && LoadMember(txn, group, peer);
          },
  };
  return signpost::FilterFor(*signpost, caller, view, core_.ledger.options().max_locations);
}

}  // namespace waypost::syncgroup
