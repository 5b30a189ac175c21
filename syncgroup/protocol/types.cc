#include "syncgroup/protocol/types.h"

#include "absl/strings/str_cat.h"

// Names of roles and authorities, and what texts and keys may be: UTF-8 without control characters,
// bounded in bytes. Everything that comes from outside passes here before it is written.

namespace waypost::syncgroup {
namespace {

// The length of the well-formed UTF-8 sequence that `text` begins with; 0 for none. Puts the
// character into `code`.
std::size_t DecodeUtf8(std::string_view text, uint32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  std::size_t length = 0;
  uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2, least = 0x80, code = first & 0x1f;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, least = 0x800, code = first & 0x0f;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, least = 0x10000, code = first & 0x07;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  return length;
}

}  // namespace

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
    uint32_t code = 0;
    const std::size_t length = DecodeUtf8(text.substr(at), code);
    if (length == 0) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is not valid UTF-8 at byte ", at));
    }
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " has a control character at byte ", at));
    }
    at += length;
  }
  return absl::OkStatus();
}

absl::Status CheckKey(std::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("the key is empty");
  return CheckText(key, kKeyBytesMax, "the key");
}

}  // namespace waypost::syncgroup
