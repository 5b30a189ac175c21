#include <algorithm>

#include "fetcher/policy/ranking.h"
#include "fetcher/work/board.h"
#include "signpost/rules.h"

// What is seen of the board: how a blob stands and what is in its way, as Take would decide now.
// Reads the same state that decides, and decides nothing.

namespace waypost::fetcher {
namespace {

// What an attempt under way has come to.
void FillInProgress(FetchState& state, const AttemptProgress& progress,
                    const base::PeerId& source) {
  state.kind = progress.transferring ? FetchState::Kind::kFetching : FetchState::Kind::kLocating;
  state.received_bytes = progress.received_bytes;
  if (const uint64_t total = progress.total_bytes) state.total_bytes = total;
  state.source = source;
}

}  // namespace

PauseState Board::pause() const {
  base::MutexLock lock(mutex_);
  return pause_.state();
}

bool Board::WindowFull() const {
  base::MutexLock lock(mutex_);
  return queue_.size() >= RunQueue::kWindow;
}

bool Board::InFlight(const base::BlobId& blob) const {
  base::MutexLock lock(mutex_);
  return flights_.contains(blob);
}

std::vector<std::pair<base::BlobId, FetchState>> Board::Flights() const {
  std::vector<std::pair<base::BlobId, FetchState>> flights;
  base::MutexLock lock(mutex_);
  for (const auto& [blob, flight] : flights_) {
    FetchState state;
    FillInProgress(state, flight->progress, flight->source_);
    flights.emplace_back(blob, std::move(state));
  }
  return flights;
}

Board::Counts Board::Count() const {
  base::MutexLock lock(mutex_);
  return {.queued = queue_.Count(parts_.clock.WallNow()),
          .fetching = flights_.size(),
          .oldest_wanted = oldest_wanted_};
}

WaitState Board::WaitOf(const base::BlobId& blob, const signpost::Signpost& signpost) const {
  base::MutexLock lock(mutex_);
  const base::WallTime now = parts_.clock.WallNow();
  if (flights_.contains(blob)) return WaitState::kFetching;
  if (ParkedUntil(blob, signpost, now) != base::kNever) return WaitState::kParked;
  return signpost.next_attempt > now ? WaitState::kWaiting : WaitState::kDue;
}

void Board::FillIn(FetchState& state, const base::BlobId& blob,
                   const signpost::Signpost* signpost) const {
  base::MutexLock lock(mutex_);
  const base::WallTime now = parts_.clock.WallNow();
  if (const std::shared_ptr<Callers> callers = CallersOf(blob)) {
    state.attempts_ended = callers->attempts_ended_;
    if (state.error.error == signpost::ErrorClass::kNone) state.error = callers->last_error_;
  }
  if (state.kind == FetchState::Kind::kDone) return;
  if (const auto it = flights_.find(blob); it != flights_.end()) {
    FillInProgress(state, it->second->progress, it->second->source_);
    return;
  }
  if (state.kind == FetchState::Kind::kStopped) {
    state.blocked_by = Obstacle::kStopped;
    return;
  }
  if (signpost == nullptr) return;
  state.blocked_by = ObstacleOf(blob, *signpost, now);
  if (state.blocked_by == Obstacle::kPeerCoolDown) {
    state.kind = FetchState::Kind::kParked;
    state.parked_until = ParkedUntil(blob, *signpost, now);
  } else if (state.blocked_by == Obstacle::kNotDue) {
    state.kind = FetchState::Kind::kFailed;
  }
}

base::PeerId Board::WaitsAt(const base::BlobId& blob, const signpost::Signpost& signpost) const {
  return queue_.WaitsAt(blob).value_or(signpost::FirstPeer(signpost.locations));
}

base::WallTime Board::ParkedUntil(const base::BlobId& blob, const signpost::Signpost& signpost,
                                  base::WallTime now) const {
  // By a pointer: the analysis does not see that the lambdas run under the lock.
  const RunQueue* const runs = &queue_;
  const auto cools = [&](const base::PeerId& peer) { return runs->CoolDownEnd(peer) > now; };
  const base::PeerId at = WaitsAt(blob, signpost);
  if (flights_.contains(blob) || !cools(at)) return base::kNever;
  // It is about to be sent to another one.
  if (AnotherPeer(signpost.locations, [&](const base::PeerId& peer) { return !cools(peer); })) {
    return base::kNever;
  }
  base::WallTime first = queue_.CoolDownEnd(at);
  for (const auto& item : signpost.locations) {
    if (cools(item.first)) first = std::min(first, queue_.CoolDownEnd(item.first));
  }
  return first;
}

Obstacle Board::ObstacleOf(const base::BlobId& blob, const signpost::Signpost& signpost,
                           base::WallTime now) const {
  const PauseState& pause = pause_.state();
  switch (pause.reason) {
    case PauseReason::kNone:
      break;
    case PauseReason::kOperator:
      return Obstacle::kPaused;
    case PauseReason::kSpace:
      return Obstacle::kSpace;
    case PauseReason::kDisk:
    case PauseReason::kIndex:
      return Obstacle::kDisk;
  }
  if (signpost.stopped != base::kNever) return Obstacle::kStopped;
  if (ParkedUntil(blob, signpost, now) != base::kNever) return Obstacle::kPeerCoolDown;
  if (signpost.next_attempt > now) {
    const bool nobody = signpost.last_error.error == signpost::ErrorClass::kNobody;
    return nobody && signpost.locations.empty() ? Obstacle::kNobody : Obstacle::kNotDue;
  }
  if (running_ >= options_.concurrency) return Obstacle::kSlot;
  const bool full = queue_.Full(WaitsAt(blob, signpost)) || queue_.WaitsForLarge(blob);
  return full ? Obstacle::kPeerSlot : Obstacle::kNone;
}

}  // namespace waypost::fetcher
