#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "syncgroup/group/group_store_impl.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/group/work.h"
#include "syncgroup/protocol/genesis.h"

// Inviting and joining. The inviter keeps no secret, only what checks its proof; a proof is bound
// to group, inviter, joiner and numbering, so that it serves nobody else. A use and the admission
// are one transaction, and the same joiner asking again gets the same answer.

namespace waypost::syncgroup {
namespace {

using base::Index;

constexpr std::size_t kInviteIdBytes = 16;
constexpr std::size_t kSecretBytes = 32;
constexpr uint32_t kUsesMax = 1000;
constexpr base::Millis kExpiresMax{int64_t{7} * 24 * 3600 * 1000};
// So many wrong proofs, from wherever, end an invite.
constexpr uint32_t kBadProofsMax = 10;

std::string TaggedHash(std::string_view tag, std::string_view text) {
  std::string whole(tag);
  whole.push_back('\0');
  whole.append(text);
  const auto digest = base::Hash256(whole);
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

// What the inviter keeps of the secret.
std::string VerifierOf(std::string_view secret) { return TaggedHash("waypost-invite-1", secret); }

// Shows that the joiner holds the secret, to this inviter, as this joiner, for this group and
// numbering: a proof that somebody overhears or relays serves nobody else.
std::string ProofOf(std::string_view verifier, const JoinRequest& request,
                    const base::PeerId& inviter, const base::PeerId& joiner) {
  std::string text("waypost-join-1");
  text.push_back('\0');
  text.append(request.group.bytes()).append(inviter.bytes()).append(joiner.bytes());
  text.append(request.incarnation.bytes()).append(request.invite_id);
  return base::Mac256(verifier, text);
}

const char* kBadInvite =
    "the invite is not one of this peer's, was revoked, or its secret is wrong; ask for another";

absl::Status CheckInvites(const Member& self, Authority authority) {
  if (MayInvite(self.authority, self.invites, authority)) return absl::OkStatus();
  if (!self.invites) {
    return absl::PermissionDeniedError(
        "this peer may not invite into the group; ask an admin for the invite, or to let others "
        "invite: waypost group set G --inviters writer");
  }
  return absl::PermissionDeniedError(absl::StrCat("this peer is a ", AuthorityName(self.authority),
                                                  " and cannot invite a ", AuthorityName(authority),
                                                  "; invite with less authority"));
}

bool WasRemoved(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  if (LoadMember(txn, group, peer)) return false;
  const std::vector<StampedOp> ops = LoadMembershipOps(txn, group);
  return std::any_of(ops.begin(), ops.end(), [&](const StampedOp& op) {
    const auto* remove = std::get_if<RemoveOp>(&op.op);
    return remove != nullptr && remove->peer == peer;
  });
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
    return absl::InvalidArgumentError("expires must be more than 0 and at most 7 days (168h)");
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
        RETURN_IF_ERROR(CheckInvites(self, invite.authority));
        DropOldInvites(writer.txn(), core.clock.WallNow());
        invite.genesis = writer.row().genesis;
        invite.group_name = writer.row().name;
        StoreInvite(writer.txn(), invite.id,
                    {.group = group,
                     .verifier = VerifierOf(invite.secret),
                     .role = invite.role,
                     .authority = invite.authority,
                     .uses_left = options.uses,
                     .created = core.clock.WallNow(),
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
  absl::Status refused;
  // The use, or a wrong proof, and what follows from it are one transaction.
  const auto accept = [&](base::WriteTxn& txn, Effects& effects) -> absl::Status {
    reply = JoinReply();
    auto writer = GroupWriter::Open(core, txn, effects, request.group);
    auto invite = LoadInvite(txn, request.invite_id);
    // A stranger does not learn whether the group is here.
    if (!writer || writer->row().state != GroupRow::State::kActive || !invite ||
        invite->group != request.group) {
      return absl::PermissionDeniedError(kBadInvite);
    }
    if (!base::ConstantTimeEqual(ProofOf(invite->verifier, request, core.self(), caller),
                                 request.proof)) {
      if (++invite->bad_proofs >= kBadProofsMax) {
        base::LogWarning("invite ", base::ToHex(request.invite_id), " of group ",
                         request.group.ToHex(), " ended after ", kBadProofsMax, " wrong proofs");
        txn.Delete(base::Table::kInvites, request.invite_id);
      } else {
        StoreInvite(txn, request.invite_id, *invite);
      }
      return absl::PermissionDeniedError(kBadInvite);
    }
    const auto used = std::find(invite->used_by.begin(), invite->used_by.end(), caller);
    const bool repeated =
        used != invite->used_by.end() && LoadMember(txn, request.group, caller).has_value();
    if (!repeated) {
      const auto self = LoadMember(txn, request.group, core.self());
      if (!self || !MayInvite(self->authority, self->invites, invite->authority)) {
        return absl::PermissionDeniedError(
            "who made the invite may not invite any more; ask an admin of the group for another");
      }
      if (self->authority != Authority::kAdmin && WasRemoved(txn, request.group, caller)) {
        return absl::PermissionDeniedError(
            "who left the group or was removed comes back by an admin's invite only");
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
      writer->Admit(*self, caller, request.incarnation, role, invite->authority);
      writer->Finish();
    }
    reply = ReplyTo(core, txn, request.group, writer->row(), caller);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
    refused = accept(txn, effects);
    // A wrong proof is counted although it is refused; the other refusals write nothing.
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(refused);
  if (!request.addresses.empty()) core.peers.SetProfile(caller, request.name, request.addresses);
  return reply;
}

absl::StatusOr<std::vector<InviteInfo>> GroupStore::Invites(const base::GroupId& group) const {
  const Core& core = impl_->core;
  RETURN_IF_ERROR(Find(group).status());
  std::vector<InviteInfo> invites;
  const base::WallTime now = core.clock.WallNow();
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    VisitPrefix(txn, base::Table::kInvites, "",
                [&](std::string_view key, std::string_view payload) {
                  const auto row = DecodeInvite(payload);
                  if (!row || row->group != group) return true;
                  if (row->expires <= now || row->uses_left == 0) return true;
                  invites.push_back({.id = std::string(key),
                                     .role = row->role,
                                     .authority = row->authority,
                                     .uses_left = row->uses_left,
                                     .created = row->created,
                                     .expires = row->expires});
                  return true;
                });
    return absl::OkStatus();
  }));
  return invites;
}

absl::Status GroupStore::RevokeInvite(const base::GroupId& group, std::string_view id) {
  return impl_->ChangeGroup(group, [&](GroupWriter& writer, const Member& self) -> absl::Status {
    const auto row = LoadInvite(writer.txn(), id);
    if (!row || row->group != group) {
      return absl::NotFoundError("no such invite was made here for this group");
    }
    RETURN_IF_ERROR(CheckInvites(self, row->authority));
    writer.txn().Delete(base::Table::kInvites, id);
    return absl::OkStatus();
  });
}

absl::StatusOr<JoinRequest> GroupStore::PrepareJoin(const Invite& invite,
                                                    std::optional<Role> role) {
  const Core& core = impl_->core;
  if (invite.inviter == core.self()) {
    return absl::FailedPreconditionError("this invite was made here; another peer must use it");
  }
  RETURN_IF_ERROR(OpenGenesis(invite.group, invite.genesis).status());
  JoinRequest request{.group = invite.group,
                      .invite_id = invite.id,
                      .incarnation = base::NewIncarnation(),
                      .role = role,
                      .name = core.options.name,
                      .addresses = core.options.addresses()};
  request.proof = ProofOf(VerifierOf(invite.secret), request, invite.inviter, core.self());
  return request;
}

absl::StatusOr<GroupInfo> GroupStore::FinishJoin(const Invite& invite, const JoinRequest& request,
                                                 const JoinReply& reply) {
  const Core& core = impl_->core;
  if (reply.group.id != invite.group) {
    return absl::InvalidArgumentError("the inviter answered for another group");
  }
  ASSIGN_OR_RETURN(const Genesis genesis, OpenGenesis(invite.group, invite.genesis));
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
  RETURN_IF_ERROR(impl_->work.Finish(invite.group));
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
        GroupRow fresh{.genesis = invite.genesis,
                       .name = reply.group.name,
                       .description = reply.group.description,
                       .is_public = reply.group.is_public,
                       .created = genesis.founder.when,
                       .incarnation = request.incarnation,
                       .log = base::NewIncarnation()};
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
