#include "signpost/codec.h"

#include <utility>

#include "signpost/signpost.pb.h"
#include "signpost/signpost_table.h"

namespace waypost::signpost {
namespace {

void ToProto(const LastError& error, pb::LastError* out) {
  out->set_error(static_cast<uint32_t>(error.error));
  if (!error.peer.IsZero()) out->set_peer(std::string(error.peer.bytes()));
  out->set_at_ms(base::ToMs(error.at));
  out->set_message(error.message);
}

std::optional<LastError> FromProto(const pb::LastError& in) {
  LastError error;
  if (in.error() > static_cast<uint32_t>(ErrorClass::kResumeMismatch)) return std::nullopt;
  error.error = static_cast<ErrorClass>(in.error());
  if (!in.peer().empty()) {
    const auto peer = base::PeerId::FromBytes(in.peer());
    if (!peer) return std::nullopt;
    error.peer = *peer;
  }
  error.at = base::FromMs(in.at_ms());
  error.message = in.message();
  return error;
}

bool GroupsFromProto(const pb::Signpost& in, Signpost& out) {
  for (const pb::GroupMention& mention : in.groups()) {
    const auto group = base::GroupId::FromBytes(mention.group());
    if (!group) return false;
    out.groups[*group] = {.keys = mention.keys(), .set_here = mention.set_here(),
                          .wanted = mention.wanted()};
  }
  return true;
}

bool LocationsFromProto(const pb::Signpost& in, Signpost& out) {
  for (const pb::Location& location : in.locations()) {
    const auto peer = base::PeerId::FromBytes(location.peer());
    if (!peer) return false;
    out.locations[*peer] = {.when_seen = base::FromMs(location.when_seen_ms()),
                            .is_server = location.is_server(),
                            .is_proxy = location.is_proxy(),
                            .denied = base::FromMs(location.denied_ms())};
  }
  return true;
}

}  // namespace

std::string EncodeSignpost(const Signpost& signpost) {
  pb::Signpost out;
  for (const auto& [group, mention] : signpost.groups) {
    pb::GroupMention* added = out.add_groups();
    added->set_group(std::string(group.bytes()));
    added->set_keys(mention.keys);
    added->set_set_here(mention.set_here);
    added->set_wanted(mention.wanted);
  }
  for (const auto& [peer, location] : signpost.locations) {
    pb::Location* added = out.add_locations();
    added->set_peer(std::string(peer.bytes()));
    added->set_when_seen_ms(base::ToMs(location.when_seen));
    added->set_is_server(location.is_server);
    added->set_is_proxy(location.is_proxy);
    added->set_denied_ms(base::ToMs(location.denied));
  }
  if (signpost.size_hint_bytes) out.set_size_hint_bytes(*signpost.size_hint_bytes);
  out.set_fetch_attempts(signpost.fetch_attempts);
  out.set_failures(signpost.failures);
  out.set_next_attempt_ms(base::ToMs(signpost.next_attempt));
  out.set_evidence(signpost.evidence);
  out.set_stopped_ms(base::ToMs(signpost.stopped));
  out.set_asked_until_ms(base::ToMs(signpost.asked_until));
  out.set_wanted_since_ms(base::ToMs(signpost.wanted_since));
  if (signpost.last_error != LastError()) ToProto(signpost.last_error, out.mutable_last_error());
  out.set_created_ms(base::ToMs(signpost.created));
  out.set_updated_ms(base::ToMs(signpost.updated));
  return out.SerializeAsString();
}

std::optional<Signpost> DecodeSignpost(std::string_view payload) {
  pb::Signpost in;
  if (!in.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  Signpost signpost;
  if (!GroupsFromProto(in, signpost) || !LocationsFromProto(in, signpost)) return std::nullopt;
  if (in.has_size_hint_bytes()) signpost.size_hint_bytes = in.size_hint_bytes();
  signpost.fetch_attempts = in.fetch_attempts();
  signpost.failures = in.failures();
  signpost.next_attempt = base::FromMs(in.next_attempt_ms());
  signpost.evidence = in.evidence();
  signpost.stopped = base::FromMs(in.stopped_ms());
  signpost.asked_until = base::FromMs(in.asked_until_ms());
  signpost.wanted_since = base::FromMs(in.wanted_since_ms());
  if (in.has_last_error()) {
    auto error = FromProto(in.last_error());
    if (!error) return std::nullopt;
    signpost.last_error = std::move(*error);
  }
  signpost.created = base::FromMs(in.created_ms());
  signpost.updated = base::FromMs(in.updated_ms());
  return signpost;
}

std::string EncodePeerRow(const PeerBook::Entry& entry) {
  pb::PeerRow out;
  out.set_name(entry.name);
  for (const std::string& address : entry.addresses) out.add_addresses(address);
  out.set_last_good_address(entry.last_good_address);
  out.set_consecutive_failures(entry.health.consecutive_failures);
  out.set_cool_down_end_ms(base::ToMs(entry.health.cool_down_end));
  out.set_last_success_ms(base::ToMs(entry.health.last_success));
  if (entry.health.last_error != LastError()) {
    ToProto(entry.health.last_error, out.mutable_last_error());
  }
  out.set_suspect(entry.health.suspect);
  out.set_last_seen_ms(base::ToMs(entry.last_seen));
  out.set_bytes_in(entry.bytes_in);
  out.set_bytes_out(entry.bytes_out);
  return out.SerializeAsString();
}

std::optional<PeerBook::Entry> DecodePeerRow(const base::PeerId& peer, std::string_view payload) {
  pb::PeerRow in;
  if (!in.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  PeerBook::Entry entry;
  entry.peer = peer;
  entry.name = in.name();
  entry.addresses.assign(in.addresses().begin(), in.addresses().end());
  entry.last_good_address = in.last_good_address();
  entry.health.consecutive_failures = in.consecutive_failures();
  entry.health.cool_down_end = base::FromMs(in.cool_down_end_ms());
  entry.health.last_success = base::FromMs(in.last_success_ms());
  if (in.has_last_error()) {
    auto error = FromProto(in.last_error());
    if (!error) return std::nullopt;
    entry.health.last_error = std::move(*error);
  }
  entry.health.suspect = in.suspect();
  entry.last_seen = base::FromMs(in.last_seen_ms());
  entry.bytes_in = in.bytes_in();
  entry.bytes_out = in.bytes_out();
  return entry;
}

}  // namespace waypost::signpost
