#include <string>

#include "base/utf8.h"
#include "base/wire_reader.h"
#include "signpost/peer_row.h"
#include "signpost/signpost.pb.h"
#include "signpost/signpost_table.h"

// The stored forms of signposts and peers; the only file that knows the generated classes. ReadView
// reads what a scan needs without building an object; where both parse a row they must agree, which
// a fuzzer checks.

namespace waypost::signpost {
namespace {

void EncodeError(const LastError& error, proto::LastError& out) {
  out.set_error(static_cast<proto::ErrorClass>(error.error));
  if (!error.peer.IsZero()) out.set_peer(std::string(error.peer.bytes()));
  out.set_at_ms(base::ToMs(error.at));
  out.set_message(base::ShortMessage(error.message));
}

std::optional<LastError> DecodeError(const proto::LastError& stored) {
  LastError error;
  if (!proto::ErrorClass_IsValid(stored.error())) return std::nullopt;
  error.error = static_cast<ErrorClass>(stored.error());
  if (!stored.peer().empty()) {
    const auto peer = base::PeerId::FromBytes(stored.peer());
    if (!peer) return std::nullopt;
    error.peer = *peer;
  }
  error.at = base::FromMs(stored.at_ms());
  error.message = stored.message();
  return error;
}

void EncodeLocations(const Signpost& signpost, proto::Signpost& out) {
  for (const auto& [peer, location] : signpost.locations) {
    proto::Location& to = *out.add_locations();
    to.set_peer(std::string(peer.bytes()));
    to.set_when_seen_ms(base::ToMs(location.when_seen));
    to.set_is_server(location.is_server);
    to.set_is_proxy(location.is_proxy);
    to.set_denied_ms(base::ToMs(location.denied));
  }
}

bool DecodeLocations(const proto::Signpost& stored, Signpost& signpost) {
  for (const proto::Location& from : stored.locations()) {
    const auto peer = base::PeerId::FromBytes(from.peer());
    if (!peer) return false;
    signpost.locations[*peer] = {.when_seen = base::FromMs(from.when_seen_ms()),
                                 .is_server = from.is_server(),
                                 .is_proxy = from.is_proxy(),
                                 .denied = base::FromMs(from.denied_ms())};
  }
  return true;
}

bool DecodeMentions(const proto::Signpost& stored, Signpost& signpost) {
  for (const proto::Mention& from : stored.mentions()) {
    const auto group = base::GroupId::FromBytes(from.group());
    if (!group) return false;
    signpost.groups[*group] = {.keys = from.keys(),
                               .set_here = from.set_here(),
                               .wanted = from.wanted(),
                               .first_by = from.first_by()};
  }
  return true;
}

// One mention, as far as a scan needs it. False when it does not parse.
bool ReadMention(std::string_view message, MentionView& view) {
  base::WireReader mention(message);
  while (mention.Next()) {
    if (mention.Is(proto::Mention::kGroupFieldNumber, base::WireReader::kBytes)) {
      view.group = mention.bytes();
    } else if (mention.Is(proto::Mention::kKeysFieldNumber, base::WireReader::kVarint)) {
      view.keys = static_cast<uint32_t>(mention.number());
    } else if (mention.Is(proto::Mention::kSetHereFieldNumber, base::WireReader::kVarint)) {
      view.set_here = mention.number() != 0;
    } else if (mention.Is(proto::Mention::kWantedFieldNumber, base::WireReader::kVarint)) {
      view.wanted = mention.number() != 0;
    }
  }
  return mention.ok() && view.group.size() == base::GroupId::kBytes;
}

}  // namespace

std::string EncodeSignpost(const Signpost& signpost) {
  proto::Signpost out;
  EncodeLocations(signpost, out);
  for (const auto& [group, mention] : signpost.groups) {
    proto::Mention& to = *out.add_mentions();
    to.set_group(std::string(group.bytes()));
    to.set_keys(mention.keys);
    to.set_set_here(mention.set_here);
    to.set_wanted(mention.wanted);
    to.set_first_by(mention.first_by);
  }
  if (signpost.size_hint_bytes) out.set_size_hint_bytes(*signpost.size_hint_bytes);
  out.set_fetch_attempts(signpost.fetch_attempts);
  out.set_failures(signpost.failures);
  out.set_next_attempt_ms(base::ToMs(signpost.next_attempt));
  out.set_evidence(signpost.evidence);
  out.set_stopped_ms(base::ToMs(signpost.stopped));
  out.set_asked_until_ms(base::ToMs(signpost.asked_until));
  out.set_wanted_since_ms(base::ToMs(signpost.wanted_since));
  if (signpost.last_error != LastError())
    EncodeError(signpost.last_error, *out.mutable_last_error());
  out.set_created_ms(base::ToMs(signpost.created));
  out.set_updated_ms(base::ToMs(signpost.updated));
  out.set_partial_bytes(signpost.partial_bytes);
  return out.SerializeAsString();
}

std::optional<Signpost> DecodeSignpost(std::string_view payload) {
  proto::Signpost stored;
  if (!stored.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  Signpost signpost;
  if (!DecodeLocations(stored, signpost) || !DecodeMentions(stored, signpost)) return std::nullopt;
  if (stored.has_size_hint_bytes()) signpost.size_hint_bytes = stored.size_hint_bytes();
  signpost.fetch_attempts = stored.fetch_attempts();
  signpost.failures = stored.failures();
  signpost.next_attempt = base::FromMs(stored.next_attempt_ms());
  signpost.evidence = stored.evidence();
  signpost.stopped = base::FromMs(stored.stopped_ms());
  signpost.asked_until = base::FromMs(stored.asked_until_ms());
  signpost.wanted_since = base::FromMs(stored.wanted_since_ms());
  auto error = DecodeError(stored.last_error());
  if (!error) return std::nullopt;
  signpost.last_error = *std::move(error);
  signpost.created = base::FromMs(stored.created_ms());
  signpost.updated = base::FromMs(stored.updated_ms());
  signpost.partial_bytes = stored.partial_bytes();
  return signpost;
}

bool ReadView(std::string_view payload, SignpostView& view) {
  view.mentions.clear();
  view.asked = view.stopped = view.wanted = false;
  view.size_hint_bytes = 0;
  base::WireReader row(payload);
  while (row.Next()) {
    if (row.Is(proto::Signpost::kMentionsFieldNumber, base::WireReader::kBytes)) {
      if (!ReadMention(row.bytes(), view.mentions.emplace_back())) return false;
    } else if (row.Is(proto::Signpost::kAskedUntilMsFieldNumber, base::WireReader::kVarint)) {
      view.asked = row.number() != 0;
    } else if (row.Is(proto::Signpost::kStoppedMsFieldNumber, base::WireReader::kVarint)) {
      view.stopped = row.number() != 0;
    } else if (row.Is(proto::Signpost::kWantedSinceMsFieldNumber, base::WireReader::kVarint)) {
      view.wanted = row.number() != 0;
    } else if (row.Is(proto::Signpost::kSizeHintBytesFieldNumber, base::WireReader::kVarint)) {
      view.size_hint_bytes = row.number();
    }
  }
  return row.ok();
}

std::string EncodePeerRow(const PeerBook::KnownPeer& entry) {
  proto::Peer out;
  out.set_name(entry.name);
  for (const std::string& address : entry.addresses) out.add_addresses(address);
  out.set_last_good_address(entry.last_good_address);
  out.set_consecutive_failures(entry.health.consecutive_failures);
  out.set_cool_down_end_ms(base::ToMs(entry.health.cool_down_end));
  out.set_last_success_ms(base::ToMs(entry.health.last_success));
  if (entry.health.last_error != LastError()) {
    EncodeError(entry.health.last_error, *out.mutable_last_error());
  }
  out.set_suspect(entry.health.suspect);
  out.set_last_seen_ms(base::ToMs(entry.last_seen));
  out.set_bytes_in(entry.bytes_in);
  out.set_bytes_out(entry.bytes_out);
  out.set_blob_debt(entry.health.blob_debt);
  out.set_slow_until_ms(base::ToMs(entry.health.slow_until));
  out.set_last_blob_ms(base::ToMs(entry.health.last_blob));
  return out.SerializeAsString();
}

std::optional<PeerBook::KnownPeer> DecodePeerRow(const base::PeerId& peer,
                                                 std::string_view payload) {
  proto::Peer stored;
  if (!stored.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  auto error = DecodeError(stored.last_error());
  if (!error) return std::nullopt;
  PeerBook::KnownPeer entry;
  entry.peer = peer;
  entry.name = stored.name();
  entry.addresses.assign(stored.addresses().begin(), stored.addresses().end());
  entry.last_good_address = stored.last_good_address();
  entry.health.consecutive_failures = stored.consecutive_failures();
  entry.health.cool_down_end = base::FromMs(stored.cool_down_end_ms());
  entry.health.last_success = base::FromMs(stored.last_success_ms());
  entry.health.last_error = *std::move(error);
  entry.health.suspect = stored.suspect();
  entry.last_seen = base::FromMs(stored.last_seen_ms());
  entry.bytes_in = stored.bytes_in();
  entry.bytes_out = stored.bytes_out();
  entry.health.blob_debt = stored.blob_debt();
  entry.health.slow_until = base::FromMs(stored.slow_until_ms());
  entry.health.last_blob = base::FromMs(stored.last_blob_ms());
  return entry;
}

}  // namespace waypost::signpost
