#include "http/engine/engine_worker.h"

#include <chrono>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "http/engine/engine_body.h"
#include "http/engine/engine_output.h"
#include "http/message/errors.h"
#include "http/tls/peer_identity.h"

// One job on a worker: call the handler, step a subscription, send on. Whatever a handler throws
// ends its client and not the service. When this returns the connection says what is to happen to
// it next, and the worker gives it back.

namespace waypost::http {
namespace {

std::string OfRequest(const std::string& id) {
  return id.empty() ? id : absl::StrCat(", request ", id);
}

}  // namespace

void RequestRunner::Run(const Job& job) {
  Connection& c = *job.connection;
  // A bad_alloc or the like in the middle of an answer: the client is cut, the service goes on.
  try {
    switch (job.kind) {
      case Job::Kind::kRequest:
        HandleRequest(c);
        return;
      case Job::Kind::kStep:
        Step(c);
        return;
      case Job::Kind::kAbort:
        Abort(c);
        return;
      case Job::Kind::kSend:
        Send(c);
        return;
      case Job::Kind::kHandshake:
        c.step = shared_.HandshakeStep(c);
        c.after = Connection::After::kHandshake;
        return;
      case Job::Kind::kDrop:
        return;
    }
  } catch (const std::exception& error) {
    base::LogWarning("http: an exception while answering ", c.route, OfRequest(c.request_id), ": ",
                     error.what());
  } catch (...) {
    base::LogWarning("http: an exception while answering ", c.route, OfRequest(c.request_id));
  }
  EndSubscription(c);
  c.after = Connection::After::kClose;
}

Response RequestRunner::CallHandler(Request& request) {
  try {
    return shared_.handler(request);
  } catch (const std::exception& error) {
    base::LogWarning("http: an exception in the handler of ", request.method, OfRequest(request.id),
                     ": ", error.what());
  } catch (...) {
    base::LogWarning("http: an exception in the handler of ", request.method,
                     OfRequest(request.id));
  }
  return ErrorResponse(
      absl::InternalError("the service failed on this request; its log says more"));
}

void RequestRunner::HandleRequest(Connection& c) {
  c.close = !c.facts.keep_alive || shared_.draining.load() || shared_.refuse.load();
  c.status = 0;
  std::size_t gathered = 0;
  std::optional<GatheredBody> memory_body;
  std::optional<SocketBody> socket_body;
  if (c.gathered) {
    gathered = static_cast<std::size_t>(*c.facts.content_length);
    memory_body.emplace(std::string_view(c.in).substr(0, gathered));
  } else if (c.facts.has_body()) {
    socket_body.emplace(c, shared_);
  }
  Request request = MakeRequest(c.facts);
  if (memory_body) request.body = &*memory_body;
  if (socket_body) request.body = &*socket_body;
  request.remote_address = c.remote;
  request.by_owner = shared_.options.owner_only;
  request.arrived = c.arrived;
  request.id = shared_.IdOf(c);
  if (shared_.options.peers) request.peer = PeerIdentityOf(c.tls.get(), request);
  request.by_stranger = c.by_stranger;
  request.payer = c.payer;
  c.route = shared_.route_of(request);
  Response response = CallHandler(request);
  if (socket_body && !socket_body->complete()) c.close = true;
  Accept(c, std::move(response));
  if (gathered > 0) c.in.erase(0, gathered);
  if (c.subscription != nullptr) {
    Step(c);
  } else {
    Send(c);
  }
}

void RequestRunner::Accept(Connection& c, Response response) {
  auto* subscription = std::get_if<std::shared_ptr<Subscription>>(&response.body);
  if (subscription == nullptr) {
    Answer(c, std::move(response));
    return;
  }
  if (shared_.BeginWaiting(c.by_stranger)) {
    Subscribe(c, std::move(*subscription));
    return;
  }
  shared_.CountRejected("waiting");
  if (c.by_stranger) {
    Answer(c, ErrorResponse(base::WithRetryAfter(
                  absl::ResourceExhaustedError("too many requests of strangers are waiting"),
                  base::Millis(1000))));
    return;
  }
  const auto& options = shared_.options;
  Answer(c, ErrorResponse(absl::UnavailableError(
                              absl::StrCat(options.max_waiting, " requests are waiting already",
                                           options.names.See(options.names.max_waiting))),
                          base::Millis(1000)));
}

// Files wait on the disk, and whoever makes a source in memory bounds it.
bool RequestRunner::TakeRoom(Connection& c, const Response& response) {
  c.room.reset();
  const auto* bytes = std::get_if<std::string>(&response.body);
  if (c.payer == base::kNobody || bytes == nullptr || bytes->size() <= kRoomlessBytes) return true;
  c.room = shared_.answers.TakeAll({c.payer, c.by_stranger}, bytes->size());
  return c.room != nullptr;
}

void RequestRunner::Answer(Connection& c, Response response) {
  if (!TakeRoom(c, response)) {
    shared_.CountRejected("answer_room");
    response = ErrorResponse(
        absl::UnavailableError("too much that was answered is not read yet: try again"),
        base::Millis(1000));
  }
  c.status = response.status;
  const bool bodiless = response.status == 204 || response.status == 304;
  const bool sends_body = !bodiless && c.facts.method != "HEAD";
  uint64_t length = 0;
  c.body.clear();
  c.part.reset();
  c.body_sent = 0;
  if (auto* bytes = std::get_if<std::string>(&response.body)) {
    if (response.status >= 400 && shared_.options.request_ids)
      AddRequestId(*bytes, shared_.IdOf(c));
    length = bytes->size();
    if (sends_body) c.body = std::move(*bytes);
  } else if (auto* part = std::get_if<SourcePart>(&response.body)) {
    length = part->length;
    if (sends_body) c.part = std::move(*part);
  }
  AnswerHead head{
      .status = response.status, .headers = std::move(response.headers), .close = c.close};
  // A handler may announce a length itself where it sends no body (HEAD).
  bool announced = false;
  for (const auto& header : head.headers) announced = announced || header.first == "Content-Length";
  if (!bodiless && !announced) head.headers.emplace_back("Content-Length", absl::StrCat(length));
  shared_.Mark(c, head);
  c.out = FormatHead(head);
  c.out_sent = 0;
  c.turn = std::move(response.turn);
}

void RequestRunner::Subscribe(Connection& c, std::shared_ptr<Subscription> subscription) {
  c.subscription = std::move(subscription);
  c.streaming = false;
  c.wake_posted = std::make_shared<std::atomic<bool>>(false);
  c.subscription->Start([inbox = shared_.inbox, posted = c.wake_posted, id = c.id] {
    if (!posted->exchange(true)) inbox->Wake(id);
  });
}

void RequestRunner::EndSubscription(Connection& c) {
  if (c.subscription == nullptr) return;
  c.subscription.reset();
  c.wake_posted.reset();
  shared_.EndWaiting(c.by_stranger);
}

void RequestRunner::Step(Connection& c) {
  c.wake_posted->store(false);
  Subscription::Result result = c.subscription->Step(base::SteadyNow());
  if (result.answer != nullptr) {
    const bool too_late = c.streaming;
    EndSubscription(c);
    if (too_late || std::holds_alternative<std::shared_ptr<Subscription>>(result.answer->body)) {
      c.after = Connection::After::kClose;
      return;
    }
    Answer(c, std::move(*result.answer));
    Send(c);
    return;
  }
  c.next_step = result.next_deadline;
  if (!result.bytes.empty() || result.end) {
    AddToStream(c, result.bytes, result.end);
    if (result.end || c.facts.method == "HEAD") EndSubscription(c);
    Send(c);
    return;
  }
  c.after = Connection::After::kWait;
}

void RequestRunner::AddToStream(Connection& c, const std::string& bytes, bool end) {
  if (!c.streaming) {
    c.streaming = true;
    c.status = 200;
    c.chunked = !c.facts.http_1_0;
    if (!c.chunked) c.close = true;
    AnswerHead head{.status = 200, .headers = c.subscription->headers(), .close = c.close};
    head.headers.emplace_back("Content-Type", c.subscription->content_type());
    head.headers.emplace_back("Cache-Control", "no-store");
    head.headers.emplace_back("X-Content-Type-Options", "nosniff");
    // nginx would gather a stream until it has a page of it.
    head.headers.emplace_back("X-Accel-Buffering", "no");
    shared_.Mark(c, head);
    if (c.chunked) head.headers.emplace_back("Transfer-Encoding", "chunked");
    c.out = FormatHead(head);
    c.out_sent = 0;
  }
  if (c.facts.method == "HEAD") return;
  if (!c.chunked) {
    c.out += bytes;
    return;
  }
  if (!bytes.empty()) {
    absl::StrAppend(&c.out, absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
  }
  if (end) c.out += "0\r\n\r\n";
}

void RequestRunner::Abort(Connection& c) {
  const bool streaming = c.streaming;
  EndSubscription(c);
  if (streaming) {
    // Without the last chunk: the client sees that the stream was cut.
    c.after = Connection::After::kClose;
    return;
  }
  c.close = true;
  Answer(c, ErrorResponse(absl::UnavailableError("the service is stopping: try again"),
                          base::Millis(1000)));
  Send(c);
}

void RequestRunner::Send(Connection& c) {
  switch (SendSome(c, turn_bytes_)) {
    case SendResult::kBlocked:
      c.after = Connection::After::kSend;
      return;
    case SendResult::kMore:
      c.after = Connection::After::kMore;
      return;
    case SendResult::kFailed:
      EndSubscription(c);
      c.after = Connection::After::kClose;
      return;
    case SendResult::kDone:
      break;
  }
  if (c.subscription != nullptr) {
    c.after = Connection::After::kWait;
    return;
  }
  c.streaming = false;
  shared_.CountRequest(c.route, c.status);
  // What somebody will ask about, with the id that they were shown.
  if (c.status == 500 && !c.request_id.empty()) {
    base::LogWarning("http: ", c.facts.method, " ", c.route, " was answered with 500, request ",
                     c.request_id);
  }
  if (base::LogEnabled(base::LogLevel::kDebug)) {
    const auto took = std::chrono::duration_cast<base::Millis>(base::SteadyNow() - c.arrived);
    // Where the path is a secret its pattern says enough.
    const bool secret = c.route.find("{secret}") != std::string::npos;
    base::LogDebug(shared_.options.listener, " ", c.remote, " ", c.facts.method, " ",
                   secret ? c.route : c.facts.target, " ", c.status, " ", took.count(), "ms ",
                   c.request_id);
  }
  c.after = c.close ? Connection::After::kLinger : Connection::After::kReadNext;
  if (c.turn) {
    // What the client has sent behind its request was not meant for a connection that turns.
    const bool silent = c.in.empty() && (c.tls == nullptr || !c.tls->HasBuffered());
    c.after = c.close || !silent ? Connection::After::kClose : Connection::After::kTurn;
  }
}

}  // namespace waypost::http
