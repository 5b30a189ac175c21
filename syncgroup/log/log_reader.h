#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/log/log_rows.h"
#include "syncgroup/protocol/log_entry.h"

namespace waypost::syncgroup {

using StoredBranch = std::pair<BranchId, BranchRow>;

// A group's log with branches in one transaction. Of its thread, and gone before it. A row that
// cannot be read is absent, and what stands on it is not found; ReadTxn::status says whether it was
// the index.
class LogReader {
 public:
  LogReader(base::ReadTxn& txn, const base::GroupId& group) : txn_(txn), group_(group) {}

  const base::GroupId& group() const { return group_; }
  base::ReadTxn& txn() const { return txn_; }
  LogState State() const;

  std::optional<BranchRow> Branch(BranchId branch) const;
  // All of the group, or of one numbering, a parent before what leaves it. O(branches).
  std::vector<StoredBranch> Branches() const;
  std::vector<StoredBranch> BranchesOf(const base::EntryHash& numbering) const;

  // The same entry by the branch that has it as its own; the place itself where nothing is known of
  // its branch. O(depth).
  StoredPlace Owner(StoredPlace place) const;
  // On the branch or before it left its parent. nullopt: it is not here.
  std::optional<StoredEntry> EntryAt(const StoredPlace& place) const;
  std::optional<base::EntryHash> HashAt(const StoredPlace& place) const;
  // Is `place` the entry of `head`, or before it on its branch? O(depth).
  bool IsAncestorOrSelf(const StoredPlace& place, const StoredPlace& head) const;

  // The place of an entry that is here, by what it says of itself. O(branches of the numbering),
  // an entry read for each.
  std::optional<StoredPlace> Find(const LogHead& head) const;
  // Of an entry of acts. O(1).
  std::optional<StoredPlace> FindActs(const base::EntryHash& hash) const;

  // The heads that are told to others: the last entry that is kept of each branch, unless another
  // of them stands after it. In order. Two peers that keep the same entries have the same, in
  // whichever order these came.
  std::vector<LogHead> ToldHeads() const;

 protected:
  std::optional<LogHead> ToldOf(const BranchRow& row) const;

  base::ReadTxn& txn_;
  const base::GroupId group_;
};

// Of heads in order: equal for two peers that keep the same entries. BLAKE2b-256 of
// "waypost-heads-1", a zero byte and of each head numbering, generation (8 bytes, big-endian) and
// hash. Pure.
base::EntryHash DigestOf(const std::vector<LogHead>& heads);

}  // namespace waypost::syncgroup
