#include "syncgroup/membership/order_list.h"

#include "base/status.h"

// A new item takes the number in the middle of its neighbours'. Where there is none, ranges of 2,
// 4, 8, ... numbers around the left one are counted until one is found with few enough items for
// its size (a share that shrinks by kThinner with each doubling, so that a range that was spread
// stays roomy for as many insertions as spreading it took), and its items are spread evenly.

namespace waypost::syncgroup {
namespace {

constexpr int kLabelBits = 62;
constexpr uint64_t kLabels = uint64_t{1} << kLabelBits;
// Between 1 and 2: nearer to 1 there are fewer and longer renumberings.
constexpr double kThinner = 1.4;

}  // namespace

OrderList::Item OrderList::Append() { return Link(last_, kNone); }

OrderList::Item OrderList::InsertBefore(Item next) {
  CHECK(items_.at(next).previous != kNone);
  return Link(items_[next].previous, next);
}

OrderList::Item OrderList::Link(Item previous, Item next) {
  Item item = static_cast<Item>(items_.size());
  if (free_.empty()) {
    items_.emplace_back();
  } else {
    item = free_.back();
    free_.pop_back();
  }
  const auto low = [&] { return previous == kNone ? 0 : items_[previous].label; };
  const auto high = [&] { return next == kNone ? kLabels : items_[next].label; };
  if (high() - low() < 2) MakeRoomAfter(previous);
  CHECK(high() - low() >= 2);
  items_[item] = {low() + (high() - low()) / 2, previous, next};
  if (previous != kNone) items_[previous].next = item;
  (next == kNone ? last_ : items_[next].previous) = item;
  return item;
}

void OrderList::MakeRoomAfter(Item item) {
  CHECK(item != kNone);
  Item first = item;
  Item end = items_[item].next;
  uint64_t count = 1;
  double room = 1;
  for (int bits = 1; bits <= kLabelBits; ++bits) {
    const uint64_t size = uint64_t{1} << bits;
    const uint64_t low = items_[item].label & ~(size - 1);
    for (; items_[first].previous != kNone && items_[items_[first].previous].label >= low; ++count)
      first = items_[first].previous;
    for (; end != kNone && items_[end].label - low < size; ++count) end = items_[end].next;
    room *= 2 / kThinner;
    // Twice as many numbers as items at least, so that there is one between any two.
    if (static_cast<double>(count) >= room || size / count < 2) continue;
    const uint64_t step = size / count;
    uint64_t label = low;
    for (Item each = first; each != end; each = items_[each].next, label += step) {
      items_[each].label = label;
    }
    return;
  }
  CHECK(false);  // more items than numbers
}

void OrderList::Erase(Item item) {
  const Slot slot = items_.at(item);
  if (slot.previous != kNone) items_[slot.previous].next = slot.next;
  (slot.next == kNone ? last_ : items_[slot.next].previous) = slot.previous;
  items_[item] = {};
  free_.push_back(item);
}

}  // namespace waypost::syncgroup
