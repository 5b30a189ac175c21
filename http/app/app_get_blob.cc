#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/blob_answer.h"
#include "http/message/errors.h"
#include "http/message/media_type.h"
#include "http/message/range.h"
#include "http/message/text.h"

// GET and HEAD of a blob, from the request to its bytes. One that is here is served at once. For
// one that is not, waiting takes no thread: a subscription holds the fetcher's interest and looks
// again when the state changes. What cannot start within the caller's time is answered at once,
// with what blocks it.

namespace waypost::http {
namespace {

constexpr char kNeverChanges[] = "private, max-age=31536000, immutable";
constexpr char kMayChange[] = "no-cache";
constexpr base::Millis kWaitDefault{30000};
// When nothing says when it may start.
constexpr base::Millis kRetryUnknown{30000};

using fetcher::FetchState;
using Kind = FetchState::Kind;

// Serves the bytes of a blob that is here, with all conditions of the request.
Response ServeBlob(const Request& request, const base::BlobId& blob, const ServedAs& as,
                   std::shared_ptr<base::ByteSource> reader) {
  const std::string etag = EtagOf(blob);
  Response response;
  response.Set("ETag", etag);
  // A cache asks each time whether the key still leads to these bytes.
  response.Set("Cache-Control", as.key.empty() && !as.may_end ? kNeverChanges : kMayChange);
  const auto if_none_match = request.Header("if-none-match");
  if (if_none_match && MatchesEtag(*if_none_match, etag)) {
    response.status = 304;
    return response;
  }
  // Bytes that someone else wrote: no browser is to guess what they are, or run them.
  response.Set("X-Content-Type-Options", "nosniff");
  response.Set("Content-Security-Policy", "sandbox");
  response.Set("Repr-Digest", absl::StrCat("sha-256=:", Base64(blob.bytes()), ":"));
  if (!as.key.empty()) {
    response.Set("Content-Type", std::string(MediaTypeOf(as.key)));
    response.Set("Content-Disposition", DispositionOf(as.key, as.save));
  }
  const auto if_range = request.Header("if-range");
  // Only a strong tag that is ours makes the range count.
  const bool range_counts = !if_range || TrimSpaces(*if_range) == etag;
  return BlobAnswer(std::move(response), range_counts ? request.Header("range") : std::nullopt,
                    std::move(reader));
}

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
    case fetcher::Obstacle::kDisk:
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
    if (step.kind == fetcher::WhyStep::Kind::kBlocked) return WhyStepJson(step);
  }
  return nullptr;
}

// 503: it cannot start in time. The fetch goes on when it may.
Response Blocked(AppContext& context, bool whole, const base::BlobId& blob, const FetchState& state,
                 const Start& start) {
  base::Millis retry_after = kRetryUnknown;
  if (!start.unknown) {
    const auto left = start.at - context.parts.clock.WallNow();
    retry_after = std::max(std::chrono::duration_cast<base::Millis>(left), base::Millis(1000));
  }
  // It names other groups.
  const Json step = whole ? BlockingStep(context, blob) : Json(nullptr);
  std::string message =
      absl::StrCat("blob ", blob.ToHex(), " is not here and cannot be fetched in time");
  if (step.is_object()) absl::StrAppend(&message, ": ", step["detail"].get<std::string>());
  return ErrorResponse(absl::UnavailableError(message), retry_after,
                       {{"state", FetchStateJson(state)}, {"why", step}});
}

// GET of a blob that is known and not here.
class BlobWait final : public Subscription {
 public:
  BlobWait(AppContext& context, const Request& request, const base::BlobId& blob, ServedAs as,
           std::unique_ptr<fetcher::Interest> interest, base::Millis timeout)
      : context_(context),
        request_(request),
        blob_(blob),
        as_(std::move(as)),
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
    const bool done = state.kind == Kind::kDone;
    if (done && CheckHeld(context_, request_, blob_).ok()) {
      auto reader = context_.parts.blobs.Open(blob_);
      result.answer = std::make_unique<Response>(
          reader.ok() ? ServeBlob(request_, blob_, as_, *std::move(reader))
                      : ErrorResponse(reader.status()));
      return result;
    }
    // Here for other groups is not here for this caller, who waits as if it were not.
    const http::Start start = done ? http::Start{} : StartOf(state);
    if (state.kind != Kind::kFetching && state.kind != Kind::kLocating &&
        (start.unknown || start.at > wall_deadline_)) {
      result.answer = std::make_unique<Response>(Blocked(
          context_, request_.caller == nullptr || request_.caller->Whole(), blob_, state, start));
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
  const ServedAs as_;
  const std::unique_ptr<fetcher::Interest> interest_;
  const base::SteadyTime deadline_;
  const base::WallTime wall_deadline_;
  base::Notifier::Registration changed_;
};

// What to do about a blob that is not here.
enum class Fetching { kWait, kNever, kAsync };
absl::StatusOr<Fetching> FetchingIn(const Request& request) {
  const std::string_view word = request.Query("fetch").value_or("wait");
  if (word == "wait") return Fetching::kWait;
  if (word == "never") return Fetching::kNever;
  if (word == "async") return Fetching::kAsync;
  return absl::InvalidArgumentError("fetch must be wait, never or async");
}

}  // namespace

absl::StatusOr<Response> AnswerBlob(AppContext& context, const Request& request,
                                    const base::BlobId& blob, const ServedAs& as) {
  ASSIGN_OR_RETURN(const Fetching fetching, FetchingIn(request));
  ASSIGN_OR_RETURN(const base::Millis timeout,
                   DurationIn(request, "timeout", kWaitDefault, kWaitMax));
  const absl::Status held = CheckHeld(context, request, blob);
  if (!held.ok() && !absl::IsNotFound(held)) return held;
  if (held.ok()) {
    auto reader = context.parts.blobs.Open(blob);
    if (reader.ok()) return ServeBlob(request, blob, as, *std::move(reader));
    // kDataLoss: its file is gone; the store has reported it and it is wanted again.
    if (!absl::IsNotFound(reader.status()) && !absl::IsDataLoss(reader.status()))
      return reader.status();
  }
  const bool may_fetch = request.caller == nullptr || request.caller->right >= Right::kWrite;
  if (request.method == "HEAD" || fetching == Fetching::kNever || !may_fetch) return NotHere(blob);
  RETURN_IF_ERROR(CheckMentioned(context, request, blob));
  ASSIGN_OR_RETURN(auto interest, context.parts.fetcher.Ask(blob));
  if (fetching == Fetching::kAsync) {
    FetchState state = interest->State();
    if (!held.ok() && state.kind == Kind::kDone) state = {};
    return JsonResponse(FetchStateJson(state), 202);
  }
  Response response;
  response.body = std::shared_ptr<Subscription>(
      std::make_shared<BlobWait>(context, request, blob, as, std::move(interest), timeout));
  return response;
}

absl::StatusOr<Response> GetBlob(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  return AnswerBlob(context, request, blob, {});
}

}  // namespace waypost::http
