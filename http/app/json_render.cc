#include "http/app/json_render.h"

#include <utility>

// Every object of the app API is rendered here, once, so that a blob or a group looks the same in
// each answer. Times that never were are null; names are those of docs/openapi.yaml, which a test
// compares.

namespace waypost::http {
namespace {

constexpr base::Millis kOnlineFor{120000};

template <class Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json LocationsJson(const signpost::Signpost& signpost, const NameOf& name_of) {
  Json list = Json::array();
  for (const auto& item : signpost.locations) {
    const signpost::Location& location = item.second;
    list.push_back({{"peer", item.first.ToHex()},
                    {"name", name_of(item.first)},
                    {"when_seen", TimeJson(location.when_seen)},
                    {"is_server", location.is_server},
                    {"is_proxy", location.is_proxy},
                    {"denied", TimeJson(location.denied)}});
  }
  return list;
}

Json GroupsJson(const signpost::Signpost& signpost) {
  Json list = Json::array();
  for (const auto& item : signpost.groups) list.push_back(item.first.ToHex());
  return list;
}

Json PassJson(const upkeep::ScanPass& pass) {
  return {{"started", TimeJson(pass.started)},
          {"ended", TimeJson(pass.ended)},
          {"rows", pass.rows},
          {"missing_found", pass.missing_found},
          {"stale_removed", pass.stale_removed},
          {"adopted", pass.adopted},
          {"quarantined", pass.quarantined},
          {"lost", pass.lost},
          {"ok", pass.ok},
          {"error", pass.error.empty() ? Json(nullptr) : Json(pass.error)}};
}

// Of a group that is here still, and of which this peer is no member any more.
Json RemovedJson(const syncgroup::GroupInfo& group) {
  if (!group.removed) return nullptr;
  const base::PeerId& by = group.removed->by;
  return {{"by", by.IsZero() ? Json(nullptr) : Json(by.ToHex())},
          {"at", TimeJson(group.removed->when)}};
}

}  // namespace

Json TimeJson(base::WallTime time) {
  return time == base::kNever ? Json(nullptr) : Json(base::FormatTime(time));
}

bool PeerOnline(const signpost::PeerBook::KnownPeer& entry, base::WallTime now) {
  return !entry.health.Cooling(now) && entry.last_seen != base::kNever &&
         now - entry.last_seen < kOnlineFor;
}

Json GroupJson(const syncgroup::GroupInfo& group) {
  return {{"id", group.id.ToHex()},
          {"name", group.name},
          {"description", group.description},
          {"public", group.is_public},
          {"inviters", syncgroup::AuthorityName(group.inviters)},
          {"role", syncgroup::RoleName(group.role)},
          {"authority", syncgroup::AuthorityName(group.authority)},
          {"removed", RemovedJson(group)},
          {"members", group.members},
          {"servers", group.servers},
          {"refs", group.counts.refs},
          {"wanted", group.counts.wanted},
          {"bytes_wanted", group.counts.wanted_bytes},
          {"blobs", group.counts.blobs},
          {"bytes", group.counts.bytes},
          {"created", TimeJson(group.created)}};
}

Json MemberJson(const syncgroup::Member& member, uint64_t bytes_fetched_for, bool self,
                const signpost::PeerBook::KnownPeer* entry,
                const syncgroup::Syncer::MemberStatus* status, base::WallTime now) {
  return {{"peer", member.peer.ToHex()},
          {"name", member.name},
          {"role", syncgroup::RoleName(member.role)},
          {"authority", syncgroup::AuthorityName(member.authority)},
          {"addresses", member.addresses},
          {"admitted", TimeJson(member.admitted)},
          {"self", self},
          {"online", self || (entry != nullptr && PeerOnline(*entry, now))},
          {"last_seen",
           self ? TimeJson(now) : TimeJson(entry != nullptr ? entry->last_seen : base::kNever)},
          {"last_sync", TimeJson(status != nullptr ? status->last_sync : base::kNever)},
          {"bytes_fetched_for", bytes_fetched_for},
          {"clock_ahead", status != nullptr && status->clock_ahead},
          {"last_error", status != nullptr && !status->last_error.empty() ? Json(status->last_error)
                                                                          : Json(nullptr)}};
}

Json RefJson(const syncgroup::Ref& ref) {
  return {{"key", ref.key},
          {"blob", ref.blob.ToHex()},
          {"size", OrNull(ref.size_bytes)},
          {"updated", TimeJson(ref.updated)},
          {"origin", ref.origin.ToHex()}};
}

Json LastErrorJson(const signpost::LastError& error) {
  if (error.error == signpost::ErrorClass::kNone) return nullptr;
  return {{"class", signpost::ErrorClassName(error.error)},
          {"message", error.message},
          {"peer", error.peer.IsZero() ? Json(nullptr) : Json(error.peer.ToHex())},
          {"at", TimeJson(error.at)}};
}

Json SignpostJson(const base::BlobId& blob, const signpost::Signpost& signpost,
                  const NameOf& name_of) {
  return {{"blob", blob.ToHex()},
          {"locations", LocationsJson(signpost, name_of)},
          {"groups", GroupsJson(signpost)},
          {"size", OrNull(signpost.size_hint_bytes)},
          {"fetch_attempts", signpost.fetch_attempts},
          {"failures", signpost.failures},
          {"next_attempt", TimeJson(signpost.next_attempt)},
          {"stopped", TimeJson(signpost.stopped)},
          {"wanted_since", TimeJson(signpost.wanted_since)},
          {"last_error", LastErrorJson(signpost.last_error)},
          {"created", TimeJson(signpost.created)},
          {"updated", TimeJson(signpost.updated)}};
}

Json WantedJson(const fetcher::WantedItem& item, const NameOf& name_of) {
  const signpost::Signpost& signpost = item.signpost;
  return {{"blob", item.blob.ToHex()},
          {"groups", GroupsJson(signpost)},
          {"size", OrNull(signpost.size_hint_bytes)},
          {"lane", item.lane == signpost::DueLane::kNew ? "new" : "retry"},
          {"state", fetcher::WaitStateName(item.state)},
          {"fetch_attempts", signpost.fetch_attempts},
          {"failures", signpost.failures},
          {"wanted_since", TimeJson(signpost.wanted_since)},
          {"next_attempt", TimeJson(signpost.next_attempt)},
          {"last_error", LastErrorJson(signpost.last_error)},
          {"locations", LocationsJson(signpost, name_of)}};
}

Json FetchStateJson(const fetcher::FetchState& state) {
  using FetchKind = fetcher::FetchState::Kind;
  Json json = {{"state", fetcher::FetchStateName(state.kind)}};
  if (state.kind == FetchKind::kFetching) {
    json["received"] = state.received_bytes;
    json["total"] = OrNull(state.total_bytes);
    json["source"] = state.source.ToHex();
  }
  if (state.kind == FetchKind::kParked) json["until"] = TimeJson(state.parked_until);
  if (state.kind == FetchKind::kPending && state.blocked_by != fetcher::Obstacle::kNone) {
    json["blocked_by"] = fetcher::ObstacleName(state.blocked_by);
  }
  if (state.kind == FetchKind::kFailed) {
    json["error"] = LastErrorJson(state.error);
    json["will_retry"] = state.will_retry;
    json["next_attempt"] = TimeJson(state.next_attempt);
  }
  return json;
}

Json WhyStepJson(const fetcher::WhyStep& step) {
  Json json = {{"step", fetcher::WhyStepName(step.kind)},
               {"verdict", step.verdict},
               {"detail", step.detail}};
  for (const auto& field : step.fields) json[field.first] = field.second;
  return json;
}

Json ScanJson(const upkeep::ScanStatus& status) {
  Json json;
  json["last"] = status.last ? PassJson(*status.last) : Json(nullptr);
  if (status.running) {
    Json running = PassJson(*status.running);
    running["progress"] = status.progress;
    running["estimate_left_ms"] =
        status.estimate_left ? Json(status.estimate_left->count()) : Json(nullptr);
    json["running"] = std::move(running);
  } else {
    json["running"] = nullptr;
  }
  json["next"] = TimeJson(status.next);
  json["paused"] = status.paused;
  json["paused_until"] = status.paused_until ? TimeJson(*status.paused_until) : Json(nullptr);
  return json;
}

Json PeerJson(const signpost::PeerBook::KnownPeer& entry, base::WallTime now) {
  return {{"peer", entry.peer.ToHex()},
          {"name", entry.name},
          {"addresses", entry.addresses},
          {"online", PeerOnline(entry, now)},
          {"last_seen", TimeJson(entry.last_seen)},
          {"cool_down_until",
           entry.health.Cooling(now) ? TimeJson(entry.health.cool_down_end) : Json(nullptr)},
          {"suspect", entry.health.suspect},
          {"failures", entry.health.consecutive_failures},
          {"last_error", LastErrorJson(entry.health.last_error)},
          {"bytes_in", entry.bytes_in},
          {"bytes_out", entry.bytes_out}};
}

Json CompletenessJson(const fetcher::Completeness& report, base::WallTime now) {
  Json heard = Json::array();
  for (const auto& item : report.heard) {
    heard.push_back({{"peer", item.peer.ToHex()}, {"last_sync", TimeJson(item.last_sync)}});
  }
  Json not_heard = Json::array();
  for (const auto& peer : report.not_heard) not_heard.push_back(peer.ToHex());
  Json oldest = nullptr;
  if (report.oldest_wanted) oldest = std::max<int64_t>((now - *report.oldest_wanted).count(), 0);
  return {
      {"complete", report.complete()},
      {"because", fetcher::BecauseName(report.because)},
      {"wanted", report.wanted},
      {"bytes_wanted", report.wanted_bytes},
      {"fetching", report.fetching},
      {"parked", report.parked},
      {"stopped", report.stopped},
      {"oldest_wanted_ms", std::move(oldest)},
      {"last_full_scan", report.last_full_scan ? TimeJson(*report.last_full_scan) : Json(nullptr)},
      {"heard", std::move(heard)},
      {"not_heard", std::move(not_heard)}};
}

Json HeldJson(const syncgroup::Syncer::HeldReport& report, uint32_t servers) {
  const auto list = [](const auto& ids) {
    Json json = Json::array();
    for (const auto& id : ids) json.push_back(id.ToHex());
    return json;
  };
  return {{"held", report.held},
          {"servers", servers},
          {"blobs", report.blobs},
          {"missing", report.missing},
          {"missing_blobs", list(report.missing_blobs)},
          {"answered", list(report.answered)},
          {"not_answered", list(report.not_answered)}};
}

Json EventJson(const base::Event& event, const std::string& boot_id) {
  Json json = {{"id", boot_id + "-" + std::to_string(event.number)},
               {"at", TimeJson(event.at)},
               {"kind", base::EventKindName(event.kind)},
               {"count", event.count}};
  for (const auto& field : event.fields) json[field.first] = field.second;
  return json;
}

Json PauseJson(const fetcher::PauseState& pause) {
  if (!pause.paused()) return nullptr;
  return {{"reason", fetcher::PauseReasonName(pause.reason)},
          {"detail", pause.detail},
          {"until", pause.until ? TimeJson(*pause.until) : Json(nullptr)}};
}

Response JsonResponse(const Json& json, int status) {
  Response response;
  response.status = status;
  response.Set("Content-Type", "application/json");
  response.Set("Cache-Control", "no-store");
  response.body = Dump(json) + "\n";
  return response;
}

}  // namespace waypost::http
