#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "fetcher/policy/run_queue.h"
#include "tests/fetcher/policy/run_queue_keys.h"
#include "tests/support/filled_ids.h"
#include "tests/support/rounds.h"

// That nothing is forgotten, whatever comes.
namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::WallTime;
using signpost::DueKey;
using signpost::DueLane;
using support::Peer;

// The table is a std::set; rows come, go and are picked at random; the queue may hold only a
// window, yet everything due must come out, and no row that is in the table may be forgotten.
TEST(RunQueue, ForgetsNoRowOfTheTableWhateverTheWindowHolds) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(seed);
  base::SeededRandom random(seed);
  RunQueue queue(1000);
  std::set<DueKey> table;
  std::map<RunQueue::RunId, std::pair<DueKey, uint64_t>> runs;
  for (uint32_t i = 0; i < 5000; ++i) {
    table.insert(Key(static_cast<uint8_t>(1 + random.Next() % 3), i,
                     static_cast<int64_t>(random.Next() % 1000)));
  }
  for (const DueKey& key : table) {
    auto& run = runs.try_emplace({key.first_peer, key.lane}, key, 0).first->second;
    ++run.second;
  }
  for (const auto& [id, run] : runs) queue.AddStoredRun(id, run.first, run.second);
  uint32_t next_blob = 10000;
  std::size_t picked_total = 0;
  const auto refill = [&] {
    while (const auto wanted = queue.BeginRefill()) {
      const DueKey from = wanted->from;
      std::vector<DueKey> rows;
      std::optional<DueKey> next;
      for (auto it = table.lower_bound(from); it != table.end(); ++it) {
        if (RunQueue::RunId{it->first_peer, it->lane} != wanted->run) break;
        if (rows.size() == RunQueue::kRefillRows) {
          next = *it;
          break;
        }
        rows.push_back(*it);
      }
      // A row is committed between the read and its end: it must not be missed.
      const DueKey late = Key(wanted->run.first.array()[0], next_blob++, 999999);
      table.insert(late);
      queue.Upsert(late);
      queue.EndRefill(wanted->run, rows, next);
    }
  };
  for (int round = 0; round < 20000; ++round) {
    refill();
    if (random.Next() % 4 == 0) {
      const DueKey key = Key(static_cast<uint8_t>(1 + random.Next() % 3), next_blob++,
                             static_cast<int64_t>(random.Next() % 2000000));
      table.insert(key);
      queue.Upsert(key);
    }
    const auto picked = queue.Pick(At(3000000));
    if (!picked) break;
    ASSERT_EQ(table.erase(picked->key), 1u) << "picked what the table does not have";
    queue.Release({picked->at}, Millis(0));
    ++picked_total;
  }
  while (true) {
    refill();
    const auto picked = queue.Pick(At(3000000));
    if (!picked) break;
    ASSERT_EQ(table.erase(picked->key), 1u);
    queue.Release({picked->at}, Millis(0));
    ++picked_total;
  }
  EXPECT_TRUE(table.empty()) << table.size() << " rows were forgotten";
  EXPECT_GT(picked_total, 5000u);
}

