#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"

// Links: one thing that may be read by whoever has the text. What a link opens is never more than
// the token that made it could read, and only for as long as that token stands; nothing is fetched
// for it. Its text is in the one answer that makes it, and in no log.

namespace waypost::http {
namespace {

// Each sees the links that it made; a token for the whole peer sees all.
bool MaySee(const Request& request, const Link& link) {
  return request.caller == nullptr || request.caller->Whole() || link.mark == request.caller->mark;
}

absl::StatusOr<Link> LinkIn(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  const auto group = reader.String("group"), key = reader.String("key"),
             blob = reader.String("blob");
  const base::Millis life =
      reader.Duration("expires", LinkStore::kLifeMax).value_or(LinkStore::kLife);
  if (key.has_value() == blob.has_value()) reader.Fail("key", "or \"blob\" is needed, not both");
  if (key && !group) reader.Require("group");
  RETURN_IF_ERROR(reader.Done());

  Link link{.key = key.value_or(""), .created = context.parts.clock.WallNow()};
  link.expires = link.created + life;
  if (group) {
    ASSIGN_OR_RETURN(link.group, GroupNamed(context, request, *group));
    if (request.caller != nullptr && !request.caller->Sees(*link.group)) {
      return absl::NotFoundError(absl::StrCat("no group ", link.group->ToHex(), " here"));
    }
    RETURN_IF_ERROR(context.parts.groups.Find(*link.group).status());
  }
  if (key) {
    RETURN_IF_ERROR(syncgroup::CheckKey(*key));
    RETURN_IF_ERROR(context.parts.refs.Get(*link.group, *key).status());
  } else {
    ASSIGN_OR_RETURN(link.blob, BlobIn(*blob));
    RETURN_IF_ERROR(CheckHeld(context, request, *link.blob));
  }
  if (request.caller != nullptr) {
    link.by = request.caller->token;
    link.mark = request.caller->mark;
  }
  return link;
}

Json LinkJson(const Link& link) {
  return {{"id", link.id},
          {"group", link.group ? Json(link.group->ToHex()) : Json(nullptr)},
          {"key", link.blob ? Json(nullptr) : Json(link.key)},
          {"blob", link.blob ? Json(link.blob->ToHex()) : Json(nullptr)},
          {"created", TimeJson(link.created)},
          {"expires", TimeJson(link.expires)},
          {"by", link.by}};
}

}  // namespace

absl::StatusOr<Response> CreateLink(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(Link link, LinkIn(context, request));
  ASSIGN_OR_RETURN(const std::string text, context.links.Create(link, [&](const std::string& mark) {
    return context.tokens.FindByMark(mark) != nullptr;
  }));
  context.Note(request, "link.create", link.group,
               absl::StrCat(link.id, ": ", link.blob ? link.blob->ToHex() : link.key));
  return JsonResponse(
      {{"id", link.id}, {"url", absl::StrCat("/s/", text)}, {"expires", TimeJson(link.expires)}},
      201);
}

absl::StatusOr<Response> ListLinks(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  Json items = Json::array();
  std::string last, next;
  for (const Link& link : context.links.List()) {
    if (!paging.after.empty() && link.id <= paging.after) continue;
    // What ended with its token, or by time, is gone.
    if (!MaySee(request, link) || context.tokens.FindByMark(link.mark) == nullptr ||
        link.expires <= context.parts.clock.WallNow()) {
      continue;
    }
    if (items.size() == paging.limit) {
      next = last;
      break;
    }
    last = link.id;
    items.push_back(LinkJson(link));
  }
  return ListResponse(std::move(items), next);
}

absl::StatusOr<Response> RevokeLink(AppContext& context, Request& request) {
  const std::string& id = request.params["id"];
  const auto link = context.links.Get(id);
  if (!link || !MaySee(request, *link)) return absl::NotFoundError("no such link here");
  RETURN_IF_ERROR(context.links.Revoke(id));
  context.Note(request, "link.revoke", link->group, id);
  return EmptyResponse();
}

absl::StatusOr<Response> ServeLink(AppContext& context, Request& request) {
  const absl::Status none = absl::NotFoundError("there is no such link, or it has ended");
  const auto link = context.links.Find(request.params["secret"]);
  if (!link) return none;
  const auto maker = context.tokens.FindByMark(link->mark);
  if (maker == nullptr || (link->group && !maker->Sees(*link->group))) return none;
  Caller reader{.token = absl::StrCat("link ", link->id), .right = Right::kRead};
  reader.groups = maker->groups;
  if (link->group) reader.groups = std::set<base::GroupId>{*link->group};
  request.caller = std::make_shared<const Caller>(std::move(reader));
  base::BlobId blob;
  if (link->blob) {
    blob = *link->blob;
  } else {
    const auto ref = context.parts.refs.Get(*link->group, link->key);
    if (!ref.ok()) return none;
    blob = ref->blob;
  }
  ASSIGN_OR_RETURN(Response response, AnswerBlob(context, request, blob,
                                                 {.key = link->key,
                                                  .save = request.Query("download").has_value(),
                                                  .may_end = true}));
  // The address is the secret: no page that is opened from here hears it.
  response.Set("Referrer-Policy", "no-referrer");
  return response;
}

}  // namespace waypost::http
