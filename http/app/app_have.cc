#include <algorithm>
#include <chrono>
#include <utility>

#include "base/sha256.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/app/scope.h"
#include "http/message/json_request.h"

// Which of some blobs are here. Who hears that one is does not send it, so each is read to be sure,
// and one that cannot be read is not here. A large one takes minutes: it is read in turns of a
// worker, as a large answer is sent, and the caller hears now and then that there is more to come.

namespace waypost::http {
namespace {

// How many blobs one question may name.
constexpr std::size_t kHaveMax = 1000;
// What one question may make us read, unless the first blob alone is larger.
constexpr uint64_t kReadMax = uint64_t{64} << 20;
constexpr std::size_t kPiece = std::size_t{256} << 10;
// How long a worker reads before others have it: first one of those for changes, which reads have
// no need of (most questions end there), then one of those for everybody.
constexpr base::Millis kFirstTurn{1000};
constexpr base::Millis kTurn{50};
// Whoever has heard nothing for long takes the service for dead. White space before JSON is none.
constexpr base::Millis kSayAgain{10000};

// One question on its way: blob after blob, piece after piece. One thread at a time.
class Looking {
 public:
  // `asked`: in the order of the question; `held`: those of them that have a row.
  Looking(AppContext& context, std::vector<base::BlobId> asked, std::set<base::BlobId> held)
      : context_(context), asked_(std::move(asked)), held_(std::move(held)) {}

  // True when it is done.
  bool GoOn(base::SteadyTime until) {
    while (next_ < asked_.size() || source_ != nullptr) {
      if (source_ == nullptr) {
        Begin(asked_[next_++]);
      } else {
        ReadPiece();
      }
      if (context_.parts.clock.SteadyNow() >= until) break;
    }
    return next_ == asked_.size() && source_ == nullptr;
  }

  Json Answer() const {
    Json here = Json::array();
    for (const base::BlobId& blob : here_) here.push_back(blob.ToHex());
    return {{"here", std::move(here)}};
  }

 private:
  void Begin(const base::BlobId& blob) {
    // Each once.
    if (held_.erase(blob) == 0) return;
    auto source = context_.parts.blobs.Open(blob);
    if (!source.ok()) return;
    const uint64_t size = (*source)->size_bytes();
    // Bytes in memory were hashed by Open.
    if (size == 0 || !(*source)->in_memory().empty()) {
      here_.insert(blob);
      return;
    }
    if (read_ > 0 && size > kReadMax - std::min(read_, kReadMax)) return;
    read_ += size;
    blob_ = blob;
    offset_ = 0;
    hash_ = base::Sha256();
    source_ = *std::move(source);
  }

  void ReadPiece() {
    buffer_.resize(kPiece);
    const auto got = source_->ReadAt(offset_, std::span<char>(buffer_));
    if (got.ok() && *got > 0) {
      hash_.Update(std::string_view(buffer_).substr(0, *got));
      offset_ += *got;
      if (offset_ < source_->size_bytes()) return;
      if (hash_.Finish() == blob_) here_.insert(blob_);
    }
    source_.reset();
  }

  AppContext& context_;
  const std::vector<base::BlobId> asked_;
  std::set<base::BlobId> held_;  // and not looked at yet
  std::size_t next_ = 0;
  std::set<base::BlobId> here_;
  uint64_t read_ = 0;

  // The one that is being read; without a source, none.
  std::unique_ptr<base::ByteSource> source_;
  base::BlobId blob_;
  uint64_t offset_ = 0;
  base::Sha256 hash_;
  std::string buffer_;
};

class HaveAnswer final : public Subscription {
 public:
  HaveAnswer(AppContext& context, std::unique_ptr<Looking> looking)
      : context_(context),
        looking_(std::move(looking)),
        say_(context.parts.clock.SteadyNow() + kSayAgain) {}
  void Start(std::function<void()>) override {}

  Result Step(base::SteadyTime now) override {
    Result result;
    if (looking_->GoOn(now + kTurn)) {
      if (said_) {
        result.bytes = Dump(looking_->Answer()) + "\n";
        result.end = true;
      } else {
        result.answer = std::make_unique<Response>(JsonResponse(looking_->Answer()));
      }
      return result;
    }
    // At once, behind those that wait for a worker.
    result.next_deadline = context_.parts.clock.SteadyNow();
    if (result.next_deadline >= say_) {
      result.bytes = "\n";
      said_ = true;
      say_ = result.next_deadline + kSayAgain;
    }
    return result;
  }

 private:
  AppContext& context_;
  const std::unique_ptr<Looking> looking_;
  base::SteadyTime say_;
  bool said_ = false;
};

}  // namespace

absl::StatusOr<Response> HaveBlobs(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  reader.Require("ids");
  const Json* ids = reader.Array("ids");
  if (ids != nullptr && ids->size() > kHaveMax) reader.Fail("ids", "has at most 1000");
  RETURN_IF_ERROR(reader.Done());
  std::vector<base::BlobId> asked;
  for (const Json& id : *ids) {
    if (!id.is_string()) return absl::InvalidArgumentError("ids: each must be a string");
    ASSIGN_OR_RETURN(asked.emplace_back(), BlobIn(id.get_ref<const std::string&>()));
  }
  ASSIGN_OR_RETURN(auto held, HeldOf(context, request, asked));
  auto looking = std::make_unique<Looking>(context, std::move(asked), std::move(held));
  // One that ends soon counts as no request that waits.
  if (looking->GoOn(context.parts.clock.SteadyNow() + kFirstTurn)) {
    return JsonResponse(looking->Answer());
  }
  Response response;
  response.body =
      std::shared_ptr<Subscription>(std::make_shared<HaveAnswer>(context, std::move(looking)));
  return response;
}

}  // namespace waypost::http
