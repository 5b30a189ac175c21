#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/index.h"
#include "signpost/due_key.h"

namespace waypost::fetcher {

// What the index says of a blob between attempts.
struct RowState {
  std::optional<signpost::DueKey> due;  // its row in the table, if that is there
  bool wanted = false;                  // or asked for; also where it is stopped
};
RowState ReadRowState(base::ReadTxn& txn, const base::BlobId& blob);
absl::StatusOr<RowState> ReadRowState(base::Index& index, const base::BlobId& blob);

}  // namespace waypost::fetcher
