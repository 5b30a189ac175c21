#include <utility>

#include "fetcher/work/board.h"

// What the starter changes on the board: rows of the table come in, what waits at peers that cool
// is sent elsewhere. Each step has two halves, before and after a read of the index, which happens
// without the mutex; RunQueue keeps what is told between them.

namespace waypost::fetcher {

void Board::AddStoredRuns(const std::map<RunQueue::RunId, StoredRun>& runs) {
  base::MutexLock lock(mutex_);
  for (const auto& [id, run] : runs) queue_.AddStoredRun(id, run.first, run.second);
  const base::WallTime now = parts_.clock.WallNow();
  for (const signpost::PeerBook::KnownPeer& entry : parts_.peers.All()) {
    if (entry.health.cool_down_end != base::kNever) {
      queue_.SetCoolDown(entry.peer, entry.health.cool_down_end, now);
    }
    if (entry.health.Poor(now)) queue_.SetPoor(entry.peer, true);
  }
  loaded_ = true;
  work_.NotifyAll();  // also for what became due before this start's end, and is in the queue
}

std::vector<RunQueue::RunId> Board::Runs() const {
  base::MutexLock lock(mutex_);
  return queue_.Runs();
}

std::optional<RunQueue::Refill> Board::BeginRefill() {
  base::MutexLock lock(mutex_);
  return stopping_ ? std::nullopt : queue_.BeginRefill();
}

void Board::EndRefill(const RunQueue::RunId& run, const std::vector<signpost::DueKey>& rows,
                      std::optional<signpost::DueKey> next) {
  base::MutexLock lock(mutex_);
  queue_.EndRefill(run, rows, next);
  work_.NotifyAll();
}

RunQueue::Look Board::TakeLook(std::size_t limit, base::WallTime now) {
  base::MutexLock lock(mutex_);
  if (stopping_) return {};
  queue_.NoteEnds(now);
  return queue_.TakeLook(limit, now);
}

void Board::EndLook(const std::vector<std::pair<base::BlobId, base::PeerId>>& routes) {
  base::MutexLock lock(mutex_);
  for (const auto& [blob, peer] : routes) queue_.Redirect(blob, peer);
  work_.NotifyAll();
}

std::optional<RunQueue::Walk> Board::BeginWalk(base::WallTime now, bool may_restart) {
  base::MutexLock lock(mutex_);
  return stopping_ ? std::nullopt : queue_.BeginWalk(now, may_restart);
}

void Board::EndWalk(const base::PeerId& peer, const std::vector<RunQueue::Route>& routes,
                    std::optional<signpost::DueKey> next) {
  base::MutexLock lock(mutex_);
  queue_.EndWalk(peer, routes, next);
  work_.NotifyAll();
}

std::optional<base::BlobId> Board::TakeLeft() {
  base::MutexLock lock(mutex_);
  while (!stopping_ && !left_.empty()) {
    const base::BlobId blob = left_.front();
    left_.pop_front();
    if (!flights_.contains(blob)) return blob;
  }
  return std::nullopt;
}

void Board::SetOldestWanted(std::optional<base::WallTime> oldest) {
  base::MutexLock lock(mutex_);
  oldest_wanted_ = oldest;
}

bool Board::AwaitChore(base::Millis idle) {
  base::MutexLock lock(mutex_);
  if (stopping_) return false;
  if (queue_.TakeChore() || !left_.empty()) return true;
  parts_.clock.WaitUntil(chore_, mutex_, parts_.clock.SteadyNow() + idle);
  queue_.TakeChore();
  return !stopping_;
}

}  // namespace waypost::fetcher
