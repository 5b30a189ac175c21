#include "http/peer_http_client.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/key_codec.h"
#include "base/status.h"
#include "http/batch_frames.h"
#include "http/connection_pool.h"
#include "http/errors.h"
#include "http/json.h"
#include "http/peer_identity.h"
#include "http/range.h"
#include "http/text.h"
#include "syncgroup/messages.h"
#include "syncgroup/wire_codec.h"

namespace waypost::http {
namespace {

// What is honoured of a Retry-After at most is the fetcher's business; this only keeps numbers
// sane.
constexpr base::Millis kRetryAfterMax{24 * 3600 * 1000};
constexpr std::size_t kErrorBytesMax = 64 * 1024;
constexpr std::size_t kMessageBytesMax = 200;
// Below this rate, averaged over the stall timeout, a transfer is stalled (DESIGN 6).
constexpr uint64_t kStallBytesPerSecond = 1024;

std::optional<base::Millis> RetryAfterIn(const ResponseHead& head) {
  const auto header = head.Header("retry-after");
  if (!header) return std::nullopt;
  const auto seconds = ParseDecimal(*header);
  if (!seconds) return std::nullopt;
  return base::Millis(static_cast<int64_t>(
      std::min<uint64_t>(*seconds * 1000, static_cast<uint64_t>(kRetryAfterMax.count()))));
}

// The error that an answer other than 200 stands for.
absl::Status ErrorIn(const ResponseHead& head, const std::string& body) {
  std::string code, message;
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    const Json& error = json["error"];
    if (error.contains("code") && error["code"].is_string()) code = error["code"];
    if (error.contains("message") && error["message"].is_string()) message = error["message"];
  }
  message = Shorten(message, kMessageBytesMax);
  absl::Status status = StatusOf(head.status, code, message);
  // Whatever goes wrong over there is, from here, a peer that cannot answer now.
  if (head.status >= 500) status = absl::UnavailableError(status.message());
  if (const auto retry_after = RetryAfterIn(head))
    status = base::WithRetryAfter(status, *retry_after);
  return status;
}

}  // namespace

struct PeerHttpClient::Impl {
  Impl(PeerHttpClientOptions client_options, signpost::PeerBook& book)
      : options(std::move(client_options)),
        peers(book),
        connect_timeout_ms(options.connect_timeout.count()) {
    CHECK(options.tls != nullptr || options.plain_for_tests);
  }

  // A connection to the peer: a kept one, or one dialled now.
  struct Line {
    std::unique_ptr<Exchange> exchange;
    std::string key;
    bool kept = false;
    std::unique_ptr<ConnectionPool::Lease> turned;  // of a connection that the peer dialled
  };
  absl::StatusOr<std::unique_ptr<Exchange>> Dial(const syncgroup::Endpoint& to,
                                                 const Interrupt& interrupt);
  absl::StatusOr<Line> Connect(const syncgroup::Endpoint& to, bool fresh,
                               const Interrupt& interrupt);
  void GiveBack(const syncgroup::Endpoint& to, Line line, uint64_t in_before, uint64_t out_before);

  // Sends and reads the head; a kept connection that turns out to be dead is replaced once.
  struct Started {
    Line line;
    ResponseHead head;
    uint64_t in_before = 0;
    uint64_t out_before = 0;
  };
  absl::StatusOr<Started> Start(
      const syncgroup::Endpoint& to, std::string_view method, const std::string& target,
      const std::vector<std::pair<std::string, std::string>>& more_headers,
      const std::optional<std::string>& body, base::SteadyTime deadline,
      const Interrupt& interrupt);
  // One of the calls with a body each way.
  absl::StatusOr<std::string> Post(const syncgroup::Endpoint& to, const std::string& target,
                                   const std::string& body, std::stop_token stop);
  absl::Status ReadSmall(Started& started, std::size_t bytes_max, base::SteadyTime deadline,
                         const Interrupt& interrupt, std::string& body);

  // One GET of a blob; `offset` 0: the whole.
  fetcher::BlobReply GetBlob(const fetcher::BlobRequest& request, uint64_t offset,
                             fetcher::BlobSink& sink, const Interrupt& interrupt,
                             bool& range_refused);
  void ReadBlob(const fetcher::BlobRequest& request, uint64_t offset, Started& started,
                fetcher::BlobSink& sink, const Interrupt& interrupt, fetcher::BlobReply& reply);

