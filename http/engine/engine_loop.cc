#include "http/engine/engine_loop.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "http/engine/engine_output.h"
#include "http/message/errors.h"

// The event loop of a listener: one thread that owns every connection no worker has. Each round it
// takes back what workers return, then events, then wakes and deadlines, and hands all new jobs
// over together. An id that is not found was closed earlier in the round. Nothing here blocks.

namespace waypost::http {
namespace {

// Of the buffer of a connection that waits for its next request.
constexpr std::size_t kKeptBytes = 2048;

// How often the inbox is looked at while workers have connections, whatever else happens.
constexpr base::Millis kReturnedLook{1000};
constexpr base::Millis kDrainLook{20};

// Half of the threads that take them.
uint32_t UploadsMax(const EngineOptions& options) {
  return std::max(1u, (options.writers > 0 ? options.writers : options.workers) / 2);
}

}  // namespace

EngineLoop::EngineLoop(EngineShared& shared, WorkerPool& workers, int listener)
    : shared_(shared),
      workers_(workers),
      express_(shared, kLoopTurnBytes),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      uploads_{.running_max = UploadsMax(shared.options)},
      strangers_uploads_{.running_max = shared.strangers.uploads},
      buffer_(64 * 1024) {
  CHECK(epoll_ >= 0);
  // One of each connection, and where one is closed that its subscription is dropped: closing must
  // not fail for want of memory.
  jobs_.reserve(2 * std::size_t{shared.options.max_connections});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerId;
  CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) == 0);
  event.data.u64 = kInboxId;
  event.events = EPOLLIN | EPOLLET;
  CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, shared_.inbox->fd(), &event) == 0);
}

EngineLoop::~EngineLoop() {
  connections_.clear();
  ::close(epoll_);
  if (listener_ >= 0) ::close(listener_);
}

base::SteadyTime EngineLoop::Now() const { return base::SteadyNow(); }

Connection* EngineLoop::Find(uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

// How long epoll may wait.
int EngineLoop::TimeoutMs() {
  if (!shared_.inbox->MayWait()) return 0;
  base::SteadyTime next = deadlines_.empty() ? base::SteadyTime::max() : deadlines_.begin()->first;
  if (!accepting_ && listener_ >= 0) next = std::min(next, accept_again_);
  if (drain_begun_ && !cut_) next = std::min(next, drain_deadline_);
  if (const auto look = workers_.WakeForLate()) next = std::min(next, *look);
  // One that came back without a word still gets its deadline in time.
  if (dispatched_ > 0) next = std::min(next, Now() + (drain_begun_ ? kDrainLook : kReturnedLook));
  if (next == base::SteadyTime::max()) return -1;
  const auto left = std::chrono::ceil<base::Millis>(next - Now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60000));
}

void EngineLoop::Run() {
  shared_.NoteLoopThread();
  std::array<epoll_event, 256> events;
  LoopInbox::Word word;  // changes places with the inbox's at each Take
  word.Reserve(shared_.options.max_connections);
  while (true) {
    const int count =
        epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), TimeoutMs());
    // Before the events: they may be of connections that came back.
    shared_.inbox->Take(word);
    for (uint64_t id : word.returned) {
      WithinMemory(id, [this](Connection& c) { OnReturned(c); });
    }
    for (int i = 0; i < count; ++i) {
      const uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == kListenerId) {
        Accept();
      } else if (id != kInboxId) {
        const uint32_t what = events[static_cast<std::size_t>(i)].events;
        WithinMemory(id, [this, what](Connection& c) { OnEvent(c, what); });
      }
    }
    for (uint64_t id : word.woken) {
      WithinMemory(id, [this](Connection& c) { OnWoken(c); });
    }
    for (const auto& turned : word.adopted) {
      // Whoever holds it closes it.
      const absl::Status adopted = base::WithinMemory([&] {
        Adopt(*turned);
        return absl::OkStatus();
      });
      if (!adopted.ok()) shared_.CountRejected("memory");
    }
    for (const auto& whom : word.cut) CutPeers(whom);
    RunDeadlines();
    const base::SteadyTime now = Now();
    if (!accepting_ && listener_ >= 0 && accept_again_ <= now) {
      accepting_ = true;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = kListenerId;
      epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &event);
    }
    if (shared_.draining.load()) {
      if (!drain_begun_) BeginDrain();
      if (!cut_ && drain_deadline_ <= now) CutAll();
      if (connections_.empty()) {
        SubmitJobs();
        return;
      }
    }
    SubmitJobs();
  }
}

