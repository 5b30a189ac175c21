#include "syncgroup/protocol/wire_codec.h"

#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/status.h"
#include "base/wire_reader.h"
#include "syncgroup/protocol/wire.pb.h"
#include "syncgroup/protocol/wire_shape.h"

// Every message between peers, encoded and decoded, and the bytes of entries that are hashed and
// signed. A decoder bounds the size before it parses, checks every field, and names what is wrong;
// fields it does not know are ignored, because newer peers may send them. Encoding an entry is
// deterministic: the same entry has the same bytes for ever.

namespace waypost::syncgroup {
namespace {

using base::Abs;

absl::Status Bad(const char* message, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(message, ": ", what));
}

template <class Id>
absl::Status ReadId(const std::string& bytes, const char* what, Id& out) {
  const auto id = Id::FromBytes(bytes);
  if (!id) return Bad(what, absl::StrCat("has ", bytes.size(), " bytes, not ", Id::kBytes));
  out = *id;
  return absl::OkStatus();
}

template <class Id>
std::string IdBytes(const Id& id) {
  return std::string(id.bytes());
}

absl::Status ReadRole(uint32_t number, Role& out) {
  if (number < 1 || number > 3) return Bad("role", absl::StrCat("unknown number ", number));
  out = static_cast<Role>(number);
  return absl::OkStatus();
}
absl::Status ReadOptionalRole(uint32_t number, std::optional<Role>& out) {
  if (number == 0) return absl::OkStatus();
  Role role{};
  RETURN_IF_ERROR(ReadRole(number, role));
  out = role;
  return absl::OkStatus();
}
absl::Status ReadAuthority(uint32_t number, Authority& out) {
  if (number < 1 || number > 3) return Bad("authority", absl::StrCat("unknown number ", number));
  out = static_cast<Authority>(number);
  return absl::OkStatus();
}

absl::Status ReadTime(int64_t ms, const char* what, base::WallTime& out) {
  // Up to the year 9999, so that sums of times never overflow.
  if (ms < 0 || ms > int64_t{253402300799999}) return Bad(what, "is out of range");
  out = base::FromMs(ms);
  return absl::OkStatus();
}

template <class Repeated>
absl::Status ReadAddresses(const Repeated& from, std::vector<std::string>& out) {
  if (static_cast<std::size_t>(from.size()) > kAddressesMax) {
    return Bad("addresses", absl::StrCat(from.size(), " of them, at most ", kAddressesMax));
  }
  for (const std::string& address : from) {
    if (address.empty()) return Bad("addresses", "one is empty");
    RETURN_IF_ERROR(CheckText(address, kAddressBytesMax, "an address"));
    out.push_back(address);
  }
  return absl::OkStatus();
}

// ---- what of a message may be repeated, and how often ----

// As many as fit into the bytes.
constexpr std::size_t kUncounted = SIZE_MAX;
// The least that an item can have: ids have their exact sizes, with tag and length two bytes more.
constexpr std::size_t kIdMin = 32, kGroupMin = 34, kNumberingMin = 52, kKnownMin = 86;
// A signature alone; entries have more than a hundred bytes besides.
constexpr std::size_t kSealedMin = 64;

constexpr RepeatedField kProfileShape[] = {{wire::Profile::kAddressesFieldNumber, kAddressesMax}};
constexpr RepeatedField kOpShape[] = {
    {wire::Op::kProfileFieldNumber, kUncounted, 0, kProfileShape}};
constexpr RepeatedField kEntryShape[] = {
    {wire::Entry::kOpsFieldNumber, kOpsPerEntryMax, 0, kOpShape}};
constexpr RepeatedField kPapersShape[] = {
    {wire::Papers::kEntriesFieldNumber, kPapersMax, kSealedMin}};
constexpr RepeatedField kHelloShape[] = {
    {wire::Hello::kAddressesFieldNumber, kAddressesMax, 1},
    {wire::Hello::kPapersFieldNumber, kUncounted, kGroupMin, kPapersShape}};
constexpr RepeatedField kSyncGroupRequestShape[] = {
    {wire::SyncGroupRequest::kKnowledgeFieldNumber, kUncounted, kKnownMin},
    {wire::SyncGroupRequest::kProbesFieldNumber, kProbesMax, kNumberingMin}};
constexpr RepeatedField kSyncRequestShape[] = {
    {wire::SyncRequest::kGroupsFieldNumber, kUncounted, kGroupMin, kSyncGroupRequestShape}};
constexpr RepeatedField kSyncGroupReplyShape[] = {
    {wire::SyncGroupReply::kEntriesFieldNumber, kUncounted, kSealedMin},
    {wire::SyncGroupReply::kOfCallerFieldNumber, kUncounted, kKnownMin},
    {wire::SyncGroupReply::kForksFieldNumber, kForksMax, 2 * kSealedMin},
    {wire::SyncGroupReply::kProbedFieldNumber, kUncounted, kSealedMin},
    {wire::SyncGroupReply::kClaimedFieldNumber, kUncounted, kSealedMin}};
constexpr RepeatedField kSyncReplyShape[] = {
    {wire::SyncReply::kGroupsFieldNumber, kUncounted, kGroupMin, kSyncGroupReplyShape}};
constexpr RepeatedField kPokeShape[] = {{wire::PokeRequest::kGroupsFieldNumber, kUncounted, kIdMin},
                                        {wire::PokeRequest::kHavesFieldNumber, kHavesMax, kIdMin}};
constexpr RepeatedField kJoinRequestShape[] = {
    {wire::JoinRequest::kAddressesFieldNumber, kAddressesMax, 1}};
constexpr RepeatedField kMemberShape[] = {{wire::Member::kAddressesFieldNumber, kAddressesMax, 1}};
constexpr RepeatedField kJoinReplyShape[] = {
    {wire::JoinReply::kPapersFieldNumber, kUncounted, kGroupMin, kPapersShape},
    {wire::JoinReply::kMembersFieldNumber, kUncounted, kNumberingMin, kMemberShape}};
constexpr RepeatedField kHeldRequestShape[] = {
    {wire::HeldRequest::kBlobsFieldNumber, kHavesMax, kIdMin}};
constexpr RepeatedField kHeldReplyShape[] = {
    {wire::HeldReply::kHeldFieldNumber, kHavesMax, kIdMin}};
constexpr RepeatedField kBatchRequestShape[] = {
    {wire::BatchRequest::kGroupsFieldNumber, kReadGroupsMax, kIdMin},
    {wire::BatchRequest::kBlobsFieldNumber, kBatchBlobsMax, kIdMin}};
constexpr RepeatedField kMissShape[] = {
    {wire::Miss::kLocationsFieldNumber, kMissLocationsMax, kGroupMin}};
constexpr RepeatedField kInviteShape[] = {{wire::Invite::kAddressesFieldNumber, kAddressesMax, 1}};

WireShape ShapeOf(const wire::Entry&) { return kEntryShape; }
WireShape ShapeOf(const wire::Op&) { return kOpShape; }
WireShape ShapeOf(const wire::SealedEntry&) { return {}; }
WireShape ShapeOf(const wire::Genesis&) { return {}; }
WireShape ShapeOf(const wire::Hello&) { return kHelloShape; }
WireShape ShapeOf(const wire::SyncRequest&) { return kSyncRequestShape; }
WireShape ShapeOf(const wire::SyncReply&) { return kSyncReplyShape; }
WireShape ShapeOf(const wire::PokeRequest&) { return kPokeShape; }
WireShape ShapeOf(const wire::JoinRequest&) { return kJoinRequestShape; }
WireShape ShapeOf(const wire::JoinReply&) { return kJoinReplyShape; }
WireShape ShapeOf(const wire::HeldRequest&) { return kHeldRequestShape; }
WireShape ShapeOf(const wire::HeldReply&) { return kHeldReplyShape; }
WireShape ShapeOf(const wire::BatchRequest&) { return kBatchRequestShape; }
WireShape ShapeOf(const wire::Miss&) { return kMissShape; }
WireShape ShapeOf(const wire::Invite&) { return kInviteShape; }

// A message without a ShapeOf does not compile here.
template <class Message>
absl::Status Parse(std::string_view bytes, std::size_t bytes_max, const char* what, Message& out) {
  if (bytes.size() > bytes_max) {
    return Bad(what, absl::StrCat(bytes.size(), " bytes, at most ", bytes_max, " are allowed"));
  }
  if (const absl::Status shape = CheckShape(bytes, ShapeOf(out)); !shape.ok()) {
    return Bad(what, std::string(shape.message()));
  }
  if (!out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Bad(what, "the bytes do not parse");
  }
  return absl::OkStatus();
}

// What cannot be large: an entry of this peer, an operation or entry that a decoder below has
// bounded, ids that are counted where they are named.
template <class Message>
std::string Serialize(const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return bytes;
}

// What others have a hand in. Beyond what its reader takes it is no message: kResourceExhausted.
template <class Message>
absl::StatusOr<std::string> SerializeUpTo(const Message& message, std::size_t bytes_max,
                                          const char* what) {
  const std::size_t size = message.ByteSizeLong();
  std::string bytes;
  if (size > bytes_max || !message.SerializeToString(&bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a ", what, " of ", size, " bytes; at most ", bytes_max, " are sent"));
  }
  return bytes;
}

// ---- entries ----

struct OpWriter {
  wire::Op* to;
  void operator()(const PutRefOp& op) const {
    auto* put = to->mutable_put_ref();
    put->set_key(op.key);
    put->set_blob(IdBytes(op.blob));
    if (op.size_bytes) put->set_size_bytes(*op.size_bytes);
  }
  void operator()(const DeleteRefOp& op) const { to->mutable_delete_ref()->set_key(op.key); }
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
  void operator()(const ProfileOp& op) const {
    auto* profile = to->mutable_profile();
    profile->set_name(op.name);
    for (const std::string& address : op.addresses) profile->add_addresses(address);
    if (op.lowered_role) profile->set_lowered_role(static_cast<uint32_t>(*op.lowered_role));
  }
  void operator()(const SettingsOp& op) const {
    auto* settings = to->mutable_settings();
    if (op.name) settings->set_name(*op.name);
    if (op.description) settings->set_description(*op.description);
    if (op.is_public) settings->set_is_public(*op.is_public);
    if (op.inviters) settings->set_inviters(static_cast<uint32_t>(*op.inviters));
  }
};

absl::Status ReadInto(const wire::PutRef& from, PutRefOp& op) {
  op.key = from.key();
  RETURN_IF_ERROR(CheckKey(op.key));
  RETURN_IF_ERROR(ReadId(from.blob(), "blob", op.blob));
  if (!from.has_size_bytes()) return absl::OkStatus();
  // Sizes are summed in counts: bounded, so that sums do not overflow.
  if (from.size_bytes() > (uint64_t{1} << 62)) return Bad("size", "too large");
  op.size_bytes = from.size_bytes();
  return absl::OkStatus();
}

absl::Status ReadInto(const wire::DeleteRef& from, DeleteRefOp& op) {
  op.key = from.key();
  return CheckKey(op.key);
}

absl::Status ReadInto(const wire::Admit& from, AdmitOp& op) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", op.peer));
  RETURN_IF_ERROR(ReadId(from.incarnation(), "incarnation", op.incarnation));
  RETURN_IF_ERROR(ReadRole(from.role(), op.role));
  RETURN_IF_ERROR(ReadAuthority(from.authority(), op.authority));
  op.generation = from.generation();
  op.invites = from.invites();
  op.as_inviter = from.as_inviter();
  return absl::OkStatus();
}

absl::Status ReadInto(const wire::Remove& from, RemoveOp& op) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", op.peer));
  RETURN_IF_ERROR(ReadId(from.incarnation(), "incarnation", op.incarnation));
  op.generation = from.generation();
  return absl::OkStatus();
}

