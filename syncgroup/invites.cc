#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/status.h"
#include "syncgroup/group_store_impl.h"
#include "syncgroup/papers.h"
#include "syncgroup/work.h"

// GroupStore: inviting and joining.
namespace waypost::syncgroup {
namespace {

using base::Index;

constexpr std::size_t kInviteIdBytes = 16;
constexpr std::size_t kSecretBytes = 32;
constexpr uint32_t kUsesMax = 100000;
constexpr base::Millis kExpiresMax{int64_t{10} * 365 * 24 * 3600 * 1000};

// Shows that the joiner holds the secret, without showing the secret to whoever listens.
std::string ProofOf(std::string_view secret, const base::PeerId& joiner,
                    const base::Incarnation& incarnation) {
  std::string text("waypost.join");
  text.push_back('\0');
  text.append(secret).append(joiner.bytes()).append(incarnation.bytes());
  const auto digest = base::Hash256(text);
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

absl::Status CheckInvite(const std::optional<InviteRow>& invite, const base::GroupId& group,
                         const base::PeerId& caller, const JoinRequest& request) {
  if (!invite || invite->group != group ||
      !base::ConstantTimeEqual(ProofOf(invite->secret, caller, request.incarnation),
                               request.proof)) {
    return absl::PermissionDeniedError(
        "the invite is not one of this peer's, or its secret is wrong; ask for another");
  }
  return absl::OkStatus();
}

// Who joined with an invite may repeat that for a while after it has expired.
void DropOldInvites(base::WriteTxn& txn, base::WallTime now) {
  constexpr base::Millis kKept{7 * 24 * 3600 * 1000};
  std::vector<std::string> old;
  VisitPrefix(txn, base::Table::kInvites, "", [&](std::string_view key, std::string_view payload) {
    const auto invite = DecodeInvite(payload);
    if (invite && invite->expires + kKept < now) old.emplace_back(key);
    return true;
  });
  for (const std::string& key : old) txn.Delete(base::Table::kInvites, key);
}

// What the joiner needs to reach members and to show its own place.
JoinReply ReplyTo(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
                  const GroupRow& row, const base::PeerId& joiner) {
  JoinReply reply{.group = InfoOf(txn, joiner, group, row), .members = LoadMembers(txn, group)};
  reply.papers.push_back(PapersOf(txn, group, core.self()));
  reply.papers.push_back(PapersOf(txn, group, joiner));
  for (const Member& member : reply.members) {
    // The rest comes with the first round.
    if (reply.papers.size() >= 2 * kPapersMax) break;
    if (member.role != Role::kServer || member.peer == core.self() || member.peer == joiner) {
      continue;
    }
    reply.papers.push_back(PapersOf(txn, group, member.peer));
  }
  return reply;
}

}  // namespace

absl::StatusOr<Invite> GroupStore::CreateInvite(const base::GroupId& group,
                                                const InviteOptions& options) {
  const Core& core = impl_->core;
  if (options.uses < 1 || options.uses > kUsesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("uses is ", options.uses, "; 1 to ", kUsesMax, " are allowed"));
  }
  if (options.expires.count() <= 0 || options.expires > kExpiresMax) {
    return absl::InvalidArgumentError("expires must be more than 0 and at most 10 years");
  }
  Invite invite{.group = group,
                .inviter = core.self(),
                .addresses = core.options.addresses(),
                .id = base::RandomBytes(kInviteIdBytes),
                .secret = base::RandomBytes(kSecretBytes),
                .role = options.role,
                .authority = options.authority.value_or(Authority::kWriter),
                .expires = core.clock.WallNow() + options.expires};
  const absl::Status status =
      impl_->ChangeGroup(group, [&](GroupWriter& writer, const Member& self) -> absl::Status {
        if (self.authority != Authority::kAdmin) {
          return absl::PermissionDeniedError("only an admin of the group can invite");
        }
        DropOldInvites(writer.txn(), core.clock.WallNow());
        invite.group_name = writer.row().name;
        StoreInvite(writer.txn(), invite.id,
                    {.group = group,
                     .secret = invite.secret,
                     .role = invite.role,
                     .authority = invite.authority,
                     .uses_left = options.uses,
                     .expires = invite.expires});
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  return invite;
}

absl::StatusOr<JoinReply> GroupStore::AcceptJoin(const base::PeerId& caller,
                                                 const JoinRequest& request) {
  const Core& core = impl_->core;
  if (caller == core.self() || request.incarnation.IsZero()) {
    return absl::InvalidArgumentError("a join needs another peer and an incarnation");
  }
  JoinReply reply;
  const absl::Status status = core.Update(
      Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) -> absl::Status {
        auto writer = GroupWriter::Open(core, txn, effects, request.group);
        auto invite = LoadInvite(txn, request.invite_id);
        // A stranger does not learn whether the group is here.
        if (!writer || writer->row().state != GroupRow::State::kActive) invite.reset();
        RETURN_IF_ERROR(CheckInvite(invite, request.group, caller, request));
        const auto self = LoadMember(txn, request.group, core.self());
        const auto used = std::find(invite->used_by.begin(), invite->used_by.end(), caller);
        const bool repeated =
            used != invite->used_by.end() && LoadMember(txn, request.group, caller).has_value();
        if (!repeated) {
          if (!self || self->authority != Authority::kAdmin) {
            return absl::PermissionDeniedError(
                "who made the invite is no admin of the group any more");
          }
          if (invite->expires <= core.clock.WallNow()) {
            return absl::CancelledError("the invite has expired; ask for another");
          }
          if (invite->uses_left == 0) {
            return absl::PermissionDeniedError("the invite is used up; ask for another");
          }
          --invite->uses_left;
          if (used == invite->used_by.end()) invite->used_by.push_back(caller);
          StoreInvite(txn, request.invite_id, *invite);
          const Role role = invite->role.value_or(request.role.value_or(Role::kNormal));
          writer->Write({AdmitOp{caller, request.incarnation, role, invite->authority}});
          writer->Finish();
        }
        reply = ReplyTo(core, txn, request.group, writer->row(), caller);
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  if (!request.addresses.empty()) core.peers.SetProfile(caller, request.name, request.addresses);
  return reply;
}

absl::StatusOr<JoinRequest> GroupStore::PrepareJoin(const Invite& invite,
                                                    std::optional<Role> role) {
  const Core& core = impl_->core;
  if (invite.inviter == core.self()) {
    return absl::FailedPreconditionError("this invite was made here; another peer must use it");
  }
  JoinRequest request{
      .group = invite.group,
      .invite_id = invite.id,
      .incarnation = *base::Incarnation::FromBytes(base::RandomBytes(base::Incarnation::kBytes)),
      .role = role,
      .name = core.options.name,
      .addresses = core.options.addresses()};
  request.proof = ProofOf(invite.secret, core.self(), request.incarnation);
  return request;
}

absl::StatusOr<GroupInfo> GroupStore::FinishJoin(const Invite& invite, const JoinRequest& request,
                                                 const JoinReply& reply) {
  const Core& core = impl_->core;
  if (reply.group.id != invite.group) {
    return absl::InvalidArgumentError("the inviter answered for another group");
  }
  // What was left of an earlier membership goes first.
  const absl::Status dropped =
      core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects&) {
        auto row = LoadGroupRow(txn, invite.group);
        if (!row || row->state != GroupRow::State::kLeaving) return absl::OkStatus();
        row->state = GroupRow::State::kDropping;
        StoreGroupRow(txn, invite.group, *row);
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(dropped);
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, WorkStep(core, invite.group));
  }
  std::vector<PreparedEntry> papers;
  for (const Papers& shown : reply.papers) {
    if (shown.group != invite.group) continue;
    for (PreparedEntry& entry : ReadPapers(shown, core.clock.WallNow())) {
      papers.push_back(std::move(entry));
    }
  }
  const std::vector<std::string> addresses = core.options.addresses();
  const absl::Status joined = core.Update(
      Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) -> absl::Status {
        GroupRow fresh{
            .name = reply.group.name,
            .description = reply.group.description,
            .is_public = reply.group.is_public,
            .created = reply.group.created,
            .incarnation = request.incarnation,
            .log = *base::Incarnation::FromBytes(base::RandomBytes(base::Incarnation::kBytes))};
        fresh.log_token = fresh.log;
        auto here = LoadGroupRow(txn, invite.group);
        if (here && here->state != GroupRow::State::kActive) {
          return absl::UnavailableError("the group is being left; try again");
        }
        GroupWriter writer(core, txn, effects, invite.group, here ? *here : fresh);
        LearnPapers(writer, papers);
        const auto self = LoadMember(txn, invite.group, core.self());
        if (!self) {
          return absl::InvalidArgumentError(
              "the inviter's answer does not show that this peer was admitted");
        }
        // Who was a member all along was not admitted again and keeps its numbering. Who was
        // removed, and may not even know it, goes on under the one that was admitted now.
        if (!here || self->incarnation == request.incarnation) {
          writer.row().incarnation = request.incarnation;
          writer.Write({ProfileOp{core.options.name, addresses, std::nullopt}});
        }
        writer.Finish();
        effects.Of(invite.group).members = true;
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(joined);
  if (!invite.addresses.empty() && !core.peers.Find(invite.inviter)) {
    core.peers.SetProfile(invite.inviter, "", invite.addresses);
  }
  return Find(invite.group);
}

}  // namespace waypost::syncgroup
