#include "syncgroup/group/invites.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/invite_proof.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/membership/membership.h"

// Making, listing and revoking invites. The inviter keeps no secret, only what checks its proof;
// an invite that nobody can use any more is kept a while for the one who used it, and then goes.

namespace waypost::syncgroup {
namespace {

constexpr std::size_t kInviteIdBytes = 16;
constexpr std::size_t kSecretBytes = 32;

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

}  // namespace

absl::StatusOr<Invite> Invites::Create(const base::GroupId& group, const Options& options) {
  if (options.uses < 1 || options.uses > kUsesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("uses is ", options.uses, "; 1 to ", kUsesMax, " are allowed"));
  }
  if (options.expires.count() <= 0 || options.expires > kExpiresMax) {
    return absl::InvalidArgumentError("expires must be more than 0 and at most 7 days (168h)");
  }
  Invite invite{.group = group,
                .inviter = core_.self(),
                .addresses = core_.options.addresses(),
                .id = base::RandomBytes(kInviteIdBytes),
                .secret = base::RandomBytes(kSecretBytes),
                .role = options.role,
                .authority = options.authority.value_or(Authority::kWriter),
                .expires = core_.clock.WallNow() + options.expires};
  const absl::Status status = ChangeGroup(
      core_, work_, group, [&](GroupWriter& writer, const Member& self) -> absl::Status {
        RETURN_IF_ERROR(CheckInvites(self, invite.authority));
        DropOldInvites(writer.txn(), core_.clock.WallNow());
        invite.genesis = writer.row().genesis;
        invite.group_name = writer.row().name;
        StoreInvite(writer.txn(), invite.id,
                    {.group = group,
                     .verifier = VerifierOf(invite.secret),
                     .role = invite.role,
                     .authority = invite.authority,
                     .uses_left = options.uses,
                     .created = core_.clock.WallNow(),
                     .expires = invite.expires});
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  return invite;
}

absl::StatusOr<std::vector<InviteInfo>> Invites::List(const base::GroupId& group) const {
  RETURN_IF_ERROR(groups_.Find(group).status());
  std::vector<InviteInfo> invites;
  const base::WallTime now = core_.clock.WallNow();
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
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
  }));
  return invites;
}

absl::Status Invites::Revoke(const base::GroupId& group, std::string_view id) {
  return ChangeGroup(core_, work_, group,
                     [&](GroupWriter& writer, const Member& self) -> absl::Status {
                       const auto row = LoadInvite(writer.txn(), id);
                       if (!row || row->group != group) {
                         return absl::NotFoundError("no such invite was made here for this group");
                       }
                       RETURN_IF_ERROR(CheckInvites(self, row->authority));
                       writer.txn().Delete(base::Table::kInvites, id);
                       return absl::OkStatus();
                     });
}

}  // namespace waypost::syncgroup
