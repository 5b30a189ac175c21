#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace waypost::http {

// What a Range header asks of a representation of a known size.
struct RangeResult {
  enum class Kind {
    kWhole,          // no range, or one to be ignored: answer 200
    kPart,           // 206 with [offset, offset + length)
    kUnsatisfiable,  // 416 with "Content-Range: bytes */size"
    kMultiple,       // more than one range: 416, we serve exactly one
  };
  Kind kind = Kind::kWhole;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// RFC 9110, 14.1: "bytes=a-b", "bytes=a-", "bytes=-n". Another unit or a malformed value is
// ignored. Pure.
RangeResult ParseRange(std::optional<std::string_view> header, uint64_t size);

// "bytes 0-99/1000", and "bytes */1000".
std::string ContentRange(uint64_t offset, uint64_t length, uint64_t size);
std::string ContentRangeUnsatisfied(uint64_t size);

struct ContentRangeParts {
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t size = 0;
};
// The way back, for clients: nullopt unless "bytes a-b/size" with a <= b < size.
std::optional<ContentRangeParts> ParseContentRange(std::string_view value);

// The entity tag of a blob's bytes, with its quotes: always the same, so it is a strong one.
std::string EtagOf(const base::BlobId& blob);
// Does a list of entity tags ("\"a\", W/\"b\"" or "*") name this one? Weak comparison, as
// If-None-Match wants it, or strong, as If-Match does: then W/"b" names nothing. `etag` with its
// quotes.
enum class TagComparison { kWeak, kStrong };
bool MatchesEtag(std::string_view list, std::string_view etag,
                 TagComparison comparison = TagComparison::kWeak);

}  // namespace waypost::http
