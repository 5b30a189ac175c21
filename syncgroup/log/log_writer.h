#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/index.h"
#include "syncgroup/log/log_reader.h"
#include "syncgroup/log/log_rows.h"
#include "syncgroup/protocol/log_entry.h"

namespace waypost::syncgroup {

// The only code that changes a group's log with branches. It knows where an entry stands, and
// nothing of who may write what: whoever appends has decided that. In one write transaction, of its
// thread; durable with it.
class LogWriter : public LogReader {
 public:
  LogWriter(base::WriteTxn& txn, const base::GroupId& group)
      : LogReader(txn, group), writes_(txn) {}

  struct Appended {
    enum class Kind : uint8_t {
      kNew,      // at `place` now
      kHere,     // it was there already
      kMissing,  // what it follows on is not here
    };
    Kind kind = Kind::kMissing;
    StoredPlace place;   // but for kMissing
    bool split = false;  // it began a branch beside what was here
  };
  // An entry after the one that it names, or the first of a numbering. Nothing of it is kept for
  // good before Keep says so. O(branches of its numbering).
  Appended Append(const OpenedEntry& entry);

  // Up to here a branch is kept and told to others; `generation` 0 or not beyond where the branch
  // leaves its parent: nothing of it. CHECK: it is no more than what is here. True if that changed.
  bool Keep(BranchId branch, uint64_t generation);

  // Drops what a branch has beyond `generation`, which may be where it leaves its parent: then the
  // branch goes too. kFailedPrecondition: it is kept, or another branch leaves there. At most
  // `limit` entries, the last ones first: false in `done` if more are left.
  absl::Status DropBeyond(BranchId branch, uint64_t generation, std::size_t limit, bool& done);

 private:
  StoredPlace AppendAt(const OpenedEntry& entry, BranchId branch, BranchRow row);
  void StoreBranch(BranchId branch, const BranchRow& row);
  void DeleteBranch(BranchId branch, const BranchRow& row);
  void DeleteEntry(const StoredPlace& place, Holds holds);

  base::WriteTxn& writes_;
};

}  // namespace waypost::syncgroup
