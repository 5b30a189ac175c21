#include "http/peer/peer_http_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "http/message/text.h"
#include "http/peer/peer_answers.h"
#include "http/peer/peer_http_client_impl.h"
#include "http/tls/peer_identity.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"

// Calls to other peers. A kept or turned connection is taken before anything is dialled; one found
// dead before the first byte of an answer is replaced once. A connection that is dialled says
// nothing before the other side has proved its key; if somebody else has the address, the next is
// tried.

namespace waypost::http {
namespace {}  // namespace

namespace {

// All addresses of a peer, names and handshakes together have so many times what one has.
constexpr int kDialsTime = 3;
// A peer that answers a request to turn slowly is tried again later.
constexpr base::Millis kTurnTime{10'000};

}  // namespace

PeerHttpClient::Impl::Impl(PeerHttpClientOptions client_options, signpost::PeerBook& book)
    : options(std::move(client_options)),
      peers(book),
      connect_timeout_ms(options.connect_timeout.count()) {
  CHECK(options.tls != nullptr || options.plain_for_tests);
}

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
  line.exchange =
      pool.TakeTurned(line.key, base::SteadyNow() + base::Millis(connect_timeout_ms.load()),
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
  const base::SteadyTime deadline = base::SteadyNow() + kDialsTime * each;
  const auto known = options.payer_of ? options.payer_of(to.peer) : std::nullopt;
  const base::Payer payer = known.value_or(base::PayerOf(to.peer.bytes()));
  while (true) {
    auto socket = Socket::Connect(addresses,
                                  {.each = each,
                                   .rules = options.dial,
                                   .deadline = deadline,
                                   .names = &names,
                                   .payer = payer},
                                  interrupt);
    absl::Status status = socket.status();
    if (socket.ok() && options.tls != nullptr) {
      // Nothing is said before the other side has proved who it is.
      status = socket->StartPeerTls(*options.tls, to.peer,
                                    std::min(deadline, base::SteadyNow() + each), interrupt);
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

absl::StatusOr<std::string> PeerHttpClient::Impl::ReadSmall(Started& started, std::size_t bytes_max,
                                                            base::SteadyTime deadline,
                                                            const Interrupt& interrupt) {
  const uint64_t length = started.head.content_length.value_or(0);
  if (length > bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("a malformed answer: ", length, " bytes"));
  }
  std::string body;
  body.reserve(static_cast<std::size_t>(length));
  const Exchange::Pace pace{.window = options.call_timeout, .bytes = 1};
  RETURN_IF_ERROR(started.line.exchange->ReadBody(started.head, pace, deadline, interrupt,
                                                  [&](std::string_view piece) {
                                                    body.append(piece);
                                                    return absl::OkStatus();
                                                  }));
  return body;
}

absl::StatusOr<std::string> PeerHttpClient::Impl::Post(const syncgroup::Endpoint& to,
                                                       const std::string& target,
                                                       const absl::StatusOr<std::string>& body,
                                                       const std::stop_token& stop) {
  if (!body.ok()) return body.status();
  const Interrupt interrupt(stop);
  const base::SteadyTime deadline = base::SteadyNow() + options.call_timeout;
  auto started = Start(to, "POST", target, {{"Content-Type", "application/x-protobuf"}}, *body,
                       deadline, interrupt);
  if (!started.ok()) return started.status();
  const bool good = started->head.status == 200 || started->head.status == 204;
  // The line ends with its refusal.
  if (!good && started->head.content_length.value_or(0) > kRefusalBytesMax) {
    return ErrorIn(started->head, "");
  }
  ASSIGN_OR_RETURN(std::string answer,
                   ReadSmall(*started, good ? syncgroup::kReplyBytesMax : kRefusalBytesMax,
                             deadline, interrupt));
  const ResponseHead head = started->head;
  GiveBack(to, std::move(started->line), started->in_before, started->out_before);
  if (!good) return ErrorIn(head, answer);
  return answer;
}

// ---- the interfaces ----

PeerHttpClient::PeerHttpClient(PeerHttpClientOptions options, signpost::PeerBook& peers)
    : impl_(std::make_unique<Impl>(std::move(options), peers)) {}
PeerHttpClient::~PeerHttpClient() = default;

void PeerHttpClient::SetConnectTimeout(base::Millis timeout) {
  impl_->connect_timeout_ms.store(timeout.count());
}

base::Millis PeerHttpClient::connect_timeout() const {
  return base::Millis(impl_->connect_timeout_ms.load());
}

void PeerHttpClient::Forget(const base::PeerId& peer) { impl_->pool.Forget(peer.ToHex()); }

bool PeerHttpClient::ReachableWithoutAddress(const base::PeerId& peer) const {
  return impl_->pool.HasTurned(peer.ToHex());
}

bool PeerHttpClient::WantsTurned(const base::PeerId& peer) const {
  return impl_->pool.WantsTurned(peer.ToHex());
}

void PeerHttpClient::TakeTurned(const base::PeerId& peer,
                                std::unique_ptr<TurnedConnection> connection) {
  impl_->pool.GiveTurned(
      peer.ToHex(), std::make_unique<Exchange>(Socket(connection->Take(), "turned.invalid:1")));
}

absl::StatusOr<std::unique_ptr<TurnedConnection>> PeerHttpClient::Turn(
    const syncgroup::Endpoint& to, const std::stop_token& stop) {
  const Interrupt interrupt(stop);
  const base::SteadyTime deadline =
      base::SteadyNow() + std::min(kTurnTime, impl_->options.call_timeout);
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
  ASSIGN_OR_RETURN(const std::string body,
                   impl_->ReadSmall(started, kRefusalBytesMax, deadline, interrupt));
  if (started.head.status != 204) return ErrorIn(started.head, body);
  return std::move(exchange).Turn();
}

absl::StatusOr<syncgroup::HelloReply> PeerHttpClient::Hello(const syncgroup::Endpoint& to,
                                                            const syncgroup::HelloRequest& request,
                                                            std::stop_token stop) {
  return base::WithinMemory([&]() -> absl::StatusOr<syncgroup::HelloReply> {
    ASSIGN_OR_RETURN(
        const std::string answer,
        impl_->Post(to, "/peer/v1/hello", syncgroup::EncodeHelloRequest(request), stop));
    return syncgroup::DecodeHelloReply(answer);
  });
}

absl::StatusOr<syncgroup::SyncReply> PeerHttpClient::Sync(const syncgroup::Endpoint& to,
                                                          const syncgroup::SyncRequest& request,
                                                          std::stop_token stop) {
  return base::WithinMemory([&]() -> absl::StatusOr<syncgroup::SyncReply> {
    ASSIGN_OR_RETURN(const std::string answer,
                     impl_->Post(to, "/peer/v1/sync", syncgroup::EncodeSyncRequest(request), stop));
    return syncgroup::DecodeSyncReply(answer);
  });
}

absl::Status PeerHttpClient::Poke(const syncgroup::Endpoint& to,
                                  const syncgroup::PokeRequest& request, std::stop_token stop) {
  return base::WithinMemory([&] {
    return impl_->Post(to, "/peer/v1/poke", syncgroup::EncodePokeRequest(request), stop).status();
  });
}

absl::Status PeerHttpClient::Wrong(const syncgroup::Endpoint& to,
                                   const syncgroup::WrongRequest& request, std::stop_token stop) {
  return base::WithinMemory([&] {
    return impl_->Post(to, "/peer/v1/wrong", syncgroup::EncodeWrongRequest(request), stop).status();
  });
}

absl::StatusOr<syncgroup::JoinReply> PeerHttpClient::Join(const syncgroup::Endpoint& to,
                                                          const syncgroup::JoinRequest& request,
                                                          std::stop_token stop) {
  return base::WithinMemory([&]() -> absl::StatusOr<syncgroup::JoinReply> {
    ASSIGN_OR_RETURN(const std::string answer,
                     impl_->Post(to, "/peer/v1/join", syncgroup::EncodeJoinRequest(request), stop));
    return syncgroup::DecodeJoinReply(answer);
  });
}

absl::StatusOr<syncgroup::HeldReply> PeerHttpClient::Held(const syncgroup::Endpoint& to,
                                                          const syncgroup::HeldRequest& request,
                                                          std::stop_token stop) {
  return base::WithinMemory([&]() -> absl::StatusOr<syncgroup::HeldReply> {
    ASSIGN_OR_RETURN(const std::string answer,
                     impl_->Post(to, "/peer/v1/held", syncgroup::EncodeHeldRequest(request), stop));
    return syncgroup::DecodeHeldReply(answer);
  });
}

}  // namespace waypost::http
