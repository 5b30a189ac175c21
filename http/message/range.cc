#include "http/message/range.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/text.h"

// Range, Content-Range and ETags. A Range that is malformed is ignored, as RFC 9110 wants it, and
// the whole is sent; one that is well-formed and empty is refused.

namespace waypost::http {

RangeResult ParseRange(std::optional<std::string_view> header, uint64_t size) {
  RangeResult whole{.kind = RangeResult::Kind::kWhole, .offset = 0, .length = size};
  if (!header) return whole;
  const std::string_view value = TrimSpaces(*header);
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos ||
      !absl::EqualsIgnoreCase(base::Abs(value.substr(0, equals)), "bytes")) {
    return whole;
  }
  const std::string_view spec = TrimSpaces(value.substr(equals + 1));
  if (spec.find(',') != std::string_view::npos) return {.kind = RangeResult::Kind::kMultiple};
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view first_text = TrimSpaces(spec.substr(0, dash));
  const std::string_view last_text = TrimSpaces(spec.substr(dash + 1));
  const auto first = ParseDecimal(first_text);
  const auto last = ParseDecimal(last_text);

  RangeResult part{.kind = RangeResult::Kind::kPart};
  if (first_text.empty()) {  // the last n bytes
    if (!last) return whole;
    if (*last == 0) return {.kind = RangeResult::Kind::kUnsatisfiable};
    // RFC 9110, 14.1.2: where there is less than was asked for, all of it, which is nothing.
    if (size == 0) return whole;
    part.length = std::min(*last, size);
    part.offset = size - part.length;
    return part;
  }
  if (!first || (!last_text.empty() && (!last || *last < *first))) return whole;
  if (*first >= size) return {.kind = RangeResult::Kind::kUnsatisfiable};
  const uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  part.offset = *first;
  part.length = end - *first + 1;
  return part;
}

std::string ContentRange(uint64_t offset, uint64_t length, uint64_t size) {
  return absl::StrCat("bytes ", offset, "-", offset + length - 1, "/", size);
}

std::string ContentRangeUnsatisfied(uint64_t size) { return absl::StrCat("bytes */", size); }

std::optional<ContentRangeParts> ParseContentRange(std::string_view value) {
  constexpr std::string_view kUnit = "bytes ";
  if (value.substr(0, kUnit.size()) != kUnit) return std::nullopt;
  value.remove_prefix(kUnit.size());
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto first = ParseDecimal(value.substr(0, dash));
  const auto last = ParseDecimal(value.substr(dash + 1, slash - dash - 1));
  const auto size = ParseDecimal(value.substr(slash + 1));
  if (!first || !last || !size || *first > *last || *last >= *size) return std::nullopt;
  return ContentRangeParts{.offset = *first, .length = *last - *first + 1, .size = *size};
}

std::string EtagOf(const base::BlobId& blob) { return absl::StrCat("\"", blob.ToHex(), "\""); }

bool MatchesEtag(std::string_view list, std::string_view etag, TagComparison comparison) {
  // Our tags hold no comma, so that a list may be split at each.
  while (true) {
    const std::size_t comma = list.find(',');
    std::string_view item = TrimSpaces(list.substr(0, comma));
    if (item == "*") return true;
    if (comparison == TagComparison::kWeak && item.substr(0, 2) == "W/") item.remove_prefix(2);
    if (item == etag) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace waypost::http
