#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_row.h"
#include "signpost/signpost.h"
#include "syncgroup/ledger/wake.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// All that the index says of one blob.
struct BlobRecord {
  std::optional<signpost::Signpost> signpost;
  std::optional<blobstore::BlobRow> row;

  // Makes an empty signpost when there is none.
  signpost::Signpost& NeedSignpost() {
    if (!signpost) signpost.emplace();
    return *signpost;
  }
};

// The one way in which rows about a blob change: signpost, blob row, due row and counts of a blob
// are read together, changed by the caller's function, and written so that they agree:
//
//   wanted in a group = mentioned there, no holding there, and this peer is a server there or set
//                       it through its own app
//   due row           = wanted somewhere or asked for, and not stopped; its key is DueKeyOf
//   counts            = the sum of these facts over all blobs
//
// The `wanted` flag of a mention in the signpost is the fact as it was counted, so that a later
// change of role takes exactly that back.
//
// What is fetched is charged to the member that mentioned it first. A new want resets wanted_since,
// `stopped` and the wait. Locations are trimmed, `created` and `updated` filled in. After the
// commit, Wake hears of it. Stateless but for its options; functions take the caller's transaction,
// so that a caller composes several in one Update.
class Ledger {
 public:
  struct Options {
    base::PeerId self;
    std::size_t max_locations = 8;
  };
  Ledger(Options options, const base::Clock& clock);
  // Before threads start. The ledger of a tool or test may have none.
  void SetWake(Wake* wake) { wake_ = wake; }

  BlobRecord Load(base::ReadTxn& txn, const base::BlobId& blob) const;
  void Change(base::WriteTxn& txn, const base::BlobId& blob,
              absl::FunctionRef<void(BlobRecord&)> change) const;

  // A key of `group` begins (+1) or ceases (-1) to have this blob as its value, or is set to it
  // again (0).
  struct Mention {
    base::GroupId group;
    int keys = 0;
    bool set_here = false;                // by this peer's own app
    bool grants = false;                  // ... just now: a holding, if the blob is here
    base::PeerId origin;                  // whose word it is; zero: not known
    std::vector<base::PeerId> locations;  // it came through, and its origin; without ourselves
    base::WallTime when_seen;
    std::optional<uint64_t> size_bytes;
  };
  void ApplyMention(base::WriteTxn& txn, const base::BlobId& blob, const Mention& mention) const;

  // Tells Wake after the commit that members or roles of the group changed.
  void AnnounceMembership(base::WriteTxn& txn, const base::GroupId& group) const;

  // Whether the due row and the wanted flags are as they should be under the roles of now. What the
  // scan asks before it repairs with Change(txn, blob, nothing).
  bool Consistent(base::ReadTxn& txn, const base::BlobId& blob) const;
  // Is the blob wanted in the group, given its rows?
  bool WantedIn(base::ReadTxn& txn, const base::GroupId& group, const BlobRecord& record) const;

  Counts LoadCounts(base::ReadTxn& txn, const base::GroupId& group_or_zero) const;
  void StoreCounts(base::WriteTxn& txn, const base::GroupId& group_or_zero,
                   const Counts& counts) const;
  // `refs` of the group and of the zero group.
  void AddRefs(base::WriteTxn& txn, const base::GroupId& group, int64_t delta) const;

  const Options& options() const { return options_; }

 private:
  void Settle(base::ReadTxn& txn, const BlobRecord& before, BlobRecord& record) const;
  void MoveDueRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRecord& before,
                  const BlobRecord& after) const;

  const Options options_;
  const base::Clock& clock_;
  Wake* wake_ = nullptr;
};

}  // namespace waypost::syncgroup
