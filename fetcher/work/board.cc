#include "fetcher/work/board.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"

// What changes the board. A worker takes work under the mutex, lets go of it, and runs. What the
// index tells after a commit comes in on the writer thread and only moves entries of the queue.
// What the starter does is in board_fill.cc, what people see of it in board_view.cc.

namespace waypost::fetcher {
namespace {

// Workers look so often without being called: the wall clock may have been set.
constexpr base::Millis kWorkerIdle{1000};
// What the batches of all workers together may have in memory, where every blob is as large as one
// in a batch may be; but so many in each are worth a request.
constexpr uint64_t kBatchesBytes = uint64_t{64} << 20;
constexpr uint64_t kBatchBlobsMin = 64;
// Blobs whose partial files may be dropped; more than that are found no more, which costs disk
// alone.
constexpr std::size_t kLeftMax = 65536;
constexpr base::Millis kMemoryRest{1000};

using Flights = std::map<base::BlobId, std::shared_ptr<Flight>>;

// All that goes with what was picked, `more` beside it at most. False: memory ran out, and what
// there was no room for is back in the queue.
bool TakeOff(RunQueue& queue, Flights& flights, const RunQueue::Picked& picked, std::size_t more,
             base::WallTime now, std::vector<Taken>& all) {
  std::vector<RunQueue::Picked> same;
  const absl::Status taken = base::WithinMemory([&] {
    same.push_back(picked);
    if (more > 0) queue.PickMore(more, now, same);
    for (const RunQueue::Picked& one : same) {
      // The table was read while its attempt runs: single flight. The end of that puts it back.
      if (flights.contains(one.key.blob)) continue;
      const auto flight = std::make_shared<Flight>();
      all.push_back({.picked = one, .flight = flight, .result = {}, .consequences = {}});
      flights[one.key.blob] = flight;
    }
    return absl::OkStatus();
  });
  if (taken.ok()) return true;
  std::erase_if(all, [&](const Taken& one) { return !flights.contains(one.picked.key.blob); });
  const absl::Status back = base::WithinMemory([&] {
    if (same.empty()) queue.Upsert(picked.key);
    for (const RunQueue::Picked& one : same) {
      if (!flights.contains(one.key.blob)) queue.Upsert(one.key);
    }
    return absl::OkStatus();
  });
  static_cast<void>(back);  // what is lost here is read from the table at the next start
  return false;
}

}  // namespace

Board::Board(const FetcherOptions& options, const Parts& parts)
    : parts_(parts), options_(options), queue_(options.per_peer, options.concurrency) {}

FetcherOptions Board::options() const {
  base::MutexLock lock(mutex_);
  return options_;
}

void Board::SetOptions(const FetcherOptions& options) {
  base::MutexLock lock(mutex_);
  options_ = options;
  queue_.SetSlots(options.per_peer, options.concurrency);
  WakeAll();
}

void Board::Stop() {
  std::vector<std::shared_ptr<Flight>> running;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& item : flights_) running.push_back(item.second);
    work_.NotifyAll();
    chore_.NotifyAll();
  }
  for (const auto& flight : running) flight->stop.request_stop();
  stop_.request_stop();
}

bool Board::stopped() const {
  base::MutexLock lock(mutex_);
  return stopping_;
}

void Board::WakeAll() {
  work_.NotifyAll();
  if (queue_.HasChore()) chore_.NotifyOne();
}

std::shared_ptr<Callers> Board::CallersOf(const base::BlobId& blob) const {
  const auto it = callers_.find(blob);
  return it == callers_.end() ? nullptr : it->second;
}

// ---- news ----

void Board::OnBlobChange(const syncgroup::BlobChange& change) {
  std::shared_ptr<Callers> callers;
  std::shared_ptr<Flight> unwanted;
  const bool due_moved = change.due_before != change.due_after;
  {
    base::MutexLock lock(mutex_);
    if (due_moved && change.due_before) {
      queue_.Erase(*change.due_before);
      queue_.CountRow(*change.due_before, -1);
    }
    if (due_moved && change.due_after) queue_.CountRow(*change.due_after, +1);
    callers = CallersOf(change.blob);
    if (const auto it = flights_.find(change.blob); it != flights_.end()) {
      Flight& flight = *it->second;
      flight.told_ = true;
      flight.news_ |= change.evidence;
      flight.due_ = change.due_after;
      // Also where the bytes came in by another way.
      if (!change.wanted) unwanted = it->second;
    } else if (change.due_after) {
      queue_.Upsert(*change.due_after, /*force=*/callers != nullptr);
      if (change.evidence) queue_.GoHome(change.blob);
    } else if (change.due_before && left_.size() < kLeftMax) {
      left_.push_back(change.blob);
    }
    work_.NotifyOne();
    if (queue_.HasChore()) chore_.NotifyOne();
  }
  if (unwanted) unwanted->stop.request_stop();
  if (callers) callers->changed.Notify();
  if (change.stored || change.due_before.has_value() != change.due_after.has_value()) {
    changed_.Notify();
  }
}

