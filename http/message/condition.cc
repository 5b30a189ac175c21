#include "http/message/condition.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/range.h"
#include "http/message/text.h"

// Conditions of a change. If-Match compares strongly, If-None-Match weakly, and "*" stands for
// whatever is there; both are judged when both were sent.

namespace waypost::http {
namespace {

bool IsTag(std::string_view item) {
  if (item.substr(0, 2) == "W/") item.remove_prefix(2);
  return item.size() >= 2 && item.front() == '"' && item.back() == '"' &&
         item.substr(1, item.size() - 2).find('"') == std::string_view::npos;
}

absl::StatusOr<std::optional<std::string>> ListOf(const Request& request, std::string_view name) {
  std::optional<std::string> list;
  for (const auto& [header, value] : request.headers) {
    if (header != name) continue;
    list = list ? absl::StrCat(*list, ", ", value) : value;
  }
  if (!list || TrimSpaces(*list) == "*") return list;
  std::string_view rest = *list;
  while (true) {
    const std::size_t comma = rest.find(',');
    if (!IsTag(TrimSpaces(rest.substr(0, comma)))) {
      return absl::InvalidArgumentError(absl::StrCat(
          base::Abs(name), " must be * or entity tags with their quotes, as ETag shows them"));
    }
    if (comma == std::string_view::npos) return list;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

absl::StatusOr<Condition> Condition::Of(const Request& request) {
  Condition condition;
  ASSIGN_OR_RETURN(condition.if_match_, ListOf(request, "if-match"));
  ASSIGN_OR_RETURN(condition.if_none_match_, ListOf(request, "if-none-match"));
  return condition;
}

bool Condition::Holds(const std::optional<std::string>& etag) const {
  if (if_match_ && (!etag || !MatchesEtag(*if_match_, *etag, TagComparison::kStrong))) return false;
  return !if_none_match_ || !etag || !MatchesEtag(*if_none_match_, *etag);
}

}  // namespace waypost::http
