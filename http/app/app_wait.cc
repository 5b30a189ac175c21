#include <algorithm>
#include <chrono>
#include <utility>

#include "base/mutex.h"
#include "base/notifier.h"
#include "http/app/app_context.h"
#include "http/message/errors.h"

// Answers that come later, without a thread that waits. A subscription is stepped by a worker when
// it was woken or its deadline has come; a wake is only a hint, so each step looks at the state
// again. Looking is limited to ten times a second, since a busy service wakes all the time.

namespace waypost::http {
namespace {

constexpr base::Millis kLookAgain{100};

class WaitSubscription final : public Subscription {
 public:
  WaitSubscription(std::vector<base::Notifier*> changed, base::SteadyTime deadline,
                   std::function<std::unique_ptr<Response>(bool)> look)
      : changed_(std::move(changed)), deadline_(deadline), look_(std::move(look)) {}

  void Start(std::function<void()> wake) override {
    for (base::Notifier* notifier : changed_) registrations_.push_back(notifier->Register(wake));
  }
  Result Step(base::SteadyTime now) override {
    Result result;
    if (now < not_before_ && now < deadline_) {
      result.next_deadline = std::min(not_before_, deadline_);
      return result;
    }
    not_before_ = now + kLookAgain;
    result.answer = look_(now >= deadline_);
    // A change that nobody announces is seen within a second.
    result.next_deadline = std::min(now + std::chrono::seconds(1), deadline_);
    return result;
  }

 private:
  const std::vector<base::Notifier*> changed_;
  const base::SteadyTime deadline_;
  const std::function<std::unique_ptr<Response>(bool)> look_;
  base::SteadyTime not_before_;
  std::vector<base::Notifier::Registration> registrations_;
};

}  // namespace

struct PendingAnswer::State {
  base::SteadyTime deadline;
  absl::Status late;
  base::Mutex mutex;
  std::unique_ptr<Response> answer GUARDED_BY(mutex);
  std::function<void()> wake GUARDED_BY(mutex);
};

namespace {

template <class State>
class PendingSubscription final : public Subscription {
 public:
  explicit PendingSubscription(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~PendingSubscription() override {
    base::MutexLock lock(state_->mutex);
    state_->wake = nullptr;
  }
  void Start(std::function<void()> wake) override {
    base::MutexLock lock(state_->mutex);
    state_->wake = std::move(wake);
  }
  Result Step(base::SteadyTime now) override {
    Result result;
    result.next_deadline = state_->deadline;
    base::MutexLock lock(state_->mutex);
    result.answer = std::move(state_->answer);
    if (result.answer == nullptr && now >= state_->deadline) {
      result.answer = std::make_unique<Response>(ErrorResponse(state_->late));
    }
    return result;
  }

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace

std::shared_ptr<PendingAnswer> PendingAnswer::Make(base::SteadyTime deadline, absl::Status late) {
  auto state = std::make_shared<State>();
  state->deadline = deadline;
  state->late = std::move(late);
  return std::shared_ptr<PendingAnswer>(new PendingAnswer(std::move(state)));
}

void PendingAnswer::Resolve(Response response) {
  base::MutexLock lock(state_->mutex);
  state_->answer = std::make_unique<Response>(std::move(response));
  // Under the lock, so that the subscription cannot end meanwhile; waking only posts a number.
  if (state_->wake) state_->wake();
}

std::shared_ptr<Subscription> PendingAnswer::subscription() const {
  return std::make_shared<PendingSubscription<State>>(state_);
}

std::shared_ptr<Subscription> WaitUntil(std::vector<base::Notifier*> changed,
                                        base::SteadyTime deadline,
                                        std::function<std::unique_ptr<Response>(bool last)> look) {
  return std::make_shared<WaitSubscription>(std::move(changed), deadline, std::move(look));
}

}  // namespace waypost::http
