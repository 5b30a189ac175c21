#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "http/engine/engine_loop.h"
#include "http/engine/engine_output.h"
#include "http/message/errors.h"

// What becomes of a connection when somebody gives word: a worker that is done with it, a client
// that takes bytes again, whoever wakes a subscription, and the clock.

namespace waypost::http {

void EngineLoop::OnReturned(Connection& c) {
  --dispatched_;
  EndGathering(c);
  EndUpload(c);
  if (cut_) {
    Close(c);
    return;
  }
  Proceed(c);
}

// Does what the worker left to be done.
void EngineLoop::Proceed(Connection& c) {
  switch (c.after) {
    case Connection::After::kReadNext:
      ReadNext(c);
      return;
    case Connection::After::kMore:
    case Connection::After::kSend:
      c.state = State::kSending;
      c.window_start = Now();
      c.window_drained = DrainedBytes(c);
      SetDeadline(c, c.window_start + shared_.ReaderWindowOf(c));
      Arm(c, EPOLLOUT);
      return;
    case Connection::After::kWait:
      c.state = State::kWaiting;
      if (drain_begun_) {
        Dispatch(c, Job::Kind::kAbort);
      } else if (c.woken) {
        OnWoken(c);
      } else {
        SetDeadline(c, c.next_step);
        Arm(c, EPOLLRDHUP);
      }
      return;
    case Connection::After::kHandshake:
      AfterHandshakeStep(c, *c.step);
      return;
    case Connection::After::kTurn:
      GiveAway(c);
      return;
    case Connection::After::kLinger:
      Linger(c);
      return;
    case Connection::After::kClose:
      Close(c);
      return;
  }
}

// The client takes bytes again. What is in memory goes out here: handing it to a worker for each
// piece would cost as much as sending it. What the disk has to bring, and what is encrypted, is a
// worker's.
void EngineLoop::SendOn(Connection& c) {
  if (c.tls != nullptr || c.subscription != nullptr || !NextIsCached(c, kLoopTurnBytes)) {
    Dispatch(c, Job::Kind::kSend);
    return;
  }
  express_.Run({.kind = Job::Kind::kSend, .connection = &c, .dropped = nullptr});
  if (c.after == Connection::After::kSend || c.after == Connection::After::kMore) {
    Arm(c, EPOLLOUT);  // its rate is still being measured
  } else {
    Proceed(c);
  }
}

void EngineLoop::OnWoken(Connection& c) {
  if (c.state == State::kWaiting) {
    c.woken = false;
    Dispatch(c, Job::Kind::kStep);
  } else {
    c.woken = true;
  }
}

void EngineLoop::OnDeadline(Connection& c) {
  switch (c.state) {
    case State::kHandshake:
      shared_.CountRejected("slow_handshake");
      Close(c);
      return;
    case State::kReading:
      if (!c.in.empty()) shared_.CountRejected("slow_head");
      Close(c);
      return;
    case State::kGathering: {
      const uint64_t wanted =
          shared_.options.min_rate_bytes_per_s * static_cast<uint64_t>(kRateWindow.count()) / 1000;
      if (c.in.size() - c.window_drained < wanted) {
        Refuse(c, 400, "invalid_argument",
               absl::StrCat("the body came slower than ", shared_.options.min_rate_bytes_per_s,
                            " bytes a second"),
               "slow_body");
        return;
      }
      c.window_drained = c.in.size();
      c.window_start = Now();
      SetDeadline(c, c.window_start + kRateWindow);
      return;
    }
    case State::kPending:
      Refuse(c, 503, "unavailable", "too many large bodies are being received: try again",
             "upload_slots", base::Millis(5000));
      return;
    case State::kSending:
      OnSlowReader(c);
      return;
    case State::kWaiting:
      Dispatch(c, Job::Kind::kStep);
      return;
    case State::kResting:
      ReadOn(c);
      return;
    case State::kLinger:
      Close(c);
      return;
    case State::kWorking:
      return;
  }
}

void EngineLoop::OnSlowReader(Connection& c) {
  const uint64_t drained = DrainedBytes(c);
  const base::Millis window = shared_.ReaderWindowOf(c);
  const uint64_t wanted =
      shared_.options.min_rate_bytes_per_s * static_cast<uint64_t>(window.count()) / 1000;
  if (drained - c.window_drained < wanted) {
    shared_.CountRejected("slow_reader");
    Close(c);
    return;
  }
  c.window_drained = drained;
  c.window_start = Now();
  SetDeadline(c, c.window_start + window);
}

}  // namespace waypost::http
