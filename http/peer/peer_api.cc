#include "http/peer/peer_api.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/attempt_limiter.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/log_bound.h"
#include "base/status.h"
#include "http/message/blob_answer.h"
#include "http/message/errors.h"
#include "http/message/later_answer.h"
#include "http/message/router.h"
#include "http/message/text.h"
#include "http/peer/peer_batch.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"

// The routes that peers call. Who is calling is what the listener proved and never what a message
// says. Who may read a blob, and what it is told otherwise, decides syncgroup::Access; here that
// becomes statuses and messages.

namespace waypost::http {
namespace {

constexpr std::size_t kBadJoinsPerMinute = 5;
constexpr base::Millis kMinute{60000};
// A caller that is no member of what it names is answered after that time, and where it took longer
// after a multiple of it: signatures are checked and rows are found for groups that are here only.
// So are errors, since what failed tells as much.
constexpr base::Millis kStrangersWait{100};

base::SteadyTime StrangersTime(base::SteadyTime asked) {
  return asked + kStrangersWait * ((base::SteadyNow() - asked) / kStrangersWait + 1);
}

// Did the caller learn nothing, because it is no member of anything that it named?
bool IsStrangersAnswer(const syncgroup::HelloReply& reply) { return reply.papers.empty(); }
bool IsStrangersAnswer(const syncgroup::SyncReply& reply) {
  return std::none_of(reply.groups.begin(), reply.groups.end(),
                      [](const auto& group) { return group.member; });
}
bool IsStrangersAnswer(const syncgroup::HeldReply&) { return false; }

Response Protobuf(std::string bytes) {
  Response response;
  response.Set("Content-Type", "application/x-protobuf");
  response.body = std::move(bytes);
  return response;
}

// A body up to `bytes_max`, or why it is refused.
absl::StatusOr<std::string> ReadBody(Request& request, std::size_t bytes_max) {
  const auto announced = request.body == nullptr ? std::nullopt : request.body->length();
  if (!announced) return absl::InvalidArgumentError("the request needs a body");
  if (*announced > bytes_max) {
    return absl::OutOfRangeError(absl::StrCat("a body of at most ", bytes_max, " bytes is taken"));
  }
  std::string body;
  body.reserve(static_cast<std::size_t>(*announced));
  const absl::Status read = request.body->Read([&](std::string_view piece) {
    body.append(piece);
    return absl::OkStatus();
  });
  // It gave way to others. Else, whatever broke, it is the sender's body that is not whole.
  if (absl::IsUnavailable(read)) return read;
  if (!read.ok()) return absl::InvalidArgumentError(read.message());
  return body;
}

// Who has proved its key may call.
std::optional<Response> Guard(const Request& request, Right) {
  if (request.peer) return std::nullopt;
  return ErrorResponse(absl::UnauthenticatedError("say which peer is calling"));
}

}  // namespace

struct PeerApi::Impl {
  explicit Impl(Parts parts)
      : blobs(parts.blobs),
        access(parts.access),
        service(parts.service),
        peers(parts.peers),
        turned(std::move(parts.turned)),
        batch({.blobs = blobs, .access = access, .peers = peers}) {}

  // A call with a Protobuf body each way.
  template <class Decode, class Call, class Encode>
  Handler ProtobufCall(Decode decode, Call call, Encode encode) {
    return [this, decode, call, encode](Request& request) -> Response {
      const base::SteadyTime asked = base::SteadyNow();
      const auto body = ReadBody(request, syncgroup::kRequestBytesMax);
      if (!body.ok()) return ErrorResponse(body.status());
      auto message = decode(*body);
      if (!message.ok()) return ErrorResponse(message.status());
      auto reply = call(*request.peer, *message);
      if (!reply.ok()) return AnswerAt(StrangersTime(asked), ErrorResponse(reply.status()));
      absl::StatusOr<std::string> bytes = encode(*reply);
      if (!bytes.ok()) return ErrorResponse(bytes.status());
      peers.NoteTraffic(*request.peer, body->size(), bytes->size());
      Response response = Protobuf(*std::move(bytes));
      if (!IsStrangersAnswer(*reply)) return response;
      return AnswerAt(StrangersTime(asked), std::move(response));
    };
  }

  std::vector<Route> Routes();
  Response Poke(Request& request);
  Response Wrong(Request& request);
  Response GetBlob(Request& request);
  Response GetBatch(Request& request);
  // Of one blob, which was not granted; asked for at `asked`.
  Response Miss(const absl::StatusOr<syncgroup::Access::Judgement>& judged, base::SteadyTime asked);
  Response Join(Request& request);
  Response Turn(Request& request);

