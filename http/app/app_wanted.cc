#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/units.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"
#include "http/message/text.h"

// What is wanted and does not come: listing, trying again now, stopping, pausing the fetcher. All
// of it is the fetcher's; here it is turned into JSON.

namespace waypost::http {
namespace {

constexpr base::Millis kPauseMax{int64_t{366} * 24 * 3600 * 1000};

}  // namespace

absl::StatusOr<Response> ListWanted(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  fetcher::Report::WantedFilter filter;
  if (const auto state = request.Query("state")) {
    filter.state = fetcher::WaitStateNamed(*state);
    if (!filter.state) {
      return absl::InvalidArgumentError("state must be due, waiting, fetching, parked or stopped");
    }
  }
  if (const auto text = request.Query("group")) {
    ASSIGN_OR_RETURN(filter.group, GroupIn(*text));
    RETURN_IF_ERROR(context.parts.groups.Find(*filter.group).status());
  }
  ASSIGN_OR_RETURN(const auto page,
                   context.parts.report.Wanted(filter, paging.after, paging.limit));
  Json items = Json::array();
  for (const auto& item : page.items) {
    Json json =
        WantedJson(item, [&context](const base::PeerId& peer) { return context.NameOfPeer(peer); });
    // That other groups want it too is not for a token of some.
    if (request.caller != nullptr && !request.caller->Whole()) {
      json["groups"] = Json::array({request.Query("group").value_or("")});
    }
    items.push_back(std::move(json));
  }
  return ListResponse(std::move(items), page.next);
}

absl::StatusOr<Response> PauseFetcher(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  std::optional<base::Millis> how_long;
  if (const auto text = reader.String("for")) {
    const auto duration = base::ParseDuration(*text);
    if (!duration.ok() || duration->count() == 0 || *duration > kPauseMax) {
      reader.Fail("for", "must be a duration like 30m or 1h, at most a year");
    } else {
      how_long = *duration;
    }
  }
  RETURN_IF_ERROR(reader.Done());
  RETURN_IF_ERROR(context.parts.fetcher.Pause(how_long));
  context.Note(request, "fetcher.pause", std::nullopt,
               how_long ? absl::StrCat("for ", base::FormatDuration(*how_long)) : "");
  return EmptyResponse();
}

absl::StatusOr<Response> RetryWanted(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto blob, BlobIn(request.params["id"]));
  ASSIGN_OR_RETURN(const uint64_t moved, context.parts.fetcher.Retry(blob));
  return JsonResponse({{"moved", moved}}, 202);
}

absl::StatusOr<Response> RetryAllWanted(AppContext& context, Request&) {
  ASSIGN_OR_RETURN(const uint64_t moved, context.parts.fetcher.RetryAll());
  return JsonResponse({{"moved", moved}}, 202);
}

absl::StatusOr<Response> StopWanted(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto blob, BlobIn(request.params["id"]));
  RETURN_IF_ERROR(context.parts.fetcher.Stop(blob));
  return EmptyResponse();
}

absl::StatusOr<Response> ResumeFetcher(AppContext& context, Request& request) {
  RETURN_IF_ERROR(context.parts.fetcher.Resume());
  context.Note(request, "fetcher.resume", std::nullopt, "");
  return EmptyResponse();
}

}  // namespace waypost::http
