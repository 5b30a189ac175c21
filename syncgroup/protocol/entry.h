#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// The changes an entry of a group's log may carry.
struct PutRefOp {
  std::string key;
  base::BlobId blob;
  std::optional<uint64_t> size_bytes;
  friend bool operator==(const PutRefOp&, const PutRefOp&) = default;
};
struct DeleteRefOp {
  std::string key;
  friend bool operator==(const DeleteRefOp&, const DeleteRefOp&) = default;
};
// Makes `peer` a member, or changes the role and authority of one. What it wrote under this
// incarnation up to `generation` keeps the authority it was written with. An entry names every
// incarnation of the peer that its author knows, one operation each, the one of now last.
struct AdmitOp {
  base::PeerId peer;
  base::Incarnation incarnation;
  Role role = Role::kNormal;
  Authority authority = Authority::kWriter;
  uint64_t generation = 0;
  bool invites = false;     // may the peer admit others, though it is no admin?
  bool as_inviter = false;  // written by that right, not by an admin's: only ever adds
  friend bool operator==(const AdmitOp&, const AdmitOp&) = default;
};
// Ends the membership of `peer`. What it wrote up to (incarnation, generation) stands, all else is
// void until it is admitted again under another incarnation.
struct RemoveOp {
  base::PeerId peer;
  base::Incarnation incarnation;
  uint64_t generation = 0;
  friend bool operator==(const RemoveOp&, const RemoveOp&) = default;
};
// What a member says of itself; may lower its own role.
struct ProfileOp {
  std::string name;
  std::vector<std::string> addresses;
  std::optional<Role> lowered_role;
  friend bool operator==(const ProfileOp&, const ProfileOp&) = default;
};
struct SettingsOp {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<bool> is_public;
  std::optional<Authority> inviters;  // who has at least this authority is admitted with `invites`
  friend bool operator==(const SettingsOp&, const SettingsOp&) = default;
};
using Op = std::variant<PutRefOp, DeleteRefOp, AdmitOp, RemoveOp, ProfileOp, SettingsOp>;

inline constexpr std::size_t kOpsPerEntryMax = 1000;

// Where an entry stands in its origin's numbering.
struct EntryPlace {
  base::PeerId origin;
  base::Incarnation incarnation;
  uint64_t generation = 0;  // 1, 2, 3, ... within the incarnation
  friend auto operator<=>(const EntryPlace&, const EntryPlace&) = default;
};

// One batch of changes to a group by one origin.
struct Entry {
  base::GroupId group;
  EntryPlace place;
  base::EntryHash previous;  // of the origin's entry before it; zero for generation 1
  base::WallTime time;       // hybrid clock: the later of now and one more than the latest seen
  std::vector<Op> ops;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// The order that decides who wins: (time, origin, incarnation, generation, position in the entry).
struct Stamp {
  base::WallTime time;
  EntryPlace place;
  uint32_t position = 0;
  friend auto operator<=>(const Stamp&, const Stamp&) = default;
};

// An entry as it travels and is stored: the exact bytes, never serialized again.
struct SealedEntry {
  std::string bytes;      // of the entry, what is hashed and signed
  std::string signature;  // by the origin
  friend bool operator==(const SealedEntry&, const SealedEntry&) = default;
};

}  // namespace waypost::syncgroup
