#pragma once

// The handlers of the app API, by the file (app_*.cc) that has them; app_routes.cc says when each
// is called. They have what docs/openapi.yaml says of their call; the right to make it and the
// names in the query were checked. Nobody else includes this.

#include <vector>

#include "absl/status/statusor.h"
#include "http/app/app_context.h"

namespace waypost::http {

using AppHandler = absl::StatusOr<Response>(AppContext& context, Request& request);

// The table of routes. `context` outlives them.
std::vector<Route> AppRoutes(AppContext& context);

// ---- app_blobs.cc ----
AppHandler PostBlob, PutBlob, ListBlobs;
// ---- app_have.cc ----
AppHandler HaveBlobs;
// ---- app_get_blob.cc ----
AppHandler GetBlob;
// ---- app_fetch.cc ----
AppHandler StreamFetch, GetSignpost, GetWhy;
// ---- app_groups.cc ----
AppHandler CreateGroup, ListGroups, GetGroup, ChangeGroup, LeaveGroup, GetHeld;
AppHandler ListMembers, ChangeMember, RemoveMember;
AppHandler CreateInvite, ListInvites, RevokeInvite, Join;
// ---- app_refs.cc ----
AppHandler PutRef, GetRef, DeleteRef, ListRefs, BatchRefs;
// ---- app_wanted.cc ----
AppHandler ListWanted, RetryWanted, RetryAllWanted, StopWanted, PauseFetcher, ResumeFetcher;
AppHandler PauseWork, ResumeWork;
// ---- app_admin.cc ----
AppHandler GetStatus, GetConfig, PatchConfig, GetScan, StartScan, ListPeers, GetComplete;
AppHandler GetMetrics, GetHealth, GetReadiness, GetDescription;
// ---- app_control.cc ----
AppHandler Reload, GetProof;
// ---- app_tokens.cc ----
AppHandler CreateToken, ListTokens, RevokeToken;
// ---- app_links.cc ----
AppHandler CreateLink, ListLinks, RevokeLink, ServeLink;
// ---- app_audit.cc ----
AppHandler GetAudit;
// ---- app_events.cc ----
AppHandler GetEvents;

}  // namespace waypost::http
