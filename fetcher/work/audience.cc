#include "fetcher/work/audience.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/utf8.h"
#include "fetcher/work/row_state.h"

// An ask ends a stop and makes the blob due, but one that comes again and again never makes a
// failing blob try faster than the shortest wait. A caller is on the board before the row is
// written, so that the commit finds it there. Nobody waits for that commit: a disk that is slow to
// flush would keep the thread of each who asks, and with them everybody who only reads.

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

// The writer may end it after its caller has left, and after the audience.
class Audience::Asking {
 public:
  Asking(std::shared_ptr<Callers> callers, std::shared_ptr<std::atomic<uint32_t>> all)
      : callers_(std::move(callers)), all_(std::move(all)) {
    ++*all_;
  }
  ~Asking() { Leave(); }

  // `asked`: the signpost says from now on until when the blob is asked for.
  void End(const absl::Status& status, bool asked) {
    if (status.ok() && asked) callers_->asked = true;
    {
      base::MutexLock lock(mutex_);
      status_ = status;
    }
    Leave();
    callers_->changed.Notify();
  }
  // nullopt: it is under way.
  std::optional<absl::Status> status() const {
    base::MutexLock lock(mutex_);
    return status_;
  }

 private:
  // It is under way no more.
  void Leave() {
    if (!left_.exchange(true)) --*all_;
  }
  const std::shared_ptr<Callers> callers_;
  const std::shared_ptr<std::atomic<uint32_t>> all_;
  std::atomic<bool> left_{false};
  mutable base::Mutex mutex_;
  std::optional<absl::Status> status_ GUARDED_BY(mutex_);
};

class Audience::Caller final : public Interest {
 public:
  // `asking`: null where nothing had to be written.
  Caller(Audience& audience, const base::BlobId& blob, std::shared_ptr<Callers> callers,
         std::shared_ptr<Asking> asking)
      : audience_(audience),
        blob_(blob),
        callers_(std::move(callers)),
        asking_(std::move(asking)) {}
  ~Caller() override { audience_.CallerLeft(blob_); }
  FetchState State() const override {
    // Asked before the rows are read: what they say without the ask is not what it came to.
    const auto asked = asking_ ? asking_->status() : absl::OkStatus();
    FetchState state = audience_.parts_.view.State(blob_);
    const bool rests = state.kind != FetchState::Kind::kDone &&
                       state.kind != FetchState::Kind::kLocating &&
                       state.kind != FetchState::Kind::kFetching;
    if (!rests || (asked && asked->ok())) return state;
    state.blocked_by = Obstacle::kNone;
    if (!asked) {
      state.kind = FetchState::Kind::kPending;
      state.will_retry = true;
      return state;
    }
    const bool full = base::IsNoSpace(*asked);
    state.kind = FetchState::Kind::kFailed;
    state.blocked_by = full ? Obstacle::kSpace : Obstacle::kDisk;
    state.will_retry = false;
    state.error = {.error = full ? signpost::ErrorClass::kNoSpace : signpost::ErrorClass::kDisk,
                   .at = audience_.parts_.clock.WallNow(),
                   .message = base::ShortMessage(base::Std(asked->message()))};
    return state;
  }
  base::Notifier::Registration OnChange(std::function<void()> callback) override {
    return callers_->changed.Register(std::move(callback));
  }

 private:
  Audience& audience_;
  const base::BlobId blob_;
  const std::shared_ptr<Callers> callers_;
  const std::shared_ptr<Asking> asking_;
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
  if (need == Need::kWrite && *asking_ >= parts_.asking_max) {
    return absl::UnavailableError(
        absl::StrCat(parts_.asking_max,
                     " blobs that were asked for wait until the index has written them down: try "
                     "again, and see whether its disk is slow or full"));
  }
  const std::shared_ptr<Callers> callers = parts_.board.Join(blob);
  if (need == Need::kWrite) {
    const auto asking = std::make_shared<Asking>(callers, asking_);
    auto caller = std::make_unique<Caller>(*this, blob, callers, asking);
    WriteAsk(blob, now, options, asking);
    return caller;
  }
  auto caller = std::make_unique<Caller>(*this, blob, callers, nullptr);
  ASSIGN_OR_RETURN(const RowState row, ReadRowState(parts_.index, blob));
  if (row.due) parts_.board.BringIn(*row.due);
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

void Audience::WriteAsk(const base::BlobId& blob, base::WallTime now, const FetcherOptions& options,
                        const std::shared_ptr<Asking>& asking) {
  const auto asked = std::make_shared<bool>(false);  // of the writer's thread
  parts_.index.Submit(
      Index::Lane::kForeground,
      [&ledger = parts_.ledger, blob, now, options, asked](base::WriteTxn& txn) {
        *asked = false;
        ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost || record.row) return;
          signpost::Signpost& signpost = *record.signpost;
          signpost.stopped = base::kNever;
          signpost.next_attempt = NextFor(signpost, now, options);
          if (signpost.wanted_since == base::kNever || signpost.asked_until != base::kNever) {
            signpost.asked_until = std::max(signpost.asked_until, now + options.expiry);
            *asked = true;
          }
        });
        return absl::OkStatus();
      },
      [asking, asked](const absl::Status& status) { asking->End(status, *asked); });
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
