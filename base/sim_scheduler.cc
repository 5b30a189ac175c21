#include "base/sim_scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "base/status.h"

// Every member is touched by the holder of the baton alone. Handing it over is a post of a
// semaphore and a wait for another, which orders memory; so there is no lock here. What must hold:
// exactly one thread is kRunning, every other one waits for its own semaphore, those that are
// kReady stand in ready_, and those with a deadline in deadlines_.

namespace waypost::base {
namespace {

thread_local SimThread* self_of_thread = nullptr;

constexpr SteadyTime kFirstMoment{std::chrono::hours(1'000)};
constexpr WallTime kFirstWallMoment{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};

void WaitFor(sem_t& semaphore) {
  while (sem_wait(&semaphore) != 0) CHECK(errno == EINTR);
}
void Post(sem_t& semaphore) { CHECK(sem_post(&semaphore) == 0); }

void Remove(std::vector<SimThread*>& from, SimThread* thread) {
  from.erase(std::remove(from.begin(), from.end(), thread), from.end());
}

// What a thread waits in, without the frames of the scheduler and of locks.
void PrintStack() {
  std::array<void*, 32> frames;
  const int count = absl::GetStackTrace(frames.data(), frames.size(), 2);
  for (int i = 0; i < count; ++i) {
    std::array<char, 400> symbol;
    // Return addresses: one less lies within the call.
    const auto* at = static_cast<const char*>(frames[static_cast<std::size_t>(i)]) - 1;
    if (!absl::Symbolize(at, symbol.data(), symbol.size())) continue;
    if (std::strstr(symbol.data(), "waypost::") == nullptr) continue;
    if (std::strstr(symbol.data(), "waypost::base::Sim") != nullptr) continue;
    std::fprintf(stderr, "      %s\n", symbol.data());
  }
}

}  // namespace

SimScheduler* SimScheduler::active_ = nullptr;

SimScheduler::SimScheduler(const SimOptions& options)
    : options_(options),
      choices_(options.seed),
      bytes_(options.seed ^ 0x9e3779b97f4a7c15),
      now_(kFirstMoment) {
  CHECK(active_ == nullptr);
  CHECK(sem_init(&shown_, 0, 0) == 0);
  auto first = std::make_unique<SimThread>();
  first->name = "first";
  first->state = SimThread::State::kRunning;
  CHECK(sem_init(&first->baton, 0, 0) == 0);
  self_of_thread = first.get();
  threads_.push_back(std::move(first));
  active_ = this;
}

SimScheduler::~SimScheduler() {
  CHECK(Self() == threads_.front().get());
  for (const auto& thread : threads_) {
    CHECK(thread.get() == Self() || !thread->thread.joinable());
    sem_destroy(&thread->baton);
  }
  sem_destroy(&shown_);
  self_of_thread = nullptr;
  active_ = nullptr;
}

WallTime SimScheduler::WallNow() const {
  return kFirstWallMoment + std::chrono::floor<Millis>(now_ - kFirstMoment);
}

void SimScheduler::FillRandom(void* bytes, std::size_t count) {
  auto* to = static_cast<unsigned char*>(bytes);
  for (std::size_t done = 0; done < count;) {
    const uint64_t value = bytes_();
    const std::size_t piece = std::min(sizeof value, count - done);
    std::memcpy(to + done, &value, piece);
    done += piece;
  }
}

void SimScheduler::Yield() {
  SimThread* const self = Self();
  self->state = SimThread::State::kReady;
  ready_.push_back(self);
  HandOver(self, ChooseNext());
}

void SimScheduler::Sleep(Millis time) { Block(SimThread::For::kNothing, nullptr, now_ + time); }

void SimScheduler::Note(std::string_view what) {
  for (const char c : what) Mix(static_cast<unsigned char>(c));
  Mix(what.size());
}

void SimScheduler::Mix(uint64_t value) {
  trace_ ^= value + 0x9e3779b97f4a7c15 + (trace_ << 6) + (trace_ >> 2);
  trace_ *= 0xff51afd7ed558ccd;
  trace_ ^= trace_ >> 33;
}

// ---- locks and conditions ----

void SimScheduler::Lock(SimMutexState& mutex) {
  MaybePreempt();
  Take(Self(), mutex);
}

void SimScheduler::Take(SimThread* self, SimMutexState& mutex) {
  CHECK(mutex.holder != self);
  while (mutex.holder != nullptr) {
    mutex.waiting.push_back(self);
    Block(SimThread::For::kMutex, mutex.holder, SteadyTime::max());
  }
  mutex.holder = self;
}

void SimScheduler::Unlock(SimMutexState& mutex) {
  CHECK(mutex.holder == Self());
  mutex.holder = nullptr;
  // All of them: the seed chooses who is first.
  for (SimThread* thread : std::exchange(mutex.waiting, {})) MakeReady(thread);
}

bool SimScheduler::Wait(SimCondVarState& condition, SimMutexState& mutex, SteadyTime deadline) {
  SimThread* const self = Self();
  condition.waiting.push_back(self);
  Unlock(mutex);
  Block(SimThread::For::kCondVar, nullptr, deadline);
  const bool timed_out = self->timed_out;
  if (timed_out) Remove(condition.waiting, self);
  Take(self, mutex);
  return !timed_out;
}

void SimScheduler::NotifyOne(SimCondVarState& condition) {
  if (condition.waiting.empty()) return;
  const auto chosen =
      condition.waiting.begin() + static_cast<std::ptrdiff_t>(Choose(condition.waiting.size()));
  SimThread* const thread = *chosen;
  condition.waiting.erase(chosen);
  Notify(thread);
}

void SimScheduler::NotifyAll(SimCondVarState& condition) {
  for (SimThread* thread : std::exchange(condition.waiting, {})) Notify(thread);
}

void SimScheduler::Notify(SimThread* thread) {
  // One whose deadline has passed and that did not run since takes the notification all the same.
  thread->timed_out = false;
  MakeReady(thread);
}

// ---- threads ----

SimThread* SimScheduler::StartThread(std::string name, std::function<void()> body) {
  auto made = std::make_unique<SimThread>();
  SimThread* const thread = made.get();
  thread->name = std::move(name);
  thread->number = static_cast<uint32_t>(threads_.size());
  CHECK(sem_init(&thread->baton, 0, 0) == 0);
  threads_.push_back(std::move(made));
  thread->thread = std::thread([this, thread, body = std::move(body)]() mutable {
    pthread_setname_np(pthread_self(), thread->name.c_str());
    self_of_thread = thread;
    AwaitBaton(thread);
    body();
    body = nullptr;  // what it holds ends while the thread still counts
    End(thread);
  });
  ready_.push_back(thread);
  MaybePreempt();
  return thread;
}

void SimScheduler::End(SimThread* self) {
  self->state = SimThread::State::kEnded;
  for (SimThread* thread : std::exchange(self->joining, {})) MakeReady(thread);
  SimThread* const next = ChooseNext();
  next->state = SimThread::State::kRunning;
  Post(next->baton);
}

void SimScheduler::Join(SimThread* thread) {
  CHECK(thread != Self());
  while (thread->state != SimThread::State::kEnded) {
    thread->joining.push_back(Self());
    Block(SimThread::For::kJoin, thread, SteadyTime::max());
  }
  thread->thread.join();  // it has handed the baton on and is about to return
}

bool SimScheduler::IsCurrent(const SimThread* thread) { return self_of_thread == thread; }

SimThread* SimScheduler::Self() const {
  // Otherwise a thread that base knows nothing of would run beside the one that has the baton.
  CHECK(self_of_thread != nullptr);
  return self_of_thread;
}

// ---- decisions ----

void SimScheduler::MakeReady(SimThread* thread) {
  if (thread->state != SimThread::State::kWaiting) return;
  if (thread->deadline != SteadyTime::max()) deadlines_.erase({thread->deadline, thread->number});
  thread->deadline = SteadyTime::max();
  thread->state = SimThread::State::kReady;
  thread->waits_for = SimThread::For::kNothing;
  thread->waits_on = nullptr;
  ready_.push_back(thread);
}

void SimScheduler::MaybePreempt() {
  if (options_.preempt_one_in == 0 || ready_.empty()) return;
  if (Choose(options_.preempt_one_in) == 0) Yield();
}

void SimScheduler::Block(SimThread::For what, const SimThread* on, SteadyTime deadline) {
  SimThread* const self = Self();
  self->state = SimThread::State::kWaiting;
  self->waits_for = what;
  self->waits_on = on;
  self->deadline = deadline;
  self->timed_out = false;
  if (deadline != SteadyTime::max()) deadlines_.insert({deadline, self->number});
  // A deadline that has passed already competes with those that are ready now.
  if (deadline <= now_) WakeDue();
  HandOver(self, ChooseNext());
}

void SimScheduler::WakeDue() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    SimThread* const thread = threads_[deadlines_.begin()->second].get();
    thread->timed_out = true;
    MakeReady(thread);
  }
}

SimThread* SimScheduler::ChooseNext() {
  ++decisions_;
  if (decisions_ - decisions_at_jump_ > options_.decisions_max) Die("endless loop: no time passes");
  if (ready_.empty()) {
    if (deadlines_.empty()) Die("deadlock: all threads wait, none with a deadline");
    now_ = std::max(now_, deadlines_.begin()->first);
    decisions_at_jump_ = decisions_;
    WakeDue();
  }
  const std::size_t chosen = ready_.size() == 1 ? 0 : Choose(ready_.size());
  SimThread* const next = ready_[chosen];
  ready_[chosen] = ready_.back();
  ready_.pop_back();
  Mix(next->number);
  Mix(static_cast<uint64_t>(now_.time_since_epoch().count()));
  return next;
}

void SimScheduler::HandOver(SimThread* from, SimThread* to) {
  to->state = SimThread::State::kRunning;
  if (from == to) return;
  Post(to->baton);
  AwaitBaton(from);
}

void SimScheduler::AwaitBaton(SimThread* self) {
  WaitFor(self->baton);
  while (showing_ == self) {
    ShowStack(*self);
    Post(shown_);
    WaitFor(self->baton);
  }
}

// ---- the end of a run that cannot go on ----

void SimScheduler::ShowStack(const SimThread& thread) {
  std::string waits;
  switch (thread.waits_for) {
    case SimThread::For::kNothing:
      waits = thread.state == SimThread::State::kWaiting ? "sleeps" : "could run";
      break;
    case SimThread::For::kMutex:
      waits = "waits for a mutex that " + thread.waits_on->name + " (" +
              std::to_string(thread.waits_on->number) + ") held";
      break;
    case SimThread::For::kCondVar:
      waits = "waits for a condition";
      break;
    case SimThread::For::kJoin:
      waits = "waits for the end of " + thread.waits_on->name + " (" +
              std::to_string(thread.waits_on->number) + ")";
      break;
  }
  std::fprintf(stderr, "  %s (%u) %s\n", thread.name.c_str(), thread.number, waits.c_str());
  PrintStack();
}

void SimScheduler::Die(const char* why) {
  SimThread* const self = Self();
  std::fprintf(stderr, "sim: seed %llu, %s\n", static_cast<unsigned long long>(options_.seed), why);
  for (const auto& thread : threads_) {
    if (thread->state == SimThread::State::kEnded) continue;
    if (thread.get() == self) {
      ShowStack(*self);
      continue;
    }
    showing_ = thread.get();
    Post(thread->baton);
    WaitFor(shown_);
  }
  std::abort();
}

}  // namespace waypost::base
