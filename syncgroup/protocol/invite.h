#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// What a member hands to someone who is to join.
struct Invite {
  base::GroupId group;
  std::string genesis;     // sealed; the group's id is its hash
  std::string group_name;  // as the inviter knows it
  base::PeerId inviter;
  std::vector<std::string> addresses;
  std::string id;
  std::string secret;
  std::optional<Role> role;  // the most that the joiner may take; left out: server
  Authority authority = Authority::kWriter;
  base::WallTime expires;
};
// What the inviter keeps of one that can still be used.
struct InviteInfo {
  std::string id;  // bytes
  std::optional<Role> role;
  Authority authority = Authority::kWriter;
  uint32_t uses_left = 0;
  base::WallTime created;
  base::WallTime expires;
};
// "waypost1.<base64url>". kInvalidArgument says what is wrong with the text.
std::string EncodeInvite(const Invite& invite);
absl::StatusOr<Invite> ParseInvite(std::string_view text);

}  // namespace waypost::syncgroup
