#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/genesis.h"

// Founding and leaving groups, changing who is a member and as what. Each change is one own entry,
// checked against the authority of now in the transaction that writes it; a removal names all that
// is known of the member, so that what it wrote in good time stands.

namespace waypost::syncgroup {
namespace {

using base::Index;

absl::Status CheckGroupName(const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("the group's name is empty");
  return CheckText(name, kNameBytesMax, "the group's name");
}

absl::Status CheckDescription(const std::string& description) {
  return CheckText(description, kDescriptionBytesMax, "the description");
}

absl::Status GroupNameTaken(const std::string& name) {
  return absl::AlreadyExistsError(absl::StrCat(
      "a group named \"", name, "\" is here already; choose another name, or, for a new group, ",
      "say that a duplicate is wanted"));
}

bool NameTaken(base::ReadTxn& txn, const std::string& name) {
  bool taken = false;
  VisitPrefix(txn, base::Table::kGroups, "", [&](std::string_view, std::string_view payload) {
    const auto row = DecodeGroupRow(payload);
    taken = row && row->state == GroupRow::State::kActive && row->name == name;
    return !taken;
  });
  return taken;
}

bool AnotherAdmin(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& but) {
  const std::vector<Member> members = LoadMembers(txn, group);
  return std::any_of(members.begin(), members.end(), [&](const Member& member) {
    return member.peer != but && member.authority == Authority::kAdmin;
  });
}

// A removal names all that its author knows of the member.
std::vector<Op> RemovalOps(base::ReadTxn& txn, const base::GroupId& group, const Member& member) {
  std::vector<Op> ops;
  const Knowledge knowledge = LongestNumberings(txn, group, member.peer, kOpsPerEntryMax - 1);
  for (const auto& [numbering, known] : knowledge) {
    ops.push_back(RemoveOp{member.peer, numbering.second, known.generation});
  }
  // Also when nothing it wrote has come here yet.
  if (!knowledge.contains({member.peer, member.incarnation})) {
    ops.push_back(RemoveOp{member.peer, member.incarnation, 0});
  }
  return ops;
}

}  // namespace

absl::StatusOr<GroupInfo> Groups::Create(const CreateOptions& options) {
  RETURN_IF_ERROR(CheckGroupName(options.name));
  RETURN_IF_ERROR(CheckDescription(options.description));
  GroupRow row{.name = options.name,
               .description = options.description,
               .is_public = options.is_public,
               .incarnation = base::NewIncarnation(),
               .log = base::NewIncarnation()};
  row.log_token = row.log;
  const Genesis genesis{.name = options.name,
                        .is_public = options.is_public,
                        .founder = {core_.self(), row.incarnation, core_.clock.WallNow()}};
  row.genesis = SealGenesis(core_.options.identity, genesis);
  row.created = genesis.founder.when;
  const base::GroupId group = GroupIdOf(row.genesis);
  const std::vector<std::string> addresses = core_.options.addresses();
  RETURN_IF_ERROR(
      core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        if (!options.duplicate && NameTaken(txn, options.name)) {
          return GroupNameTaken(options.name);
        }
        GroupWriter writer(core_, txn, effects, group, row);
        writer.Write({SettingsOp{options.name, options.description, options.is_public, {}},
                      AdmitOp{core_.self(), row.incarnation,
                              options.role.value_or(core_.options.role), Authority::kAdmin},
                      ProfileOp{core_.options.name, addresses, std::nullopt}});
        writer.Finish();
        return absl::OkStatus();
      }));
  return Find(group);
}

absl::StatusOr<GroupInfo> Groups::ChangeSettings(const base::GroupId& group,
                                                 const Settings& settings) {
  if (settings.name) RETURN_IF_ERROR(CheckGroupName(*settings.name));
  if (settings.description) RETURN_IF_ERROR(CheckDescription(*settings.description));
  const auto change = [&](GroupWriter& writer, const Member& self) -> absl::Status {
    const SettingsOp op{settings.name, settings.description, settings.is_public, settings.inviters};
    RETURN_IF_ERROR(CheckAuthority(self, {op}));
    if (settings.name && *settings.name != writer.row().name &&
        NameTaken(writer.txn(), *settings.name)) {
      return GroupNameTaken(*settings.name);
    }
    std::vector<Op> ops = {op};
    // The right is each member's own, so that what was admitted while it held stays. As few entries
    // as can be: each folds the members anew.
    for (const Member& member : LoadMembers(writer.txn(), group)) {
      if (!settings.inviters) break;
      const bool invites = InvitesUnder(*settings.inviters, member.authority);
      if (member.invites == invites) continue;
      std::vector<Op> admission = writer.AdmissionOf(self, member.peer, member.incarnation,
                                                     member.role, member.authority, invites);
      if (ops.size() + admission.size() > kOpsPerEntryMax) {
        RETURN_IF_ERROR(WriteAllowed(writer, self, std::exchange(ops, {})));
      }
      ops.insert(ops.end(), admission.begin(), admission.end());
    }
    return WriteAllowed(writer, self, std::move(ops));
  };
  RETURN_IF_ERROR(ChangeGroup(core_, work_, group, change));
  return Find(group);
}

