// Those who wait for one blob.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/fetcher_impl.h"
#include "signpost/rules.h"

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
  const base::WallTime now = impl.parts.clock.WallNow();
  base::Millis expiry{};
  base::Millis retry_base{};
  {
    base::MutexLock lock(impl.mutex);
    expiry = impl.options.expiry;
    retry_base = impl.options.retry_base;
  }
  bool known = false;
  bool change = false;
  const auto look = [&](base::ReadTxn& txn) {
    const BlobRecord record = impl.parts.ledger.Load(txn, blob);
    known = record.row || (record.signpost && (!record.signpost->groups.empty() ||
                                               !record.signpost->locations.empty()));
    if (!record.signpost || record.row) return absl::OkStatus();
    const signpost::Signpost& signpost = *record.signpost;
    // An ask that comes again and again must not make a failing blob hammer its peers.
    const bool rested = now - signpost.last_error.at >= retry_base;
    change = signpost.stopped != base::kNever || (signpost.next_attempt > now && rested) ||
             signpost.wanted_since == base::kNever;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(impl.parts.index.Read(look));
  if (!known) {
    return absl::NotFoundError(
        absl::StrCat("blob ", blob.ToHex(),
                     " is not here, and no group here mentions it: reference it in a group first"));
  }
  if (change) {
    RETURN_IF_ERROR(
        impl.parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
          impl.parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
            if (!record.signpost || record.row) return;
            record.signpost->stopped = base::kNever;
            record.signpost->next_attempt = std::min(record.signpost->next_attempt, now);
            if (record.signpost->wanted_since == base::kNever) {
              record.signpost->asked_until = now + expiry;
            }
          });
          return absl::OkStatus();
        }));
  } else {
    impl.Requeue(blob);  // into the window, whatever its place in the table
  }
  return interest;
}

void Fetcher::Impl::CallerLeft(const base::BlobId& blob) {
  std::shared_ptr<Audience> last;
  base::Millis expiry{};
  {
    base::MutexLock lock(mutex);
    const auto it = audiences.find(blob);
    if (it == audiences.end() || --it->second->callers > 0) return;
    last = std::move(it->second);
    audiences.erase(it);
    queue.SetWaiting(blob, false);
    expiry = options.expiry;
  }
  const base::WallTime until = parts.clock.WallNow() + expiry;
  // Nobody waits for this one; when it is lost the blob expires a little earlier.
  parts.index.Submit(
      Index::Lane::kBulk,
      [this, blob, until](base::WriteTxn& txn) {
        const BlobRecord record = parts.ledger.Load(txn, blob);
        if (record.signpost && record.signpost->asked_until != base::kNever) {
          parts.ledger.Change(txn, blob, [&](BlobRecord& changed_record) {
            changed_record.signpost->asked_until = until;
          });
        }
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
  FetchState state = StateFromRows(blob, record);
  base::MutexLock lock(mutex);
  if (const auto it = audiences.find(blob); it != audiences.end()) {
    state.attempts_ended = it->second->attempts_ended;
    if (state.error.error == signpost::ErrorClass::kNone) state.error = it->second->last_error;
  }
  if (!read.ok() || state.kind == FetchState::Kind::kDone) return state;
  if (const auto it = flights.find(blob); it != flights.end()) {
    const Flight& flight = *it->second;
    state.kind =
        flight.progress.transferring ? FetchState::Kind::kFetching : FetchState::Kind::kLocating;
    state.received_bytes = flight.progress.received_bytes;
    if (const uint64_t total = flight.progress.total_bytes) state.total_bytes = total;
    state.source = flight.source;
    return state;
  }
  if (state.kind == FetchState::Kind::kStopped) {
    state.blocked_by = "stopped";
    return state;
  }
  if (!record.signpost) return state;
  state.blocked_by = BlockedBy(blob, *record.signpost);
  if (state.blocked_by == "peer_cool_down") {
    state.kind = FetchState::Kind::kParked;
    state.parked_until = queue.CoolDownEnd(signpost::FirstPeer(record.signpost->locations));
  } else if (record.signpost->failures > 0 && state.blocked_by == "not_due") {
    state.kind = FetchState::Kind::kFailed;
  }
  return state;
}

FetchState Fetcher::Impl::StateFromRows(const base::BlobId&, const BlobRecord& record) const {
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

bool Fetcher::Impl::AnotherUsable(const signpost::Signpost& signpost, base::WallTime now) const {
  for (const auto& [peer, location] : signpost.locations) {
    if (queue.CoolDownEnd(peer) <= now && location.denied < location.when_seen) return true;
  }
  return false;
}

std::string Fetcher::Impl::BlockedBy(const base::BlobId&,
                                     const signpost::Signpost& signpost) const {
  const base::WallTime now = parts.clock.WallNow();
  if (pause.paused) return pause.reason == "operator" ? "paused" : "space";
  if (signpost.stopped != base::kNever) return "stopped";
  const base::PeerId first = signpost::FirstPeer(signpost.locations);
  if (queue.CoolDownEnd(first) > now) {
    const bool another = AnotherUsable(signpost, now);
    if (!another) return "peer_cool_down";
  }
  if (signpost.next_attempt > now) return "not_due";
  if (first.IsZero() && signpost.last_error.error == signpost::ErrorClass::kNobody) return "nobody";
  if (flights.size() >= options.concurrency) return "slot";
  if (queue.Running(first) >= options.per_peer) return "peer_slot";
  return "";
}

}  // namespace waypost::fetcher
