#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/text.h"

// What becomes of a blob that is not here yet: as a stream of lines while it is fetched, its
// signpost, and why it is not here.

namespace waypost::http {
namespace {

// Lines of a status stream: at most four a second, and one now and then so that both ends see the
// other.
constexpr base::Millis kLineEvery{250};
constexpr base::Millis kLineAtLeast{15000};

using fetcher::FetchState;
using Kind = FetchState::Kind;

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
    // What was asked for could not be written down.
    const bool failed_here =
        state.kind == Kind::kFailed && (state.blocked_by == fetcher::Obstacle::kDisk ||
                                        state.blocked_by == fetcher::Obstacle::kSpace);
    if (!result.end &&
        (state.attempts_ended > attempts_before_ || state.kind == Kind::kStopped || failed_here)) {
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

}  // namespace

absl::StatusOr<Response> StreamFetch(AppContext& context, Request& request) {
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
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  ASSIGN_OR_RETURN(const auto signpost, context.parts.report.SignpostOf(blob));
  if (!signpost) return absl::NotFoundError(absl::StrCat("no signpost for blob ", blob.ToHex()));
  return JsonResponse(SignpostJson(
      blob, *signpost, [&context](const base::PeerId& peer) { return context.NameOfPeer(peer); }));
}

absl::StatusOr<Response> GetWhy(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const base::BlobId blob, BlobIn(request.params["id"]));
  ASSIGN_OR_RETURN(const auto steps, context.parts.report.Why(blob));
  Json list = Json::array();
  for (const auto& step : steps) list.push_back(WhyStepJson(step));
  return JsonResponse({{"blob", blob.ToHex()}, {"steps", std::move(list)}});
}

}  // namespace waypost::http
