#include "fetcher/work/fetcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/signpost_table.h"

// The fetcher's lifecycle and its workers. One mutex guards queue and flights; a worker takes work
// under it, lets go of it, and runs. What the index tells after a commit comes in on the writer
// thread and only moves entries of the queue.

namespace waypost::fetcher {
namespace {

// Workers look so often without being called: the wall clock may have been set.
constexpr base::Millis kIdle{1000};
// What the batches of all workers together may have in memory, where every blob is as large as one
// in a batch may be; but so many in each are worth a request.
constexpr uint64_t kBatchesBytes = uint64_t{64} << 20;
constexpr uint64_t kBatchBlobsMin = 64;
// Blobs whose partial files may be dropped; more than that are found no more, which costs disk
// alone.
constexpr std::size_t kLeftMax = 65536;

}  // namespace

Fetcher::Impl::Impl(FetcherOptions options_in, Parts parts_in)
    : parts(std::move(parts_in)),
      rate(parts.clock),
      attempt_parts{.index = parts.index,
                    .blobs = parts.blobs,
                    .ledger = parts.ledger,
                    .groups = parts.groups,
                    .peers = parts.peers,
                    .client = parts.client,
                    .clock = parts.clock,
                    .rate = rate,
                    .knows_us = parts.knows_us},
      options(options_in),
      queue(options_in.per_peer) {
  rate.SetRate(options_in.rate_limit_bytes_per_s);
  base::Metrics& metrics = parts.metrics;
  for (const char* result :
       {"ok", "not_here", "unreachable", "wrong_bytes", "nobody", "yielded", "no_slot", "cancelled",
        "local_error", "too_large", "no_room", "over_limit"}) {
    attempts_total[result] = metrics.AddCounter("waypost_fetch_attempts_total",
                                                "Fetch attempts that ended.", {{"result", result}});
  }
  bytes_total = metrics.AddCounter("waypost_fetch_bytes_total", "Blob bytes received from peers.");
  duration_seconds = metrics.AddHistogram(
      "waypost_fetch_duration_seconds", "Time of attempts that brought the blob.",
      {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600});
  hint_hit = metrics.AddCounter("waypost_hint_first_try_total",
                                "Did the first location asked have it?", {{"hit", "yes"}});
  hint_miss = metrics.AddCounter("waypost_hint_first_try_total",
                                 "Did the first location asked have it?", {{"hit", "no"}});
}

Fetcher::Fetcher(FetcherOptions options, Parts parts)
    : impl_(std::make_unique<Impl>(options, std::move(parts))) {
  base::Metrics& metrics = impl_->parts.metrics;
  const base::Gauge in_flight = metrics.AddGauge("waypost_fetch_in_flight", "Attempts under way.");
  const base::Gauge oldest =
      metrics.AddGauge("waypost_oldest_wanted_seconds",
                       "How long the oldest wanted blob has been wanted; 0: none is.");
  std::map<std::string, base::Gauge> states;
  for (const char* state : {"due", "waiting", "fetching", "parked", "stopped"}) {
    states[state] = metrics.AddGauge("waypost_wanted", "Wanted blobs.", {{"state", state}});
  }
  metrics.AddRefresher([this, in_flight, oldest, states] {
    const StateCounts counts = CountStates();
    in_flight.Set(static_cast<double>(counts.fetching));
    states.at("due").Set(static_cast<double>(counts.due));
    states.at("waiting").Set(static_cast<double>(counts.waiting));
    states.at("fetching").Set(static_cast<double>(counts.fetching));
    states.at("parked").Set(static_cast<double>(counts.parked));
    states.at("stopped").Set(static_cast<double>(counts.stopped));
    const base::WallTime now = impl_->parts.clock.WallNow();
    const bool older = counts.oldest_wanted && *counts.oldest_wanted < now;
    oldest.Set(older ? std::chrono::duration<double>(now - *counts.oldest_wanted).count() : 0);
  });
}

Fetcher::StateCounts Fetcher::CountStates() const {
  StateCounts counts;
  syncgroup::Counts stored;
  impl_->parts.index
      .Read([&](base::ReadTxn& txn) {
        stored = impl_->parts.ledger.LoadCounts(txn, base::GroupId());
        return absl::OkStatus();
      })
      .IgnoreError();
  const base::WallTime now = impl_->parts.clock.WallNow();
  base::MutexLock lock(impl_->mutex);
  const RunQueue::Counts queued = impl_->queue.Count(now);
  counts.due = queued.due;
  counts.waiting = queued.waiting;
  counts.parked = queued.parked;
  counts.fetching = impl_->flights.size();
  counts.stopped = stored.stopped;
  if (stored.wanted > 0) counts.oldest_wanted = impl_->oldest_wanted;
  // What is not in the window: the table's count says how many, the runs say about how they wait.
  const uint64_t seen =
      counts.due + counts.waiting + counts.parked + counts.fetching + counts.stopped;
  const uint64_t beyond = stored.wanted > seen ? stored.wanted - seen : 0;
  const uint64_t parked = std::min(beyond, queued.beyond_parked);
  const uint64_t due = std::min(beyond - parked, queued.beyond_due);
  counts.parked += parked;
  counts.due += due;
  counts.waiting += beyond - parked - due;
  return counts;
}

Fetcher::~Fetcher() { Shutdown(); }

void Fetcher::Start() {
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->started) return;
    impl_->started = true;
  }
  // Before anybody may look: an operator's pause holds from the first moment.
  const absl::Status paused = impl_->LoadPause();
  if (!paused.ok()) base::LogWarning("fetcher: cannot read its pause: ", paused.ToString());
  {
    base::MutexLock lock(impl_->mutex);
    impl_->EnsureWorkers();
  }
  impl_->starter = base::Thread("fetch-start", [this] { impl_->StarterLoop(); });
}

