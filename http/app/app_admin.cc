#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/report/mode.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"

// What operators ask of the service as a whole: status, settings, scans, peers, what is complete,
// metrics. /healthz and /readyz are answered on the listener's loop, so they look only at what is
// in memory and never wait.

namespace waypost::http {
namespace {

// Of a kind in /v1/status.
constexpr std::size_t kGroupsShown = 100;
constexpr std::size_t kReasonsShown = 20;

Response ConfigResponse(AppContext& context) {
  Json settings = Json::object();
  for (const auto& item : context.parts.settings.All()) {
    Json hides = Json::array();
    for (const auto& hidden : item.hides) {
      hides.push_back(
          {{"value", hidden.value}, {"origin", hidden.origin}, {"where", hidden.where}});
    }
    settings[item.key] = {{"value", item.value},
                          {"origin", item.origin},
                          {"live", item.live},
                          {"hides", std::move(hides)}};
  }
  return JsonResponse({{"settings", std::move(settings)}});
}

// A setting's value as the text that a file or the environment would have.
absl::StatusOr<std::string> SettingText(const std::string& key, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return Dump(value);
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value) {
      if (!item.is_string() || item.get<std::string>().find(',') != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat(key, ": a list has strings without commas"));
      }
      absl::StrAppend(&text, text.empty() ? "" : ",", item.get<std::string>());
    }
    return text;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(key, ": write a string, a number, true, false or a list"));
}

// 200 or 503 with the reasons.
Response Health(const std::vector<std::string>& reasons) {
  return JsonResponse({{"status", reasons.empty() ? "ok" : "failing"}, {"reasons", reasons}},
                      reasons.empty() ? 200 : 503);
}

// Why nothing here can work.
std::vector<std::string> Failures(AppContext& context) {
  std::vector<std::string> reasons;
  const absl::Status read = context.parts.index.State();
  if (!read.ok()) reasons.push_back(absl::StrCat("the index cannot be read: ", read.message()));
  return reasons;
}

}  // namespace

namespace {

// The groups here that nobody collects for, as far as the caller may see them.
Json WithoutServer(const AppContext& context, const Request& request) {
  Json groups = Json::array();
  for (const auto& [group, name] : context.parts.groups.WithoutServer()) {
    if (groups.size() == kGroupsShown) break;
    if (request.caller != nullptr && !request.caller->Sees(group)) continue;
    groups.push_back({{"id", group.ToHex()}, {"name", name}});
  }
  return groups;
}

// What waiting does not change is said at once.
bool WaitingHelps(fetcher::Because because) {
  switch (because) {
    case fetcher::Because::kNotAServer:
    case fetcher::Because::kNoGroups:
      return false;
    case fetcher::Because::kComplete:
    case fetcher::Because::kHeldBack:
    case fetcher::Because::kNotSynced:
    case fetcher::Because::kNotHeard:
    case fetcher::Because::kNotScanned:
    case fetcher::Because::kPaused:
    case fetcher::Because::kWanted:
      break;
  }
  return true;
}

}  // namespace

// From memory alone: whoever asks why nothing goes on is not made to wait for the same disk.
absl::StatusOr<Response> GetStatus(AppContext& context, Request& request) {
  const AppParts& parts = context.parts;
  const syncgroup::Counts counts = parts.ledger.KnownCounts();
  Json fetching = Json::array();
  for (const auto& running : parts.report.InFlight()) {
    Json item = {{"blob", running.blob.ToHex()}};
    item.update(FetchStateJson(running.state));
    fetching.push_back(std::move(item));
  }
  const auto states = parts.report.CountStates();
  const auto pause = parts.fetcher.Paused();
  const auto mode = fetcher::ModeOf(parts.blobs.away(), pause, parts.blobs.read_only());
  const auto space = parts.blobs.DiskSpace();
  const auto clocks = parts.syncer.Clocks();
  const auto uptime =
      std::chrono::duration_cast<base::Millis>(parts.clock.SteadyNow() - context.info.started);
  return JsonResponse({{"name", context.info.name},
                       {"peer", context.info.peer.ToHex()},
                       {"version", context.info.version},
                       {"uptime_ms", uptime.count()},
                       {"mode", fetcher::ModeName(mode)},
                       {"addresses", context.info.addresses()},
                       {"blobs", counts.blobs},
                       {"bytes", counts.bytes},
                       {"groups", parts.groups.Count()},
                       {"groups_without_server", WithoutServer(context, request)},
                       {"refs", counts.refs},
                       {"signposts", counts.signposts},
                       {"wanted", counts.wanted},
                       {"bytes_wanted", counts.wanted_bytes},
                       {"wanted_states",
                        {{"due", states.due},
                         {"waiting", states.waiting},
                         {"fetching", states.fetching},
                         {"parked", states.parked},
                         {"stopped", states.stopped}}},
                       {"fetching", std::move(fetching)},
                       {"paused", pause.paused()},
                       {"pause", PauseJson(pause)},
                       {"scan", ScanJson(parts.scanner.Status())},
                       {"disk_free", space.free_bytes},
                       {"disk_total", space.total_bytes},
                       {"index_size", parts.index.used_bytes()},
                       {"bad_rows", parts.index.bad_rows()},
                       {"clock_behind", clocks.behind},
                       {"clock_ahead", clocks.ahead},
                       {"clock", clocks.reasons},
                       {"second_copy", parts.syncer.SecondCopy()},
                       {"sandbox", context.info.sandbox}});
}

