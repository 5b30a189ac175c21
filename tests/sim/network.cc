#include "tests/sim/network.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sim_scheduler.h"
#include "base/status.h"
#include "base/stop_callback.h"

// A call takes two latencies, and its answer may be lost between them although the callee did what
// it was asked for. No lock is held while the callee works.

namespace waypost::sim {
namespace {

constexpr base::Millis kConnectTimeout{3000};
// Latency of one way, and what a link carries.
constexpr base::Millis kLatencyMin{1};
constexpr base::Millis kLatencyMax{60};
constexpr double kBytesPerMs = 20'000;

std::optional<PeerNumber> NumberIn(const std::string& address) {
  constexpr std::string_view kBegin = "10.0.0.";
  if (address.compare(0, kBegin.size(), kBegin) != 0) return std::nullopt;
  return static_cast<PeerNumber>(std::stoul(address.substr(kBegin.size())) - 1);
}

}  // namespace

std::string Network::AddressOf(PeerNumber peer) {
  return absl::StrCat("10.0.0.", peer + 1, ":7441");
}

void Network::Attach(PeerNumber peer, const base::PeerId& id, http::Handler answer) {
  base::MutexLock lock(mutex_);
  Place& place = places_[peer];
  place.id = id;
  place.handle = std::move(answer);
  ++place.start;
}

void Network::Detach(PeerNumber peer) {
  base::MutexLock lock(mutex_);
  Place& place = places_[peer];
  place.handle = nullptr;
  while (place.inside > 0) left_.Wait(mutex_);
}

Network::Line::~Line() {
  base::MutexLock lock(network_.mutex_);
  --network_.places_[to_].inside;
  network_.left_.NotifyAll();
}

void Network::Cut(PeerNumber from, PeerNumber to) {
  base::MutexLock lock(mutex_);
  cut_.insert({from, to});
}
void Network::Heal(PeerNumber from, PeerNumber to) {
  base::MutexLock lock(mutex_);
  cut_.erase({from, to});
}
void Network::HealAll() {
  base::MutexLock lock(mutex_);
  cut_.clear();
}

uint64_t Network::calls() const {
  base::MutexLock lock(mutex_);
  return calls_;
}

bool Network::IsCut(PeerNumber from, PeerNumber to) const {
  base::MutexLock lock(mutex_);
  return cut_.contains({from, to});
}

base::SteadyTime Network::Later(std::size_t bytes) {
  const auto latency = std::chrono::duration_cast<base::Millis>(
      kLatencyMin + random_.Unit() * (kLatencyMax - kLatencyMin));
  return clock_.SteadyNow() + latency +
         base::Millis(static_cast<int64_t>(static_cast<double>(bytes) / kBytesPerMs));
}

bool Network::Wait(base::SteadyTime until, const std::stop_token& stop) {
  base::Mutex mutex;
  base::CondVar stopped;
  const base::StopCallback wake(stop, [&] {
    base::MutexLock lock(mutex);
    stopped.NotifyAll();
  });
  base::MutexLock lock(mutex);
  while (!stop.stop_requested() && clock_.SteadyNow() < until) stopped.WaitUntil(mutex, until);
  return !stop.stop_requested();
}

absl::Status Network::Reach(const Call& call, PeerNumber to, const std::stop_token& stop) {
  if (!IsCut(call.from, to)) return absl::OkStatus();
  const base::SteadyTime give_up =
      std::min(call.deadline, clock_.SteadyNow() + base::Millis(kConnectTimeout));
  if (!Wait(give_up, stop)) return absl::CancelledError("stopped");
  return absl::UnavailableError("no connection in time");
}

absl::StatusOr<Network::Answer> Network::Send(const Call& call, http::Request request,
                                              std::stop_token stop) {
  const std::string what = absl::StrCat(call.from, " > ", call.address, " ", request.path);
  base::SimScheduler& sim = *base::SimScheduler::Active();
  sim.Note(what);
  auto answer = Travel(call, std::move(request), stop);
  const std::string came_to =
      answer.ok() ? absl::StrCat(answer->response.status) : std::string(answer.status().message());
  sim.Note(came_to);
  if (tell_) {
    const auto ms = clock_.SteadyNow().time_since_epoch() / base::Millis(1) % (3600 * 1000);
    std::fprintf(stderr, "%8.3f   %s: %s\n", static_cast<double>(ms) / 1000, what.c_str(),
                 came_to.c_str());
  }
  return answer;
}

absl::StatusOr<Network::Answer> Network::Travel(const Call& call, http::Request request,
                                                std::stop_token stop) {
  const auto to = NumberIn(call.address);
  if (!to) return absl::UnavailableError("no such address");
  RETURN_IF_ERROR(Reach(call, *to, stop));
  const std::size_t sent = request.body == nullptr ? 0 : request.body->length().value_or(0);
  if (!Wait(Later(sent), stop)) return absl::CancelledError("stopped");
  RETURN_IF_ERROR(Reach(call, *to, stop));

  Answer answer;
  http::Handler handle;
  uint64_t start = 0;
  {
    base::MutexLock lock(mutex_);
    ++calls_;
    Place& place = places_[*to];
    if (!place.handle) return absl::UnavailableError("connection refused");
    if (!call.expected.IsZero() && place.id != call.expected) {
      return absl::UnavailableError("somebody else has this address now");
    }
    handle = place.handle;
    start = place.start;
    ++place.inside;
  }
  answer.line = std::make_unique<Line>(*this, *to);
  request.peer = call.caller;
  request.remote_address = absl::StrCat("10.0.0.", call.from + 1);
  request.arrived = clock_.SteadyNow();
  answer.response = handle(request);
  using Waits = std::shared_ptr<http::Subscription>;
  for (auto* later = std::get_if<Waits>(&answer.response.body); later != nullptr;) {
    const auto step = (*later)->Step(clock_.SteadyNow());
    if (step.answer != nullptr) {
      answer.response = std::move(*step.answer);
      break;
    }
    if (!Wait(std::min(step.next_deadline, call.deadline), stop)) {
      return absl::CancelledError("stopped");
    }
    if (clock_.SteadyNow() >= call.deadline)
      return absl::DeadlineExceededError("no answer in time");
  }

  const auto* body = std::get_if<std::string>(&answer.response.body);
  if (!Wait(Later(body == nullptr ? 0 : body->size()), stop))
    return absl::CancelledError("stopped");
  base::MutexLock lock(mutex_);
  const Place& now = places_[*to];
  if (!now.handle || now.start != start) return absl::UnavailableError("the connection broke");
  if (!cut_.contains({call.from, *to})) return answer;
  // It was asked, it did what it was asked for, and the answer is lost.
  return absl::DeadlineExceededError("no answer in time");
}

bool Network::Carry(const Call& call, std::size_t bytes, base::Millis held_back,
                    std::stop_token stop) {
  const auto to = NumberIn(call.address);
  const base::SteadyTime there =
      clock_.SteadyNow() + held_back +
      base::Millis(static_cast<int64_t>(static_cast<double>(bytes) / kBytesPerMs));
  if (!Wait(there, stop)) return false;
  base::MutexLock lock(mutex_);
  return !cut_.contains({call.from, *to}) && places_[*to].handle != nullptr;
}

}  // namespace waypost::sim