// A connection whose job found no room comes back from a worker that it never had.
void EngineLoop::SubmitJobs() {
  workers_.Submit(jobs_);
  for (const Job& job : jobs_) {
    if (job.connection == nullptr) continue;  // only destroys something, which it does here then
    Connection& c = *job.connection;
    shared_.CountRejected("memory");
    c.after = Connection::After::kClose;
    shared_.inbox->Return(c);
  }
  jobs_.clear();
}

// One that was closed earlier in the round is not found. Memory that runs out is the end of the one
// for which it did.
void EngineLoop::WithinMemory(uint64_t id, absl::FunctionRef<void(Connection&)> step) {
  Connection* const c = Find(id);
  if (c == nullptr) return;
  const absl::Status done = base::WithinMemory([&] {
    step(*c);
    return absl::OkStatus();
  });
  if (done.ok()) return;
  if (Connection* const left = Find(id)) Cut(*left, "memory");
}

void EngineLoop::ForEach(absl::FunctionRef<void(Connection&)> step) {
  for (auto next = connections_.begin(); next != connections_.end();) {
    const uint64_t id = next->first;
    ++next;
    WithinMemory(id, step);
  }
}

// ---- connections ----

void EngineLoop::Close(Connection& c) {
  if (c.queued != base::SteadyTime()) deadlines_.erase({c.queued, c.id});
  handshakes_.erase(c.id);
  NoteIdle(c, false);
  NoteStranger(c, false);
  LeaveAccount(c);
  LeavePending(c);
  if (c.subscription != nullptr) {
    // Its destructor may wait for the index.
    jobs_.push_back(
        {.kind = Job::Kind::kDrop, .connection = nullptr, .dropped = std::move(c.subscription)});
    shared_.EndWaiting(c.by_stranger);
    shared_.CountRequest(c.route, 499);  // the client left
  }
  EndGathering(c);
  if (c.turned) shared_.NoteTurned(*c.peer, -1, c.turned_busy ? -1 : 0);
  if (c.counted) {
    --counted_;
    const auto found = per_address_.find(c.network);
    if (--found->second == 0) per_address_.erase(found);
    shared_.connections.Add(-1);
  }
  connections_.erase(c.id);
}

void EngineLoop::Arm(Connection& c, uint32_t events) {
  epoll_event event{};
  // TLS may have to receive before it can send, and the other way round.
  if (c.tls != nullptr && (events & (EPOLLIN | EPOLLOUT)) != 0 && c.tls->blocked_on() != 0) {
    events = c.tls->blocked_on() == POLLIN ? EPOLLIN : EPOLLOUT;
  }
  event.events = events | EPOLLONESHOT;
  event.data.u64 = c.id;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
  c.watched = false;
}

void EngineLoop::Watch(Connection& c) {
  if (c.tls != nullptr) {
    Arm(c, EPOLLIN);
    return;
  }
  if (c.watched) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = c.id;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
  c.watched = true;
}

// The epoch stands for none.
void EngineLoop::SetDeadline(Connection& c, base::SteadyTime deadline) {
  c.deadline = deadline == base::SteadyTime::max() ? base::SteadyTime() : deadline;
  if (c.deadline == base::SteadyTime()) return;
  if (c.queued != base::SteadyTime()) {
    if (c.queued <= c.deadline) return;
    deadlines_.erase({c.queued, c.id});
  }
  c.queued = c.deadline;
  deadlines_.emplace(c.queued, c.id);
}

void EngineLoop::RunDeadlines() {
  const base::SteadyTime now = Now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const uint64_t id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    Connection* const c = Find(id);
    if (c == nullptr) continue;
    c->queued = base::SteadyTime();
    if (c->deadline == base::SteadyTime()) continue;
    WithinMemory(id, [this, now](Connection& of_time) {
      if (of_time.deadline > now) {
        SetDeadline(of_time, of_time.deadline);
        return;
      }
      of_time.deadline = base::SteadyTime();
      OnDeadline(of_time);
    });
  }
}

// ---- requests ----

void EngineLoop::OnEvent(Connection& c, uint32_t events) {
  switch (c.state) {
    case State::kHandshake:
      Handshake(c);
      return;
    case State::kReading:
    case State::kGathering:
      Receive(c);
      return;
    case State::kSending:
      SendOn(c);
      return;
    case State::kLinger:
      Drink(c);
      return;
    case State::kWaiting:
    case State::kResting:
    case State::kPending:
      // Only asked for the other side's end.
      if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) Close(c);
      return;
    case State::kWorking:
      // The next request, or the other side's end: its turn comes when the worker is done.
      if (!c.watched) return;
      c.bytes_came.store(true, std::memory_order_relaxed);
      Arm(c, 0);
      return;
  }
}

