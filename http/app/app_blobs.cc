#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "blobstore/blob_row.h"
#include "http/app/app_context.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/range.h"
#include "http/message/text.h"

// Putting, listing and serving blobs. A put is judged by its announced size before a byte of it is
// read, and is answered when it is durable; whether its bytes hash to the announced id is decided
// by the writer, not here.

namespace waypost::http {
namespace {

// Rows that one page looks at.
constexpr std::size_t kRowsPerPage = 10000;

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
  return std::optional<syncgroup::Refs::Target>(std::move(target));
}

absl::StatusOr<Response> PutBlob(AppContext& context, Request& request,
                                 const std::optional<base::BlobId>& expected) {
  RETURN_IF_ERROR(CheckQuery(request, {"group", "key"}));
  ASSIGN_OR_RETURN(auto target, TargetIn(request));
  if (target) RETURN_IF_ERROR(context.parts.groups.Find(target->group).status());
  if (request.body == nullptr) {
    return ErrorResponse(411, "length_required",
                         "send Content-Length: how many bytes the blob has");
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
  ASSIGN_OR_RETURN(const auto result, context.parts.refs.Put(staged, target));
  return JsonResponse({{"id", staged.id.ToHex()}, {"size", result.size_bytes}},
                      result.created ? 201 : 200);
}

absl::StatusOr<Response> ListBlobs(AppContext& context, Request& request) {
  RETURN_IF_ERROR(CheckQuery(request, {"limit", "cursor", "group"}));
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  std::optional<base::GroupId> group;
  if (const auto text = request.Query("group")) {
    ASSIGN_OR_RETURN(group, GroupIn(*text));
    RETURN_IF_ERROR(context.parts.groups.Find(*group).status());
  }
  Json items = Json::array();
  std::string next;
  RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
    items = Json::array();
    next.clear();
    base::Cursor cursor(txn, base::Table::kBlobs);
    bool more = cursor.Seek(paging.after);
    if (more && !paging.after.empty() && cursor.key() == paging.after) more = cursor.Next();
    std::string last;
    for (std::size_t rows = 0; more; more = cursor.Next()) {
      if (items.size() == paging.limit || rows++ == kRowsPerPage) {
        next = last;
        break;
      }
      last = std::string(cursor.key());
      const auto payload = cursor.payload();
      const auto row = payload ? blobstore::DecodeBlobRow(*payload) : std::nullopt;
      const auto id = base::BlobId::FromBytes(last);
      if (!row || !id || (group && row->holdings.count(*group) == 0)) continue;
      items.push_back({{"id", id->ToHex()}, {"size", row->size_bytes}});
    }
    return absl::OkStatus();
  }));
  return ListResponse(std::move(items), next);
}

}  // namespace

Response ServeBlob(const Request& request, const base::BlobId& blob,
                   std::shared_ptr<base::ByteSource> reader) {
  const uint64_t size = reader->size_bytes();
  const std::string etag = absl::StrCat("\"", blob.ToHex(), "\"");
  Response response;
  response.Set("ETag", etag);
  response.Set("Cache-Control", "private, max-age=31536000, immutable");
  const auto if_none_match = request.Header("if-none-match");
  if (if_none_match && MatchesEtag(*if_none_match, etag)) {
    response.status = 304;
    return response;
  }
  response.Set("Accept-Ranges", "bytes");
  // Bytes that someone else wrote: no browser is to guess what they are, or run them.
  response.Set("Content-Type", "application/octet-stream");
  response.Set("X-Content-Type-Options", "nosniff");
  response.Set("Content-Security-Policy", "sandbox");
  response.Set("Repr-Digest", absl::StrCat("sha-256=:", Base64(blob.bytes()), ":"));
  const auto if_range = request.Header("if-range");
  // Only a strong tag that is ours makes the range count.
  const bool range_counts = !if_range || TrimSpaces(*if_range) == etag;
  const RangeResult range = ParseRange(range_counts ? request.Header("range") : std::nullopt, size);
  switch (range.kind) {
    case RangeResult::Kind::kUnsatisfiable:
    case RangeResult::Kind::kMultiple: {
      Response refused =
          ErrorResponse(416, "out_of_range",
                        absl::StrCat("the blob has ", size, " bytes; ask for one range in it"));
      refused.Set("Content-Range", ContentRangeUnsatisfied(size));
      return refused;
    }
    case RangeResult::Kind::kPart:
      response.status = 206;
      response.Set("Content-Range", ContentRange(range.offset, range.length, size));
      break;
    case RangeResult::Kind::kWhole:
      break;
  }
  response.body = SourcePart{std::move(reader), range.offset, range.length};
  return response;
}

void AddBlobRoutes(Router& router, AppContext& context) {
  router.Add("POST", "/v1/blobs", JsonHandler([&context](Request& request) {
               return PutBlob(context, request, std::nullopt);
             }));
  router.Add("PUT", "/v1/blobs/{id}",
             JsonHandler([&context](Request& request) -> absl::StatusOr<Response> {
               ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
               return PutBlob(context, request, blob);
             }));
  router.Add("GET", "/v1/blobs",
             JsonHandler([&context](Request& request) { return ListBlobs(context, request); }));
  router.Add("GET", "/v1/blobs/{id}",
             JsonHandler([&context](Request& request) -> absl::StatusOr<Response> {
               RETURN_IF_ERROR(CheckQuery(request, {"fetch", "timeout"}));
               ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
               return GetBlob(context, request, blob);
             }));
}

}  // namespace waypost::http