  fetcher::BlobReply GetBatch(const fetcher::BatchRequest& request, fetcher::BatchSink& sink,
                              const Interrupt& interrupt);
  void ReadBatch(const fetcher::BatchRequest& request, Started& started, fetcher::BatchSink& sink,
                 const Interrupt& interrupt, fetcher::BlobReply& reply);
  // The answer to a request for blobs that is neither a blob nor blobs.
  bool ReadRefusal(Started& started, base::SteadyTime deadline, const Interrupt& interrupt,
                   fetcher::BlobReply& reply, std::string& body);
  // After an answer: a connection in the middle of a body is not idle and is closed.
  void GiveBackAfter(const syncgroup::Endpoint& from, Started started, bool whole);

  const PeerHttpClientOptions options;
  signpost::PeerBook& peers;
  std::atomic<int64_t> connect_timeout_ms;
  ConnectionPool pool;
};

absl::StatusOr<PeerHttpClient::Impl::Line> PeerHttpClient::Impl::Connect(
    const syncgroup::Endpoint& to, bool fresh, const Interrupt& interrupt) {
  if (to.peer.IsZero()) return absl::InvalidArgumentError("a peer without an id cannot be called");
  Line line;
  line.key = to.peer.ToHex();
  if (!fresh) {
    line.exchange = pool.Take(line.key);
    if (line.exchange != nullptr) {
      line.kept = true;
      return line;
    }
  }
  // Waits where all are in use: who had to turn them cannot be dialled.
  line.exchange = pool.TakeTurned(
      line.key, std::chrono::steady_clock::now() + base::Millis(connect_timeout_ms.load()),
      interrupt, line.turned);
  if (line.exchange != nullptr) {
    line.kept = true;
    return line;
  }
  ASSIGN_OR_RETURN(line.exchange, Dial(to, interrupt));
  return line;
}

absl::StatusOr<std::unique_ptr<Exchange>> PeerHttpClient::Impl::Dial(const syncgroup::Endpoint& to,
                                                                     const Interrupt& interrupt) {
  std::vector<std::string> addresses = to.addresses;
  if (const auto entry = peers.Find(to.peer)) {
    const auto good = std::find(addresses.begin(), addresses.end(), entry->last_good_address);
    if (good != addresses.end()) std::rotate(addresses.begin(), good, good + 1);
  }
  const base::Millis each(connect_timeout_ms.load());
  while (true) {
    auto socket = Socket::Connect(addresses, {.each = each, .rules = options.dial}, interrupt);
    absl::Status status = socket.status();
    if (socket.ok() && options.tls != nullptr) {
      // Nothing is said before the other side has proved who it is.
      status = socket->StartPeerTls(*options.tls, to.peer, std::chrono::steady_clock::now() + each,
                                    interrupt);
    }
    if (status.ok()) {
      peers.NoteGoodAddress(to.peer, socket->address());
      return std::make_unique<Exchange>(std::move(*socket));
    }
    // Somebody else may have the address by now; the peer may be at another one.
    if (socket.ok() && addresses.size() > 1 && !interrupt.stopped()) {
      std::erase(addresses, socket->address());
      continue;
    }
    pool.Drop(to.peer.ToHex());
    return status;
  }
}

void PeerHttpClient::Impl::GiveBack(const syncgroup::Endpoint& to, Line line, uint64_t in_before,
                                    uint64_t out_before) {
  peers.NoteTraffic(to.peer, line.exchange->bytes_in() - in_before,
                    line.exchange->bytes_out() - out_before);
  if (line.turned != nullptr) {
    line.turned.reset();
    pool.GiveTurned(line.key, std::move(line.exchange));
  } else {
    pool.Give(line.key, std::move(line.exchange));
  }
}

