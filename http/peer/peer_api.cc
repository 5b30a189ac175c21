#include "http/peer/peer_api.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "http/message/range.h"
#include "http/message/router.h"
#include "http/message/text.h"
#include "http/peer/attempt_limiter.h"
#include "http/peer/peer_batch.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"

// The routes that peers call. Who is calling is what the listener proved and never what a message
// says. A blob that is missing, one that is not granted and one never heard of get the same answer,
// and guesses take the same time and are limited.

namespace waypost::http {
namespace {

constexpr std::size_t kBadJoinsPerMinute = 5;
constexpr base::Millis kMinute{60000};

Response Protobuf(std::string bytes) {
  Response response;
  response.Set("Content-Type", "application/x-protobuf");
  response.body = std::move(bytes);
  return response;
}

// A body up to `bytes_max`, or the answer that refuses it.
absl::Status ReadBody(Request& request, std::size_t bytes_max, std::string& body) {
  if (request.body == nullptr) return absl::InvalidArgumentError("the request needs a body");
  if (request.body->length() > bytes_max) {
    return absl::OutOfRangeError(absl::StrCat("a body of at most ", bytes_max, " bytes is taken"));
  }
  body.reserve(static_cast<std::size_t>(request.body->length()));
  const absl::Status read = request.body->Read([&](std::string_view piece) {
    body.append(piece);
    return absl::OkStatus();
  });
  // Whatever broke, it is the sender's body that is not whole.
  if (!read.ok()) return absl::InvalidArgumentError(read.message());
  return absl::OkStatus();
}

}  // namespace

struct PeerApi::Impl {
  explicit Impl(Parts parts)
      : index(parts.index),
        blobs(parts.blobs),
        access(parts.access),
        service(parts.service),
        peers(parts.peers),
        turned(std::move(parts.turned)),
        guess_takes(parts.limits.takes),
        misses(parts.limits.per_minute, kMinute),
        batch(index, blobs, access, service, peers, {misses, guess_takes}) {}

  // A call with a Protobuf body each way.
  template <class Decode, class Call, class Encode>
  Handler ProtobufCall(Decode decode, Call call, Encode encode) {
    return [this, decode, call, encode](Request& request) -> Response {
      std::string body;
      const absl::Status read = ReadBody(request, syncgroup::kRequestBytesMax, body);
      if (!read.ok()) return ErrorResponse(read);
      auto message = decode(body);
      if (!message.ok()) return ErrorResponse(message.status());
      auto reply = call(*request.peer, *message);
      if (!reply.ok()) return ErrorResponse(reply.status());
      std::string bytes = encode(*reply);
      peers.NoteTraffic(*request.peer, body.size(), bytes.size());
      return Protobuf(std::move(bytes));
    };
  }

  Response Poke(Request& request);
  Response GetBlob(Request& request);
  Response GetBatch(Request& request);
  // `lost`: it was granted, and its bytes are gone.
  Response Miss(const base::PeerId& caller, const base::BlobId& blob,
                const std::vector<base::GroupId>& groups, base::SteadyTime now, bool lost);
  Response Join(Request& request);
  Response Turn(Request& request);

