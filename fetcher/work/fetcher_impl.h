#pragma once

// What the parts of the Fetcher share: fetcher.cc (lifecycle, workers), starter.cc (fills and
// routes the queue, ends pauses), batch.cc (what a worker does with what it took), record.cc (what
// an attempt leaves in the index), on_demand.cc (those who wait), operate.cc (retry, stop, pause),
// listing.cc and why.cc. Nobody else includes it.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/attempt/rate_limiter.h"
#include "fetcher/policy/run_queue.h"
#include "fetcher/work/fetcher.h"

namespace waypost::fetcher {

struct Fetcher::Impl {
  // Of a peer: one worker's, whatever it has under way there. Guarded by the Impl's mutex.
  struct Slot {
    base::PeerId at;
    bool held = true;
  };
  // One attempt under way: single flight. Guarded by the Impl's mutex but for `progress` and
  // `stop`.
  struct Flight {
    AttemptProgress progress;
    std::stop_source stop;
    base::PeerId source;  // whom it is asking
    // The row changed meanwhile; the last that was told of it.
    bool told = false;
    bool news = false;  // somebody may have the blob now
    std::optional<signpost::DueKey> due;
  };
  // A blob that a worker has taken, from its pick to its landing.
  struct Taken {
    RunQueue::Picked picked;
    std::shared_ptr<Flight> flight;
    AttemptResult result;
    Verdict verdict;
    bool alone = false;  // to be asked for by itself next time
  };
  // What was written down of a blob that arrived.
  struct Written {
    bool kept = false;    // it is still wanted
    bool stored = false;  // and was not here before
  };
  // What judging an attempt that did not bring the blob needs besides its own result.
  struct Failure {
    base::WallTime now;
    double unit = 0;
    AttemptReport report;
    RetryPolicy policy;
    bool window_full = false;
    bool to_write = false;
    Verdict verdict;
  };
  // Those who wait for one blob.
  struct Audience {
    uint32_t callers = 0;
    bool asked = false;  // its signpost says until when it is asked for
    uint64_t attempts_ended = 0;
    signpost::LastError last_error;
    base::Notifier changed;
  };
  // What the index says of a blob between attempts.
  struct RowState {
    std::optional<signpost::DueKey> due;  // its row in the table, if that is there
    bool wanted = false;                  // or asked for; also where it is stopped
  };

  Impl(FetcherOptions options_in, Parts parts_in);

  // ---- workers (fetcher.cc) ----
  void WorkerLoop(uint32_t number);
  void EnsureWorkers() EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // What one worker does next, all of it at one peer; empty: nothing may start.
  std::vector<Taken> TakeNext(uint32_t worker) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  AttemptOptions OptionsFor(const RunQueue::Picked& picked, Slot& slot);
  bool TakeSlot(Slot& slot, const base::PeerId& peer);
  // Nobody is asked any more: another worker may, while this one waits for its commit.
  void FreeSlot(Slot& slot);
  std::size_t BatchMax() const EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool ShouldYield(const Slot& slot);
  // The attempts are over: puts the blobs where they wait next.
  void Land(const std::vector<Taken*>& all);
  void LandOne(const Taken& taken, RowState& row) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status ReadRow(const base::BlobId& blob, RowState& row) const;
  void ReadRow(base::ReadTxn& txn, const base::BlobId& blob, RowState& row) const;
  // Something may start, or is to be filled or routed.
  void WakeAll() EXCLUSIVE_LOCKS_REQUIRED(mutex);
  base::SteadyTime ToSteady(base::WallTime wall) const;

  // ---- the starter (starter.cc) ----
  void StarterLoop();
  absl::Status LoadPause();
  absl::Status LoadRuns();
  void FillUp();
  void LookAround();
  void WalkAround();
  std::optional<base::PeerId> AnotherPeerFor(base::ReadTxn& txn, const base::BlobId& blob,
                                             base::WallTime now) const;
  std::optional<base::PeerId> ServerFor(base::ReadTxn& txn, const base::BlobId& blob,
                                        const std::vector<base::PeerId>& back,
                                        base::WallTime now) const;
  void ClampFarRows();
  void DropPartials();
  void CheckPause();
  void FindOldest();

  // ---- batch.cc ----
  struct Batch;
  void RunBatch(std::vector<Taken>& all, Slot& slot);

