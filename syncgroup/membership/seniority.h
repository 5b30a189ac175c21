#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <tuple>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/membership/order_list.h"

namespace waypost::syncgroup {

// Who is senior to whom: the tree of bases in depth-first order, a basis before all that rests on
// it, children of one basis by stamp, hash of the entry, position in it. Only a common ancestor
// could have arranged the order of two, and it is senior to both. Before all stand the recovery
// keys and what rests on them, then the genesis and what rests on it.
//
// No path is stored: each basis has two items of an ordered list, where its part of the tree begins
// and ends. Insert and Erase O(log n) amortized, IsSenior O(1), about 200 bytes a basis.
//
// Threads: none of its own; under the lock of its owner. Pure.
class SeniorityTree {
 public:
  using Node = uint32_t;
  static constexpr Node kRecovery = 0;
  static constexpr Node kGenesis = 1;
  static constexpr Node kNoNode = UINT32_MAX;

  // The order of those that rest on the same basis.
  struct Key {
    base::WallTime stamp;
    base::EntryHash entry;
    uint32_t position = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  SeniorityTree();
  SeniorityTree(const SeniorityTree&) = delete;
  SeniorityTree& operator=(const SeniorityTree&) = delete;
  // A basis whose author rests on `parent`. CHECK: no other child of it has the same key.
  Node Insert(Node parent, const Key& key);
  // CHECK: nothing rests on it.
  void Erase(Node node);
  // Strictly: nobody is senior to itself.
  bool IsSenior(Node a, Node b) const { return order_.IsBefore(nodes_[a].begin, nodes_[b].begin); }

 private:
  struct Child {
    Node parent = kNoNode;
    Key key;
    Node node = kNoNode;
    bool operator<(const Child& other) const {
      return std::tie(parent, key) < std::tie(other.parent, other.key);
    }
  };
  struct Record {
    std::set<Child>::const_iterator child;  // children_.end(): rests on nothing
    OrderList::Item begin = 0;
    OrderList::Item end = 0;
  };

  OrderList order_;
  std::vector<Record> nodes_;
  std::vector<Node> free_;
  std::set<Child> children_;
};

}  // namespace waypost::syncgroup