absl::Status ReadInto(const wire::Profile& from, ProfileOp& op) {
  op.name = from.name();
  RETURN_IF_ERROR(CheckText(op.name, kNameBytesMax, "a peer's name"));
  RETURN_IF_ERROR(ReadAddresses(from.addresses(), op.addresses));
  if (!from.has_lowered_role()) return absl::OkStatus();
  return ReadRole(from.lowered_role(), op.lowered_role.emplace());
}

absl::Status ReadInto(const wire::Settings& from, SettingsOp& op) {
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

void WriteSealed(const SealedEntry& from, wire::SealedEntry* to) {
  to->set_entry(from.bytes);
  to->set_signature(from.signature);
}
absl::Status ReadSealed(const wire::SealedEntry& from, SealedEntry& out) {
  if (from.entry().empty()) return Bad("entry", "is empty");
  if (from.entry().size() > kEntryBytesMax) return Bad("entry", "is too large");
  if (from.signature().size() > kSignatureBytesMax) return Bad("signature", "is too long");
  out.bytes = from.entry();
  out.signature = from.signature();
  return absl::OkStatus();
}
template <class Repeated>
absl::Status ReadSealedList(const Repeated& from, std::vector<SealedEntry>& out) {
  out.reserve(from.size());
  for (const wire::SealedEntry& entry : from) {
    RETURN_IF_ERROR(ReadSealed(entry, out.emplace_back()));
  }
  return absl::OkStatus();
}

// A message names a group once, and not too many: each costs its reader some work.
template <class Repeated>
absl::Status CheckGroups(const Repeated& groups, std::size_t max) {
  if (static_cast<std::size_t>(groups.size()) > max) {
    return Bad("groups", absl::StrCat(groups.size(), " of them, at most ", max));
  }
  std::set<std::string_view> seen;
  for (const auto& one : groups) {
    if (!seen.insert(one.group()).second) return Bad("groups", "one is named twice");
  }
  return absl::OkStatus();
}

// ---- hello ----

template <class Repeated>
void WritePapers(const std::vector<Papers>& from, Repeated* to) {
  for (const Papers& papers : from) {
    auto* out = to->Add();
    out->set_group(IdBytes(papers.group));
    for (const SealedEntry& entry : papers.entries) WriteSealed(entry, out->add_entries());
  }
}
template <class Repeated>
absl::Status ReadPapers(const Repeated& from, std::vector<Papers>& out) {
  for (const wire::Papers& papers : from) {
    Papers& to = out.emplace_back();
    RETURN_IF_ERROR(ReadId(papers.group(), "group", to.group));
    if (static_cast<std::size_t>(papers.entries_size()) > kPapersMax) {
      return Bad("papers", absl::StrCat("at most ", kPapersMax, " entries a group"));
    }
    RETURN_IF_ERROR(ReadSealedList(papers.entries(), to.entries));
  }
  return absl::OkStatus();
}

template <class Hello>
absl::StatusOr<std::string> EncodeHello(const Hello& message, std::size_t bytes_max) {
  wire::Hello out;
  out.set_version(message.version);
  out.set_name(message.name);
  for (const std::string& address : message.addresses) out.add_addresses(address);
  WritePapers(message.papers, out.mutable_papers());
  return SerializeUpTo(out, bytes_max, "hello");
}
template <class Hello>
absl::StatusOr<Hello> DecodeHello(std::string_view bytes, std::size_t bytes_max) {
  wire::Hello in;
  RETURN_IF_ERROR(Parse(bytes, bytes_max, "hello", in));
  Hello out;
  if (in.version() == 0) return Bad("hello", "has no version");
  out.version = in.version();
  out.name = in.name();
  RETURN_IF_ERROR(CheckText(out.name, kNameBytesMax, "a peer's name"));
  RETURN_IF_ERROR(ReadAddresses(in.addresses(), out.addresses));
  RETURN_IF_ERROR(CheckGroups(in.papers(), kSyncGroupsMax));
  RETURN_IF_ERROR(ReadPapers(in.papers(), out.papers));
  return out;
}

// ---- sync ----

template <class Repeated>
void WriteKnowledge(const Knowledge& from, Repeated* to) {
  for (const auto& [key, known] : from) {
    auto* out = to->Add();
    out->set_origin(IdBytes(key.first));
    out->set_incarnation(IdBytes(key.second));
    out->set_generation(known.generation);
    out->set_hash(IdBytes(known.hash));
    out->set_forked(known.forked);
  }
}
template <class Repeated>
absl::Status ReadKnowledge(const Repeated& from, Knowledge& out) {
  for (const wire::Known& known : from) {
    OriginKey key;
    RETURN_IF_ERROR(ReadId(known.origin(), "origin", key.first));
    RETURN_IF_ERROR(ReadId(known.incarnation(), "incarnation", key.second));
    Known& to = out[key];
    to.generation = known.generation();
    to.forked = known.forked();
    RETURN_IF_ERROR(ReadId(known.hash(), "hash", to.hash));
  }
  return absl::OkStatus();
}
void WriteCursor(const LogCursor& from, wire::LogCursor* to) {
  to->set_log(IdBytes(from.log));
  to->set_sequence(from.sequence);
}
absl::Status ReadCursor(const wire::LogCursor& from, LogCursor& out) {
  if (!from.log().empty()) RETURN_IF_ERROR(ReadId(from.log(), "log", out.log));
  out.sequence = from.sequence();
  return absl::OkStatus();
}

// Both parts of an OriginKey; empty: none.
std::string NumberingBytes(const OriginKey& numbering) {
  return IdBytes(numbering.first) + IdBytes(numbering.second);
}
absl::Status ReadNumbering(const std::string& bytes, OriginKey& out) {
  if (bytes.size() != base::PeerId::kBytes + base::Incarnation::kBytes) {
    return Bad("numbering", "has a wrong length");
  }
  RETURN_IF_ERROR(ReadId(bytes.substr(0, base::PeerId::kBytes), "origin", out.first));
  return ReadId(bytes.substr(base::PeerId::kBytes), "incarnation", out.second);
}
void WriteRange(const NumberingRange& from, wire::NumberingRange* to) {
  if (from.first != OriginKey()) to->set_first(NumberingBytes(from.first));
  if (from.end) to->set_end(NumberingBytes(*from.end));
}
absl::Status ReadRange(const wire::NumberingRange& from, NumberingRange& out) {
  if (!from.first().empty()) RETURN_IF_ERROR(ReadNumbering(from.first(), out.first));
  if (!from.end().empty()) RETURN_IF_ERROR(ReadNumbering(from.end(), out.end.emplace()));
  return absl::OkStatus();
}

template <class Repeated, class Id>
void WriteIds(const std::vector<Id>& from, Repeated* to) {
  for (const Id& id : from) *to->Add() = IdBytes(id);
}
template <class Repeated, class Id>
absl::Status ReadIds(const Repeated& from, std::size_t max, const char* what,
                     std::vector<Id>& out) {
  if (static_cast<std::size_t>(from.size()) > max) {
    return Bad(what, absl::StrCat(from.size(), " of them, at most ", max));
  }
  for (const std::string& bytes : from) RETURN_IF_ERROR(ReadId(bytes, what, out.emplace_back()));
  return absl::OkStatus();
}

// ---- join ----

void WriteGroupInfo(const GroupInfo& from, wire::GroupInfo* to) {
  to->set_id(IdBytes(from.id));
  to->set_name(from.name);
  to->set_description(from.description);
  to->set_is_public(from.is_public);
  to->set_role(static_cast<uint32_t>(from.role));
  to->set_authority(static_cast<uint32_t>(from.authority));
  to->set_created_ms(base::ToMs(from.created));
  to->set_members(from.members);
}
absl::Status ReadGroupInfo(const wire::GroupInfo& from, GroupInfo& out) {
  RETURN_IF_ERROR(ReadId(from.id(), "group", out.id));
  out.name = from.name();
  RETURN_IF_ERROR(CheckText(out.name, kNameBytesMax, "a group's name"));
  out.description = from.description();
  RETURN_IF_ERROR(CheckText(out.description, kDescriptionBytesMax, "a description"));
  out.is_public = from.is_public();
  RETURN_IF_ERROR(ReadRole(from.role(), out.role));
  RETURN_IF_ERROR(ReadAuthority(from.authority(), out.authority));
  RETURN_IF_ERROR(ReadTime(from.created_ms(), "created", out.created));
  out.members = from.members();
  return absl::OkStatus();
}
void WriteMember(const Member& from, wire::Member* to) {
  to->set_peer(IdBytes(from.peer));
  to->set_incarnation(IdBytes(from.incarnation));
  to->set_role(static_cast<uint32_t>(from.role));
  to->set_authority(static_cast<uint32_t>(from.authority));
  to->set_name(from.name);
  for (const std::string& address : from.addresses) to->add_addresses(address);
  to->set_admitted_ms(base::ToMs(from.admitted));
}
absl::Status ReadMember(const wire::Member& from, Member& out) {
  RETURN_IF_ERROR(ReadId(from.peer(), "peer", out.peer));
  RETURN_IF_ERROR(ReadId(from.incarnation(), "incarnation", out.incarnation));
  RETURN_IF_ERROR(ReadRole(from.role(), out.role));
  RETURN_IF_ERROR(ReadAuthority(from.authority(), out.authority));
  out.name = from.name();
  RETURN_IF_ERROR(CheckText(out.name, kNameBytesMax, "a peer's name"));
  RETURN_IF_ERROR(ReadAddresses(from.addresses(), out.addresses));
  return ReadTime(from.admitted_ms(), "admitted", out.admitted);
}

absl::Status ReadSyncGroupReply(const wire::SyncGroupReply& from, SyncGroupReply& out) {
  RETURN_IF_ERROR(ReadId(from.group(), "group", out.group));
  out.member = from.member();
  RETURN_IF_ERROR(ReadSealedList(from.entries(), out.entries));
  RETURN_IF_ERROR(ReadCursor(from.cursor(), out.cursor));
  out.more = from.more();
  RETURN_IF_ERROR(ReadKnowledge(from.of_caller(), out.of_caller));
  if (static_cast<std::size_t>(from.forks_size()) > kForksMax) return Bad("forks", "too many");
  for (const wire::ForkProof& fork : from.forks()) {
    ForkProof& to = out.forks.emplace_back();
    RETURN_IF_ERROR(ReadSealed(fork.first(), to.first));
    RETURN_IF_ERROR(ReadSealed(fork.second(), to.second));
  }
  out.ranged = from.ranged();
  RETURN_IF_ERROR(ReadSealedList(from.claimed(), out.claimed));
  if (from.has_probes_answered()) out.probes_answered = from.probes_answered();
  return ReadSealedList(from.probed(), out.probed);
}

}  // namespace

