#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/ids.h"
#include "fetcher/indexed_heap.h"
#include "signpost/due.h"

namespace waypost::fetcher {

// What may start next: a bounded window over the table `due`, cut into runs (first peer, lane).
// Pure: told everything, asks nobody, knows no clock. Not thread-safe. A hint: the table is the
// truth, and what is picked is looked up again before it starts.
//
// A peer that cools holds back its runs without a row being rewritten; its return frees them in one
// step; the mere end of a cool-down lets one attempt go first alone. Rows of a cooling peer that
// another usable peer has are redirected (Unrouted, Redirect): in memory only, so that the key on
// disk stays the pure function of the signpost that it is.
class RunQueue {
 public:
  static constexpr std::size_t kWindow = 65536;  // entries in memory, in all
  static constexpr std::size_t kRunMin = 256;    // a run may always hold this many
  static constexpr std::size_t kLowWater = 64;   // below it a run is filled up from the table
  static constexpr std::size_t kRefillRows = 1000;
  static constexpr uint32_t kRetryEvery = 4;  // every fourth pick at a peer is a retry

  using RunId = std::pair<base::PeerId, signpost::Lane>;

  explicit RunQueue(uint32_t per_peer) : per_peer_(per_peer) {}
  void SetPerPeer(uint32_t per_peer) { per_peer_ = per_peer; }

  // ---- rows ----
  // A run that the table holds, found at the start: `rows` of it are on disk, none is in memory.
  void AddStoredRun(const RunId& run, const signpost::DueKey& first, uint64_t rows);
  // The blob's row is now `key`. `force`: kept in memory even when the window is full.
  void Upsert(const signpost::DueKey& key, bool force = false);
  void Erase(const signpost::DueKey& key);
  bool Contains(const base::BlobId& blob) const { return entries_.contains(blob); }

  // ---- peers ----
  // kNever: not cooling. A return is told by Returned.
  void SetCoolDown(const base::PeerId& peer, base::WallTime end);
  void Returned(const base::PeerId& peer) { SetCoolDown(peer, base::kNever); }
  // Up to `limit` blobs that wait for a cooling peer and were not looked at since it began to cool.
  std::vector<base::BlobId> TakeUnrouted(std::size_t limit, base::WallTime now);
  // The blob may be asked of `peer` meanwhile.
  void Redirect(const base::BlobId& blob, const base::PeerId& peer);

  // ---- picking ----
  void SetWaiting(const base::BlobId& blob, bool waiting);
  struct Picked {
    signpost::DueKey key;
    base::PeerId at;  // whose slot it takes
  };
  // The next attempt that may start at `now`; takes it out and its peer's slot. Round robin over
  // the peers that may start; at one peer a waiting client first, then new, then retry, every
  // fourth pick retry.
  std::optional<Picked> Pick(base::WallTime now);
  void Release(const base::PeerId& at);
  // When Pick may give something that it does not give at `now`, if nothing else happens.
  std::optional<base::WallTime> NextStart(base::WallTime now) const;
  // Is an entry of another peer than `at` ready to start at `now`? (A slow transfer gives up its
  // slot.)
  bool OtherReady(const base::PeerId& at, base::WallTime now) const;

  // ---- filling up from the table ----
  struct Refill {
    RunId run;
    std::string from;  // encoded key to seek
  };
  // A run that should be filled up. From now on every Upsert to it is kept, so that no row
  // committed before the read that follows is missed.
  std::optional<Refill> BeginRefill();
  // `rows` in key order; `next`: the first key of the run that was not read, nullopt at its end.
  void EndRefill(const RunId& run, const std::vector<signpost::DueKey>& rows,
                 std::optional<signpost::DueKey> next);

  // ---- looking at it ----
  struct Counts {
    uint64_t due = 0, waiting = 0, parked = 0;
  };
  Counts Count(base::WallTime now) const;
  std::size_t size() const { return entries_.size(); }
  base::WallTime CoolDownEnd(const base::PeerId& peer) const;
  uint32_t Running(const base::PeerId& peer) const;

 private:
  struct ByDue {
    bool operator()(const signpost::DueKey& a, const signpost::DueKey& b) const {
      return a.due < b.due;
    }
  };
  using Heap = IndexedHeap<signpost::DueKey, ByDue>;
  struct Entry {
    signpost::DueKey key;
    base::PeerId at;
    Heap::Handle handle = 0;
    bool looked_at = false;  // since its peer began to cool
  };
  struct Lanes {
    Heap fresh, retry;
    Heap& Of(signpost::Lane lane) { return lane == signpost::Lane::kNew ? fresh : retry; }
    const Heap& Of(signpost::Lane lane) const {
      return lane == signpost::Lane::kNew ? fresh : retry;
    }
  };
  struct Peer {
    Lanes lanes;
    base::WallTime cool_down_end;  // kNever: not cooling
    uint32_t running = 0;
    uint32_t picks = 0;
    std::deque<base::BlobId> unrouted;
  };
  struct Run {
    // Every row of the run below it is in memory; nullopt: every row is.
    std::optional<signpost::DueKey> bound;
    bool refilling = false;
    uint64_t rows = 0;       // on disk
    std::size_t loaded = 0;  // in memory
  };

  bool MayStart(const base::PeerId& id, const Peer& peer, base::WallTime now) const;
  static std::optional<signpost::Lane> LaneToPick(const Peer& peer, base::WallTime now);
  void Insert(const signpost::DueKey& key, const base::PeerId& at);
  void Remove(const base::BlobId& blob);
  std::optional<base::BlobId> WaitingAt(const Peer& peer, const base::PeerId& id) const;

  uint32_t per_peer_;
  std::map<base::PeerId, Peer> peers_;
  std::map<RunId, Run> runs_;
  absl::flat_hash_map<base::BlobId, Entry> entries_;
  absl::flat_hash_set<base::BlobId> waiting_;
  base::PeerId last_picked_;
};

}  // namespace waypost::fetcher
