#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/mutex.h"
#include "blobstore/blob_row.h"
#include "blobstore/blob_store.h"
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
// commit, Wake hears of it. Stateless but for its options and the counts of the last commit;
// functions take the caller's transaction, so that a caller composes several in one Update.
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

  // ---- where holdings begin and end ----
  //
  // A holding says that this peer may serve a blob's bytes to a group. Holdings begin and end, and
  // blob rows come and go, in these four functions alone (holdings.cc): Arrive and Grant begin
  // them, Release and Lose end them, and Arrive gives back what Lose took. What they write is
  // durable with the caller's transaction, and Wake hears of it after the commit.

  // An app put the bytes, and vouches for them in `reference_in`, where the same transaction sets a
  // reference to it next, and wherever this peer's own app has set one. That others mention the
  // blob opens nothing: who guesses an id must not learn from it that the blob was put.
  struct ByPut {
    std::optional<base::GroupId> reference_in;
    // What is here already can be read: it stays, and the bytes that came are not needed.
    bool whole_here = false;
  };
  // A peer sent them under `granted`, those groups in which it has a holding. They are kept while
  // somebody wants them: a group of those that is here and still mentions the blob, or an app that
  // asked for it, and a fetch that was not stopped meanwhile.
  struct ByFetch {
    base::PeerId source;
    std::vector<base::GroupId> granted;
    base::WallTime when;  // one moment for all that came in one answer
  };
  // They were found on the disk without a row. Nobody vouches for them: no holding begins.
  struct ByScan {};
  using Arrival = std::variant<ByPut, ByFetch, ByScan>;
  struct Arrived {
    bool kept = false;     // false: nobody wants them any more; they have no row, and go
    bool created = false;  // the blob was not here before
    // Of the groups that may read it now those that mentioned it before it was here: their servers
    // may have looked in vain.
    std::vector<base::GroupId> awaited_in;
    std::vector<base::GroupId> granted;  // that this arrival vouches for, in id order
  };
  // Bytes of a blob came and are durable: the blob has a row, holdings in the groups that are
  // granted (one that is there stays as it is) and where it had them when it was lost, and nothing
  // that failed before counts any more. A fetch also moves its count of attempts into the row and
  // notes that the source has the blob.
  Arrived Arrive(base::WriteTxn& txn, blobstore::BlobStore& blobs,
                 const blobstore::StagedBlob& staged, const Arrival& arrival) const;
  // A group gets a holding of bytes that are here, because this peer's own app names them there.
  // For the caller's function of Change; without a row nothing happens, and one that is there
  // stays.
  void Grant(BlobRecord& record, const base::GroupId& group) const;
  // The group's holding ends; the bytes stay.
  void Release(base::WriteTxn& txn, const base::BlobId& blob, const base::GroupId& group) const;
  // The bytes are gone or damaged: the row goes, and wherever the blob is mentioned it is wanted
  // again. Its holdings are kept aside, and are back with the next Arrive, however that comes. What
  // is left of the bytes is the caller's to remove.
  void Lose(base::WriteTxn& txn, const base::BlobId& blob) const;

  // ---- mentions ----
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

  // ---- members, and what is derived ----
  // Tells Wake after the commit that members or roles of the group changed.
  void AnnounceMembership(base::WriteTxn& txn, const base::GroupId& group) const;

  // Whether the due row and the wanted flags are as they should be under the roles of now. What the
  // scan asks before it repairs with Change(txn, blob, nothing).
  bool Consistent(base::ReadTxn& txn, const base::BlobId& blob) const;
  // Is the blob wanted in the group, given its rows?
  bool WantedIn(base::ReadTxn& txn, const base::GroupId& group, const BlobRecord& record) const;

  Counts LoadCounts(base::ReadTxn& txn, const base::GroupId& group_or_zero) const;
  // Those of the zero group as of the last commit, from memory: however long the index takes.
  // Thread-safe. RememberCounts: at the start, once.
  Counts KnownCounts() const;
  absl::Status RememberCounts(base::Index& index) const;
  // The only way in which counts are written.
  void StoreCounts(base::WriteTxn& txn, const base::GroupId& group_or_zero,
                   const Counts& counts) const;
  // `refs` of the group and of the zero group.
  void AddRefs(base::WriteTxn& txn, const base::GroupId& group, int64_t delta) const;

  const Options& options() const { return options_; }

 private:
  void MoveCounts(base::WriteTxn& txn, const BlobRecord& before, const BlobRecord& after) const;
  void Settle(base::ReadTxn& txn, const BlobRecord& before, BlobRecord& record) const;
  void MoveDueRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRecord& before,
                  const BlobRecord& after) const;

  const Options options_;
  const base::Clock& clock_;
  Wake* wake_ = nullptr;
  mutable base::Mutex mutex_;
  mutable Counts known_ GUARDED_BY(mutex_);
};

}  // namespace waypost::syncgroup