absl::StatusOr<std::string> EncodeHelloRequest(const HelloRequest& message) {
  return EncodeHello(message, kRequestBytesMax);
}
absl::StatusOr<HelloRequest> DecodeHelloRequest(std::string_view bytes) {
  return DecodeHello<HelloRequest>(bytes, kRequestBytesMax);
}
absl::StatusOr<std::string> EncodeHelloReply(const HelloReply& message) {
  return EncodeHello(message, kReplyBytesMax);
}
absl::StatusOr<HelloReply> DecodeHelloReply(std::string_view bytes) {
  return DecodeHello<HelloReply>(bytes, kReplyBytesMax);
}

absl::StatusOr<std::string> EncodeSyncRequest(const SyncRequest& message) {
  wire::SyncRequest out;
  for (const SyncGroupRequest& group : message.groups) {
    auto* to = out.add_groups();
    to->set_group(IdBytes(group.group));
    WriteCursor(group.cursor, to->mutable_cursor());
    WriteKnowledge(group.knowledge, to->mutable_knowledge());
    for (const Probe& probe : group.probes) {
      auto* out_probe = to->add_probes();
      out_probe->set_origin(IdBytes(probe.numbering.first));
      out_probe->set_incarnation(IdBytes(probe.numbering.second));
      out_probe->set_from(probe.from);
    }
    if (group.range) WriteRange(*group.range, to->mutable_range());
    if (group.until) WriteCursor(*group.until, to->mutable_until());
  }
  return SerializeUpTo(out, kRequestBytesMax, "sync request");
}
absl::StatusOr<SyncRequest> DecodeSyncRequest(std::string_view bytes) {
  wire::SyncRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "sync request", in));
  RETURN_IF_ERROR(CheckGroups(in.groups(), kSyncGroupsMax));
  SyncRequest out;
  for (const wire::SyncGroupRequest& group : in.groups()) {
    SyncGroupRequest& to = out.groups.emplace_back();
    RETURN_IF_ERROR(ReadId(group.group(), "group", to.group));
    RETURN_IF_ERROR(ReadCursor(group.cursor(), to.cursor));
    RETURN_IF_ERROR(ReadKnowledge(group.knowledge(), to.knowledge));
    if (static_cast<std::size_t>(group.probes_size()) > kProbesMax) {
      return Bad("probes", "too many");
    }
    for (const wire::Probe& probe : group.probes()) {
      Probe& out_probe = to.probes.emplace_back();
      RETURN_IF_ERROR(ReadId(probe.origin(), "origin", out_probe.numbering.first));
      RETURN_IF_ERROR(ReadId(probe.incarnation(), "incarnation", out_probe.numbering.second));
      out_probe.from = probe.from();
    }
    if (group.has_range()) RETURN_IF_ERROR(ReadRange(group.range(), to.range.emplace()));
    if (group.has_until()) RETURN_IF_ERROR(ReadCursor(group.until(), to.until.emplace()));
  }
  return out;
}