absl::Status Groups::Leave(const base::GroupId& group) {
  RETURN_IF_ERROR(
      core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        auto writer = GroupWriter::Open(core_, txn, effects, group);
        if (!writer || writer->row().state != GroupRow::State::kActive) return NoSuchGroup(group);
        GroupRow& row = writer->row();
        row.left = core_.clock.WallNow();
        row.state = GroupRow::State::kDropping;
        if (const auto member = LoadMember(txn, group, core_.self())) {
          if (member->authority == Authority::kAdmin && !AnotherAdmin(txn, group, core_.self())) {
            return absl::FailedPreconditionError(
                "the last admin of a group cannot leave it; make another member admin first");
          }
          // The last word: it names itself as the last of its numbering that counts.
          std::vector<Op> ops = RemovalOps(txn, group, *member);
          const Known own = LoadKnowledge(txn, group, {core_.self(), row.incarnation}).known;
          row.left_generation = own.generation + 1;
          std::erase_if(ops, [&](const Op& op) {
            return std::get<RemoveOp>(op).incarnation == row.incarnation;
          });
          ops.push_back(RemoveOp{core_.self(), row.incarnation, row.left_generation});
          writer->Write(std::move(ops));
          row.state = GroupRow::State::kLeaving;
        }
        writer->Finish();
        effects.Of(group).work = true;
        return absl::OkStatus();
      }));
  return work_.Do(group, kStepsOfCall).status();
}

absl::Status Groups::RemoveMember(const base::GroupId& group, const base::PeerId& peer) {
  if (peer == core_.self()) return Leave(group);
  return ChangeGroup(core_, work_, group,
                     [&](GroupWriter& writer, const Member& self) -> absl::Status {
                       const auto member = LoadMember(writer.txn(), group, peer);
                       if (!member) {
                         return absl::NotFoundError(
                             absl::StrCat("peer ", peer.ToHex(), " is no member of the group"));
                       }
                       std::vector<Op> ops = RemovalOps(writer.txn(), group, *member);
                       return WriteAllowed(writer, self, std::move(ops));
                     });
}

absl::Status Groups::ChangeMember(const base::GroupId& group, const base::PeerId& peer,
                                  std::optional<Role> role, std::optional<Authority> authority) {
  const std::vector<std::string> addresses = core_.options.addresses();
  return ChangeGroup(
      core_, work_, group, [&](GroupWriter& writer, const Member& self) -> absl::Status {
        base::WriteTxn& txn = writer.txn();
        const auto member = LoadMember(txn, group, peer);
        if (!member) {
          return absl::NotFoundError(
              absl::StrCat("peer ", peer.ToHex(), " is no member of the group"));
        }
        const Role new_role = role.value_or(member->role);
        const Authority new_authority = authority.value_or(member->authority);
        if (new_role == member->role && new_authority == member->authority) return absl::OkStatus();
        const bool lowers_itself =
            peer == core_.self() && new_authority == member->authority && new_role > member->role;
        if (lowers_itself) {
          writer.Write({ProfileOp{core_.options.name, addresses, new_role}});
          return absl::OkStatus();
        }
        if (!AuthorityAllows(self.authority, Op(AdmitOp{}))) {
          return absl::PermissionDeniedError(
              "a member may lower its own role; every other change is an admin's");
        }
        if (member->authority == Authority::kAdmin && new_authority != Authority::kAdmin &&
            !AnotherAdmin(txn, group, peer)) {
          return absl::FailedPreconditionError("the last admin of a group must stay one");
        }
        writer.Admit(self, peer, member->incarnation, new_role, new_authority);
        return absl::OkStatus();
      });
}

absl::Status Groups::PublishProfile() {
  const std::vector<std::string> addresses = core_.options.addresses();
  std::vector<base::GroupId> stale;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    VisitPrefix(txn, base::Table::kGroups, "", [&](std::string_view key, std::string_view) {
      const auto group = GroupOfKey(key);
      const auto self = group ? FindMember(txn, *group, core_.self()) : std::nullopt;
      if (self && (self->name != core_.options.name || self->addresses != addresses)) {
        stale.push_back(*group);
      }
      return true;
    });
  }));
  for (const base::GroupId& group : stale) {
    const absl::Status status =
        ChangeGroup(core_, work_, group, [&](GroupWriter& writer, const Member&) {
          writer.Write({ProfileOp{core_.options.name, addresses, std::nullopt}});
          return absl::OkStatus();
        });
    // Left or removed meanwhile: nobody there needs it.
    if (!status.ok() && !absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup
