#include "fetcher/fetcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/key_codec.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/fetcher_impl.h"
#include "signpost/signpost_table.h"

namespace waypost::fetcher {
namespace {

// A pause for want of space is looked at this often.
constexpr base::Millis kSpaceCheck{2000};
// How often the starter looks without being called.
constexpr base::Millis kIdle{1000};
constexpr std::size_t kRoutePage = 1000;
// The oldest want is looked for among so many rows, this often: a figure for people, not worth a
// full walk.
constexpr std::size_t kOldestRows = 10000;
constexpr base::Millis kOldestEvery{5000};

}  // namespace

Fetcher::Impl::Impl(FetcherOptions options_in, Parts parts_in)
    : parts(std::move(parts_in)),
      attempt_parts{.index = parts.index,
                    .blobs = parts.blobs,
                    .ledger = parts.ledger,
                    .groups = parts.groups,
                    .peers = parts.peers,
                    .client = parts.client,
                    .clock = parts.clock,
                    .rate = rate,
                    .greeted = parts.greeted},
      options(options_in),
      queue(options_in.per_peer) {
  rate.SetRate(options_in.rate_limit_bytes_per_s);
  base::Metrics& metrics = parts.metrics;
  for (const char* result : {"ok", "not_here", "unreachable", "wrong_bytes", "nobody", "yielded",
                             "cancelled", "local_error", "too_large"}) {
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
  const base::Gauge oldest = metrics.AddGauge("waypost_oldest_wanted_seconds",
                                              "Age of the oldest want that is in the queue.");
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
    oldest.Set(counts.oldest_wanted
                   ? static_cast<double>((now - *counts.oldest_wanted).count()) / 1000
                   : 0);
  });
}

Fetcher::~Fetcher() { Shutdown(); }

void Fetcher::Start() {
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->started) return;
    impl_->started = true;
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
  impl_->work.NotifyAll();
}

void Fetcher::Impl::EnsureWorkers() {
  // A lowered limit leaves workers idle: the count only grows.
  while (workers.size() < options.concurrency) {
    const auto number = static_cast<uint32_t>(workers.size());
    workers.emplace_back(absl::StrCat("fetch-", number + 1),
                         [this, number] { WorkerLoop(number); });
  }
}

// ---- what happens elsewhere ----

void Fetcher::OnBlobChange(const syncgroup::BlobChange& change) {
  std::shared_ptr<Impl::Audience> audience;
  {
    base::MutexLock lock(impl_->mutex);
    if (change.due_before && change.due_before != change.due_after) {
      impl_->queue.Erase(*change.due_before);
    }
    const bool flying = impl_->flights.contains(change.blob);
    if (change.due_after && !flying) {
      impl_->queue.Upsert(*change.due_after, impl_->audiences.contains(change.blob));
      impl_->work.NotifyOne();
    }
    if (flying && !change.wanted && !change.stored) impl_->CancelFlight(change.blob);
    if (const auto it = impl_->audiences.find(change.blob); it != impl_->audiences.end()) {
      audience = it->second;
    }
  }
  if (audience) audience->changed.Notify();
  if (change.stored) impl_->changed.Notify();
}

void Fetcher::OnMembershipChange(const base::GroupId&) {
  if (impl_->parts.request_scan) impl_->parts.request_scan();
}

void Fetcher::OnPeerHealth(const base::PeerId& peer, const signpost::PeerHealth& health) {
  {
    base::MutexLock lock(impl_->mutex);
    impl_->queue.SetCoolDown(peer, health.cool_down_end);
    impl_->work.NotifyAll();
    impl_->chore.NotifyOne();
  }
  impl_->changed.Notify();
}

void Fetcher::Impl::CancelFlight(const base::BlobId& blob) {
  const auto it = flights.find(blob);
  if (it != flights.end()) it->second->stop.request_stop();
}

base::Notifier& Fetcher::changed() { return impl_->changed; }

// ---- the starter: fills the queue, routes around cooling peers, ends pauses ----

base::SteadyTime Fetcher::Impl::ToSteady(base::WallTime wall) const {
  return parts.clock.SteadyNow() + (wall - parts.clock.WallNow());
}

