#include "fetcher/policy/run_queue.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"

// Three indexes over the same entries: by blob, by where they wait (a heap for each shelf of a
// peer), and counted by the run of their rows. Every change goes through Insert, Remove and MoveTo,
// which keep the three in step, also where memory runs out in them. Rows that are not in memory are
// known by a bound alone: every row of the run below it is here, so that one that does not fit
// lowers it, and the next refill reads from there.

namespace waypost::fetcher {

using signpost::DueKey;
using signpost::DueLane;

// ---- rows ----

void RunQueue::AddStoredRun(const RunId& run, const DueKey& first, uint64_t rows) {
  Run& added = runs_[run];
  // Rows that were told of meanwhile and did not fit may come before.
  if (!added.bound || first < *added.bound) added.bound = first;
  added.rows = static_cast<int64_t>(rows);
  chore_ = true;
}

void RunQueue::CountRow(const DueKey& key, int change) {
  runs_[{key.first_peer, key.lane}].rows += change;
}

RunQueue::Shelf RunQueue::ShelfOf(const DueKey& key, bool alone) const {
  const int small = waiting_.contains(key.blob) ? kWaited
                    : key.lane == DueLane::kNew ? kFresh
                                                : kRetried;
  return static_cast<Shelf>(small + (alone ? kLarge : 0));
}

void RunQueue::Reshelve(Entry& entry, bool alone) {
  Peer& peer = peers_.at(entry.at);
  const Shelf shelf = ShelfOf(entry.key, alone);
  // On the new one before it leaves the old: where there is no memory it stays what it was.
  const Heap::Handle handle = peer.shelves[shelf].Push(peer.shelves[entry.shelf].Get(entry.handle));
  peer.shelves[entry.shelf].Remove(entry.handle);
  entry.handle = handle;
  entry.shelf = shelf;
  entry.alone = alone;
}

// Where memory runs out it waits nowhere, and is counted nowhere.
RunQueue::Heap::Handle RunQueue::Enter(const Item& item, const base::PeerId& at, Shelf shelf) {
  Peer& peer = peers_[at];
  Peer& home = peers_[item.key.first_peer];
  const bool unseen = &peer == &home && (peer.cool_down_end != base::kNever || peer.poor);
  // One that is not here then is passed over.
  if (unseen) peer.unseen.push_back(item.key.blob);
  const Heap::Handle handle = peer.shelves[shelf].Push(item);
  if (unseen) chore_ = true;
  if (&peer != &home) ++home.away;
  return handle;
}

// Takes no memory.
void RunQueue::Leave(const Entry& entry) {
  peers_.at(entry.at).shelves[entry.shelf].Remove(entry.handle);
  if (entry.at == entry.key.first_peer) return;
  Peer& home = peers_.at(entry.key.first_peer);
  --home.away;
  if (home.walk == Peer::WalkState::kToDo && home.away < kRoutedMax / 2) chore_ = true;
}

void RunQueue::Insert(const Item& item, const base::PeerId& at, bool alone) {
  const DueKey& key = item.key;
  Run& run = runs_[{key.first_peer, key.lane}];
  const Entry entry{.key = key, .at = at, .shelf = ShelfOf(key, alone), .alone = alone};
  const auto place = entries_.try_emplace(key.blob, entry).first;
  absl::Cleanup undo = [&] { entries_.erase(place); };
  place->second.handle = Enter(item, at, entry.shelf);
  std::move(undo).Cancel();
  ++run.loaded;
}

void RunQueue::Remove(const base::BlobId& blob) {
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return;
  const Entry entry = it->second;
  entries_.erase(it);
  Leave(entry);
  Run& run = runs_.at({entry.key.first_peer, entry.key.lane});
  --run.loaded;
  if (run.bound && run.loaded < kLowWater) chore_ = true;
}

void RunQueue::Upsert(const DueKey& key, bool force) {
  base::PeerId at = key.first_peer;
  bool alone = false;
  if (const auto it = entries_.find(key.blob); it != entries_.end()) {
    if (it->second.key == key) return;
    // It stays where it was sent while it keeps its home and that cools. Otherwise this is news of
    // it.
    if (it->second.key.first_peer == key.first_peer && Cools(key.first_peer)) at = it->second.at;
    alone = it->second.alone;
    Remove(key.blob);
  }
  Run& run = runs_[{key.first_peer, key.lane}];
  const bool room = run.loaded < kRunMin || entries_.size() < kWindow;
  const bool beyond = run.bound && !(key < *run.bound);
  if (force || run.refilling || (room && !beyond)) {
    Insert(key, at, alone);
    return;
  }
  // Only in the table: the bound says from where to read.
  if (!beyond) run.bound = key;
  if (run.loaded < kLowWater) chore_ = true;
  if (Cools(key.first_peer)) peers_[key.first_peer].walk_again = true;
}

bool RunQueue::Cools(const base::PeerId& id) const {
  const auto it = peers_.find(id);
  return it != peers_.end() && it->second.cool_down_end != base::kNever && !it->second.end_noted;
}

void RunQueue::Erase(const DueKey& key) {
  const auto it = entries_.find(key.blob);
  if (it != entries_.end() && it->second.key == key) Remove(key.blob);
}

void RunQueue::MarkSeen(const base::BlobId& blob) {
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return;
  std::deque<base::BlobId>& unseen = peers_[it->second.at].unseen;
  if (!unseen.empty() && unseen.back() == blob) unseen.pop_back();
}

std::optional<base::PeerId> RunQueue::WaitsAt(const base::BlobId& blob) const {
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return std::nullopt;
  return it->second.at;
}

std::vector<RunQueue::RunId> RunQueue::Runs() const {
  std::vector<RunId> ids;
  for (const auto& item : runs_) ids.push_back(item.first);
  return ids;
}

// ---- peers ----

void RunQueue::SetCoolDown(const base::PeerId& id, base::WallTime end, base::WallTime now) {
  Peer& peer = peers_[id];
  const bool cooled = peer.cool_down_end != base::kNever;
  const bool begins = end != base::kNever && (!cooled || peer.end_noted);
  peer.cool_down_end = end;
  peer.end_noted = false;
  if (end == base::kNever) {
    if (!peer.poor) peer.unseen.clear();
    peer.walk = Peer::WalkState::kNone;
    peer.walk_again = false;
    peer.usable.clear();
    if (!cooled) return;
    FreeRun(id, peer, now);
    BecameUsable(id);
    return;
  }
  if (!begins) return;
  peer.walk = Peer::WalkState::kToDo;
  peer.walk_from.reset();
  chore_ = true;
  // Those that were sent here go back to their homes, to be sent elsewhere; those whose home said
  // no stay.
  std::vector<DueKey> guests;
  for (const Heap& shelf : peer.shelves) {
    shelf.ForEach([&](const Item& item) {
      const base::PeerId& home = item.key.first_peer;
      if (home != id && (Cools(home) || peers_.at(home).poor)) guests.push_back(item.key);
    });
  }
  for (const DueKey& key : guests) MoveTo(key.blob, key.first_peer);
}

// A return is a reason to try again whatever waits at the peer, however long it was to wait.
void RunQueue::FreeRun(const base::PeerId& id, Peer& peer, base::WallTime now) {
  peer.returned = now;
  for (Heap& shelf : peer.shelves) {
    std::vector<DueKey> later;
    shelf.ForEach([&](const Item& item) {
      if (item.start > now) later.push_back(item.key);
    });
    for (const DueKey& key : later) {
      Entry& entry = entries_.at(key.blob);
      shelf.Remove(entry.handle);
      entry.handle = shelf.Push({now, key});
    }
  }
  for (const DueLane lane : {DueLane::kNew, DueLane::kRetry}) {
    const auto run = runs_.find({id, lane});
    if (run != runs_.end()) run->second.freed = run->second.bound.has_value();
  }
}

void RunQueue::BecameUsable(const base::PeerId& id) {
  usable_.insert(id);
  chore_ = true;
  for (auto& item : peers_) {
    Peer& peer = item.second;
    if (item.first == id || peer.cool_down_end == base::kNever) continue;
    // Also where a cool-down has ended: it has not answered yet, and the next may begin.
    peer.usable.insert(id);
    if (!Cools(item.first)) continue;
    peer.walk_again = true;
    for (const Heap& shelf : peer.shelves) {
      shelf.ForEach([&](const Item& waits) {
        if (waits.key.first_peer != item.first) peer.unseen.push_back(waits.key.blob);
      });
    }
  }
}

void RunQueue::SetPoor(const base::PeerId& id, bool poor) {
  Peer& peer = peers_[id];
  if (!std::exchange(peer.poor, poor) && poor) {
    std::vector<DueKey> guests;  // they wait for a slot here, and have a home
    for (const Heap& shelf : peer.shelves) {
      shelf.ForEach([&](const Item& item) {
        if (item.key.first_peer == id) {
          peer.unseen.push_back(item.key.blob);
        } else {
          guests.push_back(item.key);
        }
      });
    }
    chore_ = chore_ || !peer.unseen.empty();
    for (const DueKey& key : guests) MoveTo(key.blob, key.first_peer);
  }
  if (!poor && peer.cool_down_end == base::kNever) peer.unseen.clear();
}

void RunQueue::NoteEnds(base::WallTime now) {
  for (auto& [id, peer] : peers_) {
    if (peer.cool_down_end == base::kNever || peer.end_noted || peer.cool_down_end > now) continue;
    peer.end_noted = true;
    if (!peer.poor) peer.unseen.clear();
    BecameUsable(id);
  }
}

void RunQueue::Redirect(const base::BlobId& blob, const base::PeerId& peer) {
  const auto it = entries_.find(blob);
  if (it != entries_.end() && it->second.at != peer) MoveTo(blob, peer);
}

void RunQueue::GoHome(const base::BlobId& blob) {
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return;
  const base::PeerId home = it->second.key.first_peer;
  if (it->second.at != home) {
    MoveTo(blob, home);
    return;
  }
  // Somebody else may have it by now.
  Peer& peer = peers_.at(home);
  if (peer.cool_down_end == base::kNever && !peer.poor) return;
  peer.unseen.push_back(blob);
  chore_ = true;
}

void RunQueue::MoveTo(const base::BlobId& blob, const base::PeerId& at) {
  Entry& entry = entries_.at(blob);
  const Item item = peers_.at(entry.at).shelves[entry.shelf].Get(entry.handle);
  const Heap::Handle handle = Enter(item, at, entry.shelf);
  Leave(entry);
  entry.at = at;
  entry.handle = handle;
}

// ---- routing ----

RunQueue::Look RunQueue::TakeLook(std::size_t limit, base::WallTime now) {
  Look look;
  look.usable.assign(usable_.begin(), usable_.end());
  bool left = false;
  for (auto& [id, peer] : peers_) {
    if (peer.cool_down_end <= now && !peer.poor) {
      peer.unseen.clear();
      continue;
    }
    while (!peer.unseen.empty() && look.at_home.size() + look.away.size() < limit) {
      const base::BlobId blob = peer.unseen.front();
      peer.unseen.pop_front();
      const auto it = entries_.find(blob);
      if (it == entries_.end() || it->second.at != id) continue;
      (it->second.key.first_peer == id ? look.at_home : look.away).push_back(blob);
    }
    left = left || !peer.unseen.empty();
  }
  if (!left) usable_.clear();
  return look;
}

std::optional<RunQueue::Walk> RunQueue::BeginWalk(base::WallTime now, bool may_restart) {
  using State = Peer::WalkState;
  for (auto& [id, peer] : peers_) {
    if (peer.cool_down_end <= now) continue;
    if (peer.walk == State::kDone && peer.walk_again && may_restart) {
      peer.walk = State::kToDo;
      peer.walk_from.reset();
    }
    if (peer.walk != State::kToDo || peer.away >= kRoutedMax / 2) continue;
    if (!peer.walk_from) {
      peer.walk_again = false;
      peer.walk_usable.assign(peer.usable.begin(), peer.usable.end());
      peer.usable.clear();
    }
    peer.walk = State::kUnderWay;
    const DueKey from = peer.walk_from.value_or(DueKey{.first_peer = id, .lane = DueLane::kNew});
    return Walk{.peer = id, .from = from, .usable = peer.walk_usable};
  }
  return std::nullopt;
}

void RunQueue::EndWalk(const base::PeerId& id, const std::vector<Route>& routes,
                       std::optional<DueKey> next) {
  Peer& peer = peers_[id];
  // It may have returned meanwhile.
  if (peer.walk == Peer::WalkState::kUnderWay) {
    peer.walk = next ? Peer::WalkState::kToDo : Peer::WalkState::kDone;
    peer.walk_from = next;
  }
  for (const Route& route : routes) {
    const auto it = entries_.find(route.key.blob);
    if (it == entries_.end()) {
      Insert(route.key, route.to);
    } else if (it->second.at == id) {
      Redirect(route.key.blob, route.to);
    }
  }
}

// ---- filling up ----

std::optional<RunQueue::Refill> RunQueue::BeginRefill() {
  for (auto& [id, run] : runs_) {
    if (run.refilling || !run.bound || run.loaded >= kLowWater) continue;
    run.refilling = true;
    return Refill{.run = id, .from = *run.bound};
  }
  return std::nullopt;
}

void RunQueue::EndRefill(const RunId& id, const std::vector<DueKey>& rows,
                         std::optional<DueKey> next) {
  Run& run = runs_[id];
  const base::WallTime returned = peers_[id.first].returned;
  for (const DueKey& key : rows) {
    // What was committed after the read has been told by Upsert or Erase already and is newer;
    // where both disagree the earlier look does no harm.
    const auto it = entries_.find(key.blob);
    if (it != entries_.end() && it->second.key.due <= key.due) continue;
    Remove(key.blob);
    Insert({run.freed ? std::min(key.due, returned) : key.due, key}, key.first_peer);
  }
  run.bound = next;
  run.freed = run.freed && next;
  run.refilling = false;
}

// ---- looking at it ----

RunQueue::Counts RunQueue::Count(base::WallTime now) const {
  Counts counts;
  for (const auto& item : peers_) {
    const Peer& peer = item.second;
    for (const Heap& shelf : peer.shelves) {
      if (peer.cool_down_end > now) {
        counts.parked += shelf.size();
      } else if (!shelf.empty() && shelf.top().start > now) {
        counts.waiting += shelf.size();
      } else {
        shelf.ForEach(
            [&](const Item& waits) { ++(waits.start <= now ? counts.due : counts.waiting); });
      }
    }
  }
  for (const auto& [id, run] : runs_) {
    if (!run.bound || run.rows <= static_cast<int64_t>(run.loaded)) continue;
    const uint64_t beyond = static_cast<uint64_t>(run.rows) - run.loaded;
    if (CoolDownEnd(id.first) > now) {
      counts.beyond_parked += beyond;
    } else if (run.bound->due <= now) {
      counts.beyond_due += beyond;
    }
  }
  return counts;
}

base::WallTime RunQueue::CoolDownEnd(const base::PeerId& peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? base::kNever : it->second.cool_down_end;
}

}  // namespace waypost::fetcher
