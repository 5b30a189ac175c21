#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "fetcher/policy/run_queue.h"

// The invariants of RunQueue, each looked for by itself and from the other side where there is one:
// what entries say against what shelves hold, counts against what they count. Tests call it after
// each step; the product never does, since it walks everything.

namespace waypost::fetcher {
namespace {

std::string Name(const base::BlobId& blob) { return blob.ToHex().substr(0, 8); }
std::string Name(const base::PeerId& peer) { return peer.ToHex().substr(0, 8); }

}  // namespace

// What does not hold, and what was counted on the way.
class RunQueue::Check {
 public:
  explicit Check(const RunQueue& queue) : queue_(queue) {}

  void Entries();
  void Peers();
  void Runs();
  void Rows(const std::set<signpost::DueKey>& table);
  const std::string& broken() const { return broken_; }

 private:
  template <class... What>
  void Found(const What&... what) {
    constexpr std::size_t kEnoughBytes = 500;  // one mistake may show in every row
    if (broken_.size() < kEnoughBytes) absl::StrAppend(&broken_, what..., "\n");
  }
  void OnShelf(const base::PeerId& id, const Peer& peer, std::size_t shelf, const Item& item);

  const RunQueue& queue_;
  std::string broken_;
  std::map<RunId, std::size_t> loaded_;       // by the entries
  std::map<base::PeerId, std::size_t> away_;  // by the entries
};

void RunQueue::Check::Entries() {
  for (const auto& [blob, entry] : queue_.entries_) {
    if (entry.key.blob != blob) Found("entry ", Name(blob), " has the row of another blob");
    if (entry.shelf != queue_.ShelfOf(entry.key, entry.alone)) {
      Found("entry ", Name(blob), " is on the wrong shelf");
    }
    ++loaded_[{entry.key.first_peer, entry.key.lane}];
    if (entry.at != entry.key.first_peer) ++away_[entry.key.first_peer];
    if (!queue_.peers_.contains(entry.at)) Found("entry ", Name(blob), " waits at nobody");
  }
}

void RunQueue::Check::OnShelf(const base::PeerId& id, const Peer& peer, std::size_t shelf,
                              const Item& item) {
  const auto it = queue_.entries_.find(item.key.blob);
  if (it == queue_.entries_.end() || it->second.at != id || it->second.shelf != shelf ||
      it->second.key != item.key) {
    Found("a shelf of ", Name(id), " holds ", Name(item.key.blob), ", which is not there");
  } else if (peer.shelves[shelf].Get(it->second.handle).key != item.key) {
    Found("the handle of ", Name(item.key.blob), " leads elsewhere");
  }
  if (item.start > item.key.due) Found(Name(item.key.blob), " starts after it is due");
}

void RunQueue::Check::Peers() {
  std::size_t waiting = 0;
  for (const auto& known : queue_.peers_) {
    const base::PeerId& id = known.first;
    const Peer& peer = known.second;
    for (std::size_t shelf = 0; shelf < std::size(peer.shelves); ++shelf) {
      waiting += peer.shelves[shelf].size();
      peer.shelves[shelf].ForEach([&](const Item& item) { OnShelf(id, peer, shelf, item); });
    }
    if (peer.away != away_[id]) {
      Found("peer ", Name(id), " counts ", peer.away, " away, there are ", away_[id]);
    }
    const bool cools = peer.cool_down_end != base::kNever;
    if (!cools && !peer.poor && !peer.unseen.empty())
      Found("peer ", Name(id), " has entries to look at");
    if (cools == (peer.walk == Peer::WalkState::kNone)) Found("the walk of peer ", Name(id));
    if (!cools && peer.end_noted) Found("the end of a cool-down that peer ", Name(id), " has not");
  }
  const std::size_t entries = queue_.entries_.size();
  uint32_t large = 0;
  for (const auto& known : queue_.peers_) {
    large += known.second.large;
    if (known.second.large > known.second.running) Found("more large ones than slots");
  }
  if (large != queue_.large_) Found(queue_.large_, " large ones, ", large, " at peers");
  if (waiting != entries) Found(entries, " entries, ", waiting, " on shelves");
}

void RunQueue::Check::Runs() {
  for (const auto& [id, run] : queue_.runs_) {
    if (run.loaded != loaded_[id]) {
      Found("a run of ", Name(id.first), " counts ", run.loaded, ", there are ", loaded_[id]);
    }
    if (run.refilling && !run.bound) Found("a run without a bound is being filled up");
    if (run.freed && !run.bound) Found("a run without a bound is freed beyond it");
  }
}

void RunQueue::Check::Rows(const std::set<signpost::DueKey>& table) {
  for (const signpost::DueKey& key : table) {
    const auto run = queue_.runs_.find({key.first_peer, key.lane});
    const bool known = run != queue_.runs_.end();
    if (known && run->second.bound && !(key < *run->second.bound)) continue;
    const auto it = queue_.entries_.find(key.blob);
    if (it == queue_.entries_.end() || it->second.key != key) {
      Found("the row of ", Name(key.blob), " is below its run's bound and not in memory");
    }
  }
}

std::string RunQueue::CheckInvariants(const std::set<signpost::DueKey>& table) const {
  Check check(*this);
  check.Entries();
  check.Peers();
  check.Runs();
  check.Rows(table);
  return check.broken();
}

}  // namespace waypost::fetcher
