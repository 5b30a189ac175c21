#include "fetcher/work/controls.h"

#include <algorithm>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/key_codec.h"
#include "base/status.h"
#include "signpost/due.h"

// Retry makes rows due and ends stops; a stop takes the row away and is remembered in the signpost.
// A pause is written down before the board is told, so that a restart does not end it.

namespace waypost::fetcher {

using base::Index;
using syncgroup::BlobRecord;

namespace {

// Rows moved in one transaction, and looked at in one view.
constexpr std::size_t kRetryPage = 1000;
constexpr std::size_t kRetryLook = 10 * kRetryPage;

void MakeDue(BlobRecord& record, base::WallTime now) {
  signpost::Signpost& signpost = *record.signpost;
  signpost.next_attempt = std::min(signpost.next_attempt, now);
  signpost.stopped = base::kNever;
  ++signpost.evidence;
}

// kNotFound when the blob is not wanted.
absl::Status ChangeWanted(Index& index, syncgroup::Ledger& ledger, const base::BlobId& blob,
                          absl::FunctionRef<void(BlobRecord&)> change) {
  bool found = false;
  RETURN_IF_ERROR(index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
    found = false;
    ledger.Change(txn, blob, [&](BlobRecord& record) {
      if (!record.signpost || record.signpost->wanted_since == base::kNever) return;
      change(record);
      found = true;
    });
    return absl::OkStatus();
  }));
  if (found) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not wanted here"));
}

}  // namespace

absl::StatusOr<uint64_t> Controls::Retry(const base::BlobId& blob) {
  const base::WallTime now = parts_.clock.WallNow();
  parts_.peers.ForgiveWrongBytes();
  RETURN_IF_ERROR(ChangeWanted(parts_.index, parts_.ledger, blob,
                               [&](BlobRecord& record) { MakeDue(record, now); }));
  return uint64_t{1};
}

absl::StatusOr<uint64_t> Controls::RetryAll() {
  const base::WallTime now = parts_.clock.WallNow();
  parts_.peers.ForgiveWrongBytes();
  uint64_t moved = 0;
  std::optional<signpost::DueKey> from = signpost::DueKey();
  while (from) {
    std::vector<base::BlobId> blobs;
    ASSIGN_OR_RETURN(from, signpost::WalkDue(parts_.index, {.from = *from, .rows_max = kRetryLook},
                                             [&](const signpost::DueRow& row) {
                                               if (blobs.size() == kRetryPage) return false;
                                               if (row.key.due > now) blobs.push_back(row.key.blob);
                                               return true;
                                             }));
    if (blobs.empty()) continue;
    uint64_t page = 0;
    RETURN_IF_ERROR(
        parts_.index.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
          page = 0;
          for (const base::BlobId& blob : blobs) {
            parts_.ledger.Change(txn, blob, [&](BlobRecord& record) {
              if (!record.signpost || record.signpost->next_attempt <= now) return;
              MakeDue(record, now);
              ++page;
            });
          }
          return absl::OkStatus();
        }));
    moved += page;
  }
  return moved;
}

absl::Status Controls::Stop(const base::BlobId& blob) {
  const base::WallTime now = parts_.clock.WallNow();
  return ChangeWanted(parts_.index, parts_.ledger, blob, [&](BlobRecord& record) {
    record.signpost->stopped = now;
    record.signpost->asked_until = base::kNever;
  });
}

absl::Status Controls::Pause(std::optional<base::Millis> how_long) {
  ASSIGN_OR_RETURN(const base::KeptPause::Pause pause, pause_.Begin(how_long));
  parts_.board.PauseByOperator(pause.until);
  return absl::OkStatus();
}

absl::Status Controls::Resume() {
  RETURN_IF_ERROR(pause_.End());
  parts_.board.Resume();
  return absl::OkStatus();
}

absl::Status Controls::LoadPause() {
  ASSIGN_OR_RETURN(const auto pause, pause_.Load());
  if (pause) parts_.board.PauseByOperator(pause->until);
  return absl::OkStatus();
}

}  // namespace waypost::fetcher
