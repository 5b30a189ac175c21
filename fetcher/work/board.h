#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/notifier.h"
#include "blobstore/blob_store.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/policy/outcome.h"
#include "fetcher/policy/pause.h"
#include "fetcher/policy/run_queue.h"
#include "fetcher/work/fetch_state.h"
#include "fetcher/work/fetcher_options.h"
#include "signpost/peer_book.h"
#include "signpost/signpost.h"
#include "syncgroup/ledger/wake.h"

namespace waypost::fetcher {

// One attempt under way, from the pick of its blob to its landing.
class Flight {
 public:
  AttemptProgress progress;
  std::stop_source stop;

 private:
  friend class Board;    // under its mutex
  base::PeerId source_;  // whom it is asking
  // The row changed meanwhile; the last that was told of it.
  bool told_ = false;
  bool news_ = false;  // somebody may have the blob now
  std::optional<signpost::DueKey> due_;
};

// Those who wait for one blob.
class Callers {
 public:
  base::Notifier changed;
  std::atomic<bool> asked{false};  // its signpost says until when it is asked for

 private:
  friend class Board;  // under its mutex
  uint32_t count_ = 0;
  uint64_t attempts_ended_ = 0;
  signpost::LastError last_error_;
};

// One worker's, at one peer, whatever it has under way there. Of that worker's thread.
struct Slot {
  base::PeerId at;
  base::SteadyTime since;  // when it was taken there
  bool large = false;      // it is one of those that a large blob may have
  bool held = true;
};

// A blob that a worker has taken, from its pick to its landing. Of that worker's thread.
struct Taken {
  RunQueue::Picked picked;
  std::shared_ptr<Flight> flight;
  AttemptResult result;
  Consequences consequences;
  bool alone = false;  // to be asked for by itself next time
};

// What the parts of the fetcher share: what waits (the queue), what runs (the flights), who waits
// for it, and whether anything may start. Thread-safe; a method locks, decides, and lets go. It
// reads no index and asks no peer.
//
// What holds whenever the mutex is free:
// - A blob has one flight at most. The queue may name it meanwhile, as the table does: Take lets
//   that go, and Land puts back what its row says then.
// - Each slot that is held counts once at its peer in the queue and once among those that run.
// - The queue lets a blob go first exactly while it has callers.
// - Nothing is taken before the stored runs are known, while paused, or after Stop.
//
// Locks: under its mutex only leaves are called (the clock, the look-ups of the peer book). Who is
// told (notifiers, stop tokens) is told after it was released; so every method may be called from
// any callback, but never under another part's mutex.
class Board {
 public:
  // All outlive it.
  struct Parts {
    const base::Clock& clock;
    const signpost::PeerBook& peers;
    const blobstore::BlobStore& blobs;  // how much of it waits in memory
  };
  Board(const FetcherOptions& options, const Parts& parts);

  FetcherOptions options() const;
  void SetOptions(const FetcherOptions& options);
  // Nothing starts any more; what runs is told to end.
  void Stop();
  bool stopped() const;
  std::stop_token stop_token() const { return stop_.get_token(); }
  // Told after every change that people may want to see.
  base::Notifier& changed() { return changed_; }

  // ---- news ----
  void OnBlobChange(const syncgroup::BlobChange& change);
  void OnPeerHealth(const base::PeerId& peer);

  // ---- of the workers ----
  // What worker `number` (from 0) does next, all of it at one peer, with the slot for it. Waits
  // until something may start; empty: Stop was called.
  std::vector<Taken> Take(uint32_t number);
  // The slot is to be one of `peer`'s, which `sponsor` brought in (zero: nobody); false, and the
  // slot is what it was, when none is free there.
  bool MoveSlot(Slot& slot, const base::PeerId& peer, const base::PeerId& sponsor);
  // What comes is large: may this slot carry it? It does from then on. False: it goes back, and the
  // slot is for small ones.
  bool Enlarge(Slot& slot);
  // Nobody is asked any more: another worker may, while this one waits for its commit.
  void FreeSlot(Slot& slot);
  // Does somebody here wait for the blob?
  bool Waited(const base::BlobId& blob) const;
  bool HasFreeSlot(const base::PeerId& peer) const;
  // Is the transfer in this slot in the way of another peer's?
  bool ShouldYield(const Slot& slot) const;
  // Where memory ran out, somebody else may give some back: waits a second, or until Stop.
  void RestForMemory();
  void NoteSource(Flight& flight, const base::PeerId& peer);
  // The attempt is over: the blob waits where its row says. `due` was read while the flight stood:
  // what was told of the row since then is newer and goes before it.
  struct Landing {
    const Taken& taken;
    std::optional<signpost::DueKey> due;
  };
  void Land(std::span<const Landing> landings);

