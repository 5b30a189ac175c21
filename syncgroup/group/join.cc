#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "base/units.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/invite_proof.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/genesis.h"

// Joining, both sides. A proof is bound to group, inviter, joiner and numbering, so that it serves
// nobody else. A use and the admission are one transaction, and the same joiner asking again gets
// the same answer.

namespace waypost::syncgroup {
namespace {

using base::Index;

// So many wrong proofs, from wherever, end an invite.
constexpr uint32_t kBadProofsMax = 10;

// Of what others have a hand in. A joiner takes kReplyBytesMax.
constexpr std::size_t kJoinReplyBytesMax = std::size_t{4} << 20;
// Tags, lengths and ids around a member or an address, at most.
constexpr std::size_t kAroundBytes = 128;

constexpr const char* kBadInvite =
    "the invite is not one of this peer's, was revoked, or its secret is wrong; ask for another";

bool WasRemoved(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  if (LoadMember(txn, group, peer)) return false;
  const std::vector<StampedOp> ops = LoadMembershipOps(txn, group);
  return std::any_of(ops.begin(), ops.end(), [&](const StampedOp& op) {
    const auto* remove = std::get_if<RemoveOp>(&op.op);
    return remove != nullptr && remove->peer == peer;
  });
}

// What the joiner needs to reach members and to show its own place. Its own comes first: of the
// others as many as fit, for the rest comes with the first round.
JoinReply ReplyTo(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
                  const GroupRow& row, const base::PeerId& joiner) {
  JoinReply reply{.group = InfoOf(txn, joiner, group, row)};
  const PaperTrails trails(txn, group);
  std::size_t room = kJoinReplyBytesMax;
  const auto add = [&](const base::PeerId& peer) {
    Papers papers = trails.Of(peer);
    const std::size_t bytes = BytesOf(papers);
    if (bytes > room) return;
    room -= bytes;
    reply.papers.push_back(std::move(papers));
  };
  add(joiner);
  add(core.self());
  std::vector<Member> members = LoadMembers(txn, group);
  for (const Member& member : members) {
    if (reply.papers.size() >= 2 * kPapersMax) break;
    if (member.role == Role::kServer && member.peer != core.self() && member.peer != joiner) {
      add(member.peer);
    }
  }
  for (Member& member : members) {
    std::size_t bytes = kAroundBytes + member.name.size();
    for (const std::string& address : member.addresses) bytes += address.size() + kAroundBytes;
    if (bytes > room) break;
    room -= bytes;
    reply.members.push_back(std::move(member));
  }
  return reply;
}

// Refuses, and counts what was wrong: at kBadProofsMax the invite is gone.
absl::Status RefuseProof(base::WriteTxn& txn, const JoinRequest& request, InviteRow invite) {
  if (++invite.bad_proofs >= kBadProofsMax) {
    base::LogWarning("invite ", base::ToHex(request.invite_id), " of group ", request.group.ToHex(),
                     " ended after ", kBadProofsMax, " wrong proofs");
    txn.Delete(base::Table::kInvites, request.invite_id);
  } else {
    StoreInvite(txn, request.invite_id, invite);
  }
  return absl::PermissionDeniedError(kBadInvite);
}

// May `caller` be admitted by this invite now, by a member with the rights of `self`?
absl::Status CheckUse(base::ReadTxn& txn, const JoinRequest& request, const InviteRow& invite,
                      const std::optional<Member>& self, const base::PeerId& caller,
                      base::WallTime now) {
  if (!self || !MayInvite(self->authority, self->invites, invite.authority)) {
    return absl::PermissionDeniedError(
        "who made the invite may not invite any more; ask an admin of the group for another");
  }
  if (self->authority != Authority::kAdmin && WasRemoved(txn, request.group, caller)) {
    return absl::PermissionDeniedError(
        "who left the group or was removed comes back by an admin's invite only");
  }
  if (invite.expires <= now) {
    return absl::CancelledError("the invite has expired; ask for another");
  }
  if (invite.uses_left == 0) {
    return absl::PermissionDeniedError("the invite is used up; ask for another");
  }
  return absl::OkStatus();
}

// What an invite makes of its joiner. A member keeps what it has beyond that.
struct Given {
  Role role = Role::kServer;
  Authority authority = Authority::kReader;
  bool IsOf(const Member& member) const {
    return member.role == role && member.authority == authority;
  }
};
Given GivenBy(const InviteRow& invite, const JoinRequest& request,
              const std::optional<Member>& member) {
  const Role most = invite.role.value_or(Role::kServer);
  Given given{.role = Lesser(most, request.role.value_or(most)), .authority = invite.authority};
  if (!member) return given;
  given.role = std::min(given.role, member->role);
  given.authority = std::min(given.authority, member->authority);
  return given;
}

// Neither would take what the other writes. Said before a use is spent.
absl::Status CheckClocks(const JoinRequest& request, base::WallTime now) {
  if (request.now == base::kNever) return absl::OkStatus();  // a joiner of before does not say
  const base::Millis ahead = request.now - now;
  if (ahead <= kClockAheadMax && -ahead <= kClockAheadMax) return absl::OkStatus();
  const bool joiner = ahead > base::Millis(0);
  return absl::FailedPreconditionError(
      absl::StrCat("the clocks of joiner and inviter differ by ",
                   base::HumanDuration(joiner ? ahead : -ahead), ": the ",
                   joiner ? "joiner's is ahead, or the inviter's behind"
                          : "inviter's is ahead, or the joiner's behind",
                   "; set the wrong one and join again: the invite was not used"));
}

// The inviter's transaction. Whatever it answers, what it wrote stands: a wrong proof is counted
// although it is refused; the other refusals write nothing.
absl::Status Admit(const Core& core, base::WriteTxn& txn, Effects& effects,
                   const base::PeerId& caller, const JoinRequest& request) {
  auto writer = GroupWriter::Open(core, txn, effects, request.group);
  auto invite = LoadInvite(txn, request.invite_id);
  // A stranger does not learn whether the group is here.
  if (!writer || writer->row().state != GroupRow::State::kActive || !invite ||
      invite->group != request.group) {
    return absl::PermissionDeniedError(kBadInvite);
  }
  const std::string proof = ProofOf(invite->verifier, request, core.self(), caller);
  if (!base::ConstantTimeEqual(proof, request.proof)) {
    return RefuseProof(txn, request, *std::move(invite));
  }
  const auto used = std::find(invite->used_by.begin(), invite->used_by.end(), caller);
  const bool was_used = used != invite->used_by.end();
  const auto self = LoadMember(txn, request.group, core.self());
  const auto member = LoadMember(txn, request.group, caller);
  const Given given = GivenBy(*invite, request, member);
  // It asks again. Only an admin's admission changes what a member has.
  const bool by_admin = self && self->authority == Authority::kAdmin;
  if (member && (was_used || !by_admin || given.IsOf(*member))) return absl::OkStatus();
  // First the clocks: by one that is ahead every invite has expired.
  RETURN_IF_ERROR(CheckClocks(request, core.clock.WallNow()));
  RETURN_IF_ERROR(CheckUse(txn, request, *invite, self, caller, core.clock.WallNow()));
  --invite->uses_left;
  if (!was_used) invite->used_by.push_back(caller);
  StoreInvite(txn, request.invite_id, *invite);
  writer->Admit(*self, caller, request.incarnation, given.role, given.authority);
  writer->Finish();
  return absl::OkStatus();
}

// The entries of the inviter's answer that speak of the group. Whatever their stamps: a founder
// whose clock was ahead has a right clock now, and papers move no clock that far.
std::vector<PreparedEntry> ShownIn(const JoinReply& reply, const base::GroupId& group) {
  std::vector<PreparedEntry> entries;
  for (const Papers& shown : reply.papers) {
    if (shown.group != group) continue;
    for (PreparedEntry& entry : ReadPapers(shown, std::nullopt))
      entries.push_back(std::move(entry));
  }
  return entries;
}

// The joiner's transaction: the group begins here, with its members as the papers show them.
absl::Status Enter(const Core& core, base::WriteTxn& txn, Effects& effects, const GroupRow& fresh,
                   const JoinRequest& request, const std::vector<PreparedEntry>& papers,
                   const std::vector<std::string>& addresses) {
  const base::GroupId& group = request.group;
  const auto here = LoadGroupRow(txn, group);
  if (here && here->state != GroupRow::State::kActive) {
    return absl::UnavailableError("the group is being left; try again");
  }
  GroupWriter writer(core, txn, effects, group, here ? *here : fresh);
  LearnPapers(writer, core, papers, std::nullopt);
  const auto self = LoadMember(txn, group, core.self());
  if (!self) {
    return absl::InvalidArgumentError(
        "the inviter's answer does not show that this peer was admitted");
  }
  // Who was a member all along was not admitted again and keeps its numbering. Who was removed, and
  // may not even know it, goes on under the one that was admitted now.
  if (!here || self->incarnation == request.incarnation) {
    writer.row().incarnation = request.incarnation;
    // An inviter of before gives all that its invite names. Who joins again lowers nothing.
    const bool admitted_now = !here && self->incarnation == request.incarnation;
    const bool less =
        admitted_now && request.role && Lesser(self->role, *request.role) != self->role;
    writer.Write(
        {ProfileOp{core.options.name, addresses, less ? request.role : std::optional<Role>()}});
  }
  writer.Finish();
  effects.Of(group).members = true;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JoinReply> Invites::AcceptJoin(const base::PeerId& caller,
                                              const JoinRequest& request) {
  if (caller == core_.self() || request.incarnation.IsZero()) {
    return absl::InvalidArgumentError("a join needs another peer and an incarnation");
  }
  absl::Status admitted;
  RETURN_IF_ERROR(
      core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        admitted = Admit(core_, txn, effects, caller, request);
        return absl::OkStatus();
      }));
  RETURN_IF_ERROR(admitted);
  // Not on the writer's thread: who asks again is answered as often as it asks.
  absl::StatusOr<JoinReply> reply = absl::PermissionDeniedError(kBadInvite);
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    const auto row = LoadGroupRow(txn, request.group);
    // It may have been removed meanwhile.
    if (row && LoadMember(txn, request.group, caller)) {
      reply = ReplyTo(core_, txn, request.group, *row, caller);
    }
  }));
  if (reply.ok() && !request.addresses.empty()) {
    core_.peers.SetProfile(caller, request.name, request.addresses);
  }
  return reply;
}