  base::Index& index;
  blobstore::BlobStore& blobs;
  const syncgroup::Access& access;
  syncgroup::PeerService& service;
  signpost::PeerBook& peers;
  AttemptLimiter joins{kBadJoinsPerMinute, kMinute};
  const TurnedSink turned;
  const std::chrono::microseconds guess_takes;
  AttemptLimiter misses;
  PeerBatch batch;
  Router router;
};

Response PeerApi::Impl::Poke(Request& request) {
  std::string body;
  const absl::Status read = ReadBody(request, syncgroup::kRequestBytesMax, body);
  if (!read.ok()) return ErrorResponse(read);
  const auto message = syncgroup::DecodePokeRequest(body);
  if (!message.ok()) return ErrorResponse(message.status());
  const absl::Status status = service.Poke(*request.peer, *message);
  if (!status.ok()) return ErrorResponse(status);
  peers.NoteTraffic(*request.peer, body.size(), 0);
  Response response;
  response.status = 204;
  return response;
}

// The same for a blob that is not here, one that is not granted, and one never heard of.
Response PeerApi::Impl::Miss(const base::PeerId& caller, const base::BlobId& blob,
                             const std::vector<base::GroupId>& wanted, base::SteadyTime now,
                             bool lost) {
  const auto wait = misses.Wait(caller.ToHex(), now);
  signpost::SharedSignpost shared;
  bool guessed = true;
  const absl::Status read = index.Read([&](base::ReadTxn& txn) {
    guessed = !access.MentionedFor(txn, blob, caller, wanted);
    if (guessed && wait) return absl::OkStatus();
    shared = access.SharedSignpostFor(txn, blob, caller);
    return absl::OkStatus();
  });
  if (!read.ok()) return ErrorResponse(absl::UnavailableError(read.message()));
  if (!guessed && !lost) service.ToldNo(caller, {blob}, wanted);
  if (guessed && wait) {
    return ErrorResponse(base::WithRetryAfter(
        absl::ResourceExhaustedError("too many blobs asked for that nobody mentioned"), *wait));
  }
  if (guessed) {
    misses.Note(caller.ToHex(), now);
    AnswerNotBefore(now + guess_takes);
  }
  Response response = Protobuf(syncgroup::EncodeElsewhere(
      {.locations = std::move(shared.locations), .size_hint_bytes = shared.size_hint_bytes}));
  response.status = 404;
  return response;
}

Response PeerApi::Impl::Join(Request& request) {
  const base::SteadyTime now = base::SteadyNow();
  if (const auto wait = joins.Wait(request.remote_address, now)) {
    return ErrorResponse(base::WithRetryAfter(
        absl::ResourceExhaustedError("too many joins were refused; wait a minute"), *wait));
  }
  std::string body;
  const absl::Status read = ReadBody(request, syncgroup::kRequestBytesMax, body);
  if (!read.ok()) return ErrorResponse(read);
  const auto message = syncgroup::DecodeJoinRequest(body);
  if (!message.ok()) return ErrorResponse(message.status());
  const auto reply = service.Join(*request.peer, *message);
  if (absl::IsPermissionDenied(reply.status())) joins.Note(request.remote_address, now);
  if (!reply.ok()) return ErrorResponse(reply.status());
  return Protobuf(syncgroup::EncodeJoinReply(*reply));
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
  const base::SteadyTime now = base::SteadyNow();
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
  std::vector<base::GroupId> granted;
  const absl::Status read = index.Read([&](base::ReadTxn& txn) {
    granted = access.Granted(txn, *request.peer, *blob, wanted);
    return absl::OkStatus();
  });
  if (!read.ok()) return ErrorResponse(absl::UnavailableError(read.message()));
  if (granted.empty()) return Miss(*request.peer, *blob, wanted, now, /*lost=*/false);
  auto reader = blobs.Open(*blob);
  // Also a blob whose file was lost: it is not here.
  if (!reader.ok()) return Miss(*request.peer, *blob, wanted, now, /*lost=*/true);
  std::shared_ptr<base::ByteSource> shared = std::move(*reader);
  const uint64_t size = shared->size_bytes();

  Response response;
  const RangeResult range = ParseRange(request.Header("range"), size);
  if (range.kind == RangeResult::Kind::kUnsatisfiable ||
      range.kind == RangeResult::Kind::kMultiple) {
    response = ErrorResponse(416, "out_of_range", "no such range of the blob");
    response.Set("Content-Range", ContentRangeUnsatisfied(size));
    return response;
  }
  if (range.kind == RangeResult::Kind::kPart) {
    response.status = 206;
    response.Set("Content-Range", ContentRange(range.offset, range.length, size));
  }
  std::string names;
  for (const base::GroupId& group : granted) {
    absl::StrAppend(&names, names.empty() ? "" : ",", group.ToHex());
  }
  response.Set("Waypost-Groups", names);
  response.Set("Content-Type", "application/octet-stream");
  response.Set("Accept-Ranges", "bytes");
  response.body = SourcePart{std::move(shared), range.offset, range.length};
  if (request.method != "HEAD") peers.NoteTraffic(*request.peer, 0, range.length);
  return response;
}

Response PeerApi::Impl::GetBatch(Request& request) {
  service.Arrived(*request.peer);
  std::string body;
  const absl::Status read = ReadBody(request, syncgroup::kRequestBytesMax, body);
  if (!read.ok()) return ErrorResponse(read);
  const auto message = syncgroup::DecodeBatchRequest(body);
  if (!message.ok()) return ErrorResponse(message.status());
  return batch.Answer(*request.peer, *message);
}

PeerApi::PeerApi(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {
  Impl* impl = impl_.get();
  syncgroup::PeerService* peer_service = &impl->service;
  Router& router = impl_->router;
  using base::PeerId;
  router.Add("POST", "/peer/v1/hello",
             impl->ProtobufCall(
                 syncgroup::DecodeHelloRequest,
                 [peer_service](const PeerId& caller, const syncgroup::HelloRequest& message) {
                   return peer_service->Hello(caller, message);
                 },
                 syncgroup::EncodeHelloReply));
  router.Add("POST", "/peer/v1/sync",
             impl->ProtobufCall(
                 syncgroup::DecodeSyncRequest,
                 [peer_service](const PeerId& caller, const syncgroup::SyncRequest& message) {
                   return peer_service->Sync(caller, message);
                 },
                 syncgroup::EncodeSyncReply));
  router.Add("POST", "/peer/v1/turn", [impl](Request& request) { return impl->Turn(request); });
  router.Add("POST", "/peer/v1/join", [impl](Request& request) { return impl->Join(request); });
  router.Add("POST", "/peer/v1/held",
             impl->ProtobufCall(
                 syncgroup::DecodeHeldRequest,
                 [peer_service](const PeerId& caller, const syncgroup::HeldRequest& message) {
                   return peer_service->Held(caller, message);
                 },
                 syncgroup::EncodeHeldReply));
  router.Add("POST", "/peer/v1/poke", [impl](Request& request) { return impl->Poke(request); });
  router.Add("GET", "/peer/v1/blobs/{id}",
             [impl](Request& request) { return impl->GetBlob(request); });
  router.Add("POST", "/peer/v1/blobs:batch",
             [impl](Request& request) { return impl->GetBatch(request); });
}

PeerApi::~PeerApi() = default;

Response PeerApi::Handle(Request& request) {
  if (!request.peer) {
    return ErrorResponse(absl::UnauthenticatedError("say which peer is calling"));
  }
  return impl_->router.Route(request);
}

std::string PeerApi::RouteName(const Request& request) const {
  return impl_->router.RouteName(request);
}

}  // namespace waypost::http