absl::StatusOr<std::string> EncodeSyncReply(const SyncReply& message) {
  wire::SyncReply out;
  for (const SyncGroupReply& group : message.groups) {
    auto* to = out.add_groups();
    to->set_group(IdBytes(group.group));
    to->set_member(group.member);
    for (const SealedEntry& entry : group.entries) WriteSealed(entry, to->add_entries());
    WriteCursor(group.cursor, to->mutable_cursor());
    to->set_more(group.more);
    WriteKnowledge(group.of_caller, to->mutable_of_caller());
    for (const ForkProof& fork : group.forks) {
      auto* out_fork = to->add_forks();
      WriteSealed(fork.first, out_fork->mutable_first());
      WriteSealed(fork.second, out_fork->mutable_second());
    }
    for (const SealedEntry& entry : group.probed) WriteSealed(entry, to->add_probed());
    if (group.probes_answered) to->set_probes_answered(*group.probes_answered);
    to->set_ranged(group.ranged);
    for (const SealedEntry& entry : group.claimed) WriteSealed(entry, to->add_claimed());
  }
  out.set_more(message.more);
  return SerializeUpTo(out, kReplyBytesMax, "sync reply");
}
absl::StatusOr<SyncReply> DecodeSyncReply(std::string_view bytes) {
  wire::SyncReply in;
  RETURN_IF_ERROR(Parse(bytes, kReplyBytesMax, "sync reply", in));
  RETURN_IF_ERROR(CheckGroups(in.groups(), kSyncGroupsMax));
  SyncReply out;
  for (const wire::SyncGroupReply& group : in.groups()) {
    RETURN_IF_ERROR(ReadSyncGroupReply(group, out.groups.emplace_back()));
  }
  out.more = in.more();
  return out;
}