absl::StatusOr<Response> PatchConfig(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  SettingsAccess::Changes changes;
  for (auto item = body.begin(); item != body.end(); ++item) {
    if (item.value().is_null()) {
      changes.emplace_back(item.key(), std::nullopt);
      continue;
    }
    ASSIGN_OR_RETURN(std::string text, SettingText(item.key(), item.value()));
    changes.emplace_back(item.key(), std::move(text));
  }
  if (changes.empty()) return absl::InvalidArgumentError("the body: name a setting and its value");
  RETURN_IF_ERROR(context.parts.settings.Patch(changes));
  for (const auto& [key, value] : changes) {
    if (value) {
      context.Note(request, "config.set", std::nullopt, absl::StrCat(key, " = ", *value));
    } else {
      context.Note(request, "config.unset", std::nullopt, key);
    }
  }
  return ConfigResponse(context);
}

absl::StatusOr<Response> ListPeers(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  auto peers = context.parts.peers.All();
  std::sort(peers.begin(), peers.end(),
            [](const auto& a, const auto& b) { return a.peer < b.peer; });
  const base::WallTime now = context.parts.clock.WallNow();
  Json items = Json::array();
  std::string last, next;
  for (const auto& peer : peers) {
    if (!paging.after.empty() && peer.peer.bytes() <= paging.after) continue;
    if (items.size() == paging.limit) {
      next = last;
      break;
    }
    last = std::string(peer.peer.bytes());
    items.push_back(PeerJson(peer, now));
  }
  return ListResponse(std::move(items), next);
}

absl::StatusOr<Response> GetComplete(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const base::Millis wait, DurationIn(request, "wait", base::Millis(0), kWaitMax));
  std::optional<base::GroupId> group;
  if (const auto text = request.Query("group")) {
    ASSIGN_OR_RETURN(group, GroupIn(*text));
    RETURN_IF_ERROR(context.parts.groups.Find(*group).status());
  }
  const auto rule =
      fetcher::ParseHeardRule(std::string(request.Query("heard").value_or("reachable")));
  if (!rule) {
    return absl::InvalidArgumentError("heard: reachable, servers, all, any, or a number from 1");
  }
  const auto look = [&context, group, rule = *rule](bool last) -> std::unique_ptr<Response> {
    auto report = context.parts.completeness.Report(group, rule);
    if (!report.ok()) return std::make_unique<Response>(ErrorResponse(report.status()));
    if (!report->complete() && !last && WaitingHelps(report->because)) return nullptr;
    context.parts.completeness.AddStates(group, *report);
    return std::make_unique<Response>(
        JsonResponse(CompletenessJson(*report, context.parts.clock.WallNow())));
  };
  if (wait.count() == 0) return std::move(*look(true));
  Response response;
  response.body = WaitUntil({&context.parts.fetcher.changed(), &context.parts.scanner.changed(),
                             &context.parts.syncer.changed()},
                            context.parts.clock.SteadyNow() + wait, look);
  return response;
}

absl::StatusOr<Response> GetConfig(AppContext& context, Request&) {
  return ConfigResponse(context);
}

absl::StatusOr<Response> GetScan(AppContext& context, Request&) {
  return JsonResponse(ScanJson(context.parts.scanner.Status()));
}

absl::StatusOr<Response> StartScan(AppContext& context, Request&) {
  context.parts.scanner.Request();
  return JsonResponse(ScanJson(context.parts.scanner.Status()), 202);
}

absl::StatusOr<Response> GetMetrics(AppContext& context, Request&) {
  Response response;
  response.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = context.parts.metrics.Render();
  return response;
}

absl::StatusOr<Response> GetHealth(AppContext& context, Request&) {
  return Health(Failures(context));
}

absl::StatusOr<Response> GetReadiness(AppContext& context, Request&) {
  std::vector<std::string> reasons = Failures(context);
  const syncgroup::ClockReport clocks = context.parts.syncer.Clocks();
  for (std::size_t i = 0; i < clocks.reasons.size() && reasons.size() < kReasonsShown; ++i) {
    // What most clocks say of this one comes first; the others are of what it wrote ahead.
    const char* which = i == 0 && clocks.behind ? "clock_behind: " : "clock_ahead: ";
    reasons.push_back(absl::StrCat(which, clocks.reasons[i]));
  }
  if (std::string copy = context.parts.syncer.SecondCopy(); !copy.empty()) {
    reasons.push_back(std::move(copy));
  }
  if (std::string away = context.parts.blobs.away(); !away.empty()) {
    reasons.push_back(std::move(away));
  }
  if (std::string why = context.parts.blobs.read_only(); !why.empty()) {
    reasons.push_back(absl::StrCat("read-only: ", why));
  }
  const auto pause = context.parts.fetcher.Paused();
  if (pause.reason == fetcher::PauseReason::kDisk || pause.reason == fetcher::PauseReason::kIndex) {
    reasons.push_back(absl::StrCat("the fetcher is paused (",
                                   fetcher::PauseReasonName(pause.reason), "): ", pause.detail));
  }
  return Health(reasons);
}

}  // namespace waypost::http