void Board::OnPeerHealth(const base::PeerId& peer) {
  {
    base::MutexLock lock(mutex_);
    // Calls may overtake each other: looked up again, the last one leaves what is so.
    const signpost::PeerHealth health = parts_.peers.Health(peer);
    const base::WallTime now = parts_.clock.WallNow();
    queue_.SetCoolDown(peer, health.cool_down_end, now);
    queue_.SetPoor(peer, health.Poor(now));
    WakeAll();
  }
  changed_.Notify();
}

// ---- the workers ----

base::SteadyTime Board::ToSteady(base::WallTime wall) const {
  return parts_.clock.SteadyNow() + (wall - parts_.clock.WallNow());
}

std::size_t Board::BatchMax() const {
  const uint64_t bytes = kBatchesBytes / options_.concurrency;
  const uint64_t blobs = bytes / std::max<uint64_t>(parts_.blobs.inline_max_bytes(), 1);
  return std::min<uint64_t>(options_.batch_blobs, std::max(blobs, kBatchBlobsMin));
}

std::vector<Taken> Board::TakeNow(uint32_t number) {
  std::vector<Taken> all;
  if (!loaded_ || pause_.state().paused() || number >= options_.concurrency) return all;
  if (running_ >= options_.concurrency) return all;
  const base::WallTime now = parts_.clock.WallNow();
  while (all.empty()) {
    const auto picked = queue_.Pick(now);
    if (!picked) return all;
    const std::size_t more = options_.batch_blobs > 1 ? BatchMax() - 1 : 0;
    const bool taken = TakeOff(queue_, flights_, *picked, more, now, all);
    if (all.empty()) queue_.Release({picked->at, picked->alone}, base::Millis(0));
    if (!taken) return all;
  }
  return all;
}

std::vector<Taken> Board::Take(uint32_t number) {
  base::MutexLock lock(mutex_);
  while (!stopping_) {
    std::vector<Taken> all = TakeNow(number);
    if (queue_.HasChore()) chore_.NotifyOne();
    if (!all.empty()) {
      ++running_;
      work_.NotifyOne();  // there may be more for another worker
      return all;
    }
    const auto next = queue_.NextStart(parts_.clock.WallNow());
    const base::SteadyTime idle = parts_.clock.SteadyNow() + kWorkerIdle;
    parts_.clock.WaitUntil(work_, mutex_, next ? std::min(ToSteady(*next), idle) : idle);
  }
  return {};
}

base::Millis Board::HeldFor(const Slot& slot) const {
  return std::chrono::duration_cast<base::Millis>(parts_.clock.SteadyNow() - slot.since);
}

bool Board::MoveSlot(Slot& slot, const base::PeerId& peer, const base::PeerId& sponsor) {
  base::MutexLock lock(mutex_);
  queue_.SetSponsor(peer, sponsor);
  if (slot.at == peer) return true;
  const RunQueue::Held held{slot.at, slot.large};
  if (!queue_.MoveSlot(held, peer, HeldFor(slot), parts_.clock.WallNow())) return false;
  work_.NotifyOne();
  slot.at = peer;
  slot.since = parts_.clock.SteadyNow();
  return true;
}

bool Board::Enlarge(Slot& slot) {
  base::MutexLock lock(mutex_);
  if (!slot.large) slot.large = queue_.Enlarge(slot.at);
  return slot.large;
}

void Board::FreeSlot(Slot& slot) {
  base::MutexLock lock(mutex_);
  if (!std::exchange(slot.held, false)) return;
  queue_.Release({slot.at, slot.large}, HeldFor(slot));
  --running_;
  WakeAll();
}

bool Board::Waited(const base::BlobId& blob) const {
  base::MutexLock lock(mutex_);
  return callers_.contains(blob);
}

bool Board::HasFreeSlot(const base::PeerId& peer) const {
  base::MutexLock lock(mutex_);
  return !queue_.Full(peer);
}

bool Board::ShouldYield(const Slot& slot) const {
  base::MutexLock lock(mutex_);
  const base::WallTime now = parts_.clock.WallNow();
  if (pause_.state().paused() || !queue_.OtherReady({slot.at, slot.large}, now)) return false;
  // Where a worker is free, only a large blob may wait for this slot: others could go without it.
  return running_ >= options_.concurrency || !queue_.OtherReady({slot.at, false}, now);
}

void Board::RestForMemory() {
  base::MutexLock lock(mutex_);
  const base::SteadyTime end = parts_.clock.SteadyNow() + kMemoryRest;
  while (!stopping_ && parts_.clock.SteadyNow() < end) parts_.clock.WaitUntil(work_, mutex_, end);
}

void Board::NoteSource(Flight& flight, const base::PeerId& peer) {
  base::MutexLock lock(mutex_);
  flight.source_ = peer;
}

