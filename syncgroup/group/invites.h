#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/work.h"
#include "syncgroup/protocol/invite.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// Inviting others into this peer's groups, and joining those of others. Thread-safe; methods that
// change something return when it is durable. Errors carry the API's meaning: kNotFound (no such
// group or invite), kInvalidArgument, kFailedPrecondition, kPermissionDenied, kCancelled = the
// invite has expired (410). Borrows what the groups share; it outlives them.
class Invites {
 public:
  static constexpr uint32_t kUsesMax = 1000;
  static constexpr base::Millis kExpiresMax{int64_t{7} * 24 * 3600 * 1000};

  Invites(const Core& core, GroupWork& work, const Groups& groups)
      : core_(core), work_(work), groups_(groups) {}

  struct Options {
    Role role = Role::kServer;               // the most that the joiner may take
    std::optional<Authority> authority;      // default writer
    uint32_t uses = 1;                       // at most kUsesMax
    base::Millis expires{24 * 3600 * 1000};  // from now; at most kExpiresMax
  };
  absl::StatusOr<Invite> Create(const base::GroupId& group, const Options& options);
  // Those made here that can still be used, by id.
  absl::StatusOr<std::vector<InviteInfo>> List(const base::GroupId& group) const;
  absl::Status Revoke(const base::GroupId& group, std::string_view id);
  // The inviter's side: the use and the admission are one transaction; the same peer asking again
  // gets the same answer and no second use is counted. So does a member that the invite would give
  // no more than it has; nothing of what it has is lowered.
  absl::StatusOr<JoinReply> AcceptJoin(const base::PeerId& caller, const JoinRequest& request);
  // The joiner's side, before and after the call to the inviter.
  absl::StatusOr<JoinRequest> PrepareJoin(const Invite& invite, std::optional<Role> role);
  absl::StatusOr<GroupInfo> FinishJoin(const Invite& invite, const JoinRequest& request,
                                       const JoinReply& reply);

 private:
  const Core& core_;
  GroupWork& work_;
  const Groups& groups_;
};

}  // namespace waypost::syncgroup