void Fetcher::Shutdown() {
  std::vector<base::Thread> workers;
  {
    base::MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    for (auto& item : impl_->flights) item.second->stop.request_stop();
    impl_->shutdown.request_stop();
    impl_->work.NotifyAll();
    impl_->chore.NotifyAll();
    workers = std::move(impl_->workers);
    impl_->workers.clear();
  }
  impl_->starter.Join();
  workers.clear();  // joins
}

void Fetcher::SetOptions(const FetcherOptions& options) {
  impl_->rate.SetRate(options.rate_limit_bytes_per_s);
  base::MutexLock lock(impl_->mutex);
  impl_->options = options;
  impl_->queue.SetPerPeer(options.per_peer);
  if (impl_->started && !impl_->stopping) impl_->EnsureWorkers();
  impl_->WakeAll();
}

void Fetcher::Impl::EnsureWorkers() {
  // A lowered limit leaves workers idle: the count only grows.
  while (workers.size() < options.concurrency) {
    const auto number = static_cast<uint32_t>(workers.size());
    workers.emplace_back(absl::StrCat("fetch-", number + 1),
                         [this, number] { WorkerLoop(number); });
  }
}

void Fetcher::Impl::WakeAll() {
  work.NotifyAll();
  if (queue.TakeChore()) chore.NotifyOne();
}

// ---- what happens elsewhere ----

void Fetcher::OnBlobChange(const syncgroup::BlobChange& change) {
  std::shared_ptr<Impl::Audience> audience;
  const bool due_moved = change.due_before != change.due_after;
  {
    base::MutexLock lock(impl_->mutex);
    RunQueue& queue = impl_->queue;
    if (due_moved && change.due_before) {
      queue.Erase(*change.due_before);
      queue.CountRow(*change.due_before, -1);
    }
    if (due_moved && change.due_after) queue.CountRow(*change.due_after, +1);
    if (const auto it = impl_->flights.find(change.blob); it != impl_->flights.end()) {
      it->second->told = true;
      it->second->news |= change.evidence;
      it->second->due = change.due_after;
      // Also where the bytes came in by another way.
      if (!change.wanted) it->second->stop.request_stop();
    } else if (change.due_after) {
      queue.Upsert(*change.due_after, impl_->audiences.contains(change.blob));
      if (change.evidence) queue.GoHome(change.blob);
    } else if (change.due_before && impl_->left.size() < kLeftMax) {
      impl_->left.push_back(change.blob);
    }
    impl_->work.NotifyOne();
    if (queue.TakeChore()) impl_->chore.NotifyOne();
    if (const auto it = impl_->audiences.find(change.blob); it != impl_->audiences.end()) {
      audience = it->second;
    }
  }
  if (audience) audience->changed.Notify();
  if (change.stored || change.due_before.has_value() != change.due_after.has_value()) {
    impl_->changed.Notify();
  }
  if (change.wanted && !change.due_before) {
    impl_->parts.events.Publish("blob.wanted", {{"blob", change.blob.ToHex()}});
  }
}

