#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"
#include "http/message/range.h"
#include "http/message/text.h"

// References of a group: one, many, a page of them. A batch is one entry of the log, all or
// nothing.

namespace waypost::http {
namespace {

constexpr std::size_t kBatchMax = 1000;

struct Place {
  base::GroupId group;
  std::string key;
};
absl::StatusOr<Place> PlaceIn(Request& request) {
  Place place;
  ASSIGN_OR_RETURN(place.group, GroupIn(request.params["g"]));
  place.key = request.params["key"];
  RETURN_IF_ERROR(syncgroup::CheckKey(place.key));
  return place;
}

// The tag says what is referenced, so that a change can be asked for only while it still is.
Response RefResponse(const syncgroup::Ref& ref) {
  Response response = JsonResponse(RefJson(ref));
  response.Set("ETag", EtagOf(ref.blob));
  response.Set("Cache-Control", "no-cache");
  return response;
}

}  // namespace

absl::StatusOr<Response> PutRef(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Place place, PlaceIn(request));
  ASSIGN_OR_RETURN(auto only_if, ConditionIn(request));
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  reader.Require("blob");
  const std::string text = reader.String("blob").value_or("");
  RETURN_IF_ERROR(reader.Done());
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(text));
  // A reference set here opens the bytes to its group: a token opens what it could read.
  RETURN_IF_ERROR(CheckHeld(context, request, blob));
  RETURN_IF_ERROR(context.parts.refs.Change(
      place.group, {{.key = place.key, .blob = blob, .only_if = std::move(only_if)}}));
  ASSIGN_OR_RETURN(const auto ref, context.parts.refs.Get(place.group, place.key));
  return RefResponse(ref);
}

absl::StatusOr<Response> GetRef(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Place place, PlaceIn(request));
  ASSIGN_OR_RETURN(const auto ref, context.parts.refs.Get(place.group, place.key));
  if (request.Query("content")) {
    return AnswerBlob(context, request, ref.blob,
                      {.key = place.key, .save = request.Query("download").has_value()});
  }
  if (request.Query("fetch") || request.Query("timeout") || request.Query("download")) {
    return absl::InvalidArgumentError(
        "\"fetch\", \"timeout\" and \"download\" go with \"content\"");
  }
  Response response = RefResponse(ref);
  const auto known = request.Header("if-none-match");
  if (!known || !MatchesEtag(*known, EtagOf(ref.blob))) return response;
  response.status = 304;
  response.body = std::monostate();
  return response;
}

absl::StatusOr<Response> DeleteRef(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Place place, PlaceIn(request));
  ASSIGN_OR_RETURN(auto only_if, ConditionIn(request));
  RETURN_IF_ERROR(context.parts.refs.Change(
      place.group, {{.key = place.key, .blob = std::nullopt, .only_if = std::move(only_if)}}));
  return EmptyResponse();
}

absl::StatusOr<Response> ListRefs(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  const std::string_view prefix = request.Query("prefix").value_or("");
  RETURN_IF_ERROR(context.parts.groups.Find(group).status());
  if (const auto delimiter = request.Query("delimiter")) {
    if (*delimiter != "/") return absl::InvalidArgumentError("delimiter must be /");
    ASSIGN_OR_RETURN(const auto page,
                     context.parts.refs.ListFolders(group, prefix, paging.after, paging.limit));
    Json refs = Json::array();
    for (const auto& ref : page.refs) refs.push_back(RefJson(ref));
    const Json next = page.next.empty() ? Json(nullptr) : Json(EncodeCursor(page.next));
    return JsonResponse({{"items", std::move(refs)}, {"prefixes", page.prefixes}, {"next", next}});
  }
  ASSIGN_OR_RETURN(const auto refs,
                   context.parts.refs.List(group, prefix, paging.after, paging.limit));
  Json items = Json::array();
  for (const auto& ref : refs) items.push_back(RefJson(ref));
  return ListResponse(std::move(items), refs.size() == paging.limit ? refs.back().key : "");
}

absl::StatusOr<Response> BatchRefs(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  const Json* puts = reader.Array("put");
  const Json* deletes = reader.Array("delete");
  RETURN_IF_ERROR(reader.Done());
  const std::size_t put_count = puts == nullptr ? 0 : puts->size();
  const std::size_t delete_count = deletes == nullptr ? 0 : deletes->size();
  if (put_count + delete_count == 0)
    return absl::InvalidArgumentError("the body: nothing to put or delete");
  if (put_count + delete_count > kBatchMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body: at most ", kBatchMax, " changes at once"));
  }
  std::vector<syncgroup::RefChange> changes;
  for (std::size_t i = 0; i < put_count; ++i) {
    const std::string where = absl::StrCat("put[", i, "]");
    ObjectReader item((*puts)[i], where);
    item.Require("key");
    item.Require("blob");
    const std::string key = item.String("key").value_or("");
    const std::string blob = item.String("blob").value_or("");
    RETURN_IF_ERROR(item.Done());
    const absl::Status key_ok = syncgroup::CheckKey(key);
    if (!key_ok.ok()) return base::Annotate(key_ok, where);
    const auto id = BlobIn(blob);
    if (!id.ok()) return base::Annotate(id.status(), where);
    RETURN_IF_ERROR(base::Annotate(CheckHeld(context, request, *id), where));
    changes.push_back({.key = key, .blob = *id});
  }
  for (std::size_t i = 0; i < delete_count; ++i) {
    const Json& key = (*deletes)[i];
    const std::string where = absl::StrCat("delete[", i, "]");
    if (!key.is_string())
      return absl::InvalidArgumentError(absl::StrCat(where, ": it must be a string"));
    const absl::Status key_ok = syncgroup::CheckKey(key.get<std::string>());
    if (!key_ok.ok()) return base::Annotate(key_ok, where);
    changes.push_back({.key = key.get<std::string>(), .blob = std::nullopt});
  }
  RETURN_IF_ERROR(context.parts.refs.Change(group, changes));
  return JsonResponse({{"put", put_count}, {"deleted", delete_count}});
}

}  // namespace waypost::http