void EngineLoop::Receive(Connection& c) {
  const bool first_bytes = c.in.empty() && c.empty_lines == 0;
  const ssize_t got = c.Receive(buffer_.data(), buffer_.size());
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    Close(c);
    return;
  }
  if (got > 0) c.in.append(buffer_.data(), static_cast<std::size_t>(got));
  if (c.state == State::kGathering) {
    TakeBody(c);
    return;
  }
  Advance(c);
  // What is there is not a whole head.
  if (first_bytes && got > 0 && c.state == State::kReading) {
    SetDeadline(c, Now() + shared_.options.head_timeout);
  }
}

// Looks for the next request in what has arrived.
void EngineLoop::Advance(Connection& c) {
  c.request_id.clear();
  if (c.line_start == 0) {
    const std::size_t empty = EmptyLinesSize(c.in, kEmptyLinesMax - c.empty_lines);
    c.empty_lines += static_cast<int>(empty / 2);
    c.in.erase(0, empty);
  }
  HeadProgress progress = FindHead(c.in, shared_.limits, c.line_start);
  if (progress.size == 0 && !progress.refused) {
    c.line_start = progress.line_start;
    Watch(c);
    return;
  }
  c.facts = progress.refused
                ? std::move(*progress.refused)
                : CheckHead(std::string_view(c.in).substr(0, progress.size), shared_.limits);
  if (c.facts.refused != 0) {
    Refuse(c, c.facts.refused, c.facts.code, c.facts.message, c.facts.reason);
    return;
  }
  c.in.erase(0, progress.size);
  c.empty_lines = 0;
  c.line_start = 0;
  c.arrived = Now();
  if (c.turned && !std::exchange(c.turned_busy, true)) shared_.NoteTurned(*c.peer, 0, 1);
  if (shared_.refuse.load() || shared_.draining.load()) {
    Refuse(c, 503, "unavailable", "the service is stopping: try again", "stopping",
           base::Millis(1000));
    return;
  }
  c.gathered = false;
  c.uploading = false;
  const bool was_stranger = c.stranger;
  LookUp(c);
  // It may have come with more connections than a member has.
  if (was_stranger && !c.stranger && !KeyHasRoom(c)) {
    Refuse(c, 503, "unavailable",
           absl::StrCat(shared_.options.max_connections_per_payer,
                        " connections of this key, and of those for whom the same member answers,"
                        " are open: use one of them"),
           "key");
    return;
  }
  // A member's is at work from here on; a stranger's when its body is there.
  if (!c.by_stranger) NoteIdle(c, false);
  TakeRequest(c);
}

// Its head may be answered: gathers its body, streams it, or has it answered.
void EngineLoop::TakeRequest(Connection& c) {
  const uint64_t length = c.facts.content_length.value_or(0);
  if (!c.facts.has_body()) {
    Dispatch(c, Job::Kind::kRequest);
  } else if (!c.facts.chunked && MayGather(c, length)) {
    c.gathered = true;
    c.gather_bytes = length;
    gathering_bytes_ += length;
    if (c.by_stranger) strangers_gathering_bytes_ += length;
    c.state = State::kGathering;
    c.window_start = Now();
    SetDeadline(c, c.window_start + kRateWindow);
    c.window_drained = c.in.size();
    TakeBody(c);
  } else {
    c.uploading = true;
    StartUpload(c);
  }
}

// A stranger may have become a member since; who is one no more is cut (Engine::CutPeers).
void EngineLoop::LookUp(Connection& c) {
  const auto payer = c.stranger ? shared_.PayerOf(*c.peer) : std::nullopt;
  if (payer) {
    NoteIdle(c, false);
    NoteStranger(c, false);
    SetPayer(c, *payer);
  }
  c.by_stranger = c.stranger;
}

bool EngineLoop::MayGather(const Connection& c, uint64_t length) const {
  if (length > kGatherBytesMax || c.facts.expect_continue) return false;
  if (c.by_stranger && strangers_gathering_bytes_ + length > shared_.strangers.gather_bytes) {
    return false;
  }
  return gathering_bytes_ + length <= kGatherTotalMax;
}

