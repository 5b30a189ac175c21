#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "blobstore/blob_listing.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"
#include "http/message/text.h"

// Putting and listing blobs. A put is judged by its announced size, if it has one, before a byte of
// it is read, and is answered when it is durable; whether its bytes hash to the announced id is
// decided by the writer, not here.

namespace waypost::http {
namespace {

// ?group=G&key=K: what the put is to be referenced as.
absl::StatusOr<std::optional<syncgroup::Refs::Target>> TargetIn(const Request& request) {
  const auto group_text = request.Query("group");
  const auto key = request.Query("key");
  if (!group_text) {
    if (key) return absl::InvalidArgumentError("\"key\" needs \"group\"");
    return std::optional<syncgroup::Refs::Target>();
  }
  syncgroup::Refs::Target target;
  ASSIGN_OR_RETURN(target.group, GroupIn(*group_text));
  if (key) {
    RETURN_IF_ERROR(syncgroup::CheckKey(*key));
    target.key = std::string(*key);
  }
  ASSIGN_OR_RETURN(target.only_if, ConditionIn(request));
  return std::optional<syncgroup::Refs::Target>(std::move(target));
}

// A form has an envelope around the bytes, which would be stored with them. What curl calls a form
// of its own accord (--data-binary says x-www-form-urlencoded of any bytes) is taken as bytes.
bool IsForm(const Request& request) {
  const std::string_view type = request.Header("content-type").value_or("");
  return absl::EqualsIgnoreCase(base::Abs(TrimSpaces(type.substr(0, type.find(';')))),
                                "multipart/form-data");
}

absl::StatusOr<Response> Put(AppContext& context, Request& request,
                             const std::optional<base::BlobId>& expected) {
  if (IsForm(request)) {
    return ErrorResponse(415, "unsupported_media_type",
                         "the body must be the bytes themselves and nothing around them: send them "
                         "with curl -T FILE, not -F (multipart/form-data)");
  }
  ASSIGN_OR_RETURN(auto target, TargetIn(request));
  if (target) RETURN_IF_ERROR(context.parts.groups.Find(target->group).status());
  if (request.body == nullptr) {
    return ErrorResponse(
        411, "length_required",
        "send Content-Length: how many bytes the blob has; or Transfer-Encoding: chunked");
  }
  // Size and space are judged before a byte of the body is read.
  ASSIGN_OR_RETURN(auto writer, context.parts.blobs.StartPut(request.body->length()));
  absl::Status failed;  // on our side
  const absl::Status read = request.body->Read([&](std::string_view piece) {
    failed = writer->Append(piece);
    return failed;
  });
  RETURN_IF_ERROR(failed);
  if (!read.ok()) return absl::InvalidArgumentError(read.message());
  ASSIGN_OR_RETURN(const blobstore::StagedBlob staged, writer->Finish(expected));
  writer.reset();
  if (target && target->key.empty()) target->key = staged.id.ToHex();
  // Whether another group has it is not for a token of this one.
  const bool seen = CheckHeld(context, request, staged.id).ok();
  ASSIGN_OR_RETURN(const auto result, context.parts.refs.Put(staged, target));
  Json granted = Json::array();
  for (const base::GroupId& group : result.granted) {
    if (request.caller == nullptr || request.caller->Sees(group)) granted.push_back(group.ToHex());
  }
  return JsonResponse(
      {{"id", staged.id.ToHex()}, {"size", result.size_bytes}, {"granted", std::move(granted)}},
      result.created || !seen ? 201 : 200);
}

}  // namespace

absl::StatusOr<Response> PostBlob(AppContext& context, Request& request) {
  return Put(context, request, std::nullopt);
}

absl::StatusOr<Response> PutBlob(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  return Put(context, request, blob);
}

absl::StatusOr<Response> ListBlobs(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  std::optional<base::GroupId> group;
  if (const auto text = request.Query("group")) {
    ASSIGN_OR_RETURN(group, GroupIn(*text));
    RETURN_IF_ERROR(context.parts.groups.Find(*group).status());
  }
  blobstore::BlobPage page;
  RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
    page = blobstore::ListBlobs(txn, group, paging.after, paging.limit);
  }));
  Json items = Json::array();
  for (const auto& blob : page.blobs) {
    items.push_back({{"id", blob.id.ToHex()}, {"size", blob.size_bytes}});
  }
  return ListResponse(std::move(items), page.next);
}

}  // namespace waypost::http
