#include "http/message/blob_answer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/message/errors.h"
#include "http/message/range.h"

// The one place that turns a range of a blob into an answer, on both listeners. No more than one
// range is ever served: an answer with many could be far larger than the blob.

namespace waypost::http {

Response BlobAnswer(Response response, std::optional<std::string_view> range_header,
                    std::shared_ptr<base::ByteSource> bytes) {
  const uint64_t size = bytes->size_bytes();
  const RangeResult range = ParseRange(range_header, size);
  if (range.kind == RangeResult::Kind::kUnsatisfiable ||
      range.kind == RangeResult::Kind::kMultiple) {
    Response refused =
        ErrorResponse(416, "out_of_range",
                      absl::StrCat("the blob has ", size, " bytes; ask for one range in it"));
    refused.Set("Content-Range", ContentRangeUnsatisfied(size));
    return refused;
  }
  if (range.kind == RangeResult::Kind::kPart) {
    response.status = 206;
    response.Set("Content-Range", ContentRange(range.offset, range.length, size));
  }
  response.Set("Accept-Ranges", "bytes");
  const bool typed = std::any_of(response.headers.begin(), response.headers.end(),
                                 [](const auto& header) { return header.first == "Content-Type"; });
  if (!typed) response.Set("Content-Type", "application/octet-stream");
  response.body = SourcePart{std::move(bytes), range.offset, range.length};
  return response;
}

}  // namespace waypost::http
