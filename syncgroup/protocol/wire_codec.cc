#include "syncgroup/protocol/wire_codec.h"

#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_fields.h"

// Every message between peers, encoded and decoded. A decoder bounds the size before it parses,
// checks every field, and names what is wrong; fields it does not know are ignored, because newer
// peers may send them.

namespace waypost::syncgroup {
namespace {

using namespace fields;

template <class Repeated>
absl::Status ReadSealedList(const Repeated& from, std::vector<SealedEntry>& out) {
  out.reserve(from.size());
  for (const wire::SealedEntry& entry : from) {
    RETURN_IF_ERROR(ReadSealed(entry, out.emplace_back()));
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
    to->set_deciding(group.deciding);
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
    to.deciding = group.deciding();
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
  out.set_now_ms(base::ToMs(message.now));
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
  RETURN_IF_ERROR(ReadTime(in.now_ms(), "now", out.now));
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
  RETURN_IF_ERROR(ReadIds(in.groups(), kSyncGroupsMax, "groups", out.groups));
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
  out.set_now_ms(base::ToMs(message.now));
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
  RETURN_IF_ERROR(ReadTime(in.now_ms(), "now", out.now));
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

std::string EncodeWrongRequest(const WrongRequest& message) {
  wire::WrongRequest out;
  out.set_group(IdBytes(message.group));
  out.set_blob(IdBytes(message.blob));
  return Serialize(out);
}
absl::StatusOr<WrongRequest> DecodeWrongRequest(std::string_view bytes) {
  wire::WrongRequest in;
  RETURN_IF_ERROR(Parse(bytes, kRequestBytesMax, "wrong", in));
  WrongRequest out;
  RETURN_IF_ERROR(ReadId(in.group(), "group", out.group));
  RETURN_IF_ERROR(ReadId(in.blob(), "blob", out.blob));
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

}  // namespace waypost::syncgroup