absl::Status Fetcher::Impl::LoadRuns() {
  struct Found {
    signpost::DueKey first;
    uint64_t rows = 0;
  };
  std::map<RunQueue::RunId, Found> runs;
  std::optional<int64_t> pause_until;
  std::string from;
  bool more = true;
  // Pages, so that no view of the index is held for long.
  constexpr std::size_t kPage = 100000;
  while (more) {
    RETURN_IF_ERROR(parts.index.Read([&](base::ReadTxn& txn) {
      if (const auto stored = txn.Get(base::Table::kMeta, kPauseKey)) {
        int64_t until = 0;
        if (absl::SimpleAtoi(base::Abs(*stored), &until)) pause_until = until;
      }
      base::Cursor cursor(txn, base::Table::kDue);
      std::size_t seen = 0;
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        if (seen++ == kPage) {
          from = std::string(cursor.key());
          return absl::OkStatus();
        }
        const auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        Found& found = runs[{key->first_peer, key->lane}];
        if (found.rows++ == 0) found.first = *key;
      }
      more = false;
      return absl::OkStatus();
    }));
  }
  base::MutexLock lock(mutex);
  for (const auto& [id, found] : runs) queue.AddStoredRun(id, found.first, found.rows);
  for (const signpost::PeerBook::Entry& entry : parts.peers.All()) {
    if (entry.health.cool_down_end != base::kNever) {
      queue.SetCoolDown(entry.peer, entry.health.cool_down_end);
    }
  }
  if (pause_until) {
    pause = {.paused = true, .reason = "operator", .detail = "paused by an operator"};
    if (*pause_until != kPauseForEver) pause.until = base::FromMs(*pause_until);
  }
  loaded = true;
  return absl::OkStatus();
}

void Fetcher::Impl::FillUp() {
  while (true) {
    std::optional<RunQueue::Refill> refill;
    base::WallTime latest;
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      refill = queue.BeginRefill();
      latest = parts.clock.WallNow() + options.retry_max;
    }
    if (!refill) return;
    std::vector<signpost::DueKey> rows;
    std::optional<signpost::DueKey> next;
    const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kDue);
      for (cursor.Seek(refill->from); cursor.valid(); cursor.Next()) {
        auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        if (RunQueue::RunId{key->first_peer, key->lane} != refill->run) break;
        if (rows.size() == RunQueue::kRefillRows) {
          next = key;
          break;
        }
        rows.push_back(*key);
      }
      return absl::OkStatus();
    });
    base::MutexLock lock(mutex);
    if (!read.ok()) {
      // What was not read stays in the table; tried again with the next round.
      queue.EndRefill(refill->run, {}, signpost::DecodeDueKey(refill->from));
      base::LogWarning("fetcher: cannot read the queue: ", read.ToString());
      return;
    }
    queue.EndRefill(refill->run, rows, next);
    work.NotifyAll();
  }
}

void Fetcher::Impl::RouteAround() {
  while (true) {
    std::vector<base::BlobId> blobs;
    const base::WallTime now = parts.clock.WallNow();
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      blobs = queue.TakeUnrouted(kRoutePage, now);
    }
    if (blobs.empty()) return;
    std::vector<std::pair<base::BlobId, base::PeerId>> routes;
    const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
      for (const base::BlobId& blob : blobs) {
        const auto signpost = signpost::LoadSignpost(txn, blob);
        if (!signpost) continue;
        for (const base::PeerId& peer : signpost::LocationOrder(signpost->locations)) {
          const signpost::Location& location = signpost->locations.at(peer);
          if (location.denied != base::kNever && location.denied >= location.when_seen) break;
          if (parts.peers.Health(peer).Cooling(now)) continue;
          routes.emplace_back(blob, peer);
          break;
        }
      }
      return absl::OkStatus();
    });
    if (!read.ok()) return;
    base::MutexLock lock(mutex);
    for (const auto& [blob, peer] : routes) queue.Redirect(blob, peer);
    work.NotifyAll();
  }
}

void Fetcher::Impl::CheckPause() {
  {
    base::MutexLock lock(mutex);
    if (!pause.paused) return;
    if (pause.reason == "operator") {
      if (pause.until && *pause.until <= parts.clock.WallNow()) {
        pause = {};
        work.NotifyAll();
      }
      return;
    }
    if (parts.clock.SteadyNow() < next_space_check) return;
    next_space_check = parts.clock.SteadyNow() + kSpaceCheck;
  }
  // Room for one page more is no reason to begin: a margin of 1 MiB.
  const absl::Status space = parts.blobs.CheckSpace(uint64_t{1} << 20);
  base::MutexLock lock(mutex);
  if (!pause.paused || pause.reason == "operator") return;
  if (!space.ok()) {
    pause.detail = std::string(base::Std(space.message()));
    return;
  }
  base::LogInfo("fetcher: goes on after a pause (", pause.reason, ")");
  pause = {};
  work.NotifyAll();
}

