#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"

// Named tokens: made, listed, revoked. A token's text is in the one answer that makes it, and
// nowhere else.

namespace waypost::http {
namespace {

constexpr base::Millis kExpiresMax{int64_t{3650} * 24 * 3600 * 1000};

Json GroupsJson(const Caller& caller) {
  if (caller.Whole()) return nullptr;
  Json groups = Json::array();
  for (const base::GroupId& group : *caller.groups) groups.push_back(group.ToHex());
  return groups;
}

void ReadGroups(AppContext& context, const Request& request, ObjectReader& reader, Caller& caller) {
  const Json* const groups = reader.Array("groups");
  if (groups == nullptr) return;
  caller.groups.emplace();
  for (const Json& each : *groups) {
    const auto group =
        GroupNamed(context, request, each.is_string() ? each.get<std::string>() : std::string());
    if (!group.ok() || !context.parts.groups.Find(*group).ok()) {
      reader.Fail("groups", "must be ids, or name: and the name, of groups that are here");
      return;
    }
    caller.groups->insert(*group);
  }
}

}  // namespace

absl::StatusOr<Response> CreateToken(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  Caller caller;
  reader.Require("name");
  reader.Require("rights");
  caller.token = reader.String("name").value_or("");
  if (const auto rights = reader.String("rights")) {
    const auto right = ParseRight(*rights);
    if (right) caller.right = *right;
    if (!right) reader.Fail("rights", "must be read, write or admin");
  }
  ReadGroups(context, request, reader, caller);
  if (const auto expires = reader.Duration("expires", kExpiresMax)) {
    caller.expires = context.parts.clock.WallNow() + *expires;
  }
  RETURN_IF_ERROR(reader.Done());
  ASSIGN_OR_RETURN(const std::string text, context.tokens.Create(caller));
  context.Note(
      request, "token.create", std::nullopt,
      absl::StrCat(caller.token, ": ", RightName(caller.right),
                   caller.Whole() ? "" : absl::StrCat(", ", caller.groups->size(), " groups")));
  return JsonResponse({{"name", caller.token},
                       {"rights", RightName(caller.right)},
                       {"groups", GroupsJson(caller)},
                       {"expires", TimeJson(caller.expires)},
                       {"token", text}},
                      201);
}

absl::StatusOr<Response> ListTokens(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  Json items = Json::array();
  std::string last, next;
  for (const TokenStore::Item& token : context.tokens.List()) {
    if (!paging.after.empty() && token.caller.token <= paging.after) continue;
    if (items.size() == paging.limit) {
      next = last;
      break;
    }
    last = token.caller.token;
    items.push_back({{"name", token.caller.token},
                     {"rights", RightName(token.caller.right)},
                     {"groups", GroupsJson(token.caller)},
                     {"created", TimeJson(token.created)},
                     {"expires", TimeJson(token.caller.expires)}});
  }
  return ListResponse(std::move(items), next);
}

absl::StatusOr<Response> RevokeToken(AppContext& context, Request& request) {
  const std::string& name = request.params["name"];
  RETURN_IF_ERROR(context.tokens.Revoke(name));
  context.Note(request, "token.revoke", std::nullopt, name);
  return EmptyResponse();
}

}  // namespace waypost::http
