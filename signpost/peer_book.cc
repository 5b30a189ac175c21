#include "signpost/peer_book.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "signpost/codec.h"
#include "signpost/health.h"

namespace waypost::signpost {
namespace {

// Traffic counts and times of contact are worth no write of their own.
constexpr base::Millis kLazyWrite{30 * 1000};
constexpr base::Millis kHelloSpacing{5 * 1000};

}  // namespace

struct PeerBook::Impl {
  Impl(base::Index& index_in, const base::Clock& clock_in, base::Random& random_in)
      : index(index_in), clock(clock_in), random(random_in) {}

  struct Slot {
    Entry entry;
    bool dirty = false;
    base::SteadyTime written{};
    base::SteadyTime last_hello{};
  };

  base::Index& index;
  const base::Clock& clock;
  base::Random& random;
  std::function<void(const base::PeerId&, const PeerHealth&)> listener;
  mutable base::Mutex mutex;
  std::map<base::PeerId, Slot> slots GUARDED_BY(mutex);

  Slot& SlotOf(const base::PeerId& peer) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Slot& slot = slots[peer];
    slot.entry.peer = peer;
    return slot;
  }

  // Hands the row to the writer; nobody waits for it. `at_once`: a state changed.
  void Written(Slot& slot, bool at_once) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const base::SteadyTime now = clock.SteadyNow();
    slot.dirty = true;
    if (!at_once && now - slot.written < kLazyWrite) return;
    slot.dirty = false;
    slot.written = now;
    index.Submit(base::Index::Lane::kBulk,
                 [peer = slot.entry.peer, payload = EncodePeerRow(slot.entry)](base::WriteTxn& txn) {
                   txn.Put(base::Table::kPeers, peer.bytes(), payload);
                   return absl::OkStatus();
                 },
                 nullptr);
  }
};

PeerBook::PeerBook(base::Index& index, const base::Clock& clock, base::Random& random)
    : impl_(std::make_shared<Impl>(index, clock, random)) {}

absl::Status PeerBook::Load() {
  return impl_->index.Read([&](base::ReadTxn& txn) {
    base::MutexLock lock(impl_->mutex);
    const base::WallTime now = impl_->clock.WallNow();
    base::Cursor cursor(txn, base::Table::kPeers);
    for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
      const auto peer = base::PeerId::FromBytes(cursor.key());
      const auto payload = cursor.payload();
      if (!peer || !payload) continue;
      auto entry = DecodePeerRow(*peer, *payload);
      if (!entry) {
        txn.ReportBadRow(base::Table::kPeers, cursor.key());
        continue;
      }
      ClampCoolDown(entry->health, now);
      impl_->slots[*peer].entry = std::move(*entry);
    }
    return absl::OkStatus();
  });
}

absl::Status PeerBook::Flush() {
  std::vector<std::pair<base::PeerId, std::string>> rows;
  {
    base::MutexLock lock(impl_->mutex);
    for (auto& [peer, slot] : impl_->slots) {
      if (!slot.dirty) continue;
      slot.dirty = false;
      slot.written = impl_->clock.SteadyNow();
      rows.emplace_back(peer, EncodePeerRow(slot.entry));
    }
  }
  // Empty too: what was handed to the writer before is on disk when this returns.
  return impl_->index.Update(base::Index::Lane::kBulk, [&rows](base::WriteTxn& txn) {
    for (const auto& [peer, payload] : rows) txn.Put(base::Table::kPeers, peer.bytes(), payload);
    return absl::OkStatus();
  });
}

std::optional<PeerBook::Entry> PeerBook::Find(const base::PeerId& peer) const {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->slots.find(peer);
  if (it == impl_->slots.end()) return std::nullopt;
  return it->second.entry;
}

PeerHealth PeerBook::Health(const base::PeerId& peer) const {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->slots.find(peer);
  return it == impl_->slots.end() ? PeerHealth() : it->second.entry.health;
}

bool PeerBook::Cooling(const base::PeerId& peer) const {
  return Health(peer).Cooling(impl_->clock.WallNow());
}