void Fetcher::Impl::FindOldest() {
  {
    base::MutexLock lock(mutex);
    if (parts.clock.SteadyNow() < next_oldest) return;
    next_oldest = parts.clock.SteadyNow() + kOldestEvery;
  }
  std::optional<base::WallTime> oldest;
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kDue);
    std::size_t seen = 0;
    for (cursor.Seek(""); cursor.valid() && seen < kOldestRows; cursor.Next(), ++seen) {
      const auto payload = cursor.payload();
      const auto since = payload ? signpost::DecodeWantedSince(*payload) : std::nullopt;
      if (since && (!oldest || *since < *oldest)) oldest = since;
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return;
  base::MutexLock lock(mutex);
  oldest_wanted = oldest;
}

void Fetcher::Impl::StarterLoop() {
  while (true) {
    bool ready = false;
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      ready = loaded;
    }
    if (!ready) {
      const absl::Status status = LoadRuns();
      if (!status.ok()) base::LogWarning("fetcher: cannot read its queue: ", status.ToString());
    }
    FillUp();
    RouteAround();
    CheckPause();
    FindOldest();
    base::MutexLock lock(mutex);
    if (stopping) return;
    chore.WaitUntil(mutex, parts.clock.SteadyNow() + (loaded ? kIdle : base::Millis(100)));
  }
}

// ---- the workers ----

bool Fetcher::Impl::MayPick(uint32_t worker) const {
  return worker < options.concurrency && flights.size() < options.concurrency && !pause.paused &&
         loaded;
}

void Fetcher::Impl::WorkerLoop(uint32_t number) {
  while (true) {
    std::optional<RunQueue::Picked> picked;
    {
      base::MutexLock lock(mutex);
      while (!stopping) {
        const base::WallTime now = parts.clock.WallNow();
        if (MayPick(number)) picked = queue.Pick(now);
        if (picked && flights.contains(picked->key.blob)) {
          // The table was read while its attempt ran: single flight. The end of that puts it back.
          queue.Release(picked->at);
          picked.reset();
          continue;
        }
        if (picked) break;
        const auto next = queue.NextStart(now);
        const base::SteadyTime idle = parts.clock.SteadyNow() + kIdle;
        work.WaitUntil(mutex, next ? std::min(ToSteady(*next), idle) : idle);
      }
      if (stopping) return;
      auto flight = std::make_shared<Flight>();
      flight->at = picked->at;
      flights[picked->key.blob] = flight;
      if (queue.size() < RunQueue::kLowWater) chore.NotifyOne();
      work.NotifyOne();  // there may be more for another worker
    }
    RunOne(*picked);
  }
}

void Fetcher::Impl::RunOne(const RunQueue::Picked& picked) {
  const base::BlobId& blob = picked.key.blob;
  std::shared_ptr<Flight> flight;
  AttemptOptions attempt_options;
  {
    base::MutexLock lock(mutex);
    flight = flights.at(blob);
    attempt_options.stall_timeout = options.stall_timeout;
  }
  attempt_options.should_yield = [this, &picked] {
    base::MutexLock lock(mutex);
    return queue.OtherReady(picked.at, parts.clock.WallNow());
  };
  attempt_options.on_source = [this, &blob, flight](const base::PeerId& peer) {
    {
      base::MutexLock lock(mutex);
      flight->source = peer;
    }
    Announce(blob);
  };
  Announce(blob);
  const base::SteadyTime began = parts.clock.SteadyNow();
  const AttemptResult result =
      RunAttempt(attempt_parts, blob, attempt_options, flight->progress, flight->stop.get_token());
  bytes_total.Add(static_cast<double>(result.body_bytes));
  if (result.staged) {
    RecordSuccess(blob, result, began);
  } else if (result.still_wanted) {
    RecordFailure(blob, result);
  } else {
    RepairRow(blob);
  }
  {
    base::MutexLock lock(mutex);
    flights.erase(blob);
    queue.Release(picked.at);
    if (const auto it = audiences.find(blob); it != audiences.end()) {
      const bool whole =
          result.report.local == LocalEnd::kNone || result.report.local == LocalEnd::kTooLarge;
      if (whole && result.still_wanted) ++it->second->attempts_ended;
    }
    work.NotifyAll();
  }
  Requeue(blob);
  Announce(blob);
}

void Fetcher::Impl::Requeue(const base::BlobId& blob) {
  std::optional<signpost::DueKey> key;
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    const auto signpost = signpost::LoadSignpost(txn, blob);
    if (!signpost) return absl::OkStatus();
    const signpost::DueKey due = signpost::DueKeyOf(blob, *signpost);
    if (signpost::HasDueRow(txn, due)) key = due;
    return absl::OkStatus();
  });
  if (!read.ok()) base::LogWarning("fetcher: ", read.ToString());
  if (!key) return;
  base::MutexLock lock(mutex);
  if (!flights.contains(blob)) queue.Upsert(*key, audiences.contains(blob));
  work.NotifyOne();
}

}  // namespace waypost::fetcher
