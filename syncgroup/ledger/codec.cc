#include "syncgroup/ledger/codec.h"

#include "base/status.h"
#include "base/wire_reader.h"
#include "syncgroup/ledger/rows.pb.h"

// The stored forms of this room's rows. Decoders accept only what they understand whole; what does
// not parse is nullopt, and the caller sets the row aside.

namespace waypost::syncgroup {
namespace {

template <class Message>
std::string Serialize(const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return bytes;
}

template <class Message>
bool Parse(std::string_view payload, Message& message) {
  return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

template <class Id>
bool ReadId(const std::string& bytes, Id& out) {
  const auto id = Id::FromBytes(bytes);
  if (id) out = *id;
  return id.has_value();
}

template <class Id>
std::string IdBytes(const Id& id) {
  return std::string(id.bytes());
}

bool ReadRole(uint32_t number, Role& out) {
  out = static_cast<Role>(number);
  return number >= 1 && number <= 3;
}
bool ReadOptionalRole(uint32_t number, std::optional<Role>& out) {
  if (number == 0) return true;
  return ReadRole(number, out.emplace());
}
bool ReadAuthority(uint32_t number, Authority& out) {
  out = static_cast<Authority>(number);
  return number >= 1 && number <= 3;
}

void WriteStamp(const Stamp& from, rows::Stamp* to) {
  to->set_time_ms(base::ToMs(from.time));
  to->set_origin(IdBytes(from.place.origin));
  to->set_incarnation(IdBytes(from.place.incarnation));
  to->set_generation(from.place.generation);
  to->set_position(from.position);
}
bool ReadStamp(const rows::Stamp& from, Stamp& to) {
  to.time = base::FromMs(from.time_ms());
  to.place.generation = from.generation();
  to.position = from.position();
  return ReadId(from.origin(), to.place.origin) && ReadId(from.incarnation(), to.place.incarnation);
}

}  // namespace

std::string EncodeGroupRow(const GroupRow& row) {
  rows::GroupRow out;
  out.set_state(static_cast<uint32_t>(row.state));
  out.set_name(row.name);
  out.set_description(row.description);
  out.set_is_public(row.is_public);
  out.set_created_ms(base::ToMs(row.created));
  out.set_incarnation(IdBytes(row.incarnation));
  for (const RetiredNumbering& retired : row.retired) {
    auto* to = out.add_retired();
    to->set_incarnation(IdBytes(retired.incarnation));
    to->set_resolved(retired.resolved);
    to->set_rewrite_from(retired.rewrite_from);
    to->set_drop(retired.drop);
  }
  out.set_log(IdBytes(row.log));
  out.set_log_token(IdBytes(row.log_token));
  out.set_last_sequence(row.last_sequence);
  out.set_latest_ms(base::ToMs(row.latest));
  out.set_members(row.members);
  out.set_epoch(row.epoch);
  if (row.refold.phase != RefoldProgress::Phase::kNone) {
    auto* refold = out.mutable_refold();
    refold->set_phase(static_cast<uint32_t>(row.refold.phase));
    refold->set_sequence(row.refold.sequence);
    refold->set_key(row.refold.key);
  }
  out.set_left_ms(base::ToMs(row.left));
  out.set_left_generation(row.left_generation);
  out.set_drop_phase(row.drop_phase);
  out.set_drop_position(row.drop_position);
  out.set_genesis(row.genesis);
  out.set_passed_over(row.passed_over);
  out.set_inviters(static_cast<uint32_t>(row.inviters));
  return Serialize(out);
}

std::optional<GroupRow> DecodeGroupRow(std::string_view payload) {
  rows::GroupRow in;
  if (!Parse(payload, in)) return std::nullopt;
  GroupRow out;
  if (in.state() < 1 || in.state() > 3) return std::nullopt;
  out.state = static_cast<GroupRow::State>(in.state());
  out.name = in.name();
  out.description = in.description();
  out.is_public = in.is_public();
  out.created = base::FromMs(in.created_ms());
  if (!ReadId(in.incarnation(), out.incarnation)) return std::nullopt;
  for (const auto& retired : in.retired()) {
    RetiredNumbering& to = out.retired.emplace_back();
    if (!ReadId(retired.incarnation(), to.incarnation)) return std::nullopt;
    to.resolved = retired.resolved();
    to.rewrite_from = retired.rewrite_from();
    to.drop = retired.drop();
  }
  if (!ReadId(in.log(), out.log) || !ReadId(in.log_token(), out.log_token)) return std::nullopt;
  out.last_sequence = in.last_sequence();
  out.latest = base::FromMs(in.latest_ms());
  out.members = in.members();
  out.epoch = in.epoch();
  if (in.refold().phase() > 2) return std::nullopt;
  out.refold.phase = static_cast<RefoldProgress::Phase>(in.refold().phase());
  out.refold.sequence = in.refold().sequence();
  out.refold.key = in.refold().key();
  out.left = base::FromMs(in.left_ms());
  out.left_generation = in.left_generation();
  out.drop_phase = in.drop_phase();
  out.drop_position = in.drop_position();
  out.genesis = in.genesis();
  out.passed_over = in.passed_over();
  if (in.inviters() != 0 && !ReadAuthority(in.inviters(), out.inviters)) return std::nullopt;
  return out;
}

std::string EncodeMember(const Member& member) {
  rows::MemberRow out;
  out.set_incarnation(IdBytes(member.incarnation));
  out.set_role(static_cast<uint32_t>(member.role));
  out.set_authority(static_cast<uint32_t>(member.authority));
  out.set_name(member.name);
  for (const std::string& address : member.addresses) out.add_addresses(address);
  out.set_admitted_ms(base::ToMs(member.admitted));
  out.set_invites(member.invites);
  if (!member.sponsor.IsZero()) out.set_sponsor(IdBytes(member.sponsor));
  out.set_first_seen_ms(base::ToMs(member.first_seen));
  return Serialize(out);
}
std::optional<Member> DecodeMember(const base::PeerId& peer, std::string_view payload) {
  rows::MemberRow in;
  if (!Parse(payload, in)) return std::nullopt;
  Member out;
  out.peer = peer;
  if (!ReadId(in.incarnation(), out.incarnation) || !ReadRole(in.role(), out.role) ||
      !ReadAuthority(in.authority(), out.authority)) {
    return std::nullopt;
  }
  out.name = in.name();
  out.addresses.assign(in.addresses().begin(), in.addresses().end());
  out.admitted = base::FromMs(in.admitted_ms());
  out.invites = in.invites();
  if (!in.sponsor().empty() && !ReadId(in.sponsor(), out.sponsor)) return std::nullopt;
  out.first_seen = base::FromMs(in.first_seen_ms());
  return out;
}

std::optional<Role> DecodeRoleOfMember(std::string_view payload) {
  base::WireReader row(payload);
  uint32_t number = 0;
  while (row.Next()) {
    if (row.Is(rows::MemberRow::kRoleFieldNumber, base::WireReader::kVarint)) {
      number = static_cast<uint32_t>(row.number());
    }
  }
  Role role{};
  if (!row.ok() || !ReadRole(number, role)) return std::nullopt;
  return role;
}

std::string EncodeCut(const OriginCut& cut) {
  rows::CutRow out;
  out.set_others(cut.others);
  for (const auto& [incarnation, limit] : cut.named) {
    auto* named = out.add_named();
    named->set_incarnation(IdBytes(incarnation));
    named->set_limit(limit);
  }
  for (const OriginCut::Grant& grant : cut.grants) {
    auto* to = out.add_grants();
    to->set_writes(grant.writes);
    for (const auto& [incarnation, generation] : grant.after) {
      auto* named = to->add_after();
      named->set_incarnation(IdBytes(incarnation));
      named->set_limit(generation);
    }
  }
  return Serialize(out);
}
std::optional<OriginCut> DecodeCut(std::string_view payload) {
  rows::CutRow in;
  if (!Parse(payload, in)) return std::nullopt;
  OriginCut out;
  out.others = in.others();
  for (const auto& named : in.named()) {
    base::Incarnation incarnation;
    if (!ReadId(named.incarnation(), incarnation)) return std::nullopt;
    out.named[incarnation] = named.limit();
  }
  for (const auto& grant : in.grants()) {
    OriginCut::Grant& to = out.grants.emplace_back();
    to.writes = grant.writes();
    for (const auto& named : grant.after()) {
      base::Incarnation incarnation;
      if (!ReadId(named.incarnation(), incarnation)) return std::nullopt;
      to.after[incarnation] = named.limit();
    }
  }
  return out;
}

std::string EncodeProfiles(const ProfilesRow& row) {
  rows::ProfilesRow out;
  if (row.newest) WriteStamp(*row.newest, out.mutable_newest());
  if (row.newest_normal) WriteStamp(*row.newest_normal, out.mutable_newest_normal());
  if (row.newest_leaf) WriteStamp(*row.newest_leaf, out.mutable_newest_leaf());
  out.set_kept(row.kept);
  out.set_kept_until(row.kept_until);
  return Serialize(out);
}
std::optional<ProfilesRow> DecodeProfiles(std::string_view payload) {
  rows::ProfilesRow in;
  if (!Parse(payload, in)) return std::nullopt;
  ProfilesRow out{.kept = in.kept(), .kept_until = in.kept_until()};
  if (in.has_newest() && !ReadStamp(in.newest(), out.newest.emplace())) return std::nullopt;
  if (in.has_newest_normal() && !ReadStamp(in.newest_normal(), out.newest_normal.emplace())) {
    return std::nullopt;
  }
  if (in.has_newest_leaf() && !ReadStamp(in.newest_leaf(), out.newest_leaf.emplace())) {
    return std::nullopt;
  }
  return out;
}

std::string EncodeRefRow(const RefRow& row) {
  rows::RefRow out;
  if (row.blob) out.set_blob(IdBytes(*row.blob));
  if (row.size_bytes) out.set_size_bytes(*row.size_bytes);
  WriteStamp(row.stamp, out.mutable_stamp());
  out.set_epoch(row.epoch);
  return Serialize(out);
}
std::optional<RefRow> DecodeRefRow(std::string_view payload) {
  rows::RefRow in;
  if (!Parse(payload, in)) return std::nullopt;
  RefRow out;
  if (!in.blob().empty() && !ReadId(in.blob(), out.blob.emplace())) return std::nullopt;
  if (in.has_size_bytes()) out.size_bytes = in.size_bytes();
  if (!ReadStamp(in.stamp(), out.stamp)) return std::nullopt;
  out.epoch = in.epoch();
  return out;
}

std::string EncodeLogRow(const LogRow& row) {
  rows::LogRow out;
  out.set_entry(row.entry.bytes);
  out.set_signature(row.entry.signature);
  out.set_token(IdBytes(row.token));
  return Serialize(out);
}
std::optional<LogRow> DecodeLogRow(std::string_view payload) {
  rows::LogRow in;
  if (!Parse(payload, in)) return std::nullopt;
  LogRow out;
  out.entry.bytes = in.entry();
  out.entry.signature = in.signature();
  if (out.entry.bytes.empty() || !ReadId(in.token(), out.token)) return std::nullopt;
  return out;
}

std::string EncodeKnowledge(const KnowledgeRow& row) {
  rows::KnowledgeRow out;
  out.set_generation(row.known.generation);
  out.set_hash(IdBytes(row.known.hash));
  out.set_forked(row.known.forked);
  out.set_fork_first(row.proof.first.bytes);
  out.set_fork_first_signature(row.proof.first.signature);
  out.set_fork_second(row.proof.second.bytes);
  out.set_fork_second_signature(row.proof.second.signature);
  out.set_operations(row.used.operations);
  out.set_log_bytes(row.used.log_bytes);
  out.set_membership(row.used.membership);
  out.set_removals(row.used.removals);
  return Serialize(out);
}
std::optional<KnowledgeRow> DecodeKnowledge(std::string_view payload) {
  rows::KnowledgeRow in;
  if (!Parse(payload, in)) return std::nullopt;
  KnowledgeRow out;
  out.known.generation = in.generation();
  if (!ReadId(in.hash(), out.known.hash)) return std::nullopt;
  out.known.forked = in.forked();
  // Each row is a numbering, also one of which only a fork is known.
  out.used = {.numberings = 1,
              .entries = in.generation(),
              .log_bytes = in.log_bytes(),
              .operations = in.operations(),
              .membership = in.membership(),
              .removals = in.removals()};
  out.proof.first = {in.fork_first(), in.fork_first_signature()};
  out.proof.second = {in.fork_second(), in.fork_second_signature()};
  return out;
}

std::string EncodeCursor(const LogCursor& cursor) {
  rows::CursorRow out;
  out.set_log(IdBytes(cursor.log));
  out.set_sequence(cursor.sequence);
  return Serialize(out);
}
std::optional<LogCursor> DecodeCursor(std::string_view payload) {
  rows::CursorRow in;
  if (!Parse(payload, in)) return std::nullopt;
  LogCursor out;
  if (!ReadId(in.log(), out.log)) return std::nullopt;
  out.sequence = in.sequence();
  return out;
}

std::string EncodeCharge(uint64_t fetched_bytes) {
  rows::ChargeRow out;
  out.set_fetched_bytes(fetched_bytes);
  return Serialize(out);
}
std::optional<uint64_t> DecodeCharge(std::string_view payload) {
  rows::ChargeRow in;
  if (!Parse(payload, in)) return std::nullopt;
  return in.fetched_bytes();
}

std::string EncodeCounts(const Counts& counts) {
  rows::CountsRow out;
  out.set_refs(counts.refs);
  out.set_wanted(counts.wanted);
  out.set_wanted_bytes(counts.wanted_bytes);
  out.set_stopped(counts.stopped);
  out.set_blobs(counts.blobs);
  out.set_bytes(counts.bytes);
  out.set_signposts(counts.signposts);
  return Serialize(out);
}
std::optional<Counts> DecodeCounts(std::string_view payload) {
  rows::CountsRow in;
  if (!Parse(payload, in)) return std::nullopt;
  Counts out;
  out.refs = in.refs();
  out.wanted = in.wanted();
  out.wanted_bytes = in.wanted_bytes();
  out.stopped = in.stopped();
  out.blobs = in.blobs();
  out.bytes = in.bytes();
  out.signposts = in.signposts();
  return out;
}

std::string EncodeInviteRow(const InviteRow& row) {
  rows::InviteRow out;
  out.set_group(IdBytes(row.group));
  out.set_verifier(row.verifier);
  if (row.role) out.set_role(static_cast<uint32_t>(*row.role));
  out.set_authority(static_cast<uint32_t>(row.authority));
  out.set_uses_left(row.uses_left);
  out.set_created_ms(base::ToMs(row.created));
  out.set_expires_ms(base::ToMs(row.expires));
  out.set_bad_proofs(row.bad_proofs);
  for (const base::PeerId& peer : row.used_by) out.add_used_by(IdBytes(peer));
  return Serialize(out);
}
std::optional<InviteRow> DecodeInvite(std::string_view payload) {
  rows::InviteRow in;
  if (!Parse(payload, in)) return std::nullopt;
  InviteRow out;
  if (!ReadId(in.group(), out.group) || !ReadOptionalRole(in.role(), out.role) ||
      !ReadAuthority(in.authority(), out.authority)) {
    return std::nullopt;
  }
  out.verifier = in.verifier();
  out.uses_left = in.uses_left();
  out.created = base::FromMs(in.created_ms());
  out.bad_proofs = in.bad_proofs();
  out.expires = base::FromMs(in.expires_ms());
  for (const std::string& peer : in.used_by()) {
    if (!ReadId(peer, out.used_by.emplace_back())) return std::nullopt;
  }
  return out;
}

}  // namespace waypost::syncgroup
