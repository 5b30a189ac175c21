#include "fetcher/work/row_state.h"

#include "base/status.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"

// A signpost says where its due row would be; whether it is there is asked of the table. Both are
// looked at in one view.

namespace waypost::fetcher {

RowState ReadRowState(base::ReadTxn& txn, const base::BlobId& blob) {
  RowState row;
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return row;
  row.wanted = signpost->wanted_since != base::kNever;
  const signpost::DueKey due = signpost::DueKeyOf(blob, *signpost);
  if (signpost::HasDueRow(txn, due)) row.due = due;
  return row;
}

absl::StatusOr<RowState> ReadRowState(base::Index& index, const base::BlobId& blob) {
  RowState row;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) { row = ReadRowState(txn, blob); }));
  return row;
}

}  // namespace waypost::fetcher
