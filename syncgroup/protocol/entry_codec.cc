#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/status.h"
#include "base/wire_reader.h"
#include "syncgroup/protocol/op_fields.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/protocol/wire_fields.h"

// The bytes that are hashed and signed: entries and their operations, the genesis of a group, the
// text of an invite. Encoding an entry is deterministic: the same entry has the same bytes for
// ever.

namespace waypost::syncgroup {
namespace {

using base::Abs;
using namespace fields;

struct OpWriter {
  wire::Op* to;
  void operator()(const PutRefOp& op) const { Write(op, *to->mutable_put_ref()); }
  void operator()(const DeleteRefOp& op) const { Write(op, *to->mutable_delete_ref()); }
  void operator()(const AdmitOp& op) const {
    auto* admit = to->mutable_admit();
    admit->set_peer(IdBytes(op.peer));
    admit->set_incarnation(IdBytes(op.incarnation));
    admit->set_role(static_cast<uint32_t>(op.role));
    admit->set_authority(static_cast<uint32_t>(op.authority));
    admit->set_generation(op.generation);
    admit->set_invites(op.invites);
    admit->set_as_inviter(op.as_inviter);
  }
  void operator()(const RemoveOp& op) const {
    auto* remove = to->mutable_remove();
    remove->set_peer(IdBytes(op.peer));
    remove->set_incarnation(IdBytes(op.incarnation));
    remove->set_generation(op.generation);
  }
  void operator()(const ProfileOp& op) const { Write(op, *to->mutable_profile()); }
  void operator()(const SettingsOp& op) const { Write(op, *to->mutable_settings()); }
};

template <class Kind, class Message>
absl::StatusOr<Op> ReadAs(const Message& from) {
  Kind op;
  RETURN_IF_ERROR(ReadInto(from, op));
  return Op(std::move(op));
}

absl::StatusOr<Op> ReadOp(const wire::Op& from) {
  switch (from.op_case()) {
    case wire::Op::kPutRef:
      return ReadAs<PutRefOp>(from.put_ref());
    case wire::Op::kDeleteRef:
      return ReadAs<DeleteRefOp>(from.delete_ref());
    case wire::Op::kAdmit:
      return ReadAs<AdmitOp>(from.admit());
    case wire::Op::kRemove:
      return ReadAs<RemoveOp>(from.remove());
    case wire::Op::kProfile:
      return ReadAs<ProfileOp>(from.profile());
    case wire::Op::kSettings:
      return ReadAs<SettingsOp>(from.settings());
    case wire::Op::OP_NOT_SET:
      break;
  }
  return Bad("op", "of a kind that this version does not know");
}

}  // namespace

std::string EncodeEntry(const Entry& entry) {
  wire::Entry out;
  out.set_group(IdBytes(entry.group));
  out.set_origin(IdBytes(entry.place.origin));
  out.set_incarnation(IdBytes(entry.place.incarnation));
  out.set_generation(entry.place.generation);
  out.set_previous(IdBytes(entry.previous));
  out.set_time_ms(base::ToMs(entry.time));
  for (const Op& op : entry.ops) std::visit(OpWriter{out.add_ops()}, op);
  return Serialize(out);
}

absl::StatusOr<Entry> DecodeEntry(std::string_view bytes) {
  wire::Entry in;
  RETURN_IF_ERROR(Parse(bytes, kEntryBytesMax, "entry", in));
  Entry out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  RETURN_IF_ERROR(ReadId(in.origin(), "origin", out.place.origin));
  RETURN_IF_ERROR(ReadId(in.incarnation(), "incarnation", out.place.incarnation));
  if (in.generation() == 0 || in.generation() > kGenerationMax) {
    return Bad("generation", "is out of range");
  }
  out.place.generation = in.generation();
  RETURN_IF_ERROR(ReadId(in.previous(), "previous", out.previous));
  RETURN_IF_ERROR(ReadTime(in.time_ms(), "time", out.time));
  if (static_cast<std::size_t>(in.ops_size()) > kOpsPerEntryMax) {
    return Bad("ops", absl::StrCat(in.ops_size(), " of them, at most ", kOpsPerEntryMax));
  }
  out.ops.reserve(in.ops_size());
  for (const wire::Op& op : in.ops()) {
    ASSIGN_OR_RETURN(Op read, ReadOp(op));
    out.ops.push_back(std::move(read));
  }
  // Of a field that is there twice the last counts, but those who skip by PeekPlace see the first.
  if (PeekPlace(bytes) != out.place) return Bad("place", "is not the first that the entry says");
  return out;
}

std::string EncodeSealedEntry(const SealedEntry& entry) {
  wire::SealedEntry out;
  WriteSealed(entry, &out);
  return Serialize(out);
}

absl::StatusOr<SealedEntry> DecodeSealedEntry(std::string_view bytes) {
  wire::SealedEntry in;
  RETURN_IF_ERROR(Parse(bytes, kEntryBytesMax + 1024, "sealed entry", in));
  SealedEntry out;
  RETURN_IF_ERROR(ReadSealed(in, out));
  return out;
}

std::string EncodeOp(const Op& op) {
  wire::Op out;
  std::visit(OpWriter{&out}, op);
  return Serialize(out);
}

absl::StatusOr<Op> DecodeOp(std::string_view bytes) {
  wire::Op in;
  RETURN_IF_ERROR(Parse(bytes, kEntryBytesMax, "op", in));
  return ReadOp(in);
}

std::optional<EntryPlace> PeekPlace(std::string_view bytes) {
  // A page of a log skips what the caller knows; decoding every entry for that would cost more than
  // all else. Fields are written in order, so the place is within the first 100 bytes.
  EntryPlace place;
  bool origin = false, incarnation = false, generation = false;
  base::WireReader field(bytes);
  while (!(origin && incarnation && generation) && field.Next()) {
    if (field.Is(wire::Entry::kOriginFieldNumber, base::WireReader::kBytes)) {
      const auto id = base::PeerId::FromBytes(field.bytes());
      if (!id) return std::nullopt;
      place.origin = *id;
      origin = true;
    } else if (field.Is(wire::Entry::kIncarnationFieldNumber, base::WireReader::kBytes)) {
      const auto id = base::Incarnation::FromBytes(field.bytes());
      if (!id) return std::nullopt;
      place.incarnation = *id;
      incarnation = true;
    } else if (field.Is(wire::Entry::kGenerationFieldNumber, base::WireReader::kVarint)) {
      place.generation = field.number();
      generation = true;
    }
  }
  if (!origin || !incarnation || !generation) return std::nullopt;
  return place;
}

base::EntryHash HashEntry(std::string_view entry_bytes) {
  return base::EntryHash(base::Hash256(entry_bytes));
}

std::string EncodeGenesis(const Genesis& genesis) {
  wire::Genesis out;
  out.set_name(genesis.name);
  out.set_is_public(genesis.is_public);
  out.set_founder(IdBytes(genesis.founder.peer));
  out.set_incarnation(IdBytes(genesis.founder.incarnation));
  out.set_created_ms(base::ToMs(genesis.founder.when));
  for (const RecoveryKey& key : genesis.recovery.keys) out.add_recovery_keys(IdBytes(key));
  out.set_recovery_need(genesis.recovery.need);
  if (genesis.role) out.set_role(static_cast<uint32_t>(*genesis.role));
  return Serialize(out);
}
absl::StatusOr<Genesis> DecodeGenesis(std::string_view bytes) {
  wire::Genesis in;
  RETURN_IF_ERROR(Parse(bytes, kGenesisBytesMax, "genesis", in));
  Genesis out;
  out.name = in.name();
  if (out.name.empty()) return Bad("genesis", "the name is empty");
  RETURN_IF_ERROR(CheckText(out.name, kNameBytesMax, "genesis: the name"));
  out.is_public = in.is_public();
  RETURN_IF_ERROR(ReadId(in.founder(), "genesis: founder", out.founder.peer));
  RETURN_IF_ERROR(ReadId(in.incarnation(), "genesis: incarnation", out.founder.incarnation));
  RETURN_IF_ERROR(ReadTime(in.created_ms(), "genesis: created", out.founder.when));
  RETURN_IF_ERROR(ReadOptionalRole(in.role(), out.role));
  for (const std::string& key : in.recovery_keys()) {
    RETURN_IF_ERROR(ReadId(key, "genesis: recovery key", out.recovery.keys.emplace_back()));
  }
  out.recovery.need = in.recovery_need();
  RETURN_IF_ERROR(CheckRecoveryRule(out.recovery));
  return out;
}

std::string EncodeInvite(const Invite& invite) {
  wire::Invite out;
  out.set_group(IdBytes(invite.group));
  out.set_group_name(invite.group_name);
  out.set_inviter(IdBytes(invite.inviter));
  for (const std::string& address : invite.addresses) out.add_addresses(address);
  out.set_id(invite.id);
  out.set_secret(invite.secret);
  if (invite.role) out.set_role(static_cast<uint32_t>(*invite.role));
  out.set_authority(static_cast<uint32_t>(invite.authority));
  out.set_expires_ms(base::ToMs(invite.expires));
  out.set_genesis(invite.genesis);
  return absl::StrCat(Abs(kInvitePrefix), absl::WebSafeBase64Escape(Serialize(out)));
}

absl::StatusOr<Invite> ParseInvite(std::string_view text) {
  const std::string_view whole = text;
  if (!text.starts_with(kInvitePrefix)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not an invite: it must begin with ", Abs(kInvitePrefix)));
  }
  text.remove_prefix(kInvitePrefix.size());
  if (whole.size() > kInviteTextBytesMax) return Bad("invite", "the text is too long");
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(Abs(text), &bytes)) {
    return Bad("invite", "the text is cut off or has a character that does not belong there");
  }
  wire::Invite in;
  RETURN_IF_ERROR(Parse(bytes, kInviteTextBytesMax, "invite", in));
  Invite out;
  RETURN_IF_ERROR(ReadId(in.group(), "invite: group", out.group));
  out.group_name = in.group_name();
  RETURN_IF_ERROR(CheckText(out.group_name, kNameBytesMax, "invite: the group's name"));
  RETURN_IF_ERROR(ReadId(in.inviter(), "invite: inviter", out.inviter));
  RETURN_IF_ERROR(ReadAddresses(in.addresses(), out.addresses));
  if (in.id().empty() || in.id().size() > kInviteFieldBytesMax) return Bad("invite", "bad id");
  if (in.secret().empty() || in.secret().size() > kInviteFieldBytesMax) {
    return Bad("invite", "bad secret");
  }
  out.id = in.id();
  out.secret = in.secret();
  RETURN_IF_ERROR(ReadOptionalRole(in.role(), out.role));
  RETURN_IF_ERROR(ReadAuthority(in.authority(), out.authority));
  RETURN_IF_ERROR(ReadTime(in.expires_ms(), "invite: expires", out.expires));
  if (in.genesis().size() > kGenesisBytesMax) return Bad("invite", "the genesis is too long");
  out.genesis = in.genesis();
  return out;
}

}  // namespace waypost::syncgroup
