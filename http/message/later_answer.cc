#include "http/message/later_answer.h"

#include <memory>
#include <utility>

// A subscription that nobody wakes: its first deadline is the time of the answer. The loop keeps
// the connection meanwhile as it keeps those that wait for news. And one around another, which adds
// headers to what that answers.

namespace waypost::http {
namespace {

class LaterAnswer final : public Subscription {
 public:
  LaterAnswer(base::SteadyTime then, Response response)
      : then_(then), response_(std::make_unique<Response>(std::move(response))) {}
  void Start(std::function<void()>) override {}
  Result Step(base::SteadyTime now) override {
    Result result;
    result.next_deadline = then_;
    if (now >= then_) result.answer = std::move(response_);
    return result;
  }

 private:
  const base::SteadyTime then_;
  std::unique_ptr<Response> response_;
};

class HeadedAnswer final : public Subscription {
 public:
  HeadedAnswer(std::shared_ptr<Subscription> inner,
               std::vector<std::pair<std::string, std::string>> headers)
      : inner_(std::move(inner)), headers_(std::move(headers)) {}
  std::string content_type() const override { return inner_->content_type(); }
  std::vector<std::pair<std::string, std::string>> headers() const override { return headers_; }
  void Start(std::function<void()> wake) override { inner_->Start(std::move(wake)); }
  Result Step(base::SteadyTime now) override {
    Result result = inner_->Step(now);
    if (result.answer != nullptr) {
      for (const auto& header : headers_) result.answer->headers.push_back(header);
    }
    return result;
  }

 private:
  const std::shared_ptr<Subscription> inner_;
  const std::vector<std::pair<std::string, std::string>> headers_;
};

}  // namespace

std::shared_ptr<Subscription> WithHeaders(
    std::shared_ptr<Subscription> inner, std::vector<std::pair<std::string, std::string>> headers) {
  return std::make_shared<HeadedAnswer>(std::move(inner), std::move(headers));
}

Response AnswerAt(base::SteadyTime then, Response response) {
  if (then <= base::SteadyNow()) return response;
  Response later;
  later.body = std::make_shared<LaterAnswer>(then, std::move(response));
  return later;
}

}  // namespace waypost::http
