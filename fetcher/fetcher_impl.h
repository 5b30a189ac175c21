#pragma once

// What the parts of the Fetcher share: fetcher.cc (lifecycle, threads), record.cc (what an attempt
// leaves in the index), on_demand.cc (those who wait), operate.cc (retry, stop, pause), listing.cc
// and why.cc. Nobody else includes it.

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "fetcher/attempt.h"
#include "fetcher/fetcher.h"
#include "fetcher/rate_limiter.h"
#include "fetcher/run_queue.h"

namespace waypost::fetcher {

struct Fetcher::Impl {
  // One attempt under way: single flight.
  struct Flight {
    AttemptProgress progress;
    std::stop_source stop;
    base::PeerId at;      // whose slot it takes
    base::PeerId source;  // guarded by the Impl's mutex: whom it is asking
  };
  // Those who wait for one blob.
  struct Audience {
    uint32_t callers = 0;
    uint64_t attempts_ended = 0;
    signpost::LastError last_error;
    base::Notifier changed;
  };

  Impl(FetcherOptions options_in, Parts parts_in);

  // ---- threads (fetcher.cc) ----
  void StarterLoop();
  void WorkerLoop(uint32_t number);
  void EnsureWorkers() EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool MayPick(uint32_t worker) const EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void RunOne(const RunQueue::Picked& picked);
  absl::Status LoadRuns();
  void FillUp();
  void RouteAround();
  void CheckPause();
  void FindOldest();
  void CancelFlight(const base::BlobId& blob) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Puts the blob back into the queue if its row is still there.
  void Requeue(const base::BlobId& blob);
  base::SteadyTime ToSteady(base::WallTime wall) const;

  // ---- record.cc ----
  void RecordSuccess(const base::BlobId& blob, const AttemptResult& result, base::SteadyTime began);
  void RecordFailure(const base::BlobId& blob, const AttemptResult& result);
  // The queue named a blob that its rows do not want: makes the due row agree with them.
  void RepairRow(const base::BlobId& blob);
  void PauseFor(const std::string& reason, const std::string& detail);

  // ---- on_demand.cc ----
  FetchState StateOf(const base::BlobId& blob) const;
  void Announce(const base::BlobId& blob);
  void CallerLeft(const base::BlobId& blob);
  FetchState StateFromRows(const base::BlobId& blob, const syncgroup::BlobRecord& record) const;
  // Does the signpost name a location that neither cools nor denied?
  bool AnotherUsable(const signpost::Signpost& signpost, base::WallTime now) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::string BlockedBy(const base::BlobId& blob, const signpost::Signpost& signpost) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex);

  Parts parts;
  RateLimiter rate;
  AttemptParts attempt_parts;
  base::Notifier changed;

  mutable base::Mutex mutex;
  base::CondVar work;   // workers: something may start
  base::CondVar chore;  // starter
  FetcherOptions options GUARDED_BY(mutex);
  RunQueue queue GUARDED_BY(mutex);
  std::map<base::BlobId, std::shared_ptr<Flight>> flights GUARDED_BY(mutex);
  std::map<base::BlobId, std::shared_ptr<Audience>> audiences GUARDED_BY(mutex);
  PauseState pause GUARDED_BY(mutex);
  base::SteadyTime next_space_check GUARDED_BY(mutex){};
  // Among the first rows of the table, as the starter saw it last.
  std::optional<base::WallTime> oldest_wanted GUARDED_BY(mutex);
  base::SteadyTime next_oldest GUARDED_BY(mutex){};
  bool started GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  bool loaded GUARDED_BY(mutex) = false;

  base::Thread starter;
  std::vector<base::Thread> workers GUARDED_BY(mutex);

  std::map<std::string, base::Counter> attempts_total;
  base::Counter bytes_total, hint_hit, hint_miss;
  base::Histogram duration_seconds;
};

inline constexpr char kPauseKey[] = "fetcher.pause_until_ms";
// A pause without an end.
inline constexpr int64_t kPauseForEver = INT64_MAX;

}  // namespace waypost::fetcher
