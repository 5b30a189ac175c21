#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "base/time.h"

namespace waypost::syncgroup {

// What a device does for a group, from the most to the least. Stored numbers: never renumbered.
enum class Role : uint8_t { kServer = 1, kNormal = 2, kLeaf = 3 };
// What a member may do in it. Stored numbers: never renumbered.
enum class Authority : uint8_t { kAdmin = 1, kWriter = 2, kReader = 3 };

const char* RoleName(Role role);                 // "server", "normal", "leaf"
const char* AuthorityName(Authority authority);  // "admin", "writer", "reader"
// The lesser of two.
Role Lesser(Role a, Role b);
std::optional<Role> ParseRole(std::string_view name);
std::optional<Authority> ParseAuthority(std::string_view name);

// A blob's key in a group: 1-400 bytes of UTF-8 without control characters. kInvalidArgument's
// message says what is wrong.
absl::Status CheckKey(std::string_view key);
inline constexpr std::size_t kKeyBytesMax = 400;
inline constexpr std::size_t kNameBytesMax = 200;
inline constexpr std::size_t kDescriptionBytesMax = 2000;
inline constexpr std::size_t kAddressBytesMax = 300;
inline constexpr std::size_t kAddressesMax = 16;
// At most `bytes_max` bytes of UTF-8 without control characters; `what` begins the message.
absl::Status CheckText(std::string_view text, std::size_t bytes_max, const char* what);

struct Member {
  base::PeerId peer;
  base::Incarnation incarnation;  // under which it was admitted; zero while not known
  Role role = Role::kNormal;
  Authority authority = Authority::kWriter;
  bool invites = false;                // may admit others with at most its own authority
  std::string name;                    // from its profile
  std::vector<std::string> addresses;  // from its profile, "host:port"
  base::WallTime admitted;
  // Zero: an admin admitted it. Else the member that an admin did admit and by whose invite, or by
  // that of somebody whom it brought in, this one came.
  base::PeerId sponsor;
  // When this peer first saw it as a member; 0 ms: not known. No part of what the group says of it,
  // and so not compared.
  base::WallTime first_seen;

  friend bool operator==(const Member& a, const Member& b) {
    const auto said = [](const Member& m) {
      return std::tie(m.peer, m.incarnation, m.role, m.authority, m.invites, m.name, m.addresses,
                      m.admitted, m.sponsor);
    };
    return said(a) == said(b);
  }
};

struct Ref {
  std::string key;
  base::BlobId blob;
  std::optional<uint64_t> size_bytes;  // as the writer of the reference knew it
  base::WallTime updated;
  base::PeerId origin;

  friend bool operator==(const Ref&, const Ref&) = default;
};

// Numbers of one group, or of everything here for the zero group. Changed in the transaction that
// changes the fact; checked by the scan.
struct Counts {
  uint64_t refs = 0;
  uint64_t wanted = 0;  // blobs wanted there (zero group: wanted or asked for, stopped ones too)
  uint64_t wanted_bytes = 0;  // of those whose size is known
  uint64_t stopped = 0;       // of those
  uint64_t blobs = 0;         // held there (zero group: blobs here)
  uint64_t bytes = 0;
  uint64_t signposts = 0;  // zero group only

  friend bool operator==(const Counts&, const Counts&) = default;
};

// That this peer is no member any more, though the group is still here.
struct Removed {
  base::PeerId by;  // zero: not known
  base::WallTime when;
};

struct GroupInfo {
  base::GroupId id;
  std::string name;
  std::string description;
  bool is_public = false;
  Authority inviters = Authority::kAdmin;    // the least authority with which one may invite
  Role role = Role::kNormal;                 // this peer's own
  Authority authority = Authority::kWriter;  // this peer's own
  std::optional<Removed> removed;
  uint64_t members = 0;
  uint64_t servers = 0;  // of those; not part of an answer to who joins
  Counts counts;
  base::WallTime created;
};

// Who founded a group, as its genesis says: an admin from the beginning.
struct Founder {
  base::PeerId peer;
  base::Incarnation incarnation;  // under which it writes first
  base::WallTime when;
};

}  // namespace waypost::syncgroup
