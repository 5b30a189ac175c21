#include "http/message/later_answer.h"

#include <memory>
#include <utility>

// A subscription that nobody wakes: its first deadline is the time of the answer. The loop keeps
// the connection meanwhile as it keeps those that wait for news.

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

}  // namespace

Response AnswerAt(base::SteadyTime then, Response response) {
  if (then <= base::SteadyNow()) return response;
  Response later;
  later.body = std::make_shared<LaterAnswer>(then, std::move(response));
  return later;
}

}  // namespace waypost::http
