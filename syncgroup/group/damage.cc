#include <set>

#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"

// What a group does about rows of its references that were found damaged and set aside: fold them
// again from the log. Until that has ended some may be missing, so nothing is called complete.

namespace waypost::syncgroup {

absl::Status Groups::RefoldDamaged(const std::set<base::GroupId>& also) {
  std::set<base::GroupId> damaged = also;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    for (const std::string& key : txn.BadRowKeys(base::Table::kRefs)) {
      if (const auto group = GroupOfKey(key)) damaged.insert(*group);
    }
  }));
  for (const base::GroupId& group : damaged) {
    RETURN_IF_ERROR(
        core_.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
          auto writer = GroupWriter::Open(core_, txn, effects, group);
          if (!writer || writer->row().state != GroupRow::State::kActive) return absl::OkStatus();
          writer->StartRefold();
          writer->Finish();
          return absl::OkStatus();
        }));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Groups::Refolding() const {
  bool refolding = false;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    VisitPrefix(txn, base::Table::kGroups, "", [&](std::string_view key, std::string_view) {
      const auto group = GroupOfKey(key);
      const auto row = group ? LoadGroupRow(txn, *group) : std::nullopt;
      refolding = row && row->refold.phase != RefoldProgress::Phase::kNone;
      return !refolding;
    });
  }));
  return refolding;
}

}  // namespace waypost::syncgroup
