#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "syncgroup/membership/member_limits.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

struct GroupOptions {
  const base::Identity& identity;                       // who this peer is; outlives the groups
  std::string name;                                     // node.name, published in the profile
  std::function<std::vector<std::string>()> addresses;  // to be published
  Role role = Role::kServer;                            // node.role, taken where none is named
};

}  // namespace waypost::syncgroup
