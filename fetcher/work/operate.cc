#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/signpost_table.h"

// What operators say: retry, stop, pause, resume. All of it is written to the index first and acts
// from there, so that it survives a restart.

namespace waypost::fetcher {

using base::Index;
using syncgroup::BlobRecord;

namespace {

// Rows moved in one transaction.
constexpr std::size_t kRetryPage = 1000;

void MakeDue(BlobRecord& record, base::WallTime now) {
  signpost::Signpost& signpost = *record.signpost;
  signpost.next_attempt = std::min(signpost.next_attempt, now);
  signpost.stopped = base::kNever;
  ++signpost.evidence;
}

}  // namespace

absl::StatusOr<uint64_t> Fetcher::Retry(const base::BlobId& blob) {
  const base::WallTime now = impl_->parts.clock.WallNow();
  bool moved = false;
  RETURN_IF_ERROR(
      impl_->parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        moved = false;
        impl_->parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost || record.signpost->wanted_since == base::kNever) return;
          MakeDue(record, now);
          moved = true;
        });
        return absl::OkStatus();
      }));
  if (!moved) {
    return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not wanted here"));
  }
  return uint64_t{1};
}

absl::StatusOr<uint64_t> Fetcher::RetryAll() {
  const base::WallTime now = impl_->parts.clock.WallNow();
  uint64_t moved = 0;
  std::string from;
  bool more = true;
  while (more) {
    std::vector<base::BlobId> blobs;
    RETURN_IF_ERROR(impl_->parts.index.Read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kDue);
      std::size_t looked_at = 0;
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        if (looked_at++ == 10 * kRetryPage || blobs.size() == kRetryPage) {
          from = std::string(cursor.key());
          return absl::OkStatus();
        }
        const auto key = signpost::DecodeDueKey(cursor.key());
        if (key && key->due > now) blobs.push_back(key->blob);
      }
      more = false;
      return absl::OkStatus();
    }));
    if (blobs.empty()) continue;
    uint64_t page = 0;
    RETURN_IF_ERROR(
        impl_->parts.index.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
          page = 0;
          for (const base::BlobId& blob : blobs) {
            impl_->parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
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

absl::Status Fetcher::Stop(const base::BlobId& blob) {
  const base::WallTime now = impl_->parts.clock.WallNow();
  bool found = false;
  RETURN_IF_ERROR(
      impl_->parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        found = false;
        impl_->parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost || record.signpost->wanted_since == base::kNever) return;
          record.signpost->stopped = now;
          record.signpost->asked_until = base::kNever;
          found = true;
        });
        return absl::OkStatus();
      }));
  if (!found) {
    return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not wanted here"));
  }
  return absl::OkStatus();
}

absl::Status Fetcher::Pause(std::optional<base::Millis> how_long) {
  const base::WallTime now = impl_->parts.clock.WallNow();
  const int64_t until = how_long ? base::ToMs(now + *how_long) : kPauseForEver;
  RETURN_IF_ERROR(impl_->parts.index.Update(Index::Lane::kForeground, [until](base::WriteTxn& txn) {
    txn.Put(base::Table::kMeta, kPauseKey, absl::StrCat(until));
    return absl::OkStatus();
  }));
  {
    base::MutexLock lock(impl_->mutex);
    impl_->pause = {.paused = true, .reason = "operator", .detail = "paused by an operator"};
    if (how_long) impl_->pause.until = now + *how_long;
  }
  impl_->changed.Notify();
  return absl::OkStatus();
}

absl::Status Fetcher::Resume() {
  RETURN_IF_ERROR(impl_->parts.index.Update(Index::Lane::kForeground, [](base::WriteTxn& txn) {
    txn.Delete(base::Table::kMeta, kPauseKey);
    return absl::OkStatus();
  }));
  {
    base::MutexLock lock(impl_->mutex);
    impl_->pause = {};
    impl_->work.NotifyAll();
  }
  impl_->changed.Notify();
  return absl::OkStatus();
}

Fetcher::PauseState Fetcher::Paused() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->pause;
}

}  // namespace waypost::fetcher