std::string EncodePokeRequest(const PokeRequest& message) {
  wire::PokeRequest out;
  WriteIds(message.groups, out.mutable_groups());
  WriteIds(message.haves, out.mutable_haves());
  return Serialize(out);
}
absl::StatusOr<PokeRequest> DecodePokeRequest(std::string_view bytes) {
  wire::PokeRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "poke", in));
  PokeRequest out;
  RETURN_IF_ERROR(ReadIds(in.groups(), kRequestBytesMax, "groups", out.groups));
  RETURN_IF_ERROR(ReadIds(in.haves(), kHavesMax, "haves", out.haves));
  return out;
}

std::string EncodeJoinRequest(const JoinRequest& message) {
  wire::JoinRequest out;
  out.set_group(IdBytes(message.group));
  out.set_invite_id(message.invite_id);
  out.set_proof(message.proof);
  out.set_incarnation(IdBytes(message.incarnation));
  if (message.role) out.set_role(static_cast<uint32_t>(*message.role));
  out.set_name(message.name);
  for (const std::string& address : message.addresses) out.add_addresses(address);
  return Serialize(out);
}
absl::StatusOr<JoinRequest> DecodeJoinRequest(std::string_view bytes) {
  wire::JoinRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "join request", in));
  JoinRequest out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  if (in.invite_id().empty() || in.invite_id().size() > kInviteFieldBytesMax) {
    return Bad("invite id", "has a wrong length");
  }
  if (in.proof().size() > kInviteFieldBytesMax) return Bad("proof", "is too long");
  out.invite_id = in.invite_id();
  out.proof = in.proof();
  RETURN_IF_ERROR(ReadId(in.incarnation(), "incarnation", out.incarnation));
  RETURN_IF_ERROR(ReadOptionalRole(in.role(), out.role));
  out.name = in.name();
  RETURN_IF_ERROR(CheckText(out.name, kNameBytesMax, "a peer's name"));
  RETURN_IF_ERROR(ReadAddresses(in.addresses(), out.addresses));
  return out;
}