// Everything that may happen to a queue, in any order, against a table that is told of each row.
class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed) {
    for (uint32_t i = 0; i < 1700; ++i) table_.insert(NewKey());
    std::map<RunQueue::RunId, std::pair<DueKey, uint64_t>> runs;
    for (const DueKey& key : table_) {
      ++runs.try_emplace({key.first_peer, key.lane}, key, 0).first->second.second;
    }
    for (const auto& [id, run] : runs) queue_.AddStoredRun(id, run.first, run.second);
  }
  std::string Broken() const { return queue_.CheckInvariants(table_); }

  // What it did, for people.
  std::string Step() {
    switch (Any(16)) {
      case 0:
        Put(NewKey());
        return "a new row";
      case 1:
        if (const auto row = SomeRow()) Change(*row);
        return "a row changes";
      case 2:
        if (const auto row = SomeRow()) {
          table_.erase(*row);
          queue_.Erase(*row);
        }
        return "a row goes";
      case 3:
      case 4:
        Pick();
        return "picks";
      case 5:
        Land();
        return "what was picked ends";
      case 6:
        queue_.SetCoolDown(SomePeer(), now_ + Millis(Any(1000)), now_);
        return "a cool-down";
      case 7:
        queue_.SetCoolDown(SomePeer(), base::kNever, now_);
        return "a return";
      case 8:
        now_ += Millis(Any(400));
        queue_.NoteEnds(now_);
        return "time passes";
      case 9:
        if (const auto row = SomeRow()) queue_.Redirect(row->blob, SomePeer());
        return "a redirection";
      case 10:
        if (const auto row = SomeRow()) queue_.SetWaiting(row->blob, Any(2) == 0);
        return "a client comes or leaves";
      case 11:
        if (Any(2) == 0) queue_.SetSponsor(SomePeer(), SomePeer());
        if (const auto row = SomeRow()) queue_.MarkAlone(row->blob);
        return "one is to go alone";
      case 12:
        for (const BlobId& blob : queue_.TakeLook(20, now_).at_home) {
          if (Any(2) == 0) queue_.Redirect(blob, SomePeer());
        }
        return "a look";
      case 13:
        RunWalk();
        return "a walk";
      default:
        Refill();
        return "a refill";
    }
  }

 private:
  uint64_t Any(uint64_t below) { return random_.Next() % below; }
  // Zero: nobody is known.
  PeerId SomePeer() { return Peer(static_cast<uint8_t>(Any(4))); }
  DueKey NewKey() {
    // Most are of one run, so that it has more rows than are read at once.
    const auto peer = static_cast<uint8_t>(Any(4) == 0 ? Any(4) : 1);
    return Key(peer, next_blob_++, static_cast<int64_t>(Any(5000)),
               Any(8) == 0 ? DueLane::kRetry : DueLane::kNew);
  }
  std::optional<DueKey> SomeRow() {
    if (table_.empty()) return std::nullopt;
    const auto it =
        table_.lower_bound(Key(static_cast<uint8_t>(Any(4)), 0, static_cast<int64_t>(Any(5000))));
    return it == table_.end() ? *table_.begin() : *it;
  }
  void Put(const DueKey& key) {
    table_.insert(key);
    queue_.CountRow(key, 1);
    queue_.Upsert(key, /*force=*/Any(8) == 0);
  }
  void Change(const DueKey& row) {
    DueKey changed = NewKey();
    changed.blob = row.blob;
    table_.erase(row);
    queue_.CountRow(row, -1);
    Put(changed);
  }
  void Pick() {
    auto first = queue_.Pick(now_);
    if (!first) return;
    std::vector<RunQueue::Picked> picked = {*first};
    queue_.PickMore(Any(10), now_, picked);
    for (const auto& one : picked) {
      ASSERT_EQ(table_.erase(one.key), 1u) << "picked what the table does not have";
      rows_out_.push_back(one.key);
    }
    slots_.push_back({picked.front().at, picked.front().alone});
  }
  void Land() {
    if (slots_.empty()) return;
    RunQueue::Held& slot = slots_[Any(slots_.size())];
    const PeerId other = SomePeer();
    if (!slot.large && Any(3) == 0) slot.large = queue_.Enlarge(slot.at);
    if (Any(3) == 0 && queue_.MoveSlot(slot, other, Millis(0), now_)) slot.at = other;
    std::swap(slot, slots_.back());
    queue_.Release(slots_.back(), Millis(0));
    slots_.pop_back();
    // Some have arrived, others wait anew.
    for (const DueKey& row : std::exchange(rows_out_, {})) {
      if (Any(2) == 0) continue;
      DueKey again = NewKey();
      again.blob = row.blob;
      Put(again);
    }
  }
  // The rows of a run from `first` on, as the index would give them.
  std::vector<DueKey> Read(const DueKey& first, std::size_t limit,
                           std::optional<DueKey>& next) const {
    std::vector<DueKey> rows;
    for (auto it = table_.lower_bound(first); it != table_.end(); ++it) {
      if (it->first_peer != first.first_peer || it->lane != first.lane) break;
      if (rows.size() == limit) {
        next = *it;
        break;
      }
      rows.push_back(*it);
    }
    return rows;
  }
  void RunWalk() {
    const auto walk = queue_.BeginWalk(now_, Any(2) == 0);
    if (!walk) return;
    std::optional<DueKey> next;
    std::vector<RunQueue::Route> routes;
    for (const DueKey& row : Read(walk->from, 30, next)) {
      if (Any(3) == 0) routes.push_back({row, SomePeer()});
    }
    queue_.EndWalk(walk->peer, routes, next);
  }
  void Refill() {
    const auto refill = queue_.BeginRefill();
    if (!refill) return;
    std::optional<DueKey> next;
    const std::vector<DueKey> rows = Read(refill->from, RunQueue::kRefillRows, next);
    Put(NewKey());  // committed between the read and its end
    EXPECT_EQ(Broken(), "") << "while a run is filled up";
    queue_.EndRefill(refill->run, rows, next);
  }

  base::SeededRandom random_;
  RunQueue queue_{2};
  std::set<DueKey> table_;  // without what was picked
  std::vector<DueKey> rows_out_;
  std::vector<RunQueue::Held> slots_;
  uint32_t next_blob_ = 0;
  WallTime now_ = At(1000);
};

TEST(RunQueue, KeepsItsInvariantsWhateverComes) {
  for (const uint64_t seed : {11u, 12u}) {
    Walk walk(seed);
    ASSERT_EQ(walk.Broken(), "");
    for (int step = 0; step < support::Rounds(400); ++step) {
      const std::string what = walk.Step();
      ASSERT_EQ(walk.Broken(), "") << "seed " << seed << ", step " << step << ": " << what;
    }
  }
}

}  // namespace
}  // namespace waypost::fetcher