std::vector<PeerBook::Entry> PeerBook::All() const {
  base::MutexLock lock(impl_->mutex);
  std::vector<Entry> entries;
  entries.reserve(impl_->slots.size());
  for (const auto& item : impl_->slots) entries.push_back(item.second.entry);
  return entries;
}

void PeerBook::SetProfile(const base::PeerId& peer, std::string name,
                          std::vector<std::string> addresses) {
  base::MutexLock lock(impl_->mutex);
  Impl::Slot& slot = impl_->SlotOf(peer);
  if (slot.entry.name == name && slot.entry.addresses == addresses) return;
  slot.entry.name = std::move(name);
  slot.entry.addresses = std::move(addresses);
  impl_->Written(slot, /*at_once=*/true);
}

void PeerBook::NoteGoodAddress(const base::PeerId& peer, const std::string& address) {
  base::MutexLock lock(impl_->mutex);
  Impl::Slot& slot = impl_->SlotOf(peer);
  if (slot.entry.last_good_address == address) return;
  slot.entry.last_good_address = address;
  impl_->Written(slot, /*at_once=*/false);
}

void PeerBook::NoteTraffic(const base::PeerId& peer, uint64_t bytes_in, uint64_t bytes_out) {
  base::MutexLock lock(impl_->mutex);
  Impl::Slot& slot = impl_->SlotOf(peer);
  slot.entry.bytes_in += bytes_in;
  slot.entry.bytes_out += bytes_out;
  impl_->Written(slot, /*at_once=*/false);
}

bool PeerBook::NoteInbound(const base::PeerId& peer) {
  base::MutexLock lock(impl_->mutex);
  Impl::Slot& slot = impl_->SlotOf(peer);
  slot.entry.last_seen = impl_->clock.WallNow();
  impl_->Written(slot, /*at_once=*/false);
  if (!slot.entry.health.Cooling(slot.entry.last_seen)) return false;
  const base::SteadyTime now = impl_->clock.SteadyNow();
  if (slot.last_hello != base::SteadyTime() && now - slot.last_hello < kHelloSpacing) return false;
  slot.last_hello = now;
  return true;
}

void PeerBook::RecordSuccess(const base::PeerId& peer) {
  PeerHealth health;
  bool returned = false;
  {
    base::MutexLock lock(impl_->mutex);
    Impl::Slot& slot = impl_->SlotOf(peer);
    const bool first = slot.entry.health.last_success == base::kNever;
    slot.entry.last_seen = impl_->clock.WallNow();
    returned = Succeed(slot.entry.health, slot.entry.last_seen);
    impl_->Written(slot, returned || first);
    health = slot.entry.health;
  }
  if (!returned) return;
  if (impl_->listener) impl_->listener(peer, health);
  changed_.Notify();
}

void PeerBook::RecordFailure(const base::PeerId& peer, uint64_t returns_at_start, LastError error,
                             std::optional<base::Millis> retry_after) {
  PeerHealth health;
  {
    base::MutexLock lock(impl_->mutex);
    Impl::Slot& slot = impl_->SlotOf(peer);
    const bool cools = Fail(slot.entry.health, returns_at_start, std::move(error), retry_after,
                            impl_->clock.WallNow(), impl_->random.Unit());
    impl_->Written(slot, /*at_once=*/cools);
    if (!cools) return;
    health = slot.entry.health;
  }
  if (impl_->listener) impl_->listener(peer, health);
  changed_.Notify();
}

void PeerBook::RecordWrongBytes(const base::PeerId& peer, LastError error) {
  PeerHealth health;
  {
    base::MutexLock lock(impl_->mutex);
    Impl::Slot& slot = impl_->SlotOf(peer);
    SendWrongBytes(slot.entry.health, std::move(error), impl_->clock.WallNow());
    impl_->Written(slot, /*at_once=*/true);
    health = slot.entry.health;
  }
  if (impl_->listener) impl_->listener(peer, health);
  changed_.Notify();
}

void PeerBook::SetListener(std::function<void(const base::PeerId&, const PeerHealth&)> listener) {
  impl_->listener = std::move(listener);
}

}  // namespace waypost::signpost
