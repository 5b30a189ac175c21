#include <utility>

#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/scope.h"
#include "http/app/until_revoked.h"
#include "http/message/errors.h"

// The table of the app listener: everything that it does, who may ask for it, and what of it a
// token for some groups may. docs/openapi.yaml describes the same calls, with the right as
// x-rights.

namespace waypost::http {
namespace {

struct AppRoute {
  std::string_view method, pattern;
  Right right;
  Scope scope;
  std::vector<std::string_view> query;
  AppHandler* handler;
};

using enum Right;
using enum Scope;

// clang-format off
const AppRoute kRoutes[] = {
    {"POST",   "/v1/blobs", kWrite, kAsked, {"group", "key"}, PostBlob},
    {"GET",    "/v1/blobs", kRead, kAsked, {"limit", "cursor", "group"}, ListBlobs},
    {"PUT",    "/v1/blobs/{id}", kWrite, kAsked, {"group", "key"}, PutBlob},
    {"GET",    "/v1/blobs/{id}", kRead, kOwn, {"fetch", "timeout"}, GetBlob},
    {"POST",   "/v1/blobs:have", kRead, kOwn, {}, HaveBlobs},
    {"POST",   "/v1/blobs/{id}/fetch", kWrite, kWhole, {}, StreamFetch},
    {"GET",    "/v1/blobs/{id}/signpost", kRead, kWhole, {}, GetSignpost},
    {"GET",    "/v1/blobs/{id}/why", kRead, kWhole, {}, GetWhy},

    {"POST",   "/v1/groups", kAdmin, kWhole, {"duplicate"}, CreateGroup},
    {"GET",    "/v1/groups", kRead, kOwn, {"limit", "cursor"}, ListGroups},
    {"GET",    "/v1/groups/{g}", kRead, kGroup, {}, GetGroup},
    {"PATCH",  "/v1/groups/{g}", kAdmin, kGroup, {}, ChangeGroup},
    {"POST",   "/v1/groups/{g}/leave", kAdmin, kGroup, {}, LeaveGroup},
    {"GET",    "/v1/groups/{g}/held", kRead, kGroup, {"servers", "wait"}, GetHeld},
    {"GET",    "/v1/groups/{g}/members", kRead, kGroup, {"limit", "cursor"}, ListMembers},
    {"PATCH",  "/v1/groups/{g}/members/{p}", kAdmin, kGroup, {}, ChangeMember},
    {"DELETE", "/v1/groups/{g}/members/{p}", kAdmin, kGroup, {}, RemoveMember},
    {"POST",   "/v1/groups/{g}/invites", kAdmin, kGroup, {}, CreateInvite},
    {"GET",    "/v1/groups/{g}/invites", kRead, kGroup, {"limit", "cursor"}, ListInvites},
    {"DELETE", "/v1/groups/{g}/invites/{i}", kAdmin, kGroup, {}, RevokeInvite},
    {"POST",   "/v1/join", kAdmin, kWhole, {}, Join},

    {"GET",    "/v1/groups/{g}/refs", kRead, kGroup, {"prefix", "delimiter", "limit", "cursor"},
     ListRefs},
    {"POST",   "/v1/groups/{g}/refs:batch", kWrite, kGroup, {}, BatchRefs},
    {"PUT",    "/v1/groups/{g}/refs/{key...}", kWrite, kGroup, {}, PutRef},
    {"GET",    "/v1/groups/{g}/refs/{key...}", kRead, kGroup,
     {"content", "fetch", "timeout", "download"}, GetRef},
    {"DELETE", "/v1/groups/{g}/refs/{key...}", kWrite, kGroup, {}, DeleteRef},

    {"GET",    "/v1/wanted", kRead, kAsked, {"state", "group", "limit", "cursor"}, ListWanted},
    {"POST",   "/v1/wanted:retry", kWrite, kWhole, {}, RetryAllWanted},
    {"POST",   "/v1/wanted/{id}/retry", kWrite, kWhole, {}, RetryWanted},
    {"DELETE", "/v1/wanted/{id}", kWrite, kWhole, {}, StopWanted},
    {"POST",   "/v1/fetcher/pause", kAdmin, kWhole, {}, PauseFetcher},
    {"POST",   "/v1/fetcher/resume", kAdmin, kWhole, {}, ResumeFetcher},
    {"POST",   "/v1/pause", kAdmin, kWhole, {}, PauseWork},
    {"POST",   "/v1/resume", kAdmin, kWhole, {}, ResumeWork},

    {"POST",   "/v1/tokens", kAdmin, kWhole, {}, CreateToken},
    {"GET",    "/v1/tokens", kAdmin, kWhole, {"limit", "cursor"}, ListTokens},
    {"DELETE", "/v1/tokens/{name}", kAdmin, kWhole, {}, RevokeToken},
    {"POST",   "/v1/links", kWrite, kOwn, {}, CreateLink},
    {"GET",    "/v1/links", kRead, kOwn, {"limit", "cursor"}, ListLinks},
    {"DELETE", "/v1/links/{id}", kWrite, kOwn, {}, RevokeLink},
    {"GET",    "/s/{secret}", kAnybody, kOwn, {"download"}, ServeLink},
    {"GET",    "/v1/audit", kAdmin, kWhole, {"group", "since", "limit", "cursor"}, GetAudit},

    {"GET",    "/v1/status", kRead, kWhole, {}, GetStatus},
    {"GET",    "/v1/config", kRead, kWhole, {}, GetConfig},
    {"PATCH",  "/v1/config", kAdmin, kWhole, {}, PatchConfig},
    {"GET",    "/v1/scan", kRead, kWhole, {}, GetScan},
    {"POST",   "/v1/scan", kWrite, kWhole, {}, StartScan},
    {"GET",    "/v1/peers", kRead, kWhole, {"limit", "cursor"}, ListPeers},
    {"GET",    "/v1/complete", kRead, kAsked, {"group", "heard", "wait"}, GetComplete},
    {"GET",    "/v1/events", kRead, kWhole, {"since", "kinds", "group", "follow"}, GetEvents},
    {"POST",   "/v1/reload", kAdmin, kWhole, {}, Reload},
    {"GET",    "/v1/proof", kAnybody, kOwn, {"token", "nonce"}, GetProof},
    {"GET",    "/v1/openapi.yaml", kAnybody, kOwn, {}, GetDescription},
    {"GET",    "/metrics", kRead, kWhole, {}, GetMetrics},
    {"GET",    "/healthz", kAnybody, kOwn, {}, GetHealth},
    {"GET",    "/readyz", kAnybody, kOwn, {}, GetReadiness},
};
// clang-format on

// What an answer that comes later ends with: the token that it was asked for with. Those in files
// end with the process or by a reload, which nobody who waits is worse for.
void Guard(AppContext& context, const Request& request, Response& response) {
  auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body);
  if (later == nullptr || request.caller == nullptr || request.caller->file) return;
  *later = UntilRevoked(std::move(*later), request.caller, context.tokens);
}

}  // namespace

std::vector<Route> AppRoutes(AppContext& context) {
  std::vector<Route> routes;
  for (const AppRoute& route : kRoutes) {
    routes.push_back({.method = route.method,
                      .pattern = route.pattern,
                      .right = route.right,
                      .query = route.query,
                      .handler = [&context, &route](Request& request) {
                        const absl::Status seen = CheckScope(context, request, route.scope);
                        if (!seen.ok()) return ErrorResponse(seen);
                        auto response = route.handler(context, request);
                        if (!response.ok()) return ErrorResponse(response.status());
                        Guard(context, request, *response);
                        return *std::move(response);
                      }});
  }
  return routes;
}

}  // namespace waypost::http
