#include "signpost/peer_book.h"

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "signpost/peer_row.h"

// The book lives in memory; the table is written late. A write takes each row as it is when the
// transaction runs, so that writes may overtake each other, and a write that failed makes its rows
// dirty again. The listener is called without the lock: what it is told may be old, Health() is
// not.

namespace waypost::signpost {
namespace {

// What is not a change of state is written at most this often: losing it costs little.
constexpr std::chrono::seconds kFlushEvery{30};
constexpr std::chrono::seconds kHelloEvery{5};

}  // namespace

struct PeerBook::Impl : std::enable_shared_from_this<PeerBook::Impl> {
  struct Row {
    KnownPeer entry;
    bool dirty = false;  // memory is ahead of what the index was last given
    std::optional<base::SteadyTime> last_hello;
  };

  Impl(base::Index& index_in, const base::Clock& clock_in, base::Random& random_in)
      : index(index_in), clock(clock_in), random(random_in), last_flush(clock_in.SteadyNow()) {}

  Row* FindRow(const base::PeerId& peer) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = rows.find(peer);
    return found == rows.end() ? nullptr : &found->second;
  }
  // For a change that is about to be made.
  Row& NeedRow(const base::PeerId& peer) EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Row& row = rows[peer];
    row.entry.peer = peer;
    row.dirty = true;
    return row;
  }
  std::vector<base::PeerId> DirtyRows() EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    last_flush = clock.SteadyNow();
    std::vector<base::PeerId> dirty;
    for (const auto& item : rows) {
      if (item.second.dirty) dirty.push_back(item.first);
    }
    return dirty;
  }
  // The rows to write after a change: this one when its state changed, everything every
  // kFlushEvery.
  std::vector<base::PeerId> RowsToWrite(const base::PeerId& peer, bool state_changed)
      EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (clock.SteadyNow() - last_flush >= kFlushEvery) return DirtyRows();
    if (state_changed) return {peer};
    return {};
  }

  // Inside a transaction. Writes the rows as they are at that moment, so that writes that overtake
  // each other do no harm. The mutex it takes there is never held across a call of the index.
  absl::Status WriteRows(base::WriteTxn& txn, const std::vector<base::PeerId>& peers) {
    for (const base::PeerId& peer : peers) {
      std::string payload;
      {
        base::MutexLock lock(mutex);
        Row* row = FindRow(peer);
        if (row == nullptr) continue;
        row->dirty = false;
        payload = EncodePeerRow(row->entry);
      }
      txn.Put(base::Table::kPeers, peer.bytes(), payload);
    }
    return absl::OkStatus();
  }
  void MarkDirty(const std::vector<base::PeerId>& peers) {
    base::MutexLock lock(mutex);
    for (const base::PeerId& peer : peers) {
      if (Row* row = FindRow(peer)) row->dirty = true;
    }
  }
  // One write is under way at a time, and takes what has come up since the last: who says something
  // new at every call fills no queue, and others' writes come in between.
  void Submit(const std::vector<base::PeerId>& peers) {
    {
      base::MutexLock lock(mutex);
      next_write.insert(peers.begin(), peers.end());
      if (writing || next_write.empty()) return;
      writing = true;
    }
    SubmitWaiting();
  }
  void SubmitWaiting() {
    // Where memory runs out the rows stay dirty, and wait for the next flush.
    absl::Cleanup not_submitted = [this] {
      base::MutexLock lock(mutex);
      writing = false;
    };
    auto self = shared_from_this();
    // Of a transaction that runs once more too.
    auto taken = std::make_shared<std::set<base::PeerId>>();
    index.Submit(
        base::Index::Lane::kBulk,
        [self, taken](base::WriteTxn& txn) {
          {
            base::MutexLock lock(self->mutex);
            taken->merge(self->next_write);
            self->next_write.clear();
          }
          return self->WriteRows(txn, {taken->begin(), taken->end()});
        },
        [self, taken](const absl::Status& written) {
          {
            base::MutexLock lock(self->mutex);
            if (!written.ok()) {
              // What an index does not take waits for the next flush.
              self->next_write.clear();
              for (const base::PeerId& peer : *taken) {
                if (Row* row = self->FindRow(peer)) row->dirty = true;
              }
            }
            self->writing = !self->next_write.empty();
            if (!self->writing) return;
          }
          self->SubmitWaiting();
        });
    std::move(not_submitted).Cancel();
  }

  // Applies `rule` to the peer's health and does what follows from it.
  void ChangeHealth(const base::PeerId& peer, base::Notifier& changed,
                    absl::FunctionRef<PeerHealth(PeerHealth, base::WallTime)> rule) {
    PeerHealth before;
    PeerHealth after;
    std::vector<base::PeerId> to_write;
    {
      base::MutexLock lock(mutex);
      Row& row = NeedRow(peer);
      before = row.entry.health;
      after = rule(before, clock.WallNow());
      row.entry.health = after;
      if (after.last_success != before.last_success) row.entry.last_seen = after.last_success;
      const bool first_success =
          before.last_success == base::kNever && after.last_success != base::kNever;
      to_write = RowsToWrite(peer, after.cool_down_end != before.cool_down_end ||
                                       after.suspect != before.suspect ||
                                       after.slow_until != before.slow_until || first_success);
    }
    Submit(to_write);
    const bool moved = after.cool_down_end != before.cool_down_end ||
                       after.slow_until != before.slow_until ||
                       after.Withholds() != before.Withholds();
    if (moved && listener) listener(peer, after);
    const bool was_good = before.last_success != base::kNever && before.consecutive_failures == 0;
    const bool plain_success =
        was_good && after.consecutive_failures == 0 && after.last_error == before.last_error;
    if (moved || !plain_success) changed.Notify();
  }

  base::Index& index;
  const base::Clock& clock;
  base::Random& random;
  std::function<void(const base::PeerId&, const PeerHealth&)> listener;  // set before threads start

  mutable base::Mutex mutex;
  // In the order of ids: what walks it must not depend on how a hash map lies in memory.
  std::map<base::PeerId, Row> rows GUARDED_BY(mutex);
  base::SteadyTime last_flush GUARDED_BY(mutex);
  std::set<base::PeerId> next_write GUARDED_BY(mutex);
  bool writing GUARDED_BY(mutex) = false;
};

