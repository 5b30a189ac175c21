#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/policy/ranking.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/rules.h"

// Those who wait for one blob. While somebody does, the blob goes before others at its peer; when
// the last one leaves, what was only asked for stays due for a while. An ask that comes again and
// again never makes a failing blob try faster than the shortest wait.

namespace waypost::fetcher {

using base::Index;
using syncgroup::BlobRecord;

const char* FetchStateName(FetchState::Kind kind) {
  switch (kind) {
    case FetchState::Kind::kPending:
      return "pending";
    case FetchState::Kind::kLocating:
      return "locating";
    case FetchState::Kind::kFetching:
      return "fetching";
    case FetchState::Kind::kParked:
      return "parked";
    case FetchState::Kind::kDone:
      return "done";
    case FetchState::Kind::kFailed:
      return "failed";
    case FetchState::Kind::kStopped:
      return "stopped";
  }
  return "unknown";
}

namespace {

using StateReader = std::function<FetchState()>;

class InterestImpl final : public Fetcher::Interest {
 public:
  InterestImpl(StateReader state, base::Notifier& changed, std::shared_ptr<void> keep_alive,
               std::function<void()> leave)
      : state_(std::move(state)),
        changed_(changed),
        keep_alive_(std::move(keep_alive)),
        leave_(std::move(leave)) {}
  ~InterestImpl() override { leave_(); }
  FetchState State() const override { return state_(); }
  base::Notifier::Registration OnChange(std::function<void()> callback) override {
    return changed_.Register(std::move(callback));
  }

 private:
  const StateReader state_;
  base::Notifier& changed_;
  const std::shared_ptr<void> keep_alive_;
  const std::function<void()> leave_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Fetcher::Interest>> Fetcher::Ask(const base::BlobId& blob) {
  Impl& impl = *impl_;
  const base::WallTime now = impl.parts.clock.WallNow();
  base::Millis expiry{};
  base::Millis retry_base{};
  {
    base::MutexLock lock(impl.mutex);
    expiry = impl.options.expiry;
    retry_base = impl.options.retry_base;
  }
  // An ask that comes again and again must not make a failing blob hammer its peers.
  const auto next_of = [&](const signpost::Signpost& signpost) {
    return std::min(signpost.next_attempt, std::max(now, signpost.last_error.at + retry_base));
  };
  bool known = false;
  bool change = false;
  RETURN_IF_ERROR(impl.parts.index.Read([&](base::ReadTxn& txn) {
    const BlobRecord record = impl.parts.ledger.Load(txn, blob);
    known = record.row || (record.signpost && (!record.signpost->groups.empty() ||
                                               !record.signpost->locations.empty()));
    if (!record.signpost || record.row) return absl::OkStatus();
    const signpost::Signpost& signpost = *record.signpost;
    change = signpost.stopped != base::kNever || signpost.wanted_since == base::kNever ||
             next_of(signpost) < signpost.next_attempt;
    return absl::OkStatus();
  }));
  if (!known) {
    return absl::NotFoundError(
        absl::StrCat("blob ", blob.ToHex(),
                     " is not here, and no group here mentions it: reference it in a group first"));
  }
  std::shared_ptr<Impl::Audience> audience;
  {
    base::MutexLock lock(impl.mutex);
    auto& slot = impl.audiences[blob];
    if (!slot) slot = std::make_shared<Impl::Audience>();
    ++slot->callers;
    impl.queue.SetWaiting(blob, true);
    audience = slot;
  }
  auto interest = std::make_unique<InterestImpl>([&impl, blob] { return impl.StateOf(blob); },
                                                 audience->changed, audience,
                                                 [&impl, blob] { impl.CallerLeft(blob); });
  if (!change) {
    RETURN_IF_ERROR(impl.BringIn(blob));
    return interest;
  }
  bool asked = false;
  RETURN_IF_ERROR(
      impl.parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        asked = false;
        impl.parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost || record.row) return;
          signpost::Signpost& signpost = *record.signpost;
          signpost.stopped = base::kNever;
          signpost.next_attempt = next_of(signpost);
          if (signpost.wanted_since == base::kNever || signpost.asked_until != base::kNever) {
            signpost.asked_until = std::max(signpost.asked_until, now + expiry);
            asked = true;
          }
        });
        return absl::OkStatus();
      }));
  if (asked) {
    base::MutexLock lock(impl.mutex);
    audience->asked = true;
  }
  return interest;
}

absl::Status Fetcher::Impl::BringIn(const base::BlobId& blob) {
  RowState row;
  RETURN_IF_ERROR(ReadRow(blob, row));
  if (!row.due) return absl::OkStatus();
  base::MutexLock lock(mutex);
  // What is there was told of, and is as new as what was read, or newer.
  if (!flights.contains(blob) && !queue.Contains(blob)) queue.Upsert(*row.due, /*force=*/true);
  WakeAll();
  return absl::OkStatus();
}

void Fetcher::Impl::CallerLeft(const base::BlobId& blob) {
  base::Millis expiry{};
  {
    base::MutexLock lock(mutex);
    const auto it = audiences.find(blob);
    if (it == audiences.end() || --it->second->callers > 0) return;
    const bool asked = it->second->asked;
    audiences.erase(it);
    queue.SetWaiting(blob, false);
    if (!asked || stopping) return;
    expiry = options.expiry;
  }
  const base::WallTime until = parts.clock.WallNow() + expiry;
  // Nobody waits for this one; when it is lost the blob expires a little earlier.
  parts.index.Submit(
      Index::Lane::kBulk,
      [this, blob, until](base::WriteTxn& txn) {
        parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (record.signpost && record.signpost->asked_until != base::kNever) {
            record.signpost->asked_until = until;
          }
        });
        return absl::OkStatus();
      },
      nullptr);
}

