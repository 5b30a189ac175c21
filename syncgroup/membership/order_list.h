#pragma once

#include <cstdint>
#include <vector>

namespace waypost::syncgroup {

// A list in which one can insert anywhere and ask which of two items stands before the other: each
// item has a number of 62 bits, and where no number is left between two the smallest aligned range
// around them that is thin enough is numbered anew (Bender, Cole, Demaine, Farach-Colton and Zito,
// "Two simplified algorithms for maintaining order in a list", 2002). Insertion O(log n) amortized
// whatever the order, the rest O(1); 16 bytes an item. Room for some 10^9.
//
// Threads: none of its own. Pure.
class OrderList {
 public:
  using Item = uint32_t;

  // After all others.
  Item Append();
  // CHECK: `next` is in the list and not its first.
  Item InsertBefore(Item next);
  void Erase(Item item);
  bool IsBefore(Item a, Item b) const { return items_[a].label < items_[b].label; }

 private:
  static constexpr Item kNone = UINT32_MAX;
  struct Slot {
    uint64_t label = 0;
    Item previous = kNone;
    Item next = kNone;
  };

  Item Link(Item previous, Item next);
  void MakeRoomAfter(Item item);

  std::vector<Slot> items_;
  std::vector<Item> free_;
  Item last_ = kNone;
};

}  // namespace waypost::syncgroup