absl::StatusOr<JoinRequest> Invites::PrepareJoin(const Invite& invite, std::optional<Role> role) {
  if (invite.inviter == core_.self()) {
    return absl::FailedPreconditionError("this invite was made here; another peer must use it");
  }
  RETURN_IF_ERROR(OpenGenesis(invite.group, invite.genesis).status());
  JoinRequest request{.group = invite.group,
                      .invite_id = invite.id,
                      .incarnation = base::NewIncarnation(),
                      .role = role.value_or(core_.options.role),
                      .name = core_.options.name,
                      .addresses = core_.options.addresses(),
                      .now = core_.clock.WallNow()};
  request.proof = ProofOf(VerifierOf(invite.secret), request, invite.inviter, core_.self());
  return request;
}

absl::StatusOr<GroupInfo> Invites::FinishJoin(const Invite& invite, const JoinRequest& request,
                                              const JoinReply& reply) {
  if (reply.group.id != invite.group) {
    return absl::InvalidArgumentError("the inviter answered for another group");
  }
  ASSIGN_OR_RETURN(const Genesis genesis, OpenGenesis(invite.group, invite.genesis));
  // What was left of an earlier membership goes first.
  RETURN_IF_ERROR(core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects&) {
    auto row = LoadGroupRow(txn, invite.group);
    if (!row || row->state != GroupRow::State::kLeaving) return absl::OkStatus();
    row->state = GroupRow::State::kDropping;
    StoreGroupRow(txn, invite.group, *row);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(work_.Finish(invite.group));
  const auto papers = ShownIn(reply, invite.group);
  const std::vector<std::string> addresses = core_.options.addresses();
  RETURN_IF_ERROR(
      core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        GroupRow fresh{.genesis = invite.genesis,
                       .name = reply.group.name,
                       .description = reply.group.description,
                       .is_public = reply.group.is_public,
                       .created = genesis.founder.when,
                       .incarnation = request.incarnation,
                       .log = base::NewIncarnation()};
        fresh.log_token = fresh.log;
        return Enter(core_, txn, effects, fresh, request, papers, addresses);
      }));
  if (!invite.addresses.empty() && !core_.peers.Find(invite.inviter)) {
    core_.peers.SetProfile(invite.inviter, "", invite.addresses);
  }
  return groups_.Find(invite.group);
}

}  // namespace waypost::syncgroup