void Fetcher::OnMembershipChange(const base::GroupId&) {
  if (impl_->parts.request_scan) impl_->parts.request_scan();
}

void Fetcher::OnPeerHealth(const base::PeerId& peer, const signpost::PeerHealth&) {
  {
    base::MutexLock lock(impl_->mutex);
    // Calls may overtake each other: looked up again, the last one leaves what is so.
    const signpost::PeerHealth health = impl_->parts.peers.Health(peer);
    impl_->queue.SetCoolDown(peer, health.cool_down_end, impl_->parts.clock.WallNow());
    impl_->WakeAll();
  }
  impl_->changed.Notify();
}

base::Notifier& Fetcher::changed() { return impl_->changed; }

// ---- the workers ----

base::SteadyTime Fetcher::Impl::ToSteady(base::WallTime wall) const {
  return parts.clock.SteadyNow() + (wall - parts.clock.WallNow());
}

std::vector<Fetcher::Impl::Taken> Fetcher::Impl::TakeNext(uint32_t worker) {
  std::vector<Taken> all;
  if (!loaded || pause.paused || worker >= options.concurrency) return all;
  if (running >= options.concurrency) return all;
  const base::WallTime now = parts.clock.WallNow();
  while (all.empty()) {
    const auto picked = queue.Pick(now);
    if (!picked) return all;
    std::vector<RunQueue::Picked> same = {*picked};
    if (options.batch_blobs > 1) queue.PickMore(BatchMax() - 1, now, same);
    for (const RunQueue::Picked& one : same) {
      // The table was read while its attempt runs: single flight. The end of that puts it back.
      if (flights.contains(one.key.blob)) continue;
      all.push_back(
          {.picked = one, .flight = std::make_shared<Flight>(), .result = {}, .verdict = {}});
    }
    if (all.empty()) queue.Release(picked->at);
  }
  return all;
}

void Fetcher::Impl::WorkerLoop(uint32_t number) {
  while (true) {
    std::vector<Taken> all;
    Slot slot;
    {
      base::MutexLock lock(mutex);
      while (!stopping) {
        all = TakeNext(number);
        if (queue.TakeChore()) chore.NotifyOne();
        if (!all.empty()) break;
        const auto next = queue.NextStart(parts.clock.WallNow());
        const base::SteadyTime idle = parts.clock.SteadyNow() + kIdle;
        parts.clock.WaitUntil(work, mutex, next ? std::min(ToSteady(*next), idle) : idle);
      }
      if (stopping) return;
      slot.at = all.front().picked.at;
      for (const Taken& taken : all) flights[taken.picked.key.blob] = taken.flight;
      ++running;
      work.NotifyOne();  // there may be more for another worker
    }
    for (const Taken& taken : all) Announce(taken.picked.key.blob);
    RunBatch(all, slot);
    for (const Taken& taken : all) Announce(taken.picked.key.blob);
  }
}

AttemptOptions Fetcher::Impl::OptionsFor(const RunQueue::Picked& picked, Slot& slot) {
  base::MutexLock lock(mutex);
  return {.stall_timeout = options.stall_timeout,
          .prefer = picked.at,
          .free_since = picked.free_since,
          .for_app = audiences.contains(picked.key.blob),
          .should_yield = [this, &slot] { return ShouldYield(slot); }};
}