void Fetcher::Impl::Announce(const base::BlobId& blob) {
  std::shared_ptr<Audience> audience;
  {
    base::MutexLock lock(mutex);
    if (const auto it = audiences.find(blob); it != audiences.end()) audience = it->second;
  }
  if (audience) audience->changed.Notify();
  changed.Notify();
}

FetchState Fetcher::State(const base::BlobId& blob) const { return impl_->StateOf(blob); }

FetchState Fetcher::Impl::StateOf(const base::BlobId& blob) const {
  BlobRecord record;
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    record = parts.ledger.Load(txn, blob);
    return absl::OkStatus();
  });
  FetchState state;
  if (read.ok()) {
    state = StateFromRows(record);
  } else {
    // Absence is never concluded from an error.
    state.error = {.error = signpost::ErrorClass::kDisk,
                   .at = parts.clock.WallNow(),
                   .message = read.ToString()};
  }
  const base::WallTime now = parts.clock.WallNow();
  base::MutexLock lock(mutex);
  if (const auto it = audiences.find(blob); it != audiences.end()) {
    state.attempts_ended = it->second->attempts_ended;
    if (state.error.error == signpost::ErrorClass::kNone) state.error = it->second->last_error;
  }
  if (!read.ok() || state.kind == FetchState::Kind::kDone) return state;
  if (const auto it = flights.find(blob); it != flights.end()) {
    FillIn(state, it->second->progress, it->second->source);
    return state;
  }
  if (state.kind == FetchState::Kind::kStopped) state.blocked_by = "stopped";
  if (state.kind == FetchState::Kind::kStopped || !record.signpost) return state;
  const signpost::Signpost& signpost = *record.signpost;
  state.blocked_by = BlockedBy(blob, signpost, now);
  if (state.blocked_by == "peer_cool_down") {
    state.kind = FetchState::Kind::kParked;
    state.parked_until = ParkedUntil(blob, signpost, now);
  } else if (state.blocked_by == "not_due") {
    state.kind = FetchState::Kind::kFailed;
  }
  return state;
}

FetchState Fetcher::Impl::StateFromRows(const BlobRecord& record) const {
  FetchState state;
  if (record.row) {
    state.kind = FetchState::Kind::kDone;
    state.received_bytes = record.row->size_bytes;
    state.total_bytes = record.row->size_bytes;
    return state;
  }
  if (!record.signpost) {
    state.kind = FetchState::Kind::kFailed;
    return state;
  }
  state.total_bytes = record.signpost->size_hint_bytes;
  state.error = record.signpost->last_error;
  state.next_attempt = record.signpost->next_attempt;
  state.will_retry =
      record.signpost->wanted_since != base::kNever && record.signpost->stopped == base::kNever;
  if (record.signpost->stopped != base::kNever) state.kind = FetchState::Kind::kStopped;
  return state;
}

const char* Fetcher::Impl::StateOf(const base::BlobId& blob, const signpost::Signpost& signpost,
                                   base::WallTime now) const {
  if (flights.contains(blob)) return "fetching";
  if (ParkedUntil(blob, signpost, now) != base::kNever) return "parked";
  return signpost.next_attempt > now ? "waiting" : "due";
}

base::WallTime Fetcher::Impl::ParkedUntil(const base::BlobId& blob,
                                          const signpost::Signpost& signpost,
                                          base::WallTime now) const {
  // By a pointer: the analysis does not see that the lambdas run under the lock.
  const RunQueue* const runs = &queue;
  const auto cools = [&](const base::PeerId& peer) { return runs->CoolDownEnd(peer) > now; };
  const base::PeerId at = queue.WaitsAt(blob).value_or(signpost::FirstPeer(signpost.locations));
  if (flights.contains(blob) || !cools(at)) return base::kNever;
  // It is about to be sent to another one.
  if (AnotherPeer(signpost.locations, [&](const base::PeerId& peer) { return !cools(peer); })) {
    return base::kNever;
  }
  base::WallTime first = queue.CoolDownEnd(at);
  for (const auto& item : signpost.locations) {
    if (cools(item.first)) first = std::min(first, queue.CoolDownEnd(item.first));
  }
  return first;
}

std::string Fetcher::Impl::BlockedBy(const base::BlobId& blob, const signpost::Signpost& signpost,
                                     base::WallTime now) const {
  if (pause.paused) return pause.reason == "operator" ? "paused" : "space";
  if (signpost.stopped != base::kNever) return "stopped";
  if (ParkedUntil(blob, signpost, now) != base::kNever) return "peer_cool_down";
  if (signpost.next_attempt > now) {
    const bool nobody = signpost.last_error.error == signpost::ErrorClass::kNobody;
    return nobody && signpost.locations.empty() ? "nobody" : "not_due";
  }
  if (running >= options.concurrency) return "slot";
  const base::PeerId at = queue.WaitsAt(blob).value_or(signpost::FirstPeer(signpost.locations));
  return queue.Full(at) ? "peer_slot" : "";
}

}  // namespace waypost::fetcher