absl::StatusOr<PeerHttpClient::Impl::Started> PeerHttpClient::Impl::Start(
    const syncgroup::Endpoint& to, std::string_view method, const std::string& target,
    const std::vector<std::pair<std::string, std::string>>& more_headers,
    const std::optional<std::string>& body, base::SteadyTime deadline, const Interrupt& interrupt) {
  for (bool fresh = false;; fresh = true) {
    Started started;
    ASSIGN_OR_RETURN(started.line, Connect(to, fresh, interrupt));
    Exchange& exchange = *started.line.exchange;
    started.in_before = exchange.bytes_in();
    started.out_before = exchange.bytes_out();
    std::vector<std::pair<std::string, std::string>> headers = more_headers;
    if (options.tls == nullptr) headers.emplace_back(kPeerHeader, options.self.ToHex());
    std::optional<uint64_t> length;
    if (body) length = body->size();
    const std::string text =
        FormatRequest(method, target, exchange.address(), headers, length) + body.value_or("");
    absl::Status status = exchange.Send(text, deadline, interrupt);
    if (status.ok()) {
      auto head = exchange.ReadHead(/*head_request=*/false, ResponseLimits(), deadline, interrupt);
      status = head.status();
      if (head.ok()) {
        started.head = std::move(*head);
        return started;
      }
    }
    const bool stale = started.line.kept && !exchange.answer_begun() && absl::IsUnavailable(status);
    if (!stale) return status;
  }
}

absl::Status PeerHttpClient::Impl::ReadSmall(Started& started, std::size_t bytes_max,
                                             base::SteadyTime deadline, const Interrupt& interrupt,
                                             std::string& body) {
  const uint64_t length = started.head.content_length.value_or(0);
  if (length > bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("a malformed answer: ", length, " bytes"));
  }
  body.reserve(static_cast<std::size_t>(length));
  const Exchange::Pace pace{.window = options.call_timeout, .bytes = 1};
  return started.line.exchange->ReadBody(started.head, pace, deadline, interrupt,
                                         [&](std::string_view piece) {
                                           body.append(piece);
                                           return absl::OkStatus();
                                         });
}

absl::StatusOr<std::string> PeerHttpClient::Impl::Post(const syncgroup::Endpoint& to,
                                                       const std::string& target,
                                                       const std::string& body,
                                                       std::stop_token stop) {
  const Interrupt interrupt(stop);
  const base::SteadyTime deadline = std::chrono::steady_clock::now() + options.call_timeout;
  auto started = Start(to, "POST", target, {{"Content-Type", "application/x-protobuf"}}, body,
                       deadline, interrupt);
  if (!started.ok()) return started.status();
  const bool good = started->head.status == 200 || started->head.status == 204;
  std::string answer;
  RETURN_IF_ERROR(ReadSmall(*started, good ? syncgroup::kReplyBytesMax : kErrorBytesMax, deadline,
                            interrupt, answer));
  const ResponseHead head = started->head;
  GiveBack(to, std::move(started->line), started->in_before, started->out_before);
  if (!good) return ErrorIn(head, answer);
  return answer;
}

// ---- blobs ----