  // ---- record.cc: Begin and Note on the worker, Write in a transaction ----
  void WriteSuccess(base::WriteTxn& txn, const base::BlobId& blob, const AttemptResult& result,
                    base::WallTime now, Written& written) const;
  void NoteSuccess(const base::BlobId& blob, const AttemptResult& result, base::SteadyTime began,
                   const absl::Status& recorded, const Written& written);
  Failure BeginFailure(const AttemptResult& result);
  void WriteFailure(base::WriteTxn& txn, const base::BlobId& blob, const AttemptResult& result,
                    Failure& failure) const;
  void NoteFailure(const base::BlobId& blob, const AttemptResult& result,
                   const absl::Status& recorded, const Verdict& verdict);
  bool SomebodyReturned(const AttemptResult& result) const;
  // The queue named a blob that its rows do not want: makes the due row agree with them.
  void WriteRepair(base::WriteTxn& txn, const base::BlobId& blob, base::WallTime now) const;
  void PauseFor(const std::string& reason, const std::string& detail);

  // ---- on_demand.cc ----
  FetchState StateOf(const base::BlobId& blob) const;
  void Announce(const base::BlobId& blob);
  void CallerLeft(const base::BlobId& blob);
  FetchState StateFromRows(const syncgroup::BlobRecord& record) const;
  // Puts the blob into the window, wherever its row is in the table.
  absl::Status BringIn(const base::BlobId& blob);
  // Of a blob with a due row: "fetching", "parked", "waiting" or "due".
  const char* StateOf(const base::BlobId& blob, const signpost::Signpost& signpost,
                      base::WallTime now) const EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // kNever: it is not parked. Else when the first cool-down ends that it waits for.
  base::WallTime ParkedUntil(const base::BlobId& blob, const signpost::Signpost& signpost,
                             base::WallTime now) const EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::string BlockedBy(const base::BlobId& blob, const signpost::Signpost& signpost,
                        base::WallTime now) const EXCLUSIVE_LOCKS_REQUIRED(mutex);

  Parts parts;
  RateLimiter rate;
  AttemptParts attempt_parts;
  base::Notifier changed;

  mutable base::Mutex mutex;
  base::CondVar work;   // workers: something may start
  base::CondVar chore;  // starter: something is to be done before its next round
  FetcherOptions options GUARDED_BY(mutex);
  RunQueue queue GUARDED_BY(mutex);
  std::map<base::BlobId, std::shared_ptr<Flight>> flights GUARDED_BY(mutex);
  uint32_t running GUARDED_BY(mutex) = 0;  // workers that hold a slot
  std::map<base::BlobId, std::shared_ptr<Audience>> audiences GUARDED_BY(mutex);
  PauseState pause GUARDED_BY(mutex);
  uint32_t pauses_in_a_row GUARDED_BY(mutex) = 0;  // by itself, without a blob that arrived between
  base::SteadyTime next_pause_check GUARDED_BY(mutex){};
  // No longer due: what was begun of them is of no use, unless they were only stopped.
  std::deque<base::BlobId> left GUARDED_BY(mutex);
  // Among the first rows of the table, as the starter saw it last.
  std::optional<base::WallTime> oldest_wanted GUARDED_BY(mutex);
  bool started GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  bool loaded GUARDED_BY(mutex) = false;

  std::stop_source shutdown;

  // Of the starter alone.
  base::SteadyTime next_oldest{}, next_clamp{}, walk_began{}, next_walk{};
  uint64_t load_failures = 0;

  base::Thread starter;
  std::vector<base::Thread> workers GUARDED_BY(mutex);

  std::map<std::string, base::Counter> attempts_total;
  base::Counter bytes_total, hint_hit, hint_miss;
  base::Histogram duration_seconds;
};

// What an attempt under way has come to, for people.
inline void FillIn(FetchState& state, const AttemptProgress& progress, const base::PeerId& source) {
  state.kind = progress.transferring ? FetchState::Kind::kFetching : FetchState::Kind::kLocating;
  state.received_bytes = progress.received_bytes;
  if (const uint64_t total = progress.total_bytes) state.total_bytes = total;
  state.source = source;
}

inline constexpr char kPauseKey[] = "fetcher.pause_until_ms";
// A pause without an end.
inline constexpr int64_t kPauseForEver = INT64_MAX;

}  // namespace waypost::fetcher
