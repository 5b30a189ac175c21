#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"

namespace waypost::fetcher {

// The Rank of elements that have no number to compare first: Less decides every comparison.
struct NoRank {
  template <class T>
  int64_t operator()(const T&) const {
    return 0;
  }
};

// A heap whose elements can be removed from anywhere by the handle that Push gave. Equal elements
// leave in the order they came. Push, Pop and Remove are O(log n). Where memory runs out Push
// throws and nothing has changed; the others take none. Not thread-safe.
//
// `Rank` is what of an element decides most comparisons, and agrees with Less: it stands in the
// heap itself, with four children side by side, so that sifting seldom looks at the elements, which
// are anywhere in memory.
template <class T, class Less = std::less<T>, class Rank = NoRank>
class IndexedHeap {
 public:
  using Handle = uint32_t;

  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  // The least element. Not when empty.
  const T& top() const { return At(heap_.front().handle).value; }
  const T& Get(Handle handle) const { return At(handle).value; }

  Handle Push(T value) {
    if (free_.empty()) AddFree();
    heap_.emplace_back();  // the last that may throw
    const Handle handle = free_.back();
    free_.pop_back();
    Element& element = At(handle);
    element = {std::move(value), next_sequence_++};
    const Node node{Rank()(element.value), handle};
    SiftUp(static_cast<uint32_t>(heap_.size() - 1), node);
    return handle;
  }

  T Pop() {
    CHECK(!heap_.empty());
    return Remove(heap_.front().handle);
  }

  T Remove(Handle handle) {
    const uint32_t position = positions_[handle];
    CHECK(position < heap_.size() && heap_[position].handle == handle);
    T value = std::move(At(handle).value);
    const Node moved = heap_.back();
    heap_.pop_back();
    if (moved.handle != handle) {
      // It comes from the bottom, and may belong above as well where it left another branch.
      if (position > 0 && Before(moved, heap_[(position - 1) / kArity])) {
        SiftUp(position, moved);
      } else {
        SiftDown(position, moved);
      }
    }
    positions_[handle] = kNowhere;
    free_.push_back(handle);
    return value;
  }

  // In no particular order.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    for (const Node& node : heap_) visit(At(node.handle).value);
  }

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  static constexpr uint32_t kArity = 4;
  static constexpr uint32_t kChunk = 32;  // elements: there are three heaps a peer, mostly small
  struct Element {
    T value{};
    uint64_t sequence = 0;
  };
  struct Node {
    int64_t rank = 0;
    Handle handle = 0;
  };

  // One handle more. There is room in `free_` for all, so that Remove takes no memory.
  void AddFree() {
    const auto handle = static_cast<Handle>(positions_.size());
    if (handle / kChunk == chunks_.size()) {
      chunks_.push_back(std::make_unique<Element[]>(kChunk));
    }
    if (positions_.size() == positions_.capacity()) {
      positions_.reserve(std::max<std::size_t>(kChunk, 2 * positions_.size()));
    }
    free_.reserve(positions_.capacity());
    positions_.push_back(kNowhere);
    free_.push_back(handle);
  }
  Element& At(Handle handle) { return chunks_[handle / kChunk][handle % kChunk]; }
  const Element& At(Handle handle) const { return chunks_[handle / kChunk][handle % kChunk]; }
  bool Before(const Node& a, const Node& b) const {
    if (a.rank != b.rank) return a.rank < b.rank;
    const Less less;
    const Element& first = At(a.handle);
    const Element& second = At(b.handle);
    if (less(first.value, second.value)) return true;
    if (less(second.value, first.value)) return false;
    return first.sequence < second.sequence;
  }
  void Place(const Node& node, uint32_t position) {
    heap_[position] = node;
    positions_[node.handle] = position;
  }
  void SiftUp(uint32_t position, const Node& node) {
    while (position > 0) {
      const uint32_t parent = (position - 1) / kArity;
      if (!Before(node, heap_[parent])) break;
      Place(heap_[parent], position);
      position = parent;
    }
    Place(node, position);
  }
  void SiftDown(uint32_t position, const Node& node) {
    while (true) {
      const std::size_t first = std::size_t{position} * kArity + 1;
      if (first >= heap_.size()) break;
      const std::size_t end = std::min(first + kArity, heap_.size());
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (Before(heap_[child], heap_[least])) least = child;
      }
      if (!Before(heap_[least], node)) break;
      Place(heap_[least], position);
      position = static_cast<uint32_t>(least);
    }
    Place(node, position);
  }

  std::vector<Node> heap_;
  // By handle. In chunks, so that a queue that grows does not move a million elements under its
  // owner's lock.
  std::vector<std::unique_ptr<Element[]>> chunks_;
  // By handle. Apart from the elements, because every move in the heap writes one.
  std::vector<uint32_t> positions_;
  std::vector<Handle> free_;
  uint64_t next_sequence_ = 0;
};

}  // namespace waypost::fetcher
