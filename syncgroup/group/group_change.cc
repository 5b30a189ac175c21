#include "syncgroup/group/group_change.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// One own change of a group: refused where this peer is no member any more, written in one
// transaction, and the work that follows from it begun before the caller hears of it.

namespace waypost::syncgroup {

using base::Index;

absl::Status CheckAuthority(const Member& self, const std::vector<Op>& ops) {
  const bool allowed = std::all_of(
      ops.begin(), ops.end(), [&](const Op& op) { return AuthorityAllows(self.authority, op); });
  if (allowed) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("this peer is a ", AuthorityName(self.authority),
                   " of the group; ask an admin for more authority"));
}

absl::Status WriteAllowed(GroupWriter& writer, const Member& self, std::vector<Op> ops) {
  RETURN_IF_ERROR(CheckAuthority(self, ops));
  writer.Write(std::move(ops));
  return absl::OkStatus();
}

GroupInfo InfoOf(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                 const GroupRow& row) {
  GroupInfo info{.id = group,
                 .name = row.name,
                 .description = row.description,
                 .is_public = row.is_public,
                 .inviters = row.inviters,
                 .authority = Authority::kReader,
                 .members = row.members,
                 .created = row.created};
  if (const auto member = LoadMember(txn, group, self)) {
    info.role = member->role;
    info.authority = member->authority;
  } else if (row.state == GroupRow::State::kActive) {
    const auto removal = LatestRemoval(txn, group, self);
    info.removed = removal ? Removed{removal->place.origin, removal->time} : Removed{};
  }
  return info;
}

absl::Status ChangeGroup(const Core& core, GroupWork& work, const base::GroupId& group,
                         const GroupChange& change) {
  bool work_left = false;
  const absl::Status status =
      core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        auto writer = GroupWriter::Open(core, txn, effects, group);
        if (!writer || writer->row().state != GroupRow::State::kActive) return NoSuchGroup(group);
        const auto member = LoadMember(txn, group, core.self());
        if (!member) {
          return absl::FailedPreconditionError(absl::StrCat(
              "this peer is no longer a member of group ", group.ToHex(), "; leave or join again"));
        }
        RETURN_IF_ERROR(change(*writer, *member));
        writer->Finish();
        work_left = effects.Of(group).work;
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  if (!work_left) return absl::OkStatus();
  return work.Do(group, kStepsOfCall).status();
}

}  // namespace waypost::syncgroup