void EngineLoop::EndGathering(Connection& c) {
  gathering_bytes_ -= c.gather_bytes;
  if (c.by_stranger) strangers_gathering_bytes_ -= c.gather_bytes;
  c.gather_bytes = 0;
}

void EngineLoop::TakeBody(Connection& c) {
  if (c.in.size() >= *c.facts.content_length) {
    Dispatch(c, Job::Kind::kRequest);
  } else {
    Watch(c);
  }
}

void EngineLoop::Dispatch(Connection& c, Job::Kind kind) {
  const bool express = kind == Job::Kind::kRequest && IsExpress(c);
  // First, so that a connection is never marked as a worker's that no worker gets.
  if (!express) jobs_.push_back({.kind = kind, .connection = &c, .dropped = nullptr});
  NoteIdle(c, false);
  SetDeadline(c, base::SteadyTime());
  c.state = State::kWorking;
  c.told_of_bytes = c.watched;
  c.bytes_came.store(false, std::memory_order_relaxed);
  ++dispatched_;
  if (!express) return;
  express_.Run({.kind = kind, .connection = &c, .dropped = nullptr});
  // By way of the inbox, as if a worker had done it: pipelined requests must not nest.
  shared_.inbox->Return(c);
}

bool EngineLoop::IsExpress(const Connection& c) const {
  if (c.facts.has_body()) return false;
  const std::string_view path =
      std::string_view(c.facts.target).substr(0, c.facts.target.find('?'));
  const auto& express = shared_.options.express;
  return std::find(express.begin(), express.end(), path) != express.end();
}

void EngineLoop::Refuse(Connection& c, int status, const char* code, const std::string& message,
                        const char* reason, std::optional<base::Millis> retry_after) {
  if (reason != nullptr) shared_.CountRejected(reason);
  LeavePending(c);
  Response response = status == 503 ? ErrorResponse(absl::UnavailableError(message), retry_after)
                                    : ErrorResponse(status, code, message);
  AnswerHead head{.status = response.status, .headers = std::move(response.headers), .close = true};
  shared_.Mark(c, head);
  std::string body = std::get<std::string>(std::move(response.body));
  if (shared_.options.request_ids) AddRequestId(body, c.request_id);
  head.headers.emplace_back("Content-Length", absl::StrCat(body.size()));
  c.out = FormatHead(head) + (c.facts.method == "HEAD" ? "" : body);
  c.out_sent = 0;
  // It is small: what a fresh buffer does not take was not going to be read.
  SendSome(c, kLoopTurnBytes);
  Linger(c);
}

void EngineLoop::ReadNext(Connection& c) {
  if (shared_.draining.load()) {
    Close(c);
    return;
  }
  NoteIdle(c, true);
  if (std::exchange(c.turned_busy, false)) shared_.NoteTurned(*c.peer, 0, -1);
  if (c.peer && (c.status == 403 || c.status == 429)) {
    c.state = State::kResting;
    SetDeadline(c, Now() + kRefusedRest);
    Arm(c, EPOLLRDHUP);
    return;
  }
  ReadOn(c);
}

void EngineLoop::ReadOn(Connection& c) {
  c.state = State::kReading;
  const auto& options = shared_.options;
  SetDeadline(c, Now() + (c.in.empty() ? options.idle_timeout : options.head_timeout));
  if (c.in.empty() && c.tls != nullptr && c.tls->HasBuffered()) {
    Receive(c);
  } else if (c.in.empty()) {
    // An idle connection costs little; what a usual head needs is kept.
    if (c.in.capacity() > kKeptBytes) c.in.shrink_to_fit();
    Watch(c);
  } else {
    Advance(c);
  }
}

// Says that we are done and reads on for a while: closing with unread bytes in the buffer would
// reset the connection, and the client would lose the answer.
void EngineLoop::Linger(Connection& c) {
  if (c.tls != nullptr) c.tls->SayEnd();
  ::shutdown(c.fd, SHUT_WR);
  c.state = State::kLinger;
  c.in.clear();
  c.linger_read = 0;
  SetDeadline(c, Now() + kLingerTime);
  Arm(c, EPOLLIN);
}

void EngineLoop::Drink(Connection& c) {
  const ssize_t got = ::recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    Close(c);
    return;
  }
  if (got > 0) c.linger_read += static_cast<uint64_t>(got);
  if (c.linger_read > kLingerBytesMax) {
    Close(c);
    return;
  }
  Arm(c, EPOLLIN);
}

}  // namespace waypost::http
