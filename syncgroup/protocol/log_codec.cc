#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wire_reader.h"
#include "syncgroup/protocol/log.pb.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/log_fields.h"
#include "syncgroup/protocol/op_fields.h"
#include "syncgroup/protocol/recovery.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/protocol/wire_fields.h"

// Entries of a log with branches and what recovery keys say, to bytes and back. What an entry says
// of its own place must agree with itself here already, so that nobody above meets a first entry
// without a basis, or acts among references.

namespace waypost::syncgroup {
namespace {

using namespace fields;

struct LogOpWriter {
  wire::LogOp* to;
  void operator()(const PutRefOp& op) const { Write(op, *to->mutable_put_ref()); }
  void operator()(const DeleteRefOp& op) const { Write(op, *to->mutable_delete_ref()); }
  void operator()(const ProfileOp& op) const { Write(op, *to->mutable_profile()); }
  void operator()(const SettingsOp& op) const { Write(op, *to->mutable_settings()); }
  void operator()(const CloseOp& op) const {
    to->mutable_close()->set_numbering(IdBytes(op.numbering));
  }
  void operator()(const AdmitAct& act) const { Write(act, *to->mutable_admit()); }
  void operator()(const RemoveAct& act) const { Write(act, *to->mutable_remove()); }
  void operator()(const LeaveAct& act) const {
    WriteHeads(act.pins, *to->mutable_leave()->mutable_pins());
  }
};

template <class Kind, class Message>
absl::StatusOr<LogOp> ReadLogOpAs(const Message& from) {
  Kind op;
  RETURN_IF_ERROR(ReadInto(from, op));
  return LogOp(std::move(op));
}

absl::StatusOr<LogOp> ReadLogOp(const wire::LogOp& from) {
  switch (from.op_case()) {
    case wire::LogOp::kPutRef:
      return ReadLogOpAs<PutRefOp>(from.put_ref());
    case wire::LogOp::kDeleteRef:
      return ReadLogOpAs<DeleteRefOp>(from.delete_ref());
    case wire::LogOp::kProfile:
      return ReadLogOpAs<ProfileOp>(from.profile());
    case wire::LogOp::kClose:
      return ReadLogOpAs<CloseOp>(from.close());
    case wire::LogOp::kAdmit:
      return ReadLogOpAs<AdmitAct>(from.admit());
    case wire::LogOp::kRemove:
      return ReadLogOpAs<RemoveAct>(from.remove());
    case wire::LogOp::kLeave:
      return ReadLogOpAs<LeaveAct>(from.leave());
    case wire::LogOp::kSettings:
      return ReadLogOpAs<SettingsOp>(from.settings());
    case wire::LogOp::OP_NOT_SET:
      break;
  }
  return Bad("op", "of a kind that this version does not know");
}

// What only the first of a numbering has, it has; what only the others have, they have.
absl::Status CheckPlace(const LogPlace& place, bool has_basis) {
  const bool first = place.generation == 1;
  if (first != place.numbering.IsZero() || first != place.previous.IsZero()) {
    return Bad("place", first ? "the first of a numbering follows on nothing"
                              : "it says neither what it follows on nor of which numbering it is");
  }
  if (first != has_basis) {
    return Bad("basis", first ? "the first of a numbering names it" : "only the first names it");
  }
  return absl::OkStatus();
}

absl::Status ReadPlace(const wire::LogEntry& in, LogPlace& out) {
  RETURN_IF_ERROR(ReadId(in.origin(), "origin", out.origin));
  if (in.holds() < 1 || in.holds() > 2) {
    return Bad("holds", absl::StrCat("unknown number ", in.holds()));
  }
  out.holds = static_cast<Holds>(in.holds());
  if (!in.numbering().empty()) RETURN_IF_ERROR(ReadId(in.numbering(), "numbering", out.numbering));
  if (in.generation() == 0 || in.generation() > kGenerationMax) {
    return Bad("generation", "is out of range");
  }
  out.generation = in.generation();
  if (!in.previous().empty()) RETURN_IF_ERROR(ReadId(in.previous(), "previous", out.previous));
  return CheckPlace(out, in.has_basis());
}

// False: it is no id of such bytes.
template <class Id>
bool TakeId(std::string_view bytes, Id& out) {
  const auto id = Id::FromBytes(bytes);
  if (id) out = *id;
  return id.has_value();
}

// No message that was read may say more than the rules of entries allow of an act.
absl::Status CheckSaying(const RecoverySaying& saying) {
  const auto* const admit = std::get_if<AdmitAct>(&saying.act);
  const auto* const remove = std::get_if<RemoveAct>(&saying.act);
  if (admit != nullptr && admit->as_inviter) return Bad("recovery", "it admits as no inviter does");
  if (remove != nullptr && remove->only_named) {
    return Bad("recovery", "its removals are of everything");
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeLogEntry(const LogEntry& entry) {
  wire::LogEntry out;
  out.set_group(IdBytes(entry.group));
  out.set_origin(IdBytes(entry.place.origin));
  out.set_holds(static_cast<uint32_t>(entry.place.holds));
  if (!entry.place.numbering.IsZero()) out.set_numbering(IdBytes(entry.place.numbering));
  out.set_generation(entry.place.generation);
  if (!entry.place.previous.IsZero()) out.set_previous(IdBytes(entry.place.previous));
  out.set_time_ms(base::ToMs(entry.time));
  if (entry.basis) Write(*entry.basis, *out.mutable_basis());
  for (const LogOp& op : entry.ops) std::visit(LogOpWriter{out.add_ops()}, op);
  return Serialize(out);
}

absl::StatusOr<LogEntry> DecodeLogEntry(std::string_view bytes) {
  wire::LogEntry in;
  RETURN_IF_ERROR(Parse(bytes, kEntryBytesMax, "entry", in));
  LogEntry out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  RETURN_IF_ERROR(ReadPlace(in, out.place));
  RETURN_IF_ERROR(ReadTime(in.time_ms(), "time", out.time));
  if (in.has_basis()) RETURN_IF_ERROR(ReadActId(in.basis(), "basis", out.basis.emplace()));
  if (static_cast<std::size_t>(in.ops_size()) > kOpsPerEntryMax) {
    return Bad("ops", absl::StrCat(in.ops_size(), " of them, at most ", kOpsPerEntryMax));
  }
  out.ops.reserve(in.ops_size());
  for (const wire::LogOp& op : in.ops()) {
    ASSIGN_OR_RETURN(LogOp read, ReadLogOp(op));
    if (HoldsOp(read) != out.place.holds) {
      return Bad("op", "acts and changes of references stand in numberings of their own");
    }
    out.ops.push_back(std::move(read));
  }
  // Of a field that is there twice the last counts, but those who skip by PeekLogPlace see the
  // first.
  if (PeekLogPlace(bytes) != out.place) return Bad("place", "is not the first that the entry says");
  return out;
}

std::optional<LogPlace> PeekLogPlace(std::string_view bytes) {
  // Fields are written in order: the time is the first one behind the place.
  LogPlace place;
  bool origin = false, holds = false, generation = false;
  base::WireReader field(bytes);
  while (field.Next() && !field.Is(wire::LogEntry::kTimeMsFieldNumber, base::WireReader::kVarint)) {
    if (field.Is(wire::LogEntry::kOriginFieldNumber, base::WireReader::kBytes)) {
      if (origin || !TakeId(field.bytes(), place.origin)) return std::nullopt;
      origin = true;
    } else if (field.Is(wire::LogEntry::kHoldsFieldNumber, base::WireReader::kVarint)) {
      if (holds || field.number() < 1 || field.number() > 2) return std::nullopt;
      place.holds = static_cast<Holds>(field.number());
      holds = true;
    } else if (field.Is(wire::LogEntry::kNumberingFieldNumber, base::WireReader::kBytes)) {
      if (!place.numbering.IsZero() || !TakeId(field.bytes(), place.numbering)) return std::nullopt;
    } else if (field.Is(wire::LogEntry::kGenerationFieldNumber, base::WireReader::kVarint)) {
      if (generation) return std::nullopt;
      place.generation = field.number();
      generation = true;
    } else if (field.Is(wire::LogEntry::kPreviousFieldNumber, base::WireReader::kBytes)) {
      if (!place.previous.IsZero() || !TakeId(field.bytes(), place.previous)) return std::nullopt;
    }
  }
  if (!field.ok() || !origin || !holds || !generation) return std::nullopt;
  return place;
}

std::string EncodeRecoverySaying(const RecoverySaying& saying) {
  wire::RecoverySaying out;
  out.set_group(IdBytes(saying.group));
  out.set_time_ms(base::ToMs(saying.time));
  if (const auto* admit = std::get_if<AdmitAct>(&saying.act)) {
    Write(*admit, *out.mutable_admit());
  } else {
    Write(std::get<RemoveAct>(saying.act), *out.mutable_remove());
  }
  return Serialize(out);
}

absl::StatusOr<RecoverySaying> DecodeRecoverySaying(std::string_view bytes) {
  wire::RecoverySaying in;
  RETURN_IF_ERROR(Parse(bytes, kRecoverySayingBytesMax, "recovery", in));
  RecoverySaying out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  RETURN_IF_ERROR(ReadTime(in.time_ms(), "time", out.time));
  if (in.has_admit()) {
    RETURN_IF_ERROR(ReadInto(in.admit(), out.act.emplace<AdmitAct>()));
  } else if (in.has_remove()) {
    RETURN_IF_ERROR(ReadInto(in.remove(), out.act.emplace<RemoveAct>()));
  } else {
    return Bad("recovery", "it neither admits nor removes");
  }
  RETURN_IF_ERROR(CheckSaying(out));
  return out;
}

std::string EncodeRecoveryPaper(const RecoveryPaper& paper) {
  wire::RecoveryPaper out;
  WritePaper(paper, out);
  return Serialize(out);
}

absl::StatusOr<RecoveryPaper> DecodeRecoveryPaper(std::string_view bytes) {
  wire::RecoveryPaper in;
  RETURN_IF_ERROR(Parse(bytes, kRecoverySayingBytesMax + 1024, "recovery paper", in));
  RecoveryPaper out;
  RETURN_IF_ERROR(ReadPaper(in, out));
  return out;
}

}  // namespace waypost::syncgroup