PeerBook::PeerBook(base::Index& index, const base::Clock& clock, base::Random& random)
    : impl_(std::make_shared<Impl>(index, clock, random)) {}

absl::Status PeerBook::Load() {
  std::vector<KnownPeer> loaded;
  RETURN_IF_ERROR(impl_->index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kPeers);
    for (cursor.Seek({}); cursor.valid(); cursor.Next()) {
      const auto payload = cursor.payload();
      if (!payload) continue;
      const auto peer = base::PeerId::FromBytes(cursor.key());
      auto entry = peer ? DecodePeerRow(*peer, *payload) : std::nullopt;
      if (entry) {
        loaded.push_back(*std::move(entry));
      } else {
        txn.ReportBadRow(base::Table::kPeers, cursor.key());
      }
    }
  }));
  const base::WallTime now = impl_->clock.WallNow();
  base::MutexLock lock(impl_->mutex);
  for (KnownPeer& entry : loaded) {
    entry.health = AfterLoad(std::move(entry.health), now);
    impl_->rows[entry.peer].entry = entry;
  }
  return absl::OkStatus();
}

absl::Status PeerBook::Flush() {
  std::vector<base::PeerId> dirty;
  {
    base::MutexLock lock(impl_->mutex);
    dirty = impl_->DirtyRows();
  }
  // Also with nothing to write: what was submitted before is then through.
  const absl::Status written = impl_->index.Update(
      base::Index::Lane::kBulk,
      [impl = impl_, dirty](base::WriteTxn& txn) { return impl->WriteRows(txn, dirty); });
  if (!written.ok()) impl_->MarkDirty(dirty);
  return base::Annotate(written, "cannot write the table of peers");
}

std::optional<PeerBook::KnownPeer> PeerBook::Find(const base::PeerId& peer) const {
  base::MutexLock lock(impl_->mutex);
  const Impl::Row* row = impl_->FindRow(peer);
  if (row == nullptr) return std::nullopt;
  return row->entry;
}

PeerHealth PeerBook::Health(const base::PeerId& peer) const {
  base::MutexLock lock(impl_->mutex);
  const Impl::Row* row = impl_->FindRow(peer);
  return row == nullptr ? PeerHealth() : row->entry.health;
}

bool PeerBook::Cooling(const base::PeerId& peer) const {
  const base::WallTime now = impl_->clock.WallNow();
  base::MutexLock lock(impl_->mutex);
  const Impl::Row* row = impl_->FindRow(peer);
  return row != nullptr && row->entry.health.Cooling(now);
}

std::vector<PeerBook::KnownPeer> PeerBook::All() const {
  std::vector<KnownPeer> all;
  base::MutexLock lock(impl_->mutex);
  all.reserve(impl_->rows.size());
  for (const auto& item : impl_->rows) all.push_back(item.second.entry);
  return all;
}

void PeerBook::SetProfile(const base::PeerId& peer, std::string name,
                          std::vector<std::string> addresses) {
  std::vector<base::PeerId> to_write;
  {
    base::MutexLock lock(impl_->mutex);
    const Impl::Row* known = impl_->FindRow(peer);
    if (known != nullptr && known->entry.name == name && known->entry.addresses == addresses)
      return;
    // Whoever is new can be called after a crash; who changes its name with every call waits.
    const bool fresh = known == nullptr || known->entry.addresses.empty();
    Impl::Row& row = impl_->NeedRow(peer);
    row.entry.name = std::move(name);
    row.entry.addresses = std::move(addresses);
    to_write = impl_->RowsToWrite(peer, /*state_changed=*/fresh);
  }
  impl_->Submit(to_write);
  changed_.Notify();
}

