#include "fetcher/run_queue.h"

#include <algorithm>

namespace waypost::fetcher {

using signpost::DueKey;
using signpost::Lane;

void RunQueue::AddStoredRun(const RunId& run, const DueKey& first, uint64_t rows) {
  Run& added = runs_[run];
  added.bound = first;
  added.rows = rows;
}

void RunQueue::Insert(const DueKey& key, const base::PeerId& at) {
  Peer& peer = peers_[at];
  Entry entry{.key = key, .at = at};
  entry.handle = peer.lanes.Of(key.lane).Push(key);
  if (peer.cool_down_end != base::kNever && at == key.first_peer) {
    peer.unrouted.push_back(key.blob);
  }
  entries_[key.blob] = entry;
  ++runs_[{key.first_peer, key.lane}].loaded;
}

void RunQueue::Remove(const base::BlobId& blob) {
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return;
  const Entry& entry = it->second;
  peers_[entry.at].lanes.Of(entry.key.lane).Remove(entry.handle);
  --runs_[{entry.key.first_peer, entry.key.lane}].loaded;
  entries_.erase(it);
}

void RunQueue::Upsert(const DueKey& key, bool force) {
  base::PeerId at = key.first_peer;
  if (const auto it = entries_.find(key.blob); it != entries_.end()) {
    if (it->second.key == key) return;
    // It stays redirected while it keeps its first peer.
    if (it->second.key.first_peer == key.first_peer) at = it->second.at;
    Remove(key.blob);
  }
  const RunId id{key.first_peer, key.lane};
  Run& run = runs_[id];
  const bool room = run.loaded < kRunMin || entries_.size() < kWindow;
  const bool beyond = run.bound && !(key < *run.bound);
  if (!force && !run.refilling && (!room || beyond)) {
    // Only in the table: the bound says from where to read.
    if (!run.bound || key < *run.bound) run.bound = key;
    return;
  }
  Insert(key, at);
}

void RunQueue::Erase(const DueKey& key) {
  const auto it = entries_.find(key.blob);
  if (it != entries_.end() && it->second.key == key) Remove(key.blob);
}

void RunQueue::SetCoolDown(const base::PeerId& peer, base::WallTime end) {
  Peer& state = peers_[peer];
  const bool began = state.cool_down_end == base::kNever && end != base::kNever;
  state.cool_down_end = end;
  if (end == base::kNever) {
    state.unrouted.clear();
    return;
  }
  if (!began) return;
  const auto note = [&](const DueKey& key) {
    if (key.first_peer == peer) state.unrouted.push_back(key.blob);
  };
  state.lanes.fresh.ForEach(note);
  state.lanes.retry.ForEach(note);
}

std::vector<base::BlobId> RunQueue::TakeUnrouted(std::size_t limit, base::WallTime now) {
  std::vector<base::BlobId> blobs;
  for (auto& [id, peer] : peers_) {
    if (peer.cool_down_end <= now) continue;
    while (!peer.unrouted.empty() && blobs.size() < limit) {
      const base::BlobId blob = peer.unrouted.front();
      peer.unrouted.pop_front();
      const auto it = entries_.find(blob);
      if (it != entries_.end() && it->second.at == id) blobs.push_back(blob);
    }
  }
  return blobs;
}

void RunQueue::Redirect(const base::BlobId& blob, const base::PeerId& peer) {
  const auto it = entries_.find(blob);
  if (it == entries_.end() || it->second.at == peer) return;
  const DueKey key = it->second.key;
  Remove(blob);
  Insert(key, peer);
}

void RunQueue::SetWaiting(const base::BlobId& blob, bool waiting) {
  if (waiting) {
    waiting_.insert(blob);
  } else {
    waiting_.erase(blob);
  }
}

bool RunQueue::MayStart(const base::PeerId&, const Peer& peer, base::WallTime now) const {
  if (peer.running >= per_peer_) return false;
  if (peer.cool_down_end == base::kNever) return true;
  // Its cool-down ended but it has not answered yet: one goes first alone.
  return peer.cool_down_end <= now && peer.running == 0;
}

std::optional<Lane> RunQueue::LaneToPick(const Peer& peer, base::WallTime now) {
  const auto ready = [&](const Heap& heap) { return !heap.empty() && heap.top().due <= now; };
  const bool fresh = ready(peer.lanes.fresh);
  const bool retry = ready(peer.lanes.retry);
  if (fresh && retry) return (peer.picks + 1) % kRetryEvery == 0 ? Lane::kRetry : Lane::kNew;
  if (fresh) return Lane::kNew;
  if (retry) return Lane::kRetry;
  return std::nullopt;
}

std::optional<base::BlobId> RunQueue::WaitingAt(const Peer&, const base::PeerId& id) const {
  for (const base::BlobId& blob : waiting_) {
    const auto it = entries_.find(blob);
    if (it != entries_.end() && it->second.at == id) return blob;
  }
  return std::nullopt;
}

std::optional<RunQueue::Picked> RunQueue::Pick(base::WallTime now) {
  if (peers_.empty()) return std::nullopt;
  auto it = peers_.upper_bound(last_picked_);
  for (std::size_t i = 0; i < peers_.size(); ++i, ++it) {
    if (it == peers_.end()) it = peers_.begin();
    Peer& peer = it->second;
    if (!MayStart(it->first, peer, now)) continue;
    std::optional<base::BlobId> blob;
    if (const auto waiting = WaitingAt(peer, it->first);
        waiting && entries_.at(*waiting).key.due <= now) {
      blob = waiting;
    } else if (const auto lane = LaneToPick(peer, now)) {
      blob = peer.lanes.Of(*lane).top().blob;
    }
    if (!blob) continue;
    const Picked picked{.key = entries_.at(*blob).key, .at = it->first};
    Remove(*blob);
    ++peer.picks;
    ++peer.running;
    last_picked_ = it->first;
    return picked;
  }
  return std::nullopt;
}

void RunQueue::Release(const base::PeerId& at) {
  Peer& peer = peers_[at];
  CHECK(peer.running > 0);
  --peer.running;
}

std::optional<base::WallTime> RunQueue::NextStart(base::WallTime now) const {
  std::optional<base::WallTime> next;
  for (const auto& item : peers_) {
    const Peer& peer = item.second;
    const bool full =
        peer.running >= per_peer_ || (peer.cool_down_end != base::kNever && peer.running > 0);
    if (full) continue;  // Release comes first
    for (const Heap* heap : {&peer.lanes.fresh, &peer.lanes.retry}) {
      if (heap->empty()) continue;
      const base::WallTime start = std::max(heap->top().due, peer.cool_down_end);
      if (start > now && (!next || start < *next)) next = start;
    }
  }
  return next;
}

bool RunQueue::OtherReady(const base::PeerId& at, base::WallTime now) const {
  for (const auto& [id, peer] : peers_) {
    if (id != at && MayStart(id, peer, now) && LaneToPick(peer, now)) return true;
  }
  return false;
}

std::optional<RunQueue::Refill> RunQueue::BeginRefill() {
  for (auto& [id, run] : runs_) {
    if (run.refilling || !run.bound || run.loaded >= kLowWater) continue;
    run.refilling = true;
    return Refill{.run = id, .from = signpost::EncodeDueKey(*run.bound)};
  }
  return std::nullopt;
}

void RunQueue::EndRefill(const RunId& id, const std::vector<DueKey>& rows,
                         std::optional<DueKey> next) {
  Run& run = runs_[id];
  for (const DueKey& key : rows) {
    // What was committed after the read has been told by Upsert or Erase already and is newer.
    if (!entries_.contains(key.blob)) Insert(key, key.first_peer);
  }
  run.bound = next;
  run.refilling = false;
}

RunQueue::Counts RunQueue::Count(base::WallTime now) const {
  Counts counts;
  for (const auto& item : entries_) {
    const Entry& entry = item.second;
    const auto peer = peers_.find(entry.at);
    if (peer != peers_.end() && peer->second.cool_down_end > now) {
      ++counts.parked;
    } else if (entry.key.due <= now) {
      ++counts.due;
    } else {
      ++counts.waiting;
    }
  }
  return counts;
}

base::WallTime RunQueue::CoolDownEnd(const base::PeerId& peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? base::kNever : it->second.cool_down_end;
}

uint32_t RunQueue::Running(const base::PeerId& peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? 0 : it->second.running;
}

}  // namespace waypost::fetcher
