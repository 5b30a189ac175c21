#include "http/app/until_revoked.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "http/message/errors.h"

// A subscription around another one, which looks at the token before each step and at least once a
// second.

namespace waypost::http {
namespace {

class Guarded final : public Subscription {
 public:
  Guarded(std::shared_ptr<Subscription> inner, std::shared_ptr<const Caller> caller,
          const TokenStore& tokens)
      : inner_(std::move(inner)), caller_(std::move(caller)), tokens_(tokens) {}
  std::string content_type() const override { return inner_->content_type(); }
  void Start(std::function<void()> wake) override { inner_->Start(std::move(wake)); }

  Result Step(base::SteadyTime now) override {
    Result result;
    if (!tokens_.Stands(caller_)) {
      if (begun_) {
        result.end = true;
      } else {
        result.answer = std::make_unique<Response>(
            ErrorResponse(absl::UnauthenticatedError("the token has ended meanwhile")));
      }
      return result;
    }
    result = inner_->Step(now);
    begun_ |= !result.bytes.empty();
    result.next_deadline = std::min(result.next_deadline, now + std::chrono::seconds(1));
    return result;
  }

 private:
  const std::shared_ptr<Subscription> inner_;
  const std::shared_ptr<const Caller> caller_;
  const TokenStore& tokens_;
  bool begun_ = false;
};

}  // namespace

std::shared_ptr<Subscription> UntilRevoked(std::shared_ptr<Subscription> inner,
                                           std::shared_ptr<const Caller> caller,
                                           const TokenStore& tokens) {
  return std::make_shared<Guarded>(std::move(inner), std::move(caller), tokens);
}

}  // namespace waypost::http