void PeerBook::NoteGoodAddress(const base::PeerId& peer, const std::string& address) {
  std::vector<base::PeerId> to_write;
  {
    base::MutexLock lock(impl_->mutex);
    const Impl::Row* known = impl_->FindRow(peer);
    if (known != nullptr && known->entry.last_good_address == address) return;
    impl_->NeedRow(peer).entry.last_good_address = address;
    to_write = impl_->RowsToWrite(peer, /*state_changed=*/true);
  }
  impl_->Submit(to_write);
}

void PeerBook::NoteTraffic(const base::PeerId& peer, uint64_t bytes_in, uint64_t bytes_out) {
  std::vector<base::PeerId> to_write;
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->FindRow(peer) == nullptr) return;
    Impl::Row& row = impl_->NeedRow(peer);
    row.entry.bytes_in += bytes_in;
    row.entry.bytes_out += bytes_out;
    to_write = impl_->RowsToWrite(peer, /*state_changed=*/false);
  }
  impl_->Submit(to_write);
}

bool PeerBook::NoteInbound(const base::PeerId& peer) {
  const base::WallTime now = impl_->clock.WallNow();
  const base::SteadyTime steady_now = impl_->clock.SteadyNow();
  std::vector<base::PeerId> to_write;
  bool send_hello = false;
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->FindRow(peer) == nullptr) return false;
    Impl::Row& row = impl_->NeedRow(peer);
    row.entry.last_seen = now;
    // An answer would not end a cool-down that is a matter of its blobs.
    const PeerHealth& health = row.entry.health;
    if (health.CoolsForCalls(now) &&
        (!row.last_hello || steady_now - *row.last_hello >= kHelloEvery)) {
      row.last_hello = steady_now;
      send_hello = true;
    }
    to_write = impl_->RowsToWrite(peer, /*state_changed=*/false);
  }
  impl_->Submit(to_write);
  return send_hello;
}

void PeerBook::RecordSuccess(const base::PeerId& peer) {
  impl_->ChangeHealth(peer, changed_, [](PeerHealth health, base::WallTime now) {
    return AfterSuccess(std::move(health), now);
  });
}

void PeerBook::RecordFailure(const base::PeerId& peer, uint64_t returns_at_start, LastError error,
                             std::optional<base::Millis> retry_after) {
  const double unit_random = impl_->random.Unit();
  impl_->ChangeHealth(peer, changed_, [&](PeerHealth health, base::WallTime now) {
    return AfterFailure(std::move(health), now, returns_at_start, std::move(error), retry_after,
                        unit_random);
  });
}

void PeerBook::RecordBlob(const base::PeerId& peer) {
  impl_->ChangeHealth(peer, changed_, [](PeerHealth health, base::WallTime now) {
    return AfterBlob(std::move(health), now);
  });
}

void PeerBook::RecordBlobFailure(const base::PeerId& peer, uint64_t returns_at_start,
                                 LastError error, std::optional<base::Millis> retry_after) {
  const double unit_random = impl_->random.Unit();
  impl_->ChangeHealth(peer, changed_, [&](PeerHealth health, base::WallTime now) {
    return AfterBlobFailure(std::move(health), now, returns_at_start, std::move(error), retry_after,
                            unit_random);
  });
}

void PeerBook::RecordSlow(const base::PeerId& peer) {
  impl_->ChangeHealth(peer, changed_, [](PeerHealth health, base::WallTime now) {
    return AfterSlow(std::move(health), now);
  });
}

void PeerBook::RecordWrongBytes(const base::PeerId& peer, const base::BlobId& blob,
                                LastError error) {
  impl_->ChangeHealth(peer, changed_, [&](PeerHealth health, base::WallTime now) {
    return AfterWrongBytes(std::move(health), now, blob, std::move(error));
  });
}

void PeerBook::ForgiveWrongBytes() {
  std::vector<base::PeerId> blamed;
  {
    base::MutexLock lock(impl_->mutex);
    for (const auto& [peer, row] : impl_->rows) {
      if (row.entry.health.suspect || !row.entry.health.wrong.empty()) blamed.push_back(peer);
    }
  }
  for (const base::PeerId& peer : blamed) {
    impl_->ChangeHealth(peer, changed_, [](PeerHealth health, base::WallTime) {
      return AfterForgiving(std::move(health));
    });
  }
}

void PeerBook::SetListener(std::function<void(const base::PeerId&, const PeerHealth&)> listener) {
  impl_->listener = std::move(listener);
}

}  // namespace waypost::signpost