absl::StatusOr<std::string> EncodeJoinReply(const JoinReply& message) {
  wire::JoinReply out;
  WriteGroupInfo(message.group, out.mutable_group());
  WritePapers(message.papers, out.mutable_papers());
  for (const Member& member : message.members) WriteMember(member, out.add_members());
  return SerializeUpTo(out, kReplyBytesMax, "join reply");
}
absl::StatusOr<JoinReply> DecodeJoinReply(std::string_view bytes) {
  wire::JoinReply in;
  RETURN_IF_ERROR(Parse(bytes, kReplyBytesMax, "join reply", in));
  JoinReply out;
  RETURN_IF_ERROR(ReadGroupInfo(in.group(), out.group));
  RETURN_IF_ERROR(ReadPapers(in.papers(), out.papers));
  for (const wire::Member& member : in.members()) {
    RETURN_IF_ERROR(ReadMember(member, out.members.emplace_back()));
  }
  return out;
}

std::string EncodeHeldRequest(const HeldRequest& message) {
  wire::HeldRequest out;
  out.set_group(IdBytes(message.group));
  WriteIds(message.blobs, out.mutable_blobs());
  return Serialize(out);
}
absl::StatusOr<HeldRequest> DecodeHeldRequest(std::string_view bytes) {
  wire::HeldRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "held request", in));
  HeldRequest out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  RETURN_IF_ERROR(ReadIds(in.blobs(), kHavesMax, "blobs", out.blobs));
  return out;
}
std::string EncodeHeldReply(const HeldReply& message) {
  wire::HeldReply out;
  WriteIds(message.held, out.mutable_held());
  return Serialize(out);
}
absl::StatusOr<HeldReply> DecodeHeldReply(std::string_view bytes) {
  wire::HeldReply in;
  RETURN_IF_ERROR(Parse(bytes, kReplyBytesMax, "held reply", in));
  HeldReply out;
  RETURN_IF_ERROR(ReadIds(in.held(), kHavesMax, "held", out.held));
  return out;
}

