#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "base/ids.h"
#include "base/time.h"
#include "fetcher/policy/indexed_heap.h"
#include "signpost/due_key.h"

namespace waypost::fetcher {

// What may start next: a bounded window over the table `due`, cut into runs (first peer, lane).
// Pure: told everything, asks nobody, knows no clock. Not thread-safe. A hint: the table is the
// truth, and what is picked is looked up again before it starts.
//
// A peer that cools holds back its runs without a row being rewritten; its return frees them in one
// step; the mere end of a cool-down lets one attempt go first alone. Each entry waits *at* a peer:
// at home, which is the first peer of its row, or redirected, where another peer has it while the
// home cools, or where it could not be asked for want of a slot. That is in memory only, so that
// the key on disk stays the pure function of the signpost that it is: after a restart it is found
// out again.
//
// What holds between calls:
// - An entry waits in one place: an element with its row on one shelf of the peer it waits at, and
//   no shelf holds anything else.
// - It waits on the shelf of waiting clients exactly while one waits, else on that of its lane; the
//   large ones on shelves of their own.
// - Of the slots that are held at a peer, and of all, those of large ones are counted.
// - It may start when its row is due, or earlier because its peer returned; never later.
// - A run counts its entries in memory, wherever they wait. A peer counts those that are at home
//   there and wait elsewhere.
// - Every row of the table that is below its run's bound is in memory, unless it was picked. A run
//   that is being filled up, or was freed beyond its bound, has a bound.
// - A peer has entries to look at only within a cool-down or while it is poor. A walk of its rows
//   and a noted end it has only within a cool-down.
class RunQueue {
 public:
  static constexpr std::size_t kWindow = 65536;     // entries in memory, in all
  static constexpr std::size_t kRunMin = 256;       // a run may always hold this many
  static constexpr std::size_t kLowWater = 64;      // below it a run is filled up from the table
  static constexpr std::size_t kRefillRows = 1000;  // read from the table at once
  static constexpr std::size_t kRoutedMax = 4096;   // redirected away from one cooling peer
  static constexpr uint32_t kRetryEvery = 4;        // every fourth pick at a peer is a retry
  static constexpr std::size_t kShareMin = 64;      // fewer are not shared among slots
  // Of a slot's time: what two transfers take that give way after a minute.
  static constexpr base::Millis kOwedMax{120'000};

  using RunId = std::pair<base::PeerId, signpost::DueLane>;

  // `per_peer`: slots at one peer; `all`: at all together, which whoever picks keeps to. Of each
  // the last is for small blobs where there are two or more, so that they never wait for a large
  // one to end.
  explicit RunQueue(uint32_t per_peer, uint32_t all = std::numeric_limits<uint32_t>::max())
      : per_peer_(per_peer), all_(all) {}
  void SetSlots(uint32_t per_peer, uint32_t all) {
    per_peer_ = per_peer;
    all_ = all;
  }

  // ---- rows ----
  // A run that the table holds, found at the start: `rows` of it are on disk, none is in memory.
  void AddStoredRun(const RunId& run, const signpost::DueKey& first, uint64_t rows);
  // A row was added to the table (+1) or went from it (-1).
  void CountRow(const signpost::DueKey& key, int change);
  // The blob's row is now `key`. `force`: kept in memory even when the window is full.
  void Upsert(const signpost::DueKey& key, bool force = false);
  void Erase(const signpost::DueKey& key);
  // The blob was just looked at and nobody else may be asked: no need to look before somebody
  // returns.
  void MarkSeen(const base::BlobId& blob);
  bool Contains(const base::BlobId& blob) const { return entries_.contains(blob); }
  // Where the blob waits; nullopt when it is not in memory.
  std::optional<base::PeerId> WaitsAt(const base::BlobId& blob) const;
  std::vector<RunId> Runs() const;

  // ---- peers ----
  // `end` kNever: it does not cool; where it did before, it has returned. A return frees its whole
  // run: also what waits for a later time may start, see Picked::free_since.
  void SetCoolDown(const base::PeerId& peer, base::WallTime end, base::WallTime now);
  // Blobs come from it slowly or not at all: what waits there is looked at as while it cools, so
  // that it goes where somebody else has it, and waits for no slot there meanwhile.
  void SetPoor(const base::PeerId& peer, bool poor);
  // Notes the cool-downs that ended since the last call: who waits for others may be asked of these
  // peers.
  void NoteEnds(base::WallTime now);
  // The time of the peer's slots counts for `sponsor` too: the member that brought it in, so that
  // nobody gets more by inviting many. Zero: for itself.
  void SetSponsor(const base::PeerId& peer, const base::PeerId& sponsor);
  // The blob may be asked of `peer` meanwhile, or waits for its slot or return.
  void Redirect(const base::BlobId& blob, const base::PeerId& peer);
  // There is news of it: it waits nowhere but at its home any more, and while that cools or is poor
  // it is looked at again, for the news may be that somebody else has it.
  void GoHome(const base::BlobId& blob);

  // ---- routing around peers that cool: what to look up in the table ----
  // Blobs in memory that wait at a peer that cools or is poor, and for which somebody else might be
  // asked.
  struct Look {
    // They wait at their home.
    std::vector<base::BlobId> at_home;
    // They wait elsewhere, because nobody else was known. Only the peers in `usable` are news.
    std::vector<base::BlobId> away;
    // The peers that became usable since the last Look.
    std::vector<base::PeerId> usable;
  };
  // At most `limit` blobs. Empty when nothing has to be looked up.
  Look TakeLook(std::size_t limit, base::WallTime now);
  // Rows of a cooling peer's runs, from `from` on, in key order over both lanes.
  struct Walk {
    base::PeerId peer;
    signpost::DueKey from;
    // The peers that became usable since the walk before this one: they are news to every row.
    std::vector<base::PeerId> usable;
  };
  // `may_restart`: walks that ended may begin anew where a peer became usable since.
  std::optional<Walk> BeginWalk(base::WallTime now, bool may_restart);
  struct Route {
    signpost::DueKey key;
    base::PeerId to;
  };
  // `next`: the first row that was not looked at; nullopt at the end of the peer's runs.
  void EndWalk(const base::PeerId& peer, const std::vector<Route>& routes,
               std::optional<signpost::DueKey> next);

  // ---- picking ----
  void SetWaiting(const base::BlobId& blob, bool waiting);
  struct Picked {
    signpost::DueKey key;
    base::PeerId at;  // whose slot it takes
    // Not kNever: its row says later, but its peer returned then. What failed after that waits on.
    base::WallTime free_since;
    bool alone = false;  // it is large: its slot is one that those may have
  };
  // The next attempt that may start at `now`; takes it out and its peer's slot. Of the peers that
  // may start the one whose slots were held for the shortest time goes first, so that who sends
  // slowly gets its share of the time and not of the picks; round robin among those that are equal.
  // Who had nothing to give for a while is owed kOwedMax for it at most. At one peer as KindOfPick
  // says.
  std::optional<Picked> Pick(base::WallTime now);
  // After Pick, up to `limit` more that may go in the same slot, in the order in which Pick would
  // give them: none where it was to go alone, or its peer has not answered since it cooled. Leaves
  // half of what is ready to the peer's other slots.
  void PickMore(std::size_t limit, base::WallTime now, std::vector<Picked>& picked);
  // The blob is large: the next time it is picked, it is alone.
  void MarkAlone(const base::BlobId& blob);
  // A slot that somebody holds.
  struct Held {
    base::PeerId at;
    bool large = false;  // it counts as a large one's
  };
  // `how_long`: it was held.
  void Release(const Held& slot, base::Millis how_long);
  // What was picked as small is large. False, and nothing changed, where large ones have all slots
  // that they may have.
  bool Enlarge(const base::PeerId& at);
  // Gives a slot back and takes one of another peer; false, and nothing changed, when that has none
  // free.
  bool MoveSlot(const Held& slot, const base::PeerId& to, base::Millis how_long,
                base::WallTime now);
  // When Pick may give something that it does not give at `now`, if nothing else happens.
  std::optional<base::WallTime> NextStart(base::WallTime now) const;
  // Could an entry of another peer start at `now` if this slot were free? (A slow transfer gives it
  // up then.)
  bool OtherReady(const Held& slot, base::WallTime now) const;

  // ---- filling up from the table ----
  struct Refill {
    RunId run;
    signpost::DueKey from;
  };
  // A run that should be filled up. From now on every Upsert to it is kept, so that no row
  // committed before the read that follows is missed.
  std::optional<Refill> BeginRefill();
  // `rows` in key order; `next`: the first key of the run that was not read, nullopt at its end.
  void EndRefill(const RunId& run, const std::vector<signpost::DueKey>& rows,
                 std::optional<signpost::DueKey> next);

  // True once after something came up for who fills and routes.
  bool TakeChore() { return std::exchange(chore_, false); }
  // Is there one to take? For who wakes the one that takes them: it may be at work, and looks again
  // before it waits.
  bool HasChore() const { return chore_; }

  // ---- looking at it ----
  struct Counts {
    uint64_t due = 0, waiting = 0, parked = 0;  // in memory
    // Rows beyond the window, about: of runs whose peer cools, and of runs whose next row is due.
    uint64_t beyond_parked = 0, beyond_due = 0;
  };
  Counts Count(base::WallTime now) const;
  std::size_t size() const { return entries_.size(); }
  base::WallTime CoolDownEnd(const base::PeerId& peer) const;
  // Its cool-down has begun, and its end was not noted.
  bool Cools(const base::PeerId& peer) const;
  bool Full(const base::PeerId& peer) const;
  // Is the blob large, and waits for one of the slots that those may have?
  bool WaitsForLarge(const base::BlobId& blob) const;
  // What does not hold of the above, for people; empty when all of it does. `table`: the rows on
  // disk that nobody has picked. Looks at everything: for tests.
  std::string CheckInvariants(const std::set<signpost::DueKey>& table) const;

 private:
  class Check;  // of the invariants
  struct Item {
    base::WallTime start;  // the row's due time, or the return of its peer
    signpost::DueKey key;
  };
  struct ByStart {
    bool operator()(const Item& a, const Item& b) const {
      return a.start != b.start ? a.start < b.start : a.key.blob < b.key.blob;
    }
  };
  struct StartOf {
    int64_t operator()(const Item& item) const { return base::ToMs(item.start); }
  };
  using Heap = IndexedHeap<Item, ByStart, StartOf>;
  // kWaited: a client waits for it. Large ones stand as many further.
  enum Shelf { kWaited = 0, kFresh = 1, kRetried = 2, kLarge = 3, kShelves = 6 };
  struct Entry {
    signpost::DueKey key;
    base::PeerId at;
    Heap::Handle handle = 0;
    Shelf shelf = kFresh;
    bool alone = false;
  };
  struct Peer {
    Heap shelves[kShelves];
    base::WallTime cool_down_end;  // kNever: not cooling
    bool end_noted = false;
    bool poor = false;
    base::WallTime returned;
    uint32_t running = 0;
    uint32_t large = 0;  // of those
    uint32_t picks = 0;
    base::PeerId sponsor;  // zero: itself
    base::Millis used{0};  // slots were held of those for whom it pays, all together
    // While it cools or is poor: entries that wait here and have not been looked at.
    std::deque<base::BlobId> unseen;
    // While it cools: how far its rows in the table have been looked at.
    enum class WalkState { kNone, kToDo, kUnderWay, kDone };
    WalkState walk = WalkState::kNone;
    std::optional<signpost::DueKey> walk_from;  // nullopt: its first row
    bool walk_again = false;
    std::set<base::PeerId> usable;          // since the last walk began
    std::vector<base::PeerId> walk_usable;  // what `usable` was then
    std::size_t away = 0;                   // entries at home here that wait elsewhere
  };
  struct Run {
    // Every row of the run below it is in memory; nullopt: every row is.
    std::optional<signpost::DueKey> bound;
    bool refilling = false;
    bool freed = false;      // rows from the bound on may start since its peer's return
    int64_t rows = 0;        // on disk, about
    std::size_t loaded = 0;  // in memory
  };

  bool MayStart(const base::PeerId& id, const Peer& peer, base::WallTime now) const;
  // May one more large blob be under way at `peer`, once `but` others have ended elsewhere?
  bool LargeMayStart(const base::PeerId& id, const Peer& peer, uint32_t but = 0) const;
  const Peer& SponsorOf(const Peer& peer) const;
  static std::optional<Shelf> ShelfToPick(const Peer& peer, base::WallTime now, bool large);
  Shelf ShelfOf(const signpost::DueKey& key, bool alone) const;
  void Reshelve(Entry& entry, bool alone);
  Heap::Handle Enter(const Item& item, const base::PeerId& at, Shelf shelf);
  void Leave(const Entry& entry);
  void Insert(const Item& item, const base::PeerId& at, bool alone = false);
  void Insert(const signpost::DueKey& key, const base::PeerId& at, bool alone = false) {
    Insert({key.due, key}, at, alone);
  }
  Picked TakeTop(const base::PeerId& id, Peer& peer, Shelf shelf, base::WallTime now);
  void Remove(const base::BlobId& blob);
  void MoveTo(const base::BlobId& blob, const base::PeerId& at);
  void FreeRun(const base::PeerId& id, Peer& peer, base::WallTime now);
  void BecameUsable(const base::PeerId& id);

  uint32_t per_peer_;
  uint32_t all_;
  uint32_t large_ = 0;  // slots that large ones hold
  std::map<base::PeerId, Peer> peers_;
  std::map<RunId, Run> runs_;
  // Not Abseil's, which are broken for good where there is no memory for them to grow.
  std::unordered_map<base::BlobId, Entry, absl::Hash<base::BlobId>> entries_;
  std::unordered_set<base::BlobId, absl::Hash<base::BlobId>> waiting_;
  std::set<base::PeerId> usable_;  // since the last Look
  base::PeerId last_picked_;
  base::Millis time_{0};  // the most that a peer had used when it was picked
  bool chore_ = false;
};

// Which of what is ready at a peer goes next at its pick number `picks` (from 0): a waiting client
// first, then new, then retry; every fourth pick a retry and, of those that find clients waiting,
// every other one new, so that nothing starves. Pure.
enum class PickKind { kWaited, kNew, kRetry };
std::optional<PickKind> KindOfPick(uint32_t picks, bool waited, bool fresh, bool retry);

}  // namespace waypost::fetcher
