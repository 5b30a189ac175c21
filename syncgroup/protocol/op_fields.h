#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/status.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/wire.pb.h"
#include "syncgroup/protocol/wire_fields.h"

// The operations that entries of every form have, to fields and back. For the codecs of this room
// alone. Pure; kInvalidArgument names what is wrong.
namespace waypost::syncgroup::fields {

inline void Write(const PutRefOp& op, wire::PutRef& to) {
  to.set_key(op.key);
  to.set_blob(IdBytes(op.blob));
  if (op.size_bytes) to.set_size_bytes(*op.size_bytes);
}
inline void Write(const DeleteRefOp& op, wire::DeleteRef& to) { to.set_key(op.key); }
inline void Write(const ProfileOp& op, wire::Profile& to) {
  to.set_name(op.name);
  for (const std::string& address : op.addresses) to.add_addresses(address);
  if (op.lowered_role) to.set_lowered_role(static_cast<uint32_t>(*op.lowered_role));
}
inline void Write(const SettingsOp& op, wire::Settings& to) {
  if (op.name) to.set_name(*op.name);
  if (op.description) to.set_description(*op.description);
  if (op.is_public) to.set_is_public(*op.is_public);
  if (op.inviters) to.set_inviters(static_cast<uint32_t>(*op.inviters));
}

inline absl::Status ReadInto(const wire::PutRef& from, PutRefOp& op) {
  op.key = from.key();
  RETURN_IF_ERROR(CheckKey(op.key));
  RETURN_IF_ERROR(ReadId(from.blob(), "blob", op.blob));
  if (!from.has_size_bytes()) return absl::OkStatus();
  // Sizes are summed in counts: bounded, so that sums do not overflow.
  if (from.size_bytes() > (uint64_t{1} << 62)) return Bad("size", "too large");
  op.size_bytes = from.size_bytes();
  return absl::OkStatus();
}

inline absl::Status ReadInto(const wire::DeleteRef& from, DeleteRefOp& op) {
  op.key = from.key();
  return CheckKey(op.key);
}

inline absl::Status ReadInto(const wire::Profile& from, ProfileOp& op) {
  op.name = from.name();
  RETURN_IF_ERROR(CheckText(op.name, kNameBytesMax, "a peer's name"));
  RETURN_IF_ERROR(ReadAddresses(from.addresses(), op.addresses));
  if (!from.has_lowered_role()) return absl::OkStatus();
  return ReadRole(from.lowered_role(), op.lowered_role.emplace());
}

inline absl::Status ReadInto(const wire::Settings& from, SettingsOp& op) {
  if (from.has_name()) {
    op.name = from.name();
    RETURN_IF_ERROR(CheckText(*op.name, kNameBytesMax, "a group's name"));
  }
  if (from.has_description()) {
    op.description = from.description();
    RETURN_IF_ERROR(CheckText(*op.description, kDescriptionBytesMax, "a description"));
  }
  if (from.has_is_public()) op.is_public = from.is_public();
  if (!from.has_inviters()) return absl::OkStatus();
  return ReadAuthority(from.inviters(), op.inviters.emplace());
}

inline absl::Status ReadInto(const wire::Admit& from, AdmitOp& op) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", op.peer));
  RETURN_IF_ERROR(ReadId(from.incarnation(), "incarnation", op.incarnation));
  RETURN_IF_ERROR(ReadRole(from.role(), op.role));
  RETURN_IF_ERROR(ReadAuthority(from.authority(), op.authority));
  op.generation = from.generation();
  op.invites = from.invites();
  op.as_inviter = from.as_inviter();
  return absl::OkStatus();
}

inline absl::Status ReadInto(const wire::Remove& from, RemoveOp& op) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", op.peer));
  RETURN_IF_ERROR(ReadId(from.incarnation(), "incarnation", op.incarnation));
  op.generation = from.generation();
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup::fields
