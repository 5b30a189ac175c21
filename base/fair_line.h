#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/payer.h"

namespace waypost::base {

// What waits for a number of threads, kept by who pays: of those with something that waits, the one
// that has used the least time goes next. So one that asks for much waits for itself, and who asks
// for little is served at once. A quarter of the threads (where there are four or more) is left to
// others even by one who is alone: whoever comes finds one free, however long a job takes. Shared
// so are the workers of a listener, those of rounds and pokes, diallers and look-ups of names.
//
// Time used is virtual: `floor_` is that of whoever went last, and who comes begins there, so that
// having been away is no credit and what was used while nobody else came is no debt. What somebody
// used beyond it is remembered while it is away, of kAwayMax payers.
//
// What nobody pays for goes first and costs no more than a queue. Pure: no clock, no lock.
template <class Item>
class FairLine {
 public:
  static constexpr std::size_t kAwayMax = 256;

  explicit FairLine(unsigned running_max) : FairLine(running_max, QuarterLeft(running_max)) {}
  FairLine(unsigned running_max, unsigned of_one_max)
      : running_max_(running_max), of_one_max_(of_one_max) {}
  // What runs already runs on.
  void SetRunningMax(unsigned running_max) {
    running_max_ = running_max;
    of_one_max_ = QuarterLeft(running_max);
  }

  // `first`: before what else waits for the same payer. An exception leaves everything as it was,
  // and `item` too.
  void Push(Payer payer, Item&& item, bool first = false) {
    if (payer == kNobody) {
      if (first) {
        nobodys_.push_front(std::move(item));
      } else {
        nobodys_.push_back(std::move(item));
      }
      return;
    }
    Share& share = shares_[payer];
    if (waiting_.size() == waiting_.capacity()) waiting_.reserve(2 * waiting_.size() + 8);
    if (first && !share.items.empty()) {
      // In the place of the one that was first.
      share.items.emplace_front(share.items.front().first, std::move(item));
      return;
    }
    share.items.emplace_back(next_number_, std::move(item));
    ++next_number_;
    if (share.items.size() > 1) return;
    share.place = waiting_.size();
    waiting_.push_back(&share);
    if (share.running == 0) share.used = std::max(share.used, floor_);
  }

  // What is to be taken next; null: nothing waits, or all that does has its threads already.
  Item* Next(SteadyTime now) {
    return Next(now, [](const Item&) { return true; });
  }
  // ... of those that may go as the first of their payer (nobody's always may).
  template <class Predicate>
  Item* Next(SteadyTime now, Predicate may_go) {
    next_ = nullptr;
    if (running_ >= running_max_) return nullptr;
    if (!nobodys_.empty()) return &nobodys_.front();
    for (Share* const share : waiting_) {
      if (share->running >= of_one_max_) continue;
      if (next_ != nullptr && !IsBefore(*share, *next_, now)) continue;
      if (may_go(std::as_const(share->items.front().second))) next_ = share;
    }
    return next_ == nullptr ? nullptr : &next_->items.front().second;
  }

  // Takes what Next(now) has just shown.
  Item Take(SteadyTime now) {
    ++running_;
    if (next_ == nullptr) {
      Item item = std::move(nobodys_.front());
      nobodys_.pop_front();
      return item;
    }
    Share& share = *std::exchange(next_, nullptr);
    share.Reckon(now);
    floor_ = std::max(floor_, share.used);
    ++share.running;
    Item item = std::move(share.items.front().second);
    share.items.pop_front();
    if (share.items.empty()) {
      waiting_[share.place] = waiting_.back();
      waiting_[share.place]->place = share.place;
      waiting_.pop_back();
    }
    return item;
  }

  // One of that payer is done.
  void Done(Payer payer, SteadyTime now) {
    --running_;
    if (payer == kNobody) return;
    Share& share = shares_.find(payer)->second;
    share.Reckon(now);
    --share.running;
    if (shares_.size() > waiting_.size() + running_ + kAwayMax) ForgetSome();
  }

  // Drops all that waits.
  void DropWaiting() {
    nobodys_.clear();
    for (Share* const share : waiting_) share->items.clear();
    waiting_.clear();
    next_ = nullptr;
  }

  // Payers that are remembered.
  std::size_t payers() const { return shares_.size(); }
  std::size_t WaitingOf(Payer payer) const {
    const auto found = shares_.find(payer);
    return found == shares_.end() ? 0 : found->second.items.size();
  }

 private:
  static constexpr unsigned QuarterLeft(unsigned threads) { return threads - threads / 4; }

  struct Share {
    std::deque<std::pair<uint64_t, Item>> items = {};  // each with its number
    std::size_t place = 0;                             // in `waiting_`, while there are items
    unsigned running = 0;
    SteadyTime::duration used{0};  // until `reckoned`
    SteadyTime reckoned;

    SteadyTime::duration UsedAt(SteadyTime now) const {
      return running == 0 ? used : used + running * (now - reckoned);
    }
    void Reckon(SteadyTime now) {
      used = UsedAt(now);
      reckoned = now;
    }
  };

  static bool IsBefore(const Share& one, const Share& other, SteadyTime now) {
    const auto used = one.UsedAt(now), used_by_other = other.UsedAt(now);
    if (used != used_by_other) return used < used_by_other;
    return one.items.front().first < other.items.front().first;
  }

  // Those that are away and owe nothing; where all of them owe, the one that owes least.
  void ForgetSome() {
    auto least = shares_.end();
    bool forgotten = false;
    for (auto it = shares_.begin(); it != shares_.end();) {
      const Share& share = it->second;
      const bool away = share.running == 0 && share.items.empty();
      if (away && share.used <= floor_) {
        it = shares_.erase(it);
        forgotten = true;
        continue;
      }
      if (away && (least == shares_.end() || share.used < least->second.used)) least = it;
      ++it;
    }
    if (!forgotten && least != shares_.end()) shares_.erase(least);
  }

  unsigned running_max_;
  unsigned of_one_max_;
  unsigned running_ = 0;
  std::deque<Item> nobodys_;
  std::unordered_map<Payer, Share> shares_;
  std::vector<Share*> waiting_;  // those with items
  Share* next_ = nullptr;        // whom Next has chosen; null: nobody's
  uint64_t next_number_ = 0;
  SteadyTime::duration floor_{0};
};

}  // namespace waypost::base
