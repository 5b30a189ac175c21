#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/time.h"
#include "signpost/due_key.h"
#include "signpost/signpost.h"

namespace waypost::signpost {

// The due row of a blob that should have one; a pure function of its signpost. Due at next_attempt,
// but not before wanted_since: what waited longer goes first among those that may start at once.
DueKey DueKeyOf(const base::BlobId& blob, const Signpost& signpost);

void PutDueRow(base::WriteTxn& txn, const DueKey& key, base::WallTime wanted_since);
// True if it was there.
bool DeleteDueRow(base::WriteTxn& txn, const DueKey& key);
bool HasDueRow(base::ReadTxn& txn, const DueKey& key);
// The value of a due row; nullopt when it does not parse.
std::optional<base::WallTime> DecodeWantedSince(std::string_view payload);

// ---- walking the table ----

// Shows at most `rows_max` rows from the stored key `from` on, also those whose keys do not parse:
// for who checks the table itself. Where to go on; nullopt: that was all.
std::optional<std::string> VisitDueRows(
    base::ReadTxn& txn, std::string_view from, std::size_t rows_max,
    absl::FunctionRef<void(std::string_view stored, const std::optional<DueKey>& key)> visit);
// By its stored key. True if it was there.
bool DeleteRawDueRow(base::WriteTxn& txn, std::string_view stored);

// A bounded part of the table, in key order.
struct DueRange {
  DueKey from = {};                             // the default is before every row
  std::optional<base::PeerId> first_peer = {};  // only rows of this peer
  std::optional<DueLane> lane = {};             // ... and, with first_peer, only of this lane
  std::size_t rows_max = 0;
};
// One row of the walk; valid while it is visited.
struct DueRow {
  const DueKey& key;
  base::ReadTxn& txn;
  base::Cursor& cursor;

  // nullopt: the value is damaged.
  std::optional<base::WallTime> WantedSince() const;
};
// Shows each row of the range to `visit`, until that answers false or `rows_max` were taken. Where
// to go on: the first row that was not taken; nullopt when the range has no more. Keys that do not
// parse are passed over.
std::optional<DueKey> WalkDue(base::ReadTxn& txn, const DueRange& range,
                              absl::FunctionRef<bool(const DueRow&)> visit);
// The same in a view of its own.
absl::StatusOr<std::optional<DueKey>> WalkDue(base::Index& index, const DueRange& range,
                                              absl::FunctionRef<bool(const DueRow&)> visit);

}  // namespace waypost::signpost