  blobstore::BlobStore& blobs;
  syncgroup::Access& access;
  syncgroup::PeerService& service;
  signpost::PeerBook& peers;
  base::LogBound log;
  base::AttemptLimiter joins{kBadJoinsPerMinute, kMinute};
  const TurnedSink turned;
  PeerBatch batch;
  Router router{Guard};
};

// The table of the peer listener: everything that it does. All of it is for whoever has proved its
// key; what a caller may know of a group is decided call by call, below.
std::vector<Route> PeerApi::Impl::Routes() {
  using base::PeerId;
  const auto hello = [this](const PeerId& caller, const syncgroup::HelloRequest& message) {
    return service.Hello(caller, message);
  };
  const auto sync = [this](const PeerId& caller, const syncgroup::SyncRequest& message) {
    return service.Sync(caller, message);
  };
  const auto held = [this](const PeerId& caller, const syncgroup::HeldRequest& message) {
    return service.Held(caller, message);
  };
  const auto to = [this](Response (Impl::*handle)(Request&)) -> Handler {
    return [this, handle](Request& request) { return (this->*handle)(request); };
  };
  const auto call = [this](auto decode, auto answer, auto encode) {
    return ProtobufCall(decode, answer, encode);
  };
  using namespace syncgroup;  // NOLINT: the codecs of the messages
  return {
      {"POST",
       "/peer/v1/hello",
       Right::kPeer,
       {},
       call(DecodeHelloRequest, hello, EncodeHelloReply)},
      {"POST", "/peer/v1/sync", Right::kPeer, {}, call(DecodeSyncRequest, sync, EncodeSyncReply)},
      {"POST", "/peer/v1/held", Right::kPeer, {}, call(DecodeHeldRequest, held, EncodeHeldReply)},
      {"POST", "/peer/v1/poke", Right::kPeer, {}, to(&Impl::Poke)},
      {"POST", "/peer/v1/wrong", Right::kPeer, {}, to(&Impl::Wrong)},
      {"POST", "/peer/v1/join", Right::kPeer, {}, to(&Impl::Join)},
      {"POST", "/peer/v1/turn", Right::kPeer, {}, to(&Impl::Turn)},
      {"GET", "/peer/v1/blobs/{id}", Right::kPeer, {"group..."}, to(&Impl::GetBlob)},
      {"POST", "/peer/v1/blobs:batch", Right::kPeer, {}, to(&Impl::GetBatch)},
  };
}

Response PeerApi::Impl::Poke(Request& request) {
  const auto body = ReadBody(request, syncgroup::kRequestBytesMax);
  if (!body.ok()) return ErrorResponse(body.status());
  const auto message = syncgroup::DecodePokeRequest(*body);
  if (!message.ok()) return ErrorResponse(message.status());
  const absl::Status status = service.Poke(*request.peer, *message);
  if (!status.ok()) return ErrorResponse(status);
  peers.NoteTraffic(*request.peer, body->size(), 0);
  Response response;
  response.status = 204;
  return response;
}

Response PeerApi::Impl::Wrong(Request& request) {
  const base::SteadyTime asked = base::SteadyNow();
  service.Arrived(*request.peer);
  const auto body = ReadBody(request, syncgroup::kRequestBytesMax);
  if (!body.ok()) return ErrorResponse(body.status());
  const auto message = syncgroup::DecodeWrongRequest(*body);
  if (!message.ok()) return ErrorResponse(message.status());
  // Who may not read it learns no more than by asking for it.
  const auto judged = access.Judge(*request.peer, {message->blob}, {message->group});
  if (!judged.ok()) return ErrorResponse(judged.status());
  const auto granted = syncgroup::Access::Verdict::Kind::kGranted;
  if (judged->verdicts.front().kind != granted) return Miss(judged, asked);
  const absl::Status status = service.Wrong(*request.peer, *message);
  if (!status.ok()) return ErrorResponse(status);
  Response response;
  response.status = 204;
  return response;
}

Response PeerApi::Impl::Miss(const absl::StatusOr<syncgroup::Access::Judgement>& judged,
                             base::SteadyTime asked) {
  if (!judged.ok()) return ErrorResponse(judged.status());
  const base::SteadyTime then = asked + judged->answer_after;
  const syncgroup::Access::Verdict& verdict = judged->verdicts.front();
  if (verdict.kind == syncgroup::Access::Verdict::Kind::kRefused) {
    return AnswerAt(then, GuessedTooOften(verdict.retry_after));
  }
  Response response = Protobuf(ElsewhereBytes(verdict));
  response.status = 404;
  return AnswerAt(then, std::move(response));
}

Response PeerApi::Impl::Join(Request& request) {
  const base::SteadyTime now = base::SteadyNow();
  const std::string network = base::NetworkOf(request.remote_address);
  if (const auto wait = joins.Wait(network, now)) {
    return ErrorResponse(base::WithRetryAfter(
        absl::ResourceExhaustedError("too many joins were refused; wait a minute"), *wait));
  }
  const auto body = ReadBody(request, syncgroup::kRequestBytesMax);
  if (!body.ok()) return ErrorResponse(body.status());
  const auto message = syncgroup::DecodeJoinRequest(*body);
  if (!message.ok()) return ErrorResponse(message.status());
  const auto reply = service.Join(*request.peer, *message);
  if (absl::IsPermissionDenied(reply.status())) joins.Note(network, now);
  if (!reply.ok()) return ErrorResponse(reply.status());
  absl::StatusOr<std::string> bytes = syncgroup::EncodeJoinReply(*reply);
  if (!bytes.ok()) return ErrorResponse(bytes.status());
  return Protobuf(*std::move(bytes));
}

Response PeerApi::Impl::Turn(Request& request) {
  const base::PeerId& caller = *request.peer;
  if (!service.SharesGroup(caller)) {
    return ErrorResponse(absl::PermissionDeniedError("no group is shared"));
  }
  if (!turned.take || !turned.wants(caller)) {
    return ErrorResponse(base::WithRetryAfter(
        absl::ResourceExhaustedError("enough of your connections are turned here"), kMinute));
  }
  Response response;
  response.status = 204;
  response.turn = [this, caller](std::unique_ptr<TurnedConnection> connection) {
    turned.take(caller, std::move(connection));
  };
  return response;
}

Response PeerApi::Impl::GetBlob(Request& request) {
  const base::SteadyTime asked = base::SteadyNow();
  service.Arrived(*request.peer);
  const auto blob = base::ParseBlobId(request.params["id"]);
  if (!blob) return ErrorResponse(absl::InvalidArgumentError("not a blob id"));
  std::vector<base::GroupId> wanted;
  for (std::string_view text : request.QueryAll("group")) {
    const auto group = base::GroupId::FromHex(text);
    if (!group) return ErrorResponse(absl::InvalidArgumentError("not a group id"));
    wanted.push_back(*group);
  }
  if (wanted.empty() || wanted.size() > syncgroup::kReadGroupsMax) {
    return ErrorResponse(absl::InvalidArgumentError(absl::StrCat(
        "name 1 to ", syncgroup::kReadGroupsMax, " groups under which the blob is wanted")));
  }
  const auto judged = access.Judge(*request.peer, {*blob}, wanted);
  if (!judged.ok()) return ErrorResponse(judged.status());
  const syncgroup::Access::Verdict& verdict = judged->verdicts.front();
  if (verdict.kind != syncgroup::Access::Verdict::Kind::kGranted) return Miss(judged, asked);
  auto reader = blobs.Open(*blob);
  if (!reader.ok()) return Miss(access.JudgeLost(*request.peer, *blob, wanted), asked);

  std::string names;
  for (const base::GroupId& group : verdict.granted) {
    absl::StrAppend(&names, names.empty() ? "" : ",", group.ToHex());
  }
  Response response;
  response.Set("Waypost-Groups", names);
  response = BlobAnswer(std::move(response), request.Header("range"), std::move(*reader));
  const auto* part = std::get_if<SourcePart>(&response.body);
  if (part != nullptr && request.method != "HEAD") {
    peers.NoteTraffic(*request.peer, 0, part->length);
  }
  return response;
}

Response PeerApi::Impl::GetBatch(Request& request) {
  service.Arrived(*request.peer);
  const auto body = ReadBody(request, syncgroup::kRequestBytesMax);
  if (!body.ok()) return ErrorResponse(body.status());
  const auto message = syncgroup::DecodeBatchRequest(*body);
  if (!message.ok()) return ErrorResponse(message.status());
  // Who draws keys at will gets no more room with each of them.
  return batch.Answer(*request.peer, {request.payer, request.by_stranger}, *message);
}

PeerApi::PeerApi(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {
  for (Route& route : impl_->Routes()) impl_->router.Add(std::move(route));
}

PeerApi::~PeerApi() = default;

Response PeerApi::Handle(Request& request) {
  Response response = impl_->router.Answer(request);
  const bool refused = response.status == 403 || response.status == 429;
  if (refused && request.peer && impl_->log.May(request.peer->ToHex(), base::SteadyNow())) {
    base::LogWarning("peer ", request.peer->ToHex(), " at ", request.remote_address,
                     " was refused with ", response.status, ": ", RouteName(request));
  }
  return response;
}

std::string PeerApi::RouteName(const Request& request) const {
  return impl_->router.RouteName(request);
}

}  // namespace waypost::http