  // ---- of the starter ----
  using StoredRun = std::pair<signpost::DueKey, uint64_t>;  // first row, rows
  // What the table held at the start: from now on something may be taken.
  void AddStoredRuns(const std::map<RunQueue::RunId, StoredRun>& runs);
  std::vector<RunQueue::RunId> Runs() const;
  // As in RunQueue; nothing more is begun after Stop.
  std::optional<RunQueue::Refill> BeginRefill();
  void EndRefill(const RunQueue::RunId& run, const std::vector<signpost::DueKey>& rows,
                 std::optional<signpost::DueKey> next);
  RunQueue::Look TakeLook(std::size_t limit, base::WallTime now);
  void EndLook(const std::vector<std::pair<base::BlobId, base::PeerId>>& routes);
  std::optional<RunQueue::Walk> BeginWalk(base::WallTime now, bool may_restart);
  void EndWalk(const base::PeerId& peer, const std::vector<RunQueue::Route>& routes,
               std::optional<signpost::DueKey> next);
  // A blob that went from the table, and of which bytes may have been kept to go on from.
  std::optional<base::BlobId> TakeLeft();
  void SetOldestWanted(std::optional<base::WallTime> oldest);
  // Until there is something to fill, route or drop, `idle` at most. False: Stop was called.
  bool AwaitChore(base::Millis idle);

  // ---- of those who wait ----
  std::shared_ptr<Callers> Join(const base::BlobId& blob);
  // True when it was the last one and what the signpost says of the asking is to be renewed.
  bool Leave(const base::BlobId& blob);
  // Into the window, wherever its row is in the table.
  void BringIn(const signpost::DueKey& due);
  // Tells those who wait for the blob, and everybody.
  void Announce(const base::BlobId& blob);

  // ---- the pause ----
  PauseState pause() const;
  void PauseByOperator(std::optional<base::WallTime> until);
  // How many pauses of our own came in a row with this one; nullopt: it was paused already.
  std::optional<uint32_t> PauseByItself(PauseReason reason, const std::string& detail);
  void Resume();
  void NoteArrival();
  // Ends a pause whose time is over. True: is the disk well again? Then comes NoteDisk.
  bool CheckPause();
  void NoteDisk(const std::string& trouble);

  // ---- looking at it ----
  bool WindowFull() const;
  bool InFlight(const base::BlobId& blob) const;
  // Every flight with its state, by blob.
  std::vector<std::pair<base::BlobId, FetchState>> Flights() const;
  struct Counts {
    RunQueue::Counts queued;
    uint64_t fetching = 0;
    std::optional<base::WallTime> oldest_wanted;  // as the starter saw it last
  };
  Counts Count() const;
  // Of a blob with a due row.
  WaitState WaitOf(const base::BlobId& blob, const signpost::Signpost& signpost) const;
  // Adds what is known here to what the rows say of a blob. `signpost`: null where there is none.
  void FillIn(FetchState& state, const base::BlobId& blob,
              const signpost::Signpost* signpost) const;

 private:
  std::vector<Taken> TakeNow(uint32_t number) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::size_t BatchMax() const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LandOne(const Landing& landing) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Something may start, or is to be filled or routed.
  void WakeAll() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Callers> CallersOf(const base::BlobId& blob) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  base::PeerId WaitsAt(const base::BlobId& blob, const signpost::Signpost& signpost) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // kNever: it is not parked. Else when the first cool-down ends that it waits for.
  base::WallTime ParkedUntil(const base::BlobId& blob, const signpost::Signpost& signpost,
                             base::WallTime now) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Obstacle ObstacleOf(const base::BlobId& blob, const signpost::Signpost& signpost,
                      base::WallTime now) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  base::SteadyTime ToSteady(base::WallTime wall) const;
  base::Millis HeldFor(const Slot& slot) const;

  const Parts parts_;
  base::Notifier changed_;
  std::stop_source stop_;

  mutable base::Mutex mutex_;
  base::CondVar work_;   // workers: something may start
  base::CondVar chore_;  // starter: something is to be done before its next round
  FetcherOptions options_ GUARDED_BY(mutex_);
  RunQueue queue_ GUARDED_BY(mutex_);
  std::map<base::BlobId, std::shared_ptr<Flight>> flights_ GUARDED_BY(mutex_);
  uint32_t running_ GUARDED_BY(mutex_) = 0;  // workers that hold a slot
  std::map<base::BlobId, std::shared_ptr<Callers>> callers_ GUARDED_BY(mutex_);
  Pause pause_ GUARDED_BY(mutex_);
  // No longer due: what was begun of them is of no use, unless they were only stopped.
  std::deque<base::BlobId> left_ GUARDED_BY(mutex_);
  std::optional<base::WallTime> oldest_wanted_ GUARDED_BY(mutex_);
  bool loaded_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace waypost::fetcher