namespace {

using Kind = fetcher::BlobReply::Kind;

fetcher::BlobReply ReplyOf(Kind kind, std::string_view message) {
  fetcher::BlobReply reply;
  reply.kind = kind;
  reply.message = Shorten(message, kMessageBytesMax);
  return reply;
}

fetcher::BlobReply FailureOf(const absl::Status& status) {
  return ReplyOf(absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable,
                 base::Std(status.message()));
}

Exchange::Pace PaceOf(base::Millis stall_timeout) {
  const auto window_ms = static_cast<uint64_t>(std::max<int64_t>(stall_timeout.count(), 1));
  return {.window = stall_timeout,
          .bytes = std::max<uint64_t>(kStallBytesPerSecond * window_ms / 1000, 1)};
}

// The groups in a Waypost-Groups header: comma-separated ids. What is no id is ignored.
std::vector<base::GroupId> GroupsIn(const ResponseHead& head) {
  std::vector<base::GroupId> groups;
  const auto header = head.Header("waypost-groups");
  if (!header) return groups;
  std::string_view rest = *header;
  while (!rest.empty() && groups.size() < syncgroup::kReadGroupsMax) {
    const std::size_t comma = rest.find(',');
    if (const auto group = base::GroupId::FromHex(TrimSpaces(rest.substr(0, comma)))) {
      groups.push_back(*group);
    }
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return groups;
}

}  // namespace

void PeerHttpClient::Impl::ReadBlob(const fetcher::BlobRequest& request, uint64_t offset,
                                    Started& started, fetcher::BlobSink& sink,
                                    const Interrupt& interrupt, fetcher::BlobReply& reply) {
  const ResponseHead& head = started.head;
  const uint64_t length = *head.content_length;
  uint64_t total = length;
  uint64_t begins = 0;
  if (head.status == 206) {
    const auto range = ParseContentRange(head.Header("content-range").value_or(""));
    if (!range || range->offset != offset || range->offset + range->length != range->size) {
      reply = ReplyOf(Kind::kUnreachable, "a malformed answer: not the range that was asked for");
      return;
    }
    if (range->length != length) {
      reply = ReplyOf(Kind::kWrongLength, "its Content-Length and Content-Range disagree");
      return;
    }
    total = range->size;
    begins = offset;
  }
  reply.sink_error = sink.OnStart(total, begins, GroupsIn(head));
  if (!reply.sink_error.ok()) {
    reply.kind = Kind::kSinkError;
    return;
  }
  const Exchange::Pace pace = PaceOf(request.stall_timeout);
  Exchange& exchange = *started.line.exchange;
  const absl::Status status = exchange.ReadBody(head, pace, base::SteadyTime::max(), interrupt,
                                                [&](std::string_view piece) {
                                                  reply.body_bytes += piece.size();
                                                  return sink.OnData(piece);
                                                });
  if (!exchange.take_status().ok()) {
    reply.kind = Kind::kSinkError;
    reply.sink_error = exchange.take_status();
  } else if (!status.ok()) {
    reply.kind = absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable;
    reply.message = Shorten(base::Std(status.message()), kMessageBytesMax);
  } else if (exchange.HasSurplus()) {
    reply.kind = Kind::kWrongLength;
    reply.message = "it sent more bytes than its Content-Length says";
  } else {
    reply.kind = Kind::kComplete;
  }
}

fetcher::BlobReply PeerHttpClient::Impl::GetBlob(const fetcher::BlobRequest& request,
                                                 uint64_t offset, fetcher::BlobSink& sink,
                                                 const Interrupt& interrupt, bool& range_refused) {
  std::string target = absl::StrCat("/peer/v1/blobs/", request.blob.ToHex());
  for (std::size_t i = 0; i < request.groups.size() && i < syncgroup::kReadGroupsMax; ++i) {
    absl::StrAppend(&target, i == 0 ? "?" : "&", "group=", request.groups[i].ToHex());
  }
  std::vector<std::pair<std::string, std::string>> headers;
  if (offset > 0) headers.emplace_back("Range", absl::StrCat("bytes=", offset, "-"));
  // The head alone must come within the stall timeout.
  const base::SteadyTime deadline = std::chrono::steady_clock::now() + request.stall_timeout;
  auto started = Start(request.from, "GET", target, headers, std::nullopt, deadline, interrupt);
  if (!started.ok()) return FailureOf(started.status());

  fetcher::BlobReply reply;
  const int status = started->head.status;
  const bool sends = status == 200 || status == 206;
  std::string body;
  if (sends) {
    ReadBlob(request, offset, *started, sink, interrupt, reply);
  } else if (!ReadRefusal(*started, deadline, interrupt, reply, body)) {
    return reply;
  } else if (status == 404) {
    auto miss = syncgroup::DecodeMiss(body);
    reply.kind = miss.ok() ? Kind::kMiss : Kind::kUnreachable;
    reply.message = miss.ok() ? "not here" : "a malformed answer: its miss does not parse";
    if (miss.ok()) reply.miss = *std::move(miss);
  } else if (status == 416 && offset > 0) {
    range_refused = true;
  }
  GiveBackAfter(request.from, *std::move(started), !sends || reply.kind == Kind::kComplete);
  return reply;
}

bool PeerHttpClient::Impl::ReadRefusal(Started& started, base::SteadyTime deadline,
                                       const Interrupt& interrupt, fetcher::BlobReply& reply,
                                       std::string& body) {
  const absl::Status read =
      ReadSmall(started, syncgroup::kRequestBytesMax, deadline, interrupt, body);
  if (!read.ok()) {
    reply = FailureOf(read);
    return false;
  }
  const int status = started.head.status;
  const absl::Status error = ErrorIn(started.head, body);
  reply.kind = status >= 500 || status == 429 ? Kind::kBusy : Kind::kUnreachable;
  reply.message = Shorten(base::Std(error.message()), kMessageBytesMax);
  reply.retry_after = base::RetryAfterOf(error);
  return true;
}

void PeerHttpClient::Impl::GiveBackAfter(const syncgroup::Endpoint& from, Started started,
                                         bool whole) {
  if (whole) {
    GiveBack(from, std::move(started.line), started.in_before, started.out_before);
  } else if (!from.peer.IsZero()) {
    peers.NoteTraffic(from.peer, started.line.exchange->bytes_in() - started.in_before,
                      started.line.exchange->bytes_out() - started.out_before);
  }
}

// ---- many blobs ----

namespace {

// nullopt: it does not parse.
std::optional<fetcher::BatchItem> ItemIn(const Frame& frame,
                                         const std::vector<base::GroupId>& groups) {
  using ItemKind = fetcher::BatchItem::Kind;
  fetcher::BatchItem item;
  switch (frame.kind) {
    case FrameKind::kBlob:
      item.kind = ItemKind::kBlob;
      item.bytes = frame.body;
      for (std::size_t i = 0; i < groups.size() && i < syncgroup::kReadGroupsMax; ++i) {
        if ((frame.grants >> i & 1) != 0) item.granted.push_back(groups[i]);
      }
      return item;
    case FrameKind::kMiss: {
      item.kind = ItemKind::kMiss;
      auto miss = syncgroup::DecodeMiss(frame.body);
      if (!miss.ok()) return std::nullopt;
      item.miss = *std::move(miss);
      return item;
    }
    case FrameKind::kLeftOut:
      if (!frame.body.empty()) item.size_bytes = base::ReadU64(frame.body);
      return item;
  }
  return std::nullopt;
}

}  // namespace

void PeerHttpClient::Impl::ReadBatch(const fetcher::BatchRequest& request, Started& started,
                                     fetcher::BatchSink& sink, const Interrupt& interrupt,
                                     fetcher::BlobReply& reply) {
  FrameReader frames(request.blobs.size(),
                     std::min(request.blob_bytes_max, syncgroup::kBatchBlobBytesMax));
  std::size_t number = 0;
  const auto take = [&](const Frame& frame) -> absl::Status {
    const auto item = ItemIn(frame, request.groups);
    if (!item) return absl::InvalidArgumentError("a malformed answer: a miss does not parse");
    reply.sink_error = sink.OnItem(number++, *item);
    return reply.sink_error;
  };
  Exchange& exchange = *started.line.exchange;
  const absl::Status status =
      exchange.ReadBody(started.head, PaceOf(request.stall_timeout), base::SteadyTime::max(),
                        interrupt, [&](std::string_view piece) {
                          reply.body_bytes += piece.size();
                          return frames.Feed(piece, take);
                        });
  if (!reply.sink_error.ok()) {
    reply.kind = Kind::kSinkError;
  } else if (!status.ok()) {
    reply.kind = absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable;
    reply.message = Shorten(base::Std(status.message()), kMessageBytesMax);
  } else if (!frames.done() || exchange.HasSurplus()) {
    reply.kind = Kind::kUnreachable;
    reply.message = "a malformed answer: not a frame for each blob";
  } else {
    reply.kind = Kind::kComplete;
  }
}

fetcher::BlobReply PeerHttpClient::Impl::GetBatch(const fetcher::BatchRequest& request,
                                                  fetcher::BatchSink& sink,
                                                  const Interrupt& interrupt) {
  const std::string message = syncgroup::EncodeBatchRequest(
      {.groups = request.groups, .blobs = request.blobs, .blob_bytes_max = request.blob_bytes_max});
  const base::SteadyTime deadline = std::chrono::steady_clock::now() + request.stall_timeout;
  auto started = Start(request.from, "POST", "/peer/v1/blobs:batch",
                       {{"Content-Type", "application/x-protobuf"}}, message, deadline, interrupt);
  if (!started.ok()) return FailureOf(started.status());
  fetcher::BlobReply reply;
  std::string body;
  const bool sends = started->head.status == 200;
  if (sends) {
    ReadBatch(request, *started, sink, interrupt, reply);
  } else if (!ReadRefusal(*started, deadline, interrupt, reply, body)) {
    return reply;
  }
  GiveBackAfter(request.from, *std::move(started), !sends || reply.kind == Kind::kComplete);
  return reply;
}

// ---- the interfaces ----

PeerHttpClient::PeerHttpClient(PeerHttpClientOptions options, signpost::PeerBook& peers,
                               const base::Clock&)
    : impl_(std::make_unique<Impl>(std::move(options), peers)) {}
PeerHttpClient::~PeerHttpClient() = default;

void PeerHttpClient::SetConnectTimeout(base::Millis timeout) {
  impl_->connect_timeout_ms.store(timeout.count());
}

void PeerHttpClient::Forget(const base::PeerId& peer) { impl_->pool.Forget(peer.ToHex()); }

bool PeerHttpClient::HasLine(const base::PeerId& peer) const {
  return impl_->pool.HasTurned(peer.ToHex());
}

bool PeerHttpClient::WantsTurned(const base::PeerId& peer) const {
  return impl_->pool.WantsTurned(peer.ToHex());
}

void PeerHttpClient::TakeTurned(const base::PeerId& peer,
                                std::unique_ptr<TurnedConnection> connection) {
  impl_->pool.GiveTurned(
      peer.ToHex(), std::make_unique<Exchange>(Socket(std::move(connection), "turned.invalid:1")));
}

absl::StatusOr<std::unique_ptr<TurnedConnection>> PeerHttpClient::Turn(
    const syncgroup::Endpoint& to, std::stop_token stop) {
  const Interrupt interrupt(stop);
  const base::SteadyTime deadline = std::chrono::steady_clock::now() + impl_->options.call_timeout;
  Impl::Started started;
  ASSIGN_OR_RETURN(started.line.exchange, impl_->Dial(to, interrupt));
  Exchange& exchange = *started.line.exchange;
  std::vector<std::pair<std::string, std::string>> headers;
  if (impl_->options.tls == nullptr) headers.emplace_back(kPeerHeader, impl_->options.self.ToHex());
  RETURN_IF_ERROR(exchange.Send(
      FormatRequest("POST", "/peer/v1/turn", exchange.address(), headers, uint64_t{0}), deadline,
      interrupt));
  ASSIGN_OR_RETURN(started.head, exchange.ReadHead(/*head_request=*/false, ResponseLimits(),
                                                   deadline, interrupt));
  std::string body;
  RETURN_IF_ERROR(impl_->ReadSmall(started, kErrorBytesMax, deadline, interrupt, body));
  if (started.head.status != 204) return ErrorIn(started.head, body);
  return std::move(exchange).Turn();
}

absl::StatusOr<syncgroup::HelloReply> PeerHttpClient::Hello(const syncgroup::Endpoint& to,
                                                            const syncgroup::HelloRequest& request,
                                                            std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   impl_->Post(to, "/peer/v1/hello", syncgroup::EncodeHelloRequest(request), stop));
  return syncgroup::DecodeHelloReply(answer);
}

