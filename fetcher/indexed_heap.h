#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/status.h"

namespace waypost::fetcher {

// A binary heap whose elements can be removed from anywhere by the handle that Push gave. Equal
// elements leave in the order they came. Push, Pop and Remove are O(log n). Not thread-safe.
template <class T, class Less = std::less<T>>
class IndexedHeap {
 public:
  using Handle = uint32_t;

  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  // The least element. Not when empty.
  const T& top() const { return slots_[heap_.front()].value; }
  Handle top_handle() const { return heap_.front(); }
  const T& Get(Handle handle) const { return slots_[handle].value; }

  Handle Push(T value) {
    Handle handle;
    if (free_.empty()) {
      handle = static_cast<Handle>(slots_.size());
      slots_.push_back({});
    } else {
      handle = free_.back();
      free_.pop_back();
    }
    slots_[handle] = {std::move(value), next_sequence_++, static_cast<uint32_t>(heap_.size())};
    heap_.push_back(handle);
    SiftUp(slots_[handle].position);
    return handle;
  }

  T Pop() {
    CHECK(!heap_.empty());
    return Remove(heap_.front());
  }

  T Remove(Handle handle) {
    const uint32_t position = slots_[handle].position;
    CHECK(position < heap_.size() && heap_[position] == handle);
    T value = std::move(slots_[handle].value);
    const Handle moved = heap_.back();
    heap_.pop_back();
    if (moved != handle) {
      Place(moved, position);
      SiftDown(position);
      SiftUp(slots_[moved].position);
    }
    slots_[handle].position = kNowhere;
    free_.push_back(handle);
    return value;
  }

  // In no particular order.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    for (const Handle handle : heap_) visit(slots_[handle].value);
  }

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  struct Slot {
    T value{};
    uint64_t sequence = 0;
    uint32_t position = kNowhere;
  };

  bool Before(Handle a, Handle b) const {
    const Less less;
    if (less(slots_[a].value, slots_[b].value)) return true;
    if (less(slots_[b].value, slots_[a].value)) return false;
    return slots_[a].sequence < slots_[b].sequence;
  }
  void Place(Handle handle, uint32_t position) {
    heap_[position] = handle;
    slots_[handle].position = position;
  }
  void SiftUp(uint32_t position) {
    const Handle handle = heap_[position];
    while (position > 0) {
      const uint32_t parent = (position - 1) / 2;
      if (!Before(handle, heap_[parent])) break;
      Place(heap_[parent], position);
      position = parent;
    }
    Place(handle, position);
  }
  void SiftDown(uint32_t position) {
    const Handle handle = heap_[position];
    while (true) {
      std::size_t child = std::size_t{position} * 2 + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) ++child;
      if (!Before(heap_[child], handle)) break;
      Place(heap_[child], position);
      position = static_cast<uint32_t>(child);
    }
    Place(handle, position);
  }

  std::vector<Handle> heap_;
  std::vector<Slot> slots_;
  std::vector<Handle> free_;
  uint64_t next_sequence_ = 0;
};

}  // namespace waypost::fetcher
