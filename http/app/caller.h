#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "http/message/router.h"

namespace waypost::http {

// Who makes a call of the app API: what its token is good for. Data.
struct Caller {
  std::string token;  // its name: "api", "read", or as it was made
  // How that token is known where its text must not be kept: TokenStore::MarkOf.
  std::string mark;
  Right right = Right::kRead;
  // Nothing: this peer as a whole. Else what these groups hold and mention, and nothing else.
  std::optional<std::set<base::GroupId>> groups;
  base::WallTime expires = base::kNever;
  bool file = false;  // one of those in the data folder, which have no row

  bool Whole() const { return !groups.has_value(); }
  bool Sees(const base::GroupId& group) const { return Whole() || groups->contains(group); }
};

const char* RightName(Right right);  // "read", "write", "admin"; "none" for anybody
std::optional<Right> ParseRight(std::string_view name);

}  // namespace waypost::http