bool Fetcher::Impl::TakeSlot(Slot& slot, const base::PeerId& peer) {
  base::MutexLock lock(mutex);
  if (!queue.MoveSlot(slot.at, peer, parts.clock.WallNow())) return false;
  if (slot.at != peer) work.NotifyOne();
  slot.at = peer;
  return true;
}

void Fetcher::Impl::FreeSlot(Slot& slot) {
  base::MutexLock lock(mutex);
  if (!std::exchange(slot.held, false)) return;
  queue.Release(slot.at);
  --running;
  WakeAll();
}

std::size_t Fetcher::Impl::BatchMax() const {
  const uint64_t bytes = kBatchesBytes / options.concurrency;
  const uint64_t blobs = bytes / std::max<uint64_t>(parts.blobs.inline_max_bytes(), 1);
  return std::min<uint64_t>(options.batch_blobs, std::max(blobs, kBatchBlobsMin));
}

bool Fetcher::Impl::ShouldYield(const Slot& slot) {
  base::MutexLock lock(mutex);
  return !pause.paused && running >= options.concurrency &&
         queue.OtherReady(slot.at, parts.clock.WallNow());
}

void Fetcher::Impl::ReadRow(base::ReadTxn& txn, const base::BlobId& blob, RowState& row) const {
  row = {};
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return;
  row.wanted = signpost->wanted_since != base::kNever;
  const signpost::DueKey due = signpost::DueKeyOf(blob, *signpost);
  if (signpost::HasDueRow(txn, due)) row.due = due;
}

absl::Status Fetcher::Impl::ReadRow(const base::BlobId& blob, RowState& row) const {
  return parts.index.Read([&](base::ReadTxn& txn) {
    ReadRow(txn, blob, row);
    return absl::OkStatus();
  });
}

void Fetcher::Impl::Land(const std::vector<Taken*>& all) {
  if (all.empty()) return;
  // Read while the flights stand: what is told of a row from now on is newer.
  std::vector<RowState> rows(all.size());
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    for (std::size_t i = 0; i < all.size(); ++i) ReadRow(txn, all[i]->picked.key.blob, rows[i]);
    return absl::OkStatus();
  });
  if (!read.ok()) base::LogWarning("fetcher: ", all.size(), " blobs: ", read.ToString());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!read.ok()) rows[i] = {.due = all[i]->picked.key, .wanted = true};
    if (!rows[i].wanted && !all[i]->result.staged) {
      parts.blobs.DropPartial(all[i]->picked.key.blob);
    }
  }
  base::MutexLock lock(mutex);
  for (std::size_t i = 0; i < all.size(); ++i) LandOne(*all[i], rows[i]);
  WakeAll();
}

void Fetcher::Impl::LandOne(const Taken& taken, RowState& row) {
  const base::BlobId& blob = taken.picked.key.blob;
  const AttemptReport& report = taken.result.report;
  if (taken.flight->told) row.due = taken.flight->due;
  flights.erase(blob);
  if (row.due) {
    queue.Upsert(*row.due, audiences.contains(blob));
    if (taken.alone) queue.MarkAlone(blob);
    if (taken.flight->news) {
      // Whoever was to be asked next, the first peer may have it now.
    } else if (report.local == LocalEnd::kNoSlot) {
      queue.Redirect(blob, report.no_slot_at);
    } else if (taken.verdict.parked && !queue.Cools(row.due->first_peer)) {
      queue.Redirect(blob, report.first_to_end);
    } else if (taken.verdict.parked && report.asked.empty()) {
      queue.MarkSeen(blob);
    }
  }
  const bool whole = taken.result.start == AttemptResult::Start::kGo && !taken.result.staged &&
                     report.local == LocalEnd::kNone;
  if (const auto it = audiences.find(blob); whole && it != audiences.end()) {
    ++it->second->attempts_ended;
    it->second->last_error = taken.verdict.error;
  }
}

}  // namespace waypost::fetcher