void Board::Land(std::span<const Landing> landings) {
  base::MutexLock lock(mutex_);
  for (const Landing& landing : landings) LandOne(landing);
  WakeAll();
}

void Board::LandOne(const Landing& landing) {
  const Taken& taken = landing.taken;
  const base::BlobId& blob = taken.picked.key.blob;
  const AttemptReport& report = taken.result.report;
  const std::optional<signpost::DueKey> due =
      taken.flight->told_ ? taken.flight->due_ : landing.due;
  const auto flight = flights_.find(blob);
  if (flight == flights_.end() || flight->second != taken.flight) return;  // it has landed
  const std::shared_ptr<Callers> callers = CallersOf(blob);
  if (due) {
    queue_.Upsert(*due, /*force=*/callers != nullptr);
    if (taken.alone) queue_.MarkAlone(blob);
    if (taken.flight->news_) {
      // Whoever was to be asked next, the first peer may have it now.
    } else if (!report.no_slot_at.IsZero() &&
               (report.local == LocalEnd::kNoSlot || report.local == LocalEnd::kYielded)) {
      queue_.Redirect(blob, report.no_slot_at);
      // All others were asked; else it would be sent to them, and come back, without a wait.
      if (report.local == LocalEnd::kNoSlot) queue_.MarkSeen(blob);
    } else if (taken.consequences.parked && !queue_.Cools(due->first_peer)) {
      queue_.Redirect(blob, report.first_to_end);
    } else if (taken.consequences.parked && report.asked.empty()) {
      queue_.MarkSeen(blob);
    }
  }
  const bool whole = taken.result.start == AttemptResult::Start::kGo && !taken.result.staged &&
                     report.local == LocalEnd::kNone;
  if (whole && callers) {
    callers->last_error_ = taken.consequences.error;
    ++callers->attempts_ended_;
  }
  // Last: where memory ran out above, it has not landed, and is landed again.
  flights_.erase(flight);
}

// ---- those who wait ----

std::shared_ptr<Callers> Board::Join(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  std::shared_ptr<Callers>& callers = callers_[blob];
  if (!callers) callers = std::make_shared<Callers>();
  ++callers->count_;
  queue_.SetWaiting(blob, true);
  return callers;
}

bool Board::Leave(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  const auto it = callers_.find(blob);
  if (it == callers_.end() || --it->second->count_ > 0) return false;
  const bool asked = it->second->asked;
  callers_.erase(it);
  queue_.SetWaiting(blob, false);
  return asked && !stopping_;
}

void Board::BringIn(const signpost::DueKey& due) {
  base::MutexLock lock(mutex_);
  // What is there was told of, and is as new as what was read, or newer.
  if (!flights_.contains(due.blob) && !queue_.Contains(due.blob)) {
    queue_.Upsert(due, /*force=*/true);
  }
  WakeAll();
}

void Board::Announce(const base::BlobId& blob) {
  std::shared_ptr<Callers> callers;
  {
    base::MutexLock lock(mutex_);
    callers = CallersOf(blob);
  }
  if (callers) callers->changed.Notify();
  changed_.Notify();
}

// ---- the pause ----

void Board::PauseByOperator(std::optional<base::WallTime> until) {
  {
    base::MutexLock lock(mutex_);
    pause_.ByOperator(until);
  }
  changed_.Notify();
}

std::optional<uint32_t> Board::PauseByItself(PauseReason reason, const std::string& detail) {
  uint32_t in_a_row = 0;
  {
    base::MutexLock lock(mutex_);
    if (stopping_ || !pause_.ByItself(reason, detail, parts_.clock.SteadyNow())) {
      return std::nullopt;
    }
    in_a_row = pause_.in_a_row();
  }
  changed_.Notify();
  return in_a_row;
}

void Board::Resume() {
  {
    base::MutexLock lock(mutex_);
    pause_.End();
    work_.NotifyAll();
  }
  changed_.Notify();
}

void Board::NoteArrival() {
  base::MutexLock lock(mutex_);
  pause_.NoteArrival();
}

bool Board::CheckPause() {
  {
    base::MutexLock lock(mutex_);
    const Pause::Step step = pause_.Check(parts_.clock.WallNow(), parts_.clock.SteadyNow());
    if (step != Pause::Step::kEnded) return step == Pause::Step::kLookAtDisk;
    work_.NotifyAll();
  }
  changed_.Notify();
  return false;
}

void Board::NoteDisk(const std::string& trouble) {
  PauseReason ended = PauseReason::kNone;
  bool log = false;
  {
    base::MutexLock lock(mutex_);
    ended = pause_.state().reason;
    if (!pause_.NoteDisk(trouble)) return;
    log = pause_.in_a_row() == 1;
    work_.NotifyAll();
  }
  if (log) base::LogInfo("fetcher: goes on after a pause (", PauseReasonName(ended), ")");
  changed_.Notify();
}

}  // namespace waypost::fetcher
