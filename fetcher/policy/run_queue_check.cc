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

std::string RunQueue::CheckInvariants(const std::set<signpost::DueKey>& table) const {
  std::string broken;
  const auto found = [&](const auto&... what) {
    constexpr std::size_t kEnoughBytes = 500;  // one mistake may show in every row
    if (broken.size() < kEnoughBytes) absl::StrAppend(&broken, what..., "\n");
  };

  std::map<RunId, std::size_t> loaded;
  std::map<base::PeerId, std::size_t> away;
  for (const auto& [blob, entry] : entries_) {
    if (entry.key.blob != blob) found("entry ", Name(blob), " has the row of another blob");
    if (entry.shelf != ShelfOf(entry.key)) found("entry ", Name(blob), " is on the wrong shelf");
    ++loaded[{entry.key.first_peer, entry.key.lane}];
    if (entry.at != entry.key.first_peer) ++away[entry.key.first_peer];
    if (!peers_.contains(entry.at)) found("entry ", Name(blob), " waits at nobody");
  }
  std::size_t waiting = 0;
  for (const auto& known : peers_) {
    const base::PeerId& id = known.first;
    const Peer& peer = known.second;
    for (std::size_t shelf = 0; shelf < std::size(peer.shelves); ++shelf) {
      waiting += peer.shelves[shelf].size();
      peer.shelves[shelf].ForEach([&](const Item& item) {
        const auto it = entries_.find(item.key.blob);
        if (it == entries_.end() || it->second.at != id || it->second.shelf != shelf ||
            it->second.key != item.key) {
          found("a shelf of ", Name(id), " holds ", Name(item.key.blob), ", which is not there");
        } else if (peer.shelves[shelf].Get(it->second.handle).key != item.key) {
          found("the handle of ", Name(item.key.blob), " leads elsewhere");
        }
        if (item.start > item.key.due) found(Name(item.key.blob), " starts after it is due");
      });
    }
    if (peer.away != away[id]) {
      found("peer ", Name(id), " counts ", peer.away, " away, there are ", away[id]);
    }
    const bool cools = peer.cool_down_end != base::kNever;
    if (!cools && !peer.unseen.empty()) found("peer ", Name(id), " has entries to look at");
    if (cools == (peer.walk == Peer::WalkState::kNone)) found("the walk of peer ", Name(id));
    if (!cools && peer.end_noted) found("the end of a cool-down that peer ", Name(id), " has not");
  }
  if (waiting != entries_.size()) found(entries_.size(), " entries, ", waiting, " on shelves");

  for (const auto& [id, run] : runs_) {
    if (run.loaded != loaded[id]) {
      found("a run of ", Name(id.first), " counts ", run.loaded, ", there are ", loaded[id]);
    }
    if (run.refilling && !run.bound) found("a run without a bound is being filled up");
    if (run.freed && !run.bound) found("a run without a bound is freed beyond it");
  }
  for (const signpost::DueKey& key : table) {
    const auto run = runs_.find({key.first_peer, key.lane});
    const bool beyond = run != runs_.end() && run->second.bound && !(key < *run->second.bound);
    const auto it = entries_.find(key.blob);
    if (!beyond && (it == entries_.end() || it->second.key != key)) {
      found("the row of ", Name(key.blob), " is below its run's bound and not in memory");
    }
  }
  return broken;
}

}  // namespace waypost::fetcher