std::string EncodeBatchRequest(const BatchRequest& message) {
  wire::BatchRequest out;
  WriteIds(message.groups, out.mutable_groups());
  WriteIds(message.blobs, out.mutable_blobs());
  out.set_blob_bytes_max(message.blob_bytes_max);
  return Serialize(out);
}
absl::StatusOr<BatchRequest> DecodeBatchRequest(std::string_view bytes) {
  wire::BatchRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "batch request", in));
  BatchRequest out;
  RETURN_IF_ERROR(ReadIds(in.groups(), kReadGroupsMax, "groups", out.groups));
  RETURN_IF_ERROR(ReadIds(in.blobs(), kBatchBlobsMax, "blobs", out.blobs));
  if (out.groups.empty() || out.blobs.empty()) {
    return Bad("batch request", "names no group or no blob");
  }
  out.blob_bytes_max = in.blob_bytes_max();
  return out;
}

std::string EncodeElsewhere(const Elsewhere& miss) {
  wire::Miss out;
  for (const auto& [peer, location] : miss.locations) {
    auto* to = out.add_locations();
    to->set_peer(IdBytes(peer));
    to->set_when_seen_ms(base::ToMs(location.when_seen));
    to->set_is_server(location.is_server);
    to->set_is_proxy(location.is_proxy);
  }
  if (miss.size_hint_bytes) out.set_size_hint_bytes(*miss.size_hint_bytes);
  return Serialize(out);
}
absl::StatusOr<Elsewhere> DecodeElsewhere(std::string_view bytes) {
  wire::Miss in;
  RETURN_IF_ERROR(Parse(bytes, kMissBytesMax, "miss", in));
  if (static_cast<std::size_t>(in.locations_size()) > kMissLocationsMax) {
    return Bad("locations", absl::StrCat("at most ", kMissLocationsMax));
  }
  Elsewhere out;
  for (const wire::Location& location : in.locations()) {
    base::PeerId peer;
    RETURN_IF_ERROR(ReadId(location.peer(), "peer", peer));
    signpost::Location& to = out.locations[peer];
    RETURN_IF_ERROR(ReadTime(location.when_seen_ms(), "when_seen", to.when_seen));
    to.is_server = location.is_server();
    to.is_proxy = location.is_proxy();
  }
  if (in.has_size_hint_bytes() && in.size_hint_bytes() <= (uint64_t{1} << 62)) {
    out.size_hint_bytes = in.size_hint_bytes();
  }
  return out;
}

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
