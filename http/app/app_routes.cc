#include "http/app/app_handlers.h"
#include "http/message/errors.h"

// The table of the app listener: everything that it does, and who may ask for it. docs/openapi.yaml
// describes the same calls.

namespace waypost::http {
namespace {

struct AppRoute {
  std::string_view method, pattern;
  Right right;
  std::vector<std::string_view> query;
  AppHandler* handler;
};

// clang-format off
const AppRoute kRoutes[] = {
    {"POST",   "/v1/blobs", Right::kOwner, {"group", "key"}, PostBlob},
    {"GET",    "/v1/blobs", Right::kReader, {"limit", "cursor", "group"}, ListBlobs},
    {"PUT",    "/v1/blobs/{id}", Right::kOwner, {"group", "key"}, PutBlob},
    {"GET",    "/v1/blobs/{id}", Right::kReader, {"fetch", "timeout"}, GetBlob},
    {"POST",   "/v1/blobs/{id}/fetch", Right::kOwner, {}, StreamFetch},
    {"GET",    "/v1/blobs/{id}/signpost", Right::kReader, {}, GetSignpost},
    {"GET",    "/v1/blobs/{id}/why", Right::kReader, {}, GetWhy},

    {"POST",   "/v1/groups", Right::kOwner, {"duplicate"}, CreateGroup},
    {"GET",    "/v1/groups", Right::kReader, {"limit", "cursor"}, ListGroups},
    {"GET",    "/v1/groups/{g}", Right::kReader, {}, GetGroup},
    {"PATCH",  "/v1/groups/{g}", Right::kOwner, {}, ChangeGroup},
    {"POST",   "/v1/groups/{g}/leave", Right::kOwner, {}, LeaveGroup},
    {"GET",    "/v1/groups/{g}/held", Right::kReader, {"servers", "wait"}, GetHeld},
    {"GET",    "/v1/groups/{g}/members", Right::kReader, {"limit", "cursor"}, ListMembers},
    {"PATCH",  "/v1/groups/{g}/members/{p}", Right::kOwner, {}, ChangeMember},
    {"DELETE", "/v1/groups/{g}/members/{p}", Right::kOwner, {}, RemoveMember},
    {"POST",   "/v1/groups/{g}/invites", Right::kOwner, {}, CreateInvite},
    {"GET",    "/v1/groups/{g}/invites", Right::kReader, {"limit", "cursor"}, ListInvites},
    {"DELETE", "/v1/groups/{g}/invites/{i}", Right::kOwner, {}, RevokeInvite},
    {"POST",   "/v1/join", Right::kOwner, {}, Join},

    {"GET",    "/v1/groups/{g}/refs", Right::kReader, {"prefix", "limit", "cursor"}, ListRefs},
    {"POST",   "/v1/groups/{g}/refs:batch", Right::kOwner, {}, BatchRefs},
    {"PUT",    "/v1/groups/{g}/refs/{key...}", Right::kOwner, {}, PutRef},
    {"GET",    "/v1/groups/{g}/refs/{key...}", Right::kReader, {"content", "fetch", "timeout"},
     GetRef},
    {"DELETE", "/v1/groups/{g}/refs/{key...}", Right::kOwner, {}, DeleteRef},

    {"GET",    "/v1/wanted", Right::kReader, {"state", "group", "limit", "cursor"}, ListWanted},
    {"POST",   "/v1/wanted:retry", Right::kOwner, {}, RetryAllWanted},
    {"POST",   "/v1/wanted/{id}/retry", Right::kOwner, {}, RetryWanted},
    {"DELETE", "/v1/wanted/{id}", Right::kOwner, {}, StopWanted},
    {"POST",   "/v1/fetcher/pause", Right::kOwner, {}, PauseFetcher},
    {"POST",   "/v1/fetcher/resume", Right::kOwner, {}, ResumeFetcher},

    {"GET",    "/v1/status", Right::kReader, {}, GetStatus},
    {"GET",    "/v1/config", Right::kReader, {}, GetConfig},
    {"PATCH",  "/v1/config", Right::kOwner, {}, PatchConfig},
    {"GET",    "/v1/scan", Right::kReader, {}, GetScan},
    {"POST",   "/v1/scan", Right::kOwner, {}, StartScan},
    {"GET",    "/v1/peers", Right::kReader, {"limit", "cursor"}, ListPeers},
    {"GET",    "/v1/complete", Right::kReader, {"group", "wait"}, GetComplete},
    {"GET",    "/v1/events", Right::kReader, {"since"}, GetEvents},
    {"GET",    "/metrics", Right::kReader, {}, GetMetrics},
    {"GET",    "/healthz", Right::kAnybody, {}, GetHealth},
    {"GET",    "/readyz", Right::kAnybody, {}, GetReadiness},
};
// clang-format on

}  // namespace

std::vector<Route> AppRoutes(AppContext& context) {
  std::vector<Route> routes;
  for (const AppRoute& route : kRoutes) {
    routes.push_back({.method = route.method,
                      .pattern = route.pattern,
                      .right = route.right,
                      .query = route.query,
                      .handler = [&context, handler = route.handler](Request& request) {
                        auto response = handler(context, request);
                        return response.ok() ? *std::move(response)
                                             : ErrorResponse(response.status());
                      }});
  }
  return routes;
}

}  // namespace waypost::http
