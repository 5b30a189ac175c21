#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "fetcher/policy/run_queue.h"

// Who goes next, and the slots. Among peers by the time that their slots were held; at one peer by
// kind (KindOfPick); of a kind by the time since which it may start, large or small, unless the
// slots that are left are for small ones.

namespace waypost::fetcher {
namespace {

// Of so many slots those that large blobs may hold.
uint32_t SlotsOfLarge(uint32_t slots) { return slots > 1 ? slots - 1 : slots; }

}  // namespace

std::optional<PickKind> KindOfPick(uint32_t picks, bool waited, bool fresh, bool retry) {
  if (retry && picks % RunQueue::kRetryEvery == RunQueue::kRetryEvery - 1) return PickKind::kRetry;
  // Clients that keep coming must not hold back what a group mentioned.
  if (fresh && picks % (2 * RunQueue::kRetryEvery) == 1) return PickKind::kNew;
  if (waited) return PickKind::kWaited;
  if (fresh) return PickKind::kNew;
  if (retry) return PickKind::kRetry;
  return std::nullopt;
}

void RunQueue::SetWaiting(const base::BlobId& blob, bool waiting) {
  if (waiting == waiting_.contains(blob)) return;
  auto node = waiting_.extract(blob);
  if (waiting) waiting_.insert(blob);
  // Where there is no memory to move it, it waits as it did.
  absl::Cleanup undo = [&] {
    if (waiting) {
      waiting_.erase(blob);
    } else {
      waiting_.insert(std::move(node));
    }
  };
  const auto it = entries_.find(blob);
  if (it != entries_.end()) Reshelve(it->second, it->second.alone);
  std::move(undo).Cancel();
}

bool RunQueue::Full(const base::PeerId& id) const {
  // Where nobody is known to ask, each attempt takes the slot of whom it asks in the end.
  if (id.IsZero()) return false;
  const auto it = peers_.find(id);
  if (it == peers_.end()) return false;
  // Its cool-down ended but it has not answered yet: one goes first alone.
  const uint32_t slots = it->second.cool_down_end == base::kNever ? per_peer_ : 1;
  return it->second.running >= slots;
}

bool RunQueue::WaitsForLarge(const base::BlobId& blob) const {
  const auto it = entries_.find(blob);
  return it != entries_.end() && it->second.alone &&
         !LargeMayStart(it->second.at, peers_.at(it->second.at));
}

bool RunQueue::MayStart(const base::PeerId& id, const Peer& peer, base::WallTime now) const {
  return peer.cool_down_end <= now && !Full(id);
}

bool RunQueue::LargeMayStart(const base::PeerId& id, const Peer& peer, uint32_t but) const {
  if (large_ - but >= SlotsOfLarge(all_)) return false;
  return id.IsZero() || peer.large < SlotsOfLarge(per_peer_);
}

std::optional<RunQueue::Shelf> RunQueue::ShelfToPick(const Peer& peer, base::WallTime now,
                                                     bool large) {
  // Small or large, whichever is first.
  const auto first = [&](Shelf small) -> std::optional<Shelf> {
    const auto other = static_cast<Shelf>(small + kLarge);
    const auto ready = [&](Shelf shelf) {
      return !peer.shelves[shelf].empty() && peer.shelves[shelf].top().start <= now;
    };
    if (!large || !ready(other)) return ready(small) ? std::optional(small) : std::nullopt;
    if (!ready(small)) return other;
    return ByStart()(peer.shelves[other].top(), peer.shelves[small].top()) ? other : small;
  };
  const auto waited = first(kWaited), fresh = first(kFresh), retried = first(kRetried);
  const auto kind =
      KindOfPick(peer.picks, waited.has_value(), fresh.has_value(), retried.has_value());
  if (!kind) return std::nullopt;
  return *kind == PickKind::kWaited ? waited : *kind == PickKind::kNew ? fresh : retried;
}

void RunQueue::SetSponsor(const base::PeerId& peer, const base::PeerId& sponsor) {
  peers_[peer].sponsor = sponsor;
  if (!sponsor.IsZero()) peers_.try_emplace(sponsor);
}

const RunQueue::Peer& RunQueue::SponsorOf(const Peer& peer) const {
  return peer.sponsor.IsZero() ? peer : peers_.at(peer.sponsor);
}

std::optional<RunQueue::Picked> RunQueue::Pick(base::WallTime now) {
  const auto used = [&](const Peer& peer) {
    return std::max(SponsorOf(peer).used, time_ - kOwedMax);
  };
  auto it = peers_.upper_bound(last_picked_);
  auto next = peers_.end();
  Shelf next_shelf = kFresh;
  for (std::size_t i = 0; i < peers_.size(); ++i, ++it) {
    if (it == peers_.end()) it = peers_.begin();
    const Peer& peer = it->second;
    if (next != peers_.end() && used(peer) >= used(next->second)) continue;
    if (!MayStart(it->first, peer, now)) continue;
    const auto shelf = ShelfToPick(peer, now, LargeMayStart(it->first, peer));
    if (!shelf) continue;
    next = it;
    next_shelf = *shelf;
  }
  if (next == peers_.end()) return std::nullopt;
  Peer& peer = next->second;
  Peer& sponsor = peer.sponsor.IsZero() ? peer : peers_[peer.sponsor];
  sponsor.used = used(peer);
  time_ = std::max(time_, sponsor.used);
  const Picked picked = TakeTop(next->first, peer, next_shelf, now);
  ++peer.running;
  if (picked.alone) {
    ++peer.large;
    ++large_;
  }
  last_picked_ = next->first;
  return picked;
}

RunQueue::Picked RunQueue::TakeTop(const base::PeerId& id, Peer& peer, Shelf shelf,
                                   base::WallTime now) {
  Picked picked{.key = peer.shelves[shelf].top().key, .at = id, .free_since = {}};
  if (picked.key.due > now) picked.free_since = peer.returned;
  picked.alone = entries_.at(picked.key.blob).alone;
  Remove(picked.key.blob);
  ++peer.picks;
  return picked;
}

void RunQueue::PickMore(std::size_t limit, base::WallTime now, std::vector<Picked>& picked) {
  const base::PeerId at = picked.front().at;
  if (at.IsZero() || picked.front().alone) return;
  Peer& peer = peers_[at];
  if (peer.cool_down_end != base::kNever) return;
  std::size_t waits = 0;
  for (const Heap& shelf : peer.shelves) waits += shelf.size();
  limit = std::min(limit, std::max(kShareMin, waits / 2));
  // Before anything is taken out: where there is no memory for it, nothing is lost.
  picked.reserve(picked.size() + std::min(limit, waits));
  for (const std::size_t full = picked.size() + limit; picked.size() < full;) {
    const auto shelf = ShelfToPick(peer, now, /*large=*/false);
    if (!shelf) break;
    picked.push_back(TakeTop(at, peer, *shelf, now));
  }
}

void RunQueue::MarkAlone(const base::BlobId& blob) {
  const auto it = entries_.find(blob);
  if (it != entries_.end()) Reshelve(it->second, /*alone=*/true);
}

void RunQueue::Release(const Held& slot, base::Millis how_long) {
  Peer& peer = peers_[slot.at];
  CHECK(peer.running > 0);
  --peer.running;
  (peer.sponsor.IsZero() ? peer : peers_[peer.sponsor]).used += how_long;
  if (!slot.large) return;
  CHECK(peer.large > 0 && large_ > 0);
  --peer.large;
  --large_;
}

bool RunQueue::Enlarge(const base::PeerId& at) {
  Peer& peer = peers_[at];
  if (!LargeMayStart(at, peer)) return false;
  ++peer.large;
  ++large_;
  return true;
}

bool RunQueue::MoveSlot(const Held& slot, const base::PeerId& to, base::Millis how_long,
                        base::WallTime now) {
  if (slot.at == to) return true;
  if (!MayStart(to, peers_[to], now)) return false;
  if (slot.large && !LargeMayStart(to, peers_[to], /*but=*/1)) return false;
  Release(slot, how_long);
  Peer& peer = peers_[to];
  ++peer.running;
  if (slot.large) {
    ++peer.large;
    ++large_;
  }
  return true;
}

std::optional<base::WallTime> RunQueue::NextStart(base::WallTime now) const {
  std::optional<base::WallTime> next;
  for (const auto& item : peers_) {
    const Peer& peer = item.second;
    if (Full(item.first)) continue;  // Release comes first
    for (const Heap& shelf : peer.shelves) {
      if (shelf.empty()) continue;
      const base::WallTime start = std::max(shelf.top().start, peer.cool_down_end);
      if (start > now && (!next || start < *next)) next = start;
    }
  }
  return next;
}

bool RunQueue::OtherReady(const Held& slot, base::WallTime now) const {
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& item) {
    const auto& [id, peer] = item;
    if (id == slot.at || !MayStart(id, peer, now)) return false;
    const bool large = LargeMayStart(id, peer, /*but=*/slot.large ? 1 : 0);
    return ShelfToPick(peer, now, large).has_value();
  });
}

}  // namespace waypost::fetcher
