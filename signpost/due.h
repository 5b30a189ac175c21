#pragma once

#include <optional>
#include <string_view>

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
// The value of a due row, for cursors; nullopt when it does not parse.
std::optional<base::WallTime> DecodeWantedSince(std::string_view payload);

}  // namespace waypost::signpost
