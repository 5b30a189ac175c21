#include "syncgroup/membership/seniority.h"

#include <iterator>

#include "base/status.h"

// A basis comes before the next of its siblings, or before the end of what they all rest on: so its
// place is found without walking down or up, however deep somebody makes the tree. The children of
// all bases stand in one ordered set, those of one basis beside each other.

namespace waypost::syncgroup {

SeniorityTree::SeniorityTree() {
  for (const Node node : {kRecovery, kGenesis}) {
    CHECK(node == nodes_.size());
    Record& record = nodes_.emplace_back();
    record.child = children_.end();
    record.begin = order_.Append();
    record.end = order_.Append();
  }
}

SeniorityTree::Node SeniorityTree::Insert(Node parent, const Key& key) {
  Node node = static_cast<Node>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
  }
  const auto [it, fresh] = children_.insert({parent, key, node});
  CHECK(fresh);
  const auto next = std::next(it);
  const bool last = next == children_.end() || next->parent != parent;
  const OrderList::Item before = last ? nodes_[parent].end : nodes_[next->node].begin;
  const OrderList::Item begin = order_.InsertBefore(before);
  nodes_[node] = {it, begin, order_.InsertBefore(before)};
  return node;
}

void SeniorityTree::Erase(Node node) {
  const Record record = nodes_.at(node);
  CHECK(record.child != children_.end());
  const auto below = children_.lower_bound({node, Key{base::WallTime::min()}, kNoNode});
  CHECK(below == children_.end() || below->parent != node);
  children_.erase(record.child);
  order_.Erase(record.begin);
  order_.Erase(record.end);
  nodes_[node].child = children_.end();
  free_.push_back(node);
}

}  // namespace waypost::syncgroup
