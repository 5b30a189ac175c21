#include <sys/epoll.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "http/engine/engine_loop.h"

// Handshakes under way. They are few, in all and of one address, and the oldest is cut for a new
// one, so that those that stall never keep an honest one out.

namespace waypost::http {

namespace {

// Steps of handshakes that the loop goes itself, a second and at once. One costs it 0.3 ms, so they
// are a tenth of its time; beyond that a few workers go them.
constexpr double kStepsPerSecond = 300;
constexpr double kStepsAtOnce = 30;

}  // namespace

// Those that stall are the oldest; an honest one is done within milliseconds.
void EngineLoop::LimitHandshakes(const std::string& network) {
  uint32_t of_network = 0;
  Connection* oldest = nullptr;
  for (uint64_t id : handshakes_) {
    Connection* const c = Find(id);
    if (c->network != network) continue;
    if (oldest == nullptr) oldest = c;
    ++of_network;
  }
  if (of_network < shared_.options.max_handshakes_per_address) {
    if (handshakes_.size() < shared_.options.max_handshakes) return;
    oldest = Find(*handshakes_.begin());
  }
  handshakes_.erase(oldest->id);
  Cut(*oldest, "handshakes");
}

bool EngineLoop::TakeHandshakeStep() {
  const base::SteadyTime now = Now();
  const std::chrono::duration<double> passed = now - handshake_steps_at_;
  handshake_steps_at_ = now;
  handshake_steps_ = std::min(kStepsAtOnce, handshake_steps_ + passed.count() * kStepsPerSecond);
  if (handshake_steps_ < 1) return false;
  handshake_steps_ -= 1;
  return true;
}

void EngineLoop::Handshake(Connection& c) {
  if (TakeHandshakeStep()) {
    AfterHandshakeStep(c, shared_.HandshakeStep(c));
    return;
  }
  const base::SteadyTime deadline = c.deadline;
  Dispatch(c, Job::Kind::kHandshake);
  c.deadline = deadline;  // of the whole handshake; looked at when the step is done
}

void EngineLoop::AfterHandshakeStep(Connection& c, TlsSession::Step step) {
  if (shared_.draining.load()) {
    Close(c);
    return;
  }
  switch (step) {
    case TlsSession::Step::kDone:
      handshakes_.erase(c.id);
      c.peer = c.tls->PeerKey();
      NoteStranger(c, c.peer.has_value());
      LookUp(c);
      if (!LimitStrangers(c) || !LimitKey(c)) return;
      c.state = State::kReading;
      NoteIdle(c, true);
      SetDeadline(c, Now() + shared_.options.head_timeout);
      Arm(c, EPOLLIN);
      return;
    case TlsSession::Step::kBlocked:
      c.state = State::kHandshake;
      // It was cut for another one while a worker had it, or took too long.
      if (!handshakes_.contains(c.id) || c.deadline <= Now()) {
        Close(c);
        return;
      }
      SetDeadline(c, c.deadline);
      Arm(c, EPOLLIN);
      return;
    case TlsSession::Step::kFailed:
      break;
  }
  base::LogDebug(shared_.options.listener, " ", c.remote, " TLS: ", c.tls->failure());
  if (!c.tls->plain_http() || shared_.options.peers) {
    shared_.CountRejected("tls");
    Close(c);
    return;
  }
  handshakes_.erase(c.id);
  c.tls.reset();
  Refuse(c, 400, "invalid_argument", "this port speaks HTTPS: use https://", "tls");
}

}  // namespace waypost::http
