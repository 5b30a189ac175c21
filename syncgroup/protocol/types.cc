#include "syncgroup/protocol/types.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

// Names of roles and authorities, and what texts and keys may be: UTF-8 without control characters,
// bounded in bytes. Everything that comes from outside passes here before it is written.

namespace waypost::syncgroup {

const char* RoleName(Role role) {
  switch (role) {
    case Role::kServer:
      return "server";
    case Role::kNormal:
      return "normal";
    case Role::kLeaf:
      return "leaf";
  }
  return "unknown";
}

const char* AuthorityName(Authority authority) {
  switch (authority) {
    case Authority::kAdmin:
      return "admin";
    case Authority::kWriter:
      return "writer";
    case Authority::kReader:
      return "reader";
  }
  return "unknown";
}

Role Lesser(Role a, Role b) { return std::max(a, b); }

std::optional<Role> ParseRole(std::string_view name) {
  for (const Role role : {Role::kServer, Role::kNormal, Role::kLeaf}) {
    if (name == RoleName(role)) return role;
  }
  return std::nullopt;
}

std::optional<Authority> ParseAuthority(std::string_view name) {
  for (const Authority authority : {Authority::kAdmin, Authority::kWriter, Authority::kReader}) {
    if (name == AuthorityName(authority)) return authority;
  }
  return std::nullopt;
}

absl::Status CheckText(std::string_view text, std::size_t bytes_max, const char* what) {
  if (text.size() > bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", text.size(), " bytes; at most ", bytes_max, " are allowed"));
  }
  std::size_t at = 0;
  while (at < text.size()) {
    const auto character = base::FirstCharacter(text.substr(at));
    if (!character) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is not valid UTF-8 at byte ", at));
    }
    if (base::IsControl(character->code)) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " has a control character at byte ", at));
    }
    at += character->bytes;
  }
  return absl::OkStatus();
}

absl::Status CheckKey(std::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("the key is empty");
  return CheckText(key, kKeyBytesMax, "the key");
}

}  // namespace waypost::syncgroup
