#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/log.pb.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/recovery.h"
#include "syncgroup/protocol/wire_fields.h"

// What entries of a log with branches and acts of recovery have in common, to fields and back. For
// the codecs of this room alone. Pure; kInvalidArgument names what is wrong.
namespace waypost::syncgroup::fields {

inline void Write(const ActId& id, wire::ActName& to) {
  to.set_entry(IdBytes(id.entry));
  if (id.position != 0) to.set_position(id.position);
}
inline absl::Status ReadActId(const wire::ActName& from, const char* what, ActId& out) {
  RETURN_IF_ERROR(ReadId(from.entry(), what, out.entry));
  if (from.position() >= kOpsPerEntryMax) return Bad(what, "the position is out of range");
  out.position = from.position();
  return absl::OkStatus();
}

inline void Write(const LogHead& head, wire::LogHead& to) {
  to.set_numbering(IdBytes(head.numbering));
  to.set_generation(head.generation);
  to.set_hash(IdBytes(head.hash));
}
template <class Repeated>
void WriteHeads(const std::vector<LogHead>& heads, Repeated& to) {
  for (const LogHead& head : heads) Write(head, *to.Add());
}
inline absl::Status ReadHead(const wire::LogHead& from, LogHead& out) {
  RETURN_IF_ERROR(ReadId(from.numbering(), "head: numbering", out.numbering));
  RETURN_IF_ERROR(ReadId(from.hash(), "head: hash", out.hash));
  if (from.generation() == 0 || from.generation() > kGenerationMax) {
    return Bad("head: generation", "is out of range");
  }
  out.generation = from.generation();
  if ((out.generation == 1) != (out.numbering == out.hash)) {
    return Bad("head", "the first of a numbering is what it is named after, and no other");
  }
  return absl::OkStatus();
}
template <class Repeated>
absl::Status ReadHeads(const Repeated& from, std::vector<LogHead>& out) {
  out.reserve(static_cast<std::size_t>(from.size()));
  for (const wire::LogHead& each : from) RETURN_IF_ERROR(ReadHead(each, out.emplace_back()));
  return absl::OkStatus();
}

template <class Repeated>
void WriteNames(const std::vector<ActId>& names, Repeated& to) {
  for (const ActId& name : names) Write(name, *to.Add());
}
template <class Repeated>
absl::Status ReadNames(const Repeated& from, std::vector<ActId>& out) {
  out.reserve(static_cast<std::size_t>(from.size()));
  for (const wire::ActName& each : from) {
    RETURN_IF_ERROR(ReadActId(each, "name", out.emplace_back()));
  }
  return absl::OkStatus();
}

inline void Write(const AdmitAct& act, wire::LogAdmit& to) {
  to.set_peer(IdBytes(act.peer));
  to.set_role(static_cast<uint32_t>(act.role));
  to.set_authority(static_cast<uint32_t>(act.authority));
  to.set_invites(act.invites);
  to.set_as_inviter(act.as_inviter);
  WriteNames(act.names, *to.mutable_names());
  WriteHeads(act.pins, *to.mutable_pins());
}
inline absl::Status ReadInto(const wire::LogAdmit& from, AdmitAct& act) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", act.peer));
  RETURN_IF_ERROR(ReadRole(from.role(), act.role));
  RETURN_IF_ERROR(ReadAuthority(from.authority(), act.authority));
  act.invites = from.invites();
  act.as_inviter = from.as_inviter();
  RETURN_IF_ERROR(ReadNames(from.names(), act.names));
  return ReadHeads(from.pins(), act.pins);
}

inline void Write(const RemoveAct& act, wire::LogRemove& to) {
  to.set_peer(IdBytes(act.peer));
  to.set_only_named(act.only_named);
  WriteNames(act.names, *to.mutable_names());
  WriteHeads(act.pins, *to.mutable_pins());
}
inline absl::Status ReadInto(const wire::LogRemove& from, RemoveAct& act) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", act.peer));
  act.only_named = from.only_named();
  RETURN_IF_ERROR(ReadNames(from.names(), act.names));
  return ReadHeads(from.pins(), act.pins);
}

inline absl::Status ReadInto(const wire::LogClose& from, CloseOp& op) {
  return ReadId(from.numbering(), "closed numbering", op.numbering);
}

inline absl::Status ReadInto(const wire::LogLeave& from, LeaveAct& act) {
  return ReadHeads(from.pins(), act.pins);
}

inline void WritePaper(const RecoveryPaper& paper, wire::RecoveryPaper& to) {
  to.set_saying(paper.saying);
  for (const RecoveryPaper::Signature& signature : paper.signatures) {
    wire::RecoverySignature* const out = to.add_signatures();
    out->set_key(signature.key);
    out->set_signature(signature.bytes);
  }
}
inline absl::Status ReadPaper(const wire::RecoveryPaper& from, RecoveryPaper& out) {
  if (from.saying().size() > kRecoverySayingBytesMax) return Bad("recovery", "is too large");
  out.saying = from.saying();
  for (const wire::RecoverySignature& signature : from.signatures()) {
    if (signature.signature().size() > kSignatureBytesMax) return Bad("signature", "is too long");
    out.signatures.push_back({signature.key(), signature.signature()});
  }
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup::fields
