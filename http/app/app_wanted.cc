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

// What is wanted and does not come: listing, trying again now, stopping; and pausing what this peer
// does of its own accord. All of it is the fetcher's, or the scanner's; here it is turned into
// JSON.

namespace waypost::http {
namespace {

constexpr base::Millis kPauseMax{int64_t{366} * 24 * 3600 * 1000};

// What can be paused.
enum class Work { kFetch, kScan };
Work WorkIn(ObjectReader& reader) {
  reader.Require("kind");
  const std::string kind = reader.String("kind").value_or("");
  if (kind != "fetch" && kind != "scan") reader.Fail("kind", "must be fetch or scan");
  return kind == "scan" ? Work::kScan : Work::kFetch;
}

const char* ActOf(Work work, bool pause) {
  if (work == Work::kScan) return pause ? "scan.pause" : "scan.resume";
  return pause ? "fetcher.pause" : "fetcher.resume";
}

absl::StatusOr<Response> Pause(AppContext& context, Request& request, Work work,
                               std::optional<base::Millis> how_long) {
  RETURN_IF_ERROR(work == Work::kScan ? context.parts.scanner.Pause(how_long)
                                      : context.parts.fetcher.Pause(how_long));
  context.Note(request, ActOf(work, /*pause=*/true), std::nullopt,
               how_long ? absl::StrCat("for ", base::FormatDuration(*how_long)) : "");
  return EmptyResponse();
}

absl::StatusOr<Response> Resume(AppContext& context, Request& request, Work work) {
  RETURN_IF_ERROR(work == Work::kScan ? context.parts.scanner.Resume()
                                      : context.parts.fetcher.Resume());
  context.Note(request, ActOf(work, /*pause=*/false), std::nullopt, "");
  return EmptyResponse();
}

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
  const auto how_long = reader.Duration("for", kPauseMax);
  RETURN_IF_ERROR(reader.Done());
  return Pause(context, request, Work::kFetch, how_long);
}

absl::StatusOr<Response> ResumeFetcher(AppContext& context, Request& request) {
  return Resume(context, request, Work::kFetch);
}

absl::StatusOr<Response> PauseWork(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  const Work work = WorkIn(reader);
  const auto how_long = reader.Duration("for", kPauseMax);
  RETURN_IF_ERROR(reader.Done());
  return Pause(context, request, work, how_long);
}

absl::StatusOr<Response> ResumeWork(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  const Work work = WorkIn(reader);
  RETURN_IF_ERROR(reader.Done());
  return Resume(context, request, work);
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

}  // namespace waypost::http