absl::StatusOr<syncgroup::SyncReply> PeerHttpClient::Sync(const syncgroup::Endpoint& to,
                                                          const syncgroup::SyncRequest& request,
                                                          std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   impl_->Post(to, "/peer/v1/sync", syncgroup::EncodeSyncRequest(request), stop));
  return syncgroup::DecodeSyncReply(answer);
}

absl::Status PeerHttpClient::Poke(const syncgroup::Endpoint& to,
                                  const syncgroup::PokeRequest& request, std::stop_token stop) {
  return impl_->Post(to, "/peer/v1/poke", syncgroup::EncodePokeRequest(request), stop).status();
}

absl::StatusOr<syncgroup::JoinReply> PeerHttpClient::Join(const syncgroup::Endpoint& to,
                                                          const syncgroup::JoinRequest& request,
                                                          std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   impl_->Post(to, "/peer/v1/join", syncgroup::EncodeJoinRequest(request), stop));
  return syncgroup::DecodeJoinReply(answer);
}

absl::StatusOr<syncgroup::HeldReply> PeerHttpClient::Held(const syncgroup::Endpoint& to,
                                                          const syncgroup::HeldRequest& request,
                                                          std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   impl_->Post(to, "/peer/v1/held", syncgroup::EncodeHeldRequest(request), stop));
  return syncgroup::DecodeHeldReply(answer);
}

fetcher::BlobReply PeerHttpClient::Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                                       std::stop_token stop) {
  const Interrupt interrupt(stop);
  bool range_refused = false;
  fetcher::BlobReply reply =
      impl_->GetBlob(request, request.offset, sink, interrupt, range_refused);
  // What we have is longer than what the peer has: from the beginning.
  if (range_refused) {
    bool again = false;
    reply = impl_->GetBlob(request, 0, sink, interrupt, again);
  }
  return reply;
}

fetcher::BlobReply PeerHttpClient::GetBatch(const fetcher::BatchRequest& request,
                                            fetcher::BatchSink& sink, std::stop_token stop) {
  return impl_->GetBatch(request, sink, Interrupt(stop));
}

}  // namespace waypost::http
