#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/units.h"
#include "base/utf8.h"
#include "http/app/app_context.h"
#include "http/app/json_render.h"
#include "http/message/condition.h"
#include "http/message/errors.h"
#include "http/message/range.h"
#include "http/message/text.h"

// What handlers read of a request: ids, durations, pages. Anything malformed is refused by name, so
// that a typing error is never taken for a wish to have the default.

namespace waypost::http {
namespace {

constexpr std::size_t kLimitMax = 1000;

absl::Status BadId(const char* what, std::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("\"", base::CutText(text, 100), "\" is no ", what,
                                                 ": write 64 lower-case hexadecimal digits"));
}

}  // namespace

std::string AppContext::NameOfPeer(const base::PeerId& peer) const {
  if (peer == info.peer) return info.name;
  const auto entry = parts.peers.Find(peer);
  return entry ? entry->name : "";
}

void AppContext::Note(const Request& request, std::string act, std::optional<base::GroupId> group,
                      std::string what) {
  audit.Note({.token = request.caller != nullptr ? request.caller->token : "",
              .act = std::move(act),
              .group = group,
              .what = std::move(what)});
}

absl::StatusOr<base::BlobId> BlobIn(std::string_view text) {
  const auto id = base::ParseBlobId(text);
  if (!id) return BadId("blob id", text);
  return *id;
}

absl::StatusOr<base::GroupId> GroupIn(std::string_view text) {
  const auto id = base::GroupId::FromHex(text);
  // The zero group is where counts of all groups are kept; it is nobody's.
  if (!id || id->IsZero()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", base::CutText(text, 100),
                     "\" is no group: write its id of 64 lower-case hexadecimal digits, or name: "
                     "and its name"));
  }
  return *id;
}

absl::StatusOr<base::PeerId> PeerIn(std::string_view text) {
  const auto id = base::PeerId::FromHex(text);
  if (!id || id->IsZero()) return BadId("peer id", text);
  return *id;
}

absl::StatusOr<base::Millis> DurationIn(const Request& request, std::string_view name,
                                        base::Millis fallback, base::Millis max) {
  const auto text = request.Query(name);
  if (!text) return fallback;
  const auto duration = base::ParseDuration(*text);
  if (!duration.ok() || *duration > max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the query parameter \"", base::Abs(name),
        "\" must be a duration like 500ms, 30s, 10m, at most ", max.count() / 1000, "s"));
  }
  return *duration;
}

absl::StatusOr<Paging> PagingIn(const Request& request) {
  Paging paging;
  if (const auto limit = request.Query("limit")) {
    const auto number = ParseDecimal(*limit);
    if (!number || *number < 1 || *number > kLimitMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("limit must be a number from 1 to ", kLimitMax));
    }
    paging.limit = static_cast<std::size_t>(*number);
  }
  if (const auto cursor = request.Query("cursor")) {
    const auto position = DecodeCursor(*cursor);
    if (!position || position->size() > 1024) {
      return absl::InvalidArgumentError("cursor must be what \"next\" said");
    }
    paging.after = *position;
  }
  return paging;
}

absl::StatusOr<syncgroup::RefCondition> ConditionIn(const Request& request) {
  ASSIGN_OR_RETURN(Condition condition, Condition::Of(request));
  if (!condition.any()) return syncgroup::RefCondition();
  return syncgroup::RefCondition(
      [condition = std::move(condition)](const std::optional<base::BlobId>& now) {
        return condition.Holds(now ? std::optional(EtagOf(*now)) : std::nullopt);
      });
}

Response EmptyResponse(int status) {
  Response response;
  response.status = status;
  return response;
}

Response ListResponse(Json items, const std::string& next_position) {
  Json next = nullptr;
  if (!next_position.empty()) next = EncodeCursor(next_position);
  return JsonResponse({{"items", std::move(items)}, {"next", std::move(next)}});
}

}  // namespace waypost::http
