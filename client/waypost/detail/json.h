#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "waypost/detail/text.h"
#include "waypost/types.h"

// The service's JSON, read without trusting it: a field that is missing, null or of another type is
// as if it were empty.
namespace waypost::client::detail {

using Json = nlohmann::json;

inline const Json& Field(const Json& json, const char* key) {
  static const Json none;
  if (!json.is_object()) return none;
  const auto found = json.find(key);
  return found == json.end() ? none : *found;
}
inline std::string Text(const Json& json, const char* key) {
  const Json& field = Field(json, key);
  return field.is_string() ? field.get<std::string>() : std::string();
}
inline bool Flag(const Json& json, const char* key) {
  const Json& field = Field(json, key);
  return field.is_boolean() && field.get<bool>();
}
inline std::optional<uint64_t> MaybeNumber(const Json& json, const char* key) {
  const Json& field = Field(json, key);
  if (!field.is_number_unsigned()) return std::nullopt;
  return field.get<uint64_t>();
}
inline uint64_t Number(const Json& json, const char* key) {
  return MaybeNumber(json, key).value_or(0);
}
inline std::optional<Time> TimeOf(const Json& json, const char* key) {
  return ParseTime(Text(json, key));
}
inline std::vector<std::string> Texts(const Json& json, const char* key) {
  std::vector<std::string> texts;
  for (const Json& item : Field(json, key)) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}
// All fields as text but those named in `known`.
inline std::map<std::string, std::string> OtherFields(const Json& json,
                                                      const std::vector<std::string>& known) {
  std::map<std::string, std::string> fields;
  if (!json.is_object()) return fields;
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fields[key] = value.is_string() ? value.get<std::string>()
                                    : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return fields;
}

// ---- words ----

inline const char* WordOf(Role role) {
  switch (role) {
    case Role::kServer:
      return "server";
    case Role::kNormal:
      return "normal";
    case Role::kLeaf:
      return "leaf";
    case Role::kUnknown:
      break;
  }
  return "";
}
inline const char* WordOf(Authority authority) {
  switch (authority) {
    case Authority::kAdmin:
      return "admin";
    case Authority::kWriter:
      return "writer";
    case Authority::kReader:
      return "reader";
    case Authority::kUnknown:
      break;
  }
  return "";
}
inline Role RoleOf(const Json& json) {
  const std::string word = Text(json, "role");
  for (const Role role : {Role::kServer, Role::kNormal, Role::kLeaf}) {
    if (word == WordOf(role)) return role;
  }
  return Role::kUnknown;
}
inline Authority AuthorityOf(const Json& json, const char* key) {
  const std::string word = Text(json, key);
  for (const Authority each : {Authority::kAdmin, Authority::kWriter, Authority::kReader}) {
    if (word == WordOf(each)) return each;
  }
  return Authority::kUnknown;
}
inline FetchState::Kind FetchKindOf(const std::string& word) {
  using Kind = FetchState::Kind;
  static const std::map<std::string, Kind> kinds = {
      {"pending", Kind::kPending}, {"locating", Kind::kLocating}, {"fetching", Kind::kFetching},
      {"parked", Kind::kParked},   {"stopped", Kind::kStopped},   {"done", Kind::kDone},
      {"failed", Kind::kFailed}};
  const auto found = kinds.find(word);
  return found == kinds.end() ? Kind::kUnknown : found->second;
}

// ---- values ----

// Specialised for every value: T From<T>(json).
template <class T>
T From(const Json& json);

template <>
inline Ref From<Ref>(const Json& json) {
  return {.key = Text(json, "key"),
          .blob = Text(json, "blob"),
          .size_bytes = MaybeNumber(json, "size"),
          .updated = TimeOf(json, "updated"),
          .origin = Text(json, "origin")};
}

template <>
inline Group From<Group>(const Json& json) {
  return {.id = Text(json, "id"),
          .name = Text(json, "name"),
          .description = Text(json, "description"),
          .is_public = Flag(json, "public"),
          .inviters = AuthorityOf(json, "inviters"),
          .role = RoleOf(json),
          .authority = AuthorityOf(json, "authority"),
          .members = Number(json, "members"),
          .refs = Number(json, "refs"),
          .wanted = Number(json, "wanted"),
          .bytes_wanted = Number(json, "bytes_wanted"),
          .blobs = Number(json, "blobs"),
          .bytes = Number(json, "bytes"),
          .created = TimeOf(json, "created")};
}

template <>
inline Member From<Member>(const Json& json) {
  return {.peer = Text(json, "peer"),
          .name = Text(json, "name"),
          .role = RoleOf(json),
          .authority = AuthorityOf(json, "authority"),
          .addresses = Texts(json, "addresses"),
          .self = Flag(json, "self"),
          .online = Flag(json, "online"),
          .clock_ahead = Flag(json, "clock_ahead"),
          .last_seen = TimeOf(json, "last_seen"),
          .last_sync = TimeOf(json, "last_sync"),
          .bytes_fetched_for = Number(json, "bytes_fetched_for"),
          .last_error = Text(json, "last_error")};
}

template <>
inline Invite From<Invite>(const Json& json) {
  return {.invite = Text(json, "invite"),
          .id = Text(json, "id"),
          .group = Text(json, "group"),
          .expires = TimeOf(json, "expires")};
}

template <>
inline OpenInvite From<OpenInvite>(const Json& json) {
  return {.id = Text(json, "id"),
          .role = RoleOf(json),
          .authority = AuthorityOf(json, "authority"),
          .uses_left = Number(json, "uses_left"),
          .created = TimeOf(json, "created"),
          .expires = TimeOf(json, "expires")};
}

inline std::optional<LastError> LastErrorOf(const Json& json, const char* key) {
  const Json& error = Field(json, key);
  if (!error.is_object()) return std::nullopt;
  return LastError{.error_class = Text(error, "class"),
                   .message = Text(error, "message"),
                   .peer = Text(error, "peer"),
                   .at = TimeOf(error, "at")};
}

template <>
inline FetchState From<FetchState>(const Json& json) {
  return {.kind = FetchKindOf(Text(json, "state")),
          .blocked_by = Text(json, "blocked_by"),
          .received_bytes = Number(json, "received"),
          .total_bytes = MaybeNumber(json, "total"),
          .source = Text(json, "source"),
          .until = TimeOf(json, "until"),
          .error = LastErrorOf(json, "error"),
          .will_retry = Flag(json, "will_retry"),
          .next_attempt = TimeOf(json, "next_attempt")};
}

template <>
inline std::vector<WhyStep> From<std::vector<WhyStep>>(const Json& json) {
  std::vector<WhyStep> steps;
  for (const Json& step : Field(json, "steps")) {
    steps.push_back({.step = Text(step, "step"),
                     .verdict = Text(step, "verdict"),
                     .detail = Text(step, "detail"),
                     .fields = OtherFields(step, {"step", "verdict", "detail"})});
  }
  return steps;
}

template <>
inline Location From<Location>(const Json& json) {
  return {.peer = Text(json, "peer"),
          .name = Text(json, "name"),
          .when_seen = TimeOf(json, "when_seen"),
          .denied = TimeOf(json, "denied"),
          .is_server = Flag(json, "is_server"),
          .is_proxy = Flag(json, "is_proxy")};
}

template <>
inline Wanted From<Wanted>(const Json& json) {
  Wanted wanted{.blob = Text(json, "blob"),
                .groups = Texts(json, "groups"),
                .size_bytes = MaybeNumber(json, "size"),
                .lane = Text(json, "lane"),
                .state = Text(json, "state"),
                .fetch_attempts = Number(json, "fetch_attempts"),
                .failures = Number(json, "failures"),
                .wanted_since = TimeOf(json, "wanted_since"),
                .next_attempt = TimeOf(json, "next_attempt"),
                .last_error = LastErrorOf(json, "last_error")};
  for (const Json& each : Field(json, "locations")) {
    wanted.locations.push_back(From<Location>(each));
  }
  return wanted;
}

template <>
inline Completeness From<Completeness>(const Json& json) {
  Completeness report{.complete = Flag(json, "complete"),
                      .because = Text(json, "because"),
                      .wanted = Number(json, "wanted"),
                      .bytes_wanted = Number(json, "bytes_wanted"),
                      .fetching = Number(json, "fetching"),
                      .parked = Number(json, "parked"),
                      .stopped = Number(json, "stopped"),
                      .last_full_scan = TimeOf(json, "last_full_scan"),
                      .not_heard = Texts(json, "not_heard")};
  if (const auto oldest = MaybeNumber(json, "oldest_wanted_ms")) {
    report.oldest_wanted = std::chrono::milliseconds(*oldest);
  }
  for (const Json& each : Field(json, "heard")) {
    report.heard.emplace_back(Text(each, "peer"), TimeOf(each, "last_sync"));
  }
  return report;
}

template <>
inline Held From<Held>(const Json& json) {
  return {.held = Flag(json, "held"),
          .servers = Number(json, "servers"),
          .blobs = Number(json, "blobs"),
          .missing = Number(json, "missing"),
          .missing_blobs = Texts(json, "missing_blobs"),
          .answered = Texts(json, "answered"),
          .not_answered = Texts(json, "not_answered")};
}

// Of an event's data; the stream's own lines carry id and kind as well.
template <>
inline Event From<Event>(const Json& json) {
  return {.id = Text(json, "id"),
          .kind = Text(json, "kind"),
          .at = TimeOf(json, "at"),
          .count = MaybeNumber(json, "count").value_or(1),
          .fields = OtherFields(json, {"id", "kind", "at", "count"})};
}

template <>
inline Status From<Status>(const Json& json) {
  Status status{.name = Text(json, "name"),
                .peer = Text(json, "peer"),
                .version = Text(json, "version"),
                .uptime = std::chrono::milliseconds(Number(json, "uptime_ms")),
                .addresses = Texts(json, "addresses"),
                .blobs = Number(json, "blobs"),
                .bytes = Number(json, "bytes"),
                .groups = Number(json, "groups"),
                .refs = Number(json, "refs"),
                .signposts = Number(json, "signposts"),
                .wanted = Number(json, "wanted"),
                .bytes_wanted = Number(json, "bytes_wanted"),
                .paused = Flag(json, "paused"),
                .pause_reason = Text(Field(json, "pause"), "reason"),
                .disk_free = Number(json, "disk_free"),
                .disk_total = Number(json, "disk_total"),
                .index_size = Number(json, "index_size"),
                .bad_rows = Number(json, "bad_rows"),
                .clock_behind = Flag(json, "clock_behind"),
                .clock_ahead = Flag(json, "clock_ahead")};
  const Json& states = Field(json, "wanted_states");
  if (states.is_object()) {
    for (const auto& [state, count] : states.items()) {
      status.wanted_states[state] = Number(states, state.c_str());
    }
  }
  return status;
}

// An empty optional of what has no items: the service answered with no list.
template <class T>
std::optional<Page<T>> PageOf(const Json& json) {
  const Json& items = Field(json, "items");
  if (!items.is_array()) return std::nullopt;
  Page<T> page{.next = Text(json, "next")};
  for (const Json& item : items) page.items.push_back(From<T>(item));
  return page;
}

}  // namespace waypost::client::detail
