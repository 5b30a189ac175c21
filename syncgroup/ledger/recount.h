#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_row.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/protocol/types.h"

// What a scan needs to hold derived facts against those they derive from: counts against signposts,
// blobs and references, and mentions in signposts against references.
namespace waypost::syncgroup {

// The counts as they would be if they were counted now. Gathered over many read transactions, so it
// means something only where all of them saw one snapshot. One thread.
class Recount {
 public:
  // Counts are kept for these groups and for all together; what else rows name is passed over.
  explicit Recount(const std::vector<base::GroupId>& groups);

  // One blob, once: what its rows say, nullptr where there is none.
  void AddBlob(const signpost::SignpostView* signpost, const blobstore::HoldingsView* holdings);
  // The next `limit` references after `from`, which is moved; false at the end.
  bool AddRefs(base::ReadTxn& txn, std::string& from, std::size_t limit);

  uint64_t refs() const { return all_.refs; }

  // A stored count that differs.
  struct Difference {
    base::GroupId group;  // zero: all together
    Counts stored, counted;
  };
  std::vector<Difference> Compare(base::ReadTxn& txn, const Ledger& ledger) const;

 private:
  Counts* Of(std::string_view group);

  absl::flat_hash_map<std::string, Counts> groups_;
  Counts all_;
};

// Holds the mentions in signposts against the references of every group and puts right what is
// missing: a signpost that was damaged and set aside is made again, and a mention that counts
// another number of keys than there are is corrected. A mention that no reference stands behind is
// left alone: to keep a blob for nothing is better than to lose one. Reads references in pages,
// decides again in its write transactions, each of which walks all references; only for after
// damage. Returns how many signposts it changed.
absl::StatusOr<uint64_t> RebuildMentions(base::Index& index, const Ledger& ledger);

}  // namespace waypost::syncgroup
