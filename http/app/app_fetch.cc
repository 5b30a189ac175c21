#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_context.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/text.h"
#include "signpost/signpost_table.h"

// A blob that is not here yet, for an app that waits for it. Waiting takes no thread: a
// subscription holds the fetcher's interest and looks again when the state changes. What cannot
// start within the caller's time is answered at once, with what blocks it.

namespace waypost::http {
namespace {

constexpr base::Millis kWaitDefault{30000};
constexpr base::Millis kWaitMax{600000};
// Lines of a status stream: at most four a second, and one now and then so that both ends see the
// other.
constexpr base::Millis kLineEvery{250};
constexpr base::Millis kLineAtLeast{15000};
// When nothing says when it may start.
constexpr base::Millis kRetryUnknown{30000};

using fetcher::FetchState;
using Kind = FetchState::Kind;

// When an attempt may start, seen from the state of now; kNever: nothing stands in its way.
// `unknown`: nobody can say.
struct Start {
  base::WallTime at = base::kNever;
  bool unknown = false;
};
Start StartOf(const FetchState& state) {
  if (state.kind == Kind::kParked) return {.at = state.parked_until};
  switch (state.blocked_by) {
    case fetcher::Obstacle::kNotDue:
      // An attempt with nobody to ask helps no one who waits; only news from elsewhere does.
      if (state.error.error == signpost::ErrorClass::kNobody) return {.unknown = true};
      return {.at = state.next_attempt};
    case fetcher::Obstacle::kPaused:
    case fetcher::Obstacle::kSpace:
    case fetcher::Obstacle::kNobody:
    case fetcher::Obstacle::kStopped:
      return {.unknown = true};
    case fetcher::Obstacle::kNone:
    case fetcher::Obstacle::kSlot:
    case fetcher::Obstacle::kPeerSlot:
    case fetcher::Obstacle::kPeerCoolDown:
      break;
  }
  return {};
}

// The step of `why` that says what is in the way; null if there is none.
Json BlockingStep(AppContext& context, const base::BlobId& blob) {
  const auto steps = context.parts.report.Why(blob);
  if (!steps.ok()) return nullptr;
  for (const auto& step : *steps) {
    if (step.step == "blocked") return WhyStepJson(step);
  }
  return nullptr;
}

// 503: it cannot start in time. The fetch goes on when it may.
Response Blocked(AppContext& context, const base::BlobId& blob, const FetchState& state,
                 const Start& start) {
  base::Millis retry_after = kRetryUnknown;
  if (!start.unknown) {
    const auto left = start.at - context.parts.clock.WallNow();
    retry_after = std::max(std::chrono::duration_cast<base::Millis>(left), base::Millis(1000));
  }
  const Json step = BlockingStep(context, blob);
  std::string message =
      absl::StrCat("blob ", blob.ToHex(), " is not here and cannot be fetched in time");
  if (step.is_object()) absl::StrAppend(&message, ": ", step["detail"].get<std::string>());
  Response response = ErrorResponse(absl::UnavailableError(message), retry_after);
  Json body = {
      {"error",
       {{"code", "unavailable"}, {"message", message}, {"retry_after_ms", retry_after.count()}}},
      {"state", FetchStateJson(state)},
      {"why", step}};
  response.body = Dump(body) + "\n";
  return response;
}

// GET of a blob that is known and not here.
class BlobWait final : public Subscription {
 public:
  BlobWait(AppContext& context, const Request& request, const base::BlobId& blob,
           std::unique_ptr<fetcher::Interest> interest, base::Millis timeout)
      : context_(context),
        request_(request),
        blob_(blob),
        interest_(std::move(interest)),
        deadline_(context.parts.clock.SteadyNow() + timeout),
        wall_deadline_(context.parts.clock.WallNow() + timeout) {
    request_.body = nullptr;
  }
  void Start(std::function<void()> wake) override {
    changed_ = interest_->OnChange(std::move(wake));
  }

  Result Step(base::SteadyTime now) override {
    Result result;
    const FetchState state = interest_->State();
    if (state.kind == Kind::kDone) {
      auto reader = context_.parts.blobs.Open(blob_);
      result.answer =
          std::make_unique<Response>(reader.ok() ? ServeBlob(request_, blob_, *std::move(reader))
                                                 : ErrorResponse(reader.status()));
      return result;
    }
    const http::Start start = StartOf(state);
    if (state.kind != Kind::kFetching && state.kind != Kind::kLocating &&
        (start.unknown || start.at > wall_deadline_)) {
      result.answer = std::make_unique<Response>(Blocked(context_, blob_, state, start));
      return result;
    }
    if (now >= deadline_) {
      result.answer = std::make_unique<Response>(ErrorResponse(absl::DeadlineExceededError(
          absl::StrCat("blob ", blob_.ToHex(), " did not arrive in time; its fetch goes on"))));
      return result;
    }
    // A pause or a slot changes without word to this blob's callers.
    result.next_deadline = std::min(deadline_, now + std::chrono::seconds(1));
    return result;
  }

