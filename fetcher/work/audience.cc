#include "fetcher/work/audience.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/work/row_state.h"

// An ask ends a stop and makes the blob due, but one that comes again and again never makes a
// failing blob try faster than the shortest wait. A caller is on the board before the row is
// written, so that the commit finds it there.

namespace waypost::fetcher {

using base::Index;
using syncgroup::BlobRecord;

namespace {

// When the next attempt may be, for one who asks now.
base::WallTime NextFor(const signpost::Signpost& signpost, base::WallTime now,
                       const FetcherOptions& options) {
  return std::min(signpost.next_attempt,
                  std::max(now, signpost.last_error.at + options.retry_base));
}

}  // namespace

class Audience::Caller final : public Interest {
 public:
  Caller(Audience& audience, const base::BlobId& blob, std::shared_ptr<Callers> callers)
      : audience_(audience), blob_(blob), callers_(std::move(callers)) {}
  ~Caller() override { audience_.CallerLeft(blob_); }
  FetchState State() const override { return audience_.parts_.view.State(blob_); }
  base::Notifier::Registration OnChange(std::function<void()> callback) override {
    return callers_->changed.Register(std::move(callback));
  }

 private:
  Audience& audience_;
  const base::BlobId blob_;
  const std::shared_ptr<Callers> callers_;
};

absl::StatusOr<std::unique_ptr<Interest>> Audience::Ask(const base::BlobId& blob) {
  const base::WallTime now = parts_.clock.WallNow();
  const FetcherOptions options = parts_.board.options();
  ASSIGN_OR_RETURN(const Need need, NeedOf(blob, now, options));
  if (need == Need::kUnknown) {
    return absl::NotFoundError(
        absl::StrCat("blob ", blob.ToHex(),
                     " is not here, and no group here mentions it: reference it in a group first"));
  }
  const std::shared_ptr<Callers> callers = parts_.board.Join(blob);
  auto caller = std::make_unique<Caller>(*this, blob, callers);
  if (need == Need::kWrite) {
    ASSIGN_OR_RETURN(const bool asked, WriteAsk(blob, now, options));
    if (asked) parts_.board.NoteAsked(*callers);
  } else {
    ASSIGN_OR_RETURN(const RowState row, ReadRowState(parts_.index, blob));
    if (row.due) parts_.board.BringIn(*row.due);
  }
  return caller;
}

absl::StatusOr<Audience::Need> Audience::NeedOf(const base::BlobId& blob, base::WallTime now,
                                                const FetcherOptions& options) const {
  Need need = Need::kUnknown;
  RETURN_IF_ERROR(parts_.index.Read([&](base::ReadTxn& txn) {
    const BlobRecord record = parts_.ledger.Load(txn, blob);
    if (record.row) need = Need::kNothing;
    if (record.row || !record.signpost) return;
    const signpost::Signpost& signpost = *record.signpost;
    if (signpost.groups.empty() && signpost.locations.empty()) return;
    const bool write = signpost.stopped != base::kNever || signpost.wanted_since == base::kNever ||
                       NextFor(signpost, now, options) < signpost.next_attempt;
    need = write ? Need::kWrite : Need::kNothing;
  }));
  return need;
}

absl::StatusOr<bool> Audience::WriteAsk(const base::BlobId& blob, base::WallTime now,
                                        const FetcherOptions& options) {
  bool asked = false;
  RETURN_IF_ERROR(
      parts_.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        asked = false;
        parts_.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost || record.row) return;
          signpost::Signpost& signpost = *record.signpost;
          signpost.stopped = base::kNever;
          signpost.next_attempt = NextFor(signpost, now, options);
          if (signpost.wanted_since == base::kNever || signpost.asked_until != base::kNever) {
            signpost.asked_until = std::max(signpost.asked_until, now + options.expiry);
            asked = true;
          }
        });
        return absl::OkStatus();
      }));
  return asked;
}

void Audience::CallerLeft(const base::BlobId& blob) {
  if (!parts_.board.Leave(blob)) return;
  const base::WallTime until = parts_.clock.WallNow() + parts_.board.options().expiry;
  // Nobody waits for this one; when it is lost the blob expires a little earlier.
  parts_.index.Submit(
      Index::Lane::kBulk,
      [&ledger = parts_.ledger, blob, until](base::WriteTxn& txn) {
        ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (record.signpost && record.signpost->asked_until != base::kNever) {
            record.signpost->asked_until = until;
          }
        });
        return absl::OkStatus();
      },
      nullptr);
}

}  // namespace waypost::fetcher