 private:
  AppContext& context_;
  Request request_;
  const base::BlobId blob_;
  const std::unique_ptr<fetcher::Interest> interest_;
  const base::SteadyTime deadline_;
  const base::WallTime wall_deadline_;
  base::Notifier::Registration changed_;
};

// POST .../fetch: a line for each change.
class FetchStream final : public Subscription {
 public:
  explicit FetchStream(std::unique_ptr<fetcher::Interest> interest)
      : interest_(std::move(interest)), attempts_before_(interest_->State().attempts_ended) {}
  std::string content_type() const override { return "application/x-ndjson"; }
  void Start(std::function<void()> wake) override {
    changed_ = interest_->OnChange(std::move(wake));
  }

  Result Step(base::SteadyTime now) override {
    Result result;
    if (now < last_line_ + kLineEvery) {
      result.next_deadline = last_line_ + kLineEvery;
      return result;
    }
    FetchState state = interest_->State();
    result.end = state.kind == Kind::kDone;
    if (!result.end && (state.attempts_ended > attempts_before_ || state.kind == Kind::kStopped)) {
      // One whole attempt ended without it.
      state.kind = Kind::kFailed;
      result.end = true;
    } else if (state.kind == Kind::kFailed) {
      // Of an attempt before this call.
      state.kind = Kind::kPending;
    }
    const std::string line = Dump(FetchStateJson(state)) + "\n";
    if (result.end || line != sent_ || now >= last_line_ + kLineAtLeast) {
      result.bytes = line;
      sent_ = line;
      last_line_ = now;
    }
    // Progress is looked at while it moves; the rest comes with a change.
    const bool moves = state.kind == Kind::kFetching || state.kind == Kind::kLocating;
    result.next_deadline = now + (moves ? kLineEvery : base::Millis(1000));
    return result;
  }

 private:
  const std::unique_ptr<fetcher::Interest> interest_;
  const uint64_t attempts_before_;
  base::Notifier::Registration changed_;
  base::SteadyTime last_line_;
  std::string sent_;
};

absl::StatusOr<Response> PostFetch(AppContext& context, Request& request) {
  RETURN_IF_ERROR(CheckQuery(request, {}));
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  // A row whose file is gone is reported lost by this, and wanted again.
  const auto reader = context.parts.blobs.Open(blob);
  if (reader.ok()) {
    Response done;
    done.Set("Content-Type", "application/x-ndjson");
    done.body = std::string("{\"state\":\"done\"}\n");
    return done;
  }
  ASSIGN_OR_RETURN(auto interest, context.parts.fetcher.Ask(blob));
  Response response;
  response.body = std::shared_ptr<Subscription>(std::make_shared<FetchStream>(std::move(interest)));
  return response;
}

absl::StatusOr<Response> GetSignpost(AppContext& context, Request& request) {
  RETURN_IF_ERROR(CheckQuery(request, {}));
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  std::optional<signpost::Signpost> signpost;
  RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
    signpost = signpost::LoadSignpost(txn, blob);
    return absl::OkStatus();
  }));
  if (!signpost) return absl::NotFoundError(absl::StrCat("no signpost for blob ", blob.ToHex()));
  return JsonResponse(SignpostJson(
      blob, *signpost, [&context](const base::PeerId& peer) { return context.NameOfPeer(peer); }));
}

absl::StatusOr<Response> GetWhy(AppContext& context, Request& request) {
  RETURN_IF_ERROR(CheckQuery(request, {}));
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  ASSIGN_OR_RETURN(const auto steps, context.parts.report.Why(blob));
  Json list = Json::array();
  for (const auto& step : steps) list.push_back(WhyStepJson(step));
  return JsonResponse({{"blob", blob.ToHex()}, {"steps", std::move(list)}});
}

}  // namespace

absl::StatusOr<Response> GetBlob(AppContext& context, Request& request, const base::BlobId& blob) {
  const std::string_view fetch = request.Query("fetch").value_or("wait");
  if (fetch != "wait" && fetch != "never" && fetch != "async") {
    return absl::InvalidArgumentError("fetch must be wait, never or async");
  }
  ASSIGN_OR_RETURN(const base::Millis timeout,
                   DurationIn(request, "timeout", kWaitDefault, kWaitMax));
  auto reader = context.parts.blobs.Open(blob);
  if (reader.ok()) return ServeBlob(request, blob, *std::move(reader));
  // kDataLoss: its file is gone; the store has reported it and it is wanted again.
  if (!absl::IsNotFound(reader.status()) && !absl::IsDataLoss(reader.status()))
    return reader.status();
  if (request.method == "HEAD" || fetch == "never") {
    return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not here"));
  }
  ASSIGN_OR_RETURN(auto interest, context.parts.fetcher.Ask(blob));
  if (fetch == "async") return JsonResponse(FetchStateJson(interest->State()), 202);
  Response response;
  response.body = std::shared_ptr<Subscription>(
      std::make_shared<BlobWait>(context, request, blob, std::move(interest), timeout));
  return response;
}

void AddFetchRoutes(Router& router, AppContext& context) {
  router.Add("POST", "/v1/blobs/{id}/fetch",
             JsonHandler([&context](Request& request) { return PostFetch(context, request); }));
  router.Add("GET", "/v1/blobs/{id}/signpost",
             JsonHandler([&context](Request& request) { return GetSignpost(context, request); }));
  router.Add("GET", "/v1/blobs/{id}/why",
             JsonHandler([&context](Request& request) { return GetWhy(context, request); }));
}

}  // namespace waypost::http
