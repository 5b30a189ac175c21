#include "tests/sim/client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "http/message/range.h"
#include "http/peer/batch_frames.h"
#include "http/peer/peer_answers.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/sim/paced_source.h"
#include "tests/support/memory_body.h"

// Requests are built, and answers judged, as http/peer/peer_http_client.cc and peer_blob_client.cc
// do it with what arrives on a socket.

namespace waypost::sim {
namespace {

using Kind = fetcher::BlobReply::Kind;

constexpr base::Millis kCallTimeout{30000};
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr uint64_t kStallBytesPerSecond = 1024;

http::ResponseHead HeadOf(const http::Response& response) {
  http::ResponseHead head;
  head.status = response.status;
  for (const auto& [name, value] : response.headers) {
    head.headers.emplace_back(absl::AsciiStrToLower(name), value);
  }
  return head;
}

fetcher::BlobReply FailureOf(const absl::Status& status) {
  fetcher::BlobReply reply;
  reply.kind = absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable;
  reply.message = std::string(status.message());
  return reply;
}

// The answer to a request for blobs that is neither a blob nor blobs.
fetcher::BlobReply RefusalOf(const http::ResponseHead& head, const std::string& body) {
  const absl::Status error = http::ErrorIn(head, body);
  fetcher::BlobReply reply;
  reply.kind = head.status >= 500 || head.status == 429 ? Kind::kBusy : Kind::kUnreachable;
  reply.message = std::string(error.message());
  reply.retry_after = base::RetryAfterOf(error);
  return reply;
}

}  // namespace

absl::StatusOr<Client::Reply> Client::Ask(const syncgroup::Endpoint& to, http::Request request,
                                          const std::string& body, base::Millis timeout,
                                          std::stop_token stop) {
  if (to.addresses.empty()) return absl::UnavailableError("no address is known");
  Reply reply;
  support::MemoryBody source(body);
  if (request.method == "POST") request.body = &source;
  absl::Status failed;
  // As a dialler does: one address after the other, until somebody is there.
  for (const std::string& address : to.addresses) {
    reply.call = {.from = number_,
                  .caller = self_,
                  .address = address,
                  .expected = to.peer,
                  .deadline = base::SteadyNow() + timeout};
    auto answer = network_.Send(reply.call, request, stop);
    failed = answer.status();
    if (absl::IsUnavailable(failed)) continue;
    if (!answer.ok()) return failed;
    reply.answer = *std::move(answer);
    reply.head = HeadOf(reply.answer.response);
    if (auto* bytes = std::get_if<std::string>(&reply.answer.response.body)) {
      reply.body = std::move(*bytes);
    }
    if (!to.peer.IsZero()) peers_.NoteTraffic(to.peer, reply.body.size(), body.size());
    return reply;
  }
  return failed;
}

absl::StatusOr<std::string> Client::Post(const syncgroup::Endpoint& to, const std::string& path,
                                         const absl::StatusOr<std::string>& body,
                                         std::stop_token stop) {
  if (!body.ok()) return body.status();
  ASSIGN_OR_RETURN(Reply reply,
                   Ask(to, {.method = "POST", .path = path}, *body, kCallTimeout, stop));
  if (reply.head.status != 200 && reply.head.status != 204) {
    return http::ErrorIn(reply.head, reply.body);
  }
  return std::move(reply.body);
}

absl::StatusOr<syncgroup::HelloReply> Client::Hello(const syncgroup::Endpoint& to,
                                                    const syncgroup::HelloRequest& request,
                                                    std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   Post(to, "/peer/v1/hello", syncgroup::EncodeHelloRequest(request), stop));
  return syncgroup::DecodeHelloReply(answer);
}
absl::StatusOr<syncgroup::SyncReply> Client::Sync(const syncgroup::Endpoint& to,
                                                  const syncgroup::SyncRequest& request,
                                                  std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   Post(to, "/peer/v1/sync", syncgroup::EncodeSyncRequest(request), stop));
  return syncgroup::DecodeSyncReply(answer);
}
absl::Status Client::Poke(const syncgroup::Endpoint& to, const syncgroup::PokeRequest& request,
                          std::stop_token stop) {
  return Post(to, "/peer/v1/poke", syncgroup::EncodePokeRequest(request), stop).status();
}
absl::StatusOr<syncgroup::JoinReply> Client::Join(const syncgroup::Endpoint& to,
                                                  const syncgroup::JoinRequest& request,
                                                  std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   Post(to, "/peer/v1/join", syncgroup::EncodeJoinRequest(request), stop));
  return syncgroup::DecodeJoinReply(answer);
}
absl::StatusOr<syncgroup::HeldReply> Client::Held(const syncgroup::Endpoint& to,
                                                  const syncgroup::HeldRequest& request,
                                                  std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::string answer,
                   Post(to, "/peer/v1/held", syncgroup::EncodeHeldRequest(request), stop));
  return syncgroup::DecodeHeldReply(answer);
}

bool Client::ReadBody(const Reply& reply, base::Millis stall_timeout, std::stop_token stop,
                      const std::function<absl::Status(std::string_view)>& take,
                      absl::Status& taken) {
  const auto* blob = std::get_if<http::SourcePart>(&reply.answer.response.body);
  if (blob == nullptr) return false;
  PacedSource::Pace pace{.piece_bytes = kPieceBytes};
  if (const auto* paced = dynamic_cast<const PacedSource*>(blob->source.get())) {
    pace = paced->pace();
  }
  const auto least = static_cast<uint64_t>(stall_timeout.count()) * kStallBytesPerSecond / 1000;
  if (pace.Stalls(stall_timeout, least)) {
    network_.Carry(reply.call, 0, stall_timeout, stop);
    return false;
  }
  std::vector<char> buffer(pace.piece_bytes);
  for (uint64_t at = 0; at < blob->length;) {
    const auto piece =
        static_cast<std::size_t>(std::min<uint64_t>(buffer.size(), blob->length - at));
    if (!network_.Carry(reply.call, piece, pace.each, stop)) return false;
    const auto count = blob->source->ReadAt(blob->offset + at, {buffer.data(), piece});
    if (!count.ok() || *count != piece) return false;
    taken = take({buffer.data(), piece});
    if (!taken.ok()) return true;
    at += piece;
  }
  return true;
}

fetcher::BlobReply Client::GetFrom(const fetcher::BlobRequest& request, uint64_t offset,
                                   fetcher::BlobSink& sink, std::stop_token stop,
                                   bool& range_refused) {
  http::Request message{.method = "GET",
                        .path = absl::StrCat("/peer/v1/blobs/", request.blob.ToHex())};
  for (const base::GroupId& group : request.groups) {
    message.query.emplace_back("group", group.ToHex());
  }
  if (offset > 0) message.headers.emplace_back("range", absl::StrCat("bytes=", offset, "-"));
  const auto asked = Ask(request.from, std::move(message), "", request.stall_timeout, stop);
  if (!asked.ok()) return FailureOf(asked.status());
  const int status = asked->head.status;
  if (status != 200 && status != 206) {
    fetcher::BlobReply reply = RefusalOf(asked->head, asked->body);
    if (status == 416 && offset > 0) range_refused = true;
    if (status != 404) return reply;
    auto miss = syncgroup::DecodeElsewhere(asked->body);
    if (!miss.ok()) return reply;
    reply.kind = Kind::kMiss;
    reply.miss = *std::move(miss);
    return reply;
  }
  fetcher::BlobReply reply;
  const auto& body = std::get<http::SourcePart>(asked->answer.response.body);
  const uint64_t total = body.source->size_bytes();
  reply.sink_error = sink.OnStart(total, body.offset, http::GroupsIn(asked->head));
  if (!reply.sink_error.ok()) {
    reply.kind = Kind::kSinkError;
    return reply;
  }
  const bool whole = ReadBody(
      *asked, request.stall_timeout, stop,
      [&](std::string_view piece) {
        reply.body_bytes += piece.size();
        return sink.OnData(piece);
      },
      reply.sink_error);
  reply.kind = !reply.sink_error.ok()  ? Kind::kSinkError
               : whole                 ? Kind::kComplete
               : stop.stop_requested() ? Kind::kCancelled
                                       : Kind::kUnreachable;
  if (reply.kind == Kind::kUnreachable) reply.message = "the connection broke";
  return reply;
}

fetcher::BlobReply Client::Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                               std::stop_token stop) {
  bool range_refused = false;
  fetcher::BlobReply reply = GetFrom(request, request.offset, sink, stop, range_refused);
  if (!range_refused) return reply;
  bool again = false;
  return GetFrom(request, 0, sink, stop, again);
}

fetcher::BlobReply Client::GetBatch(const fetcher::BatchCall& request, fetcher::BatchSink& sink,
                                    std::stop_token stop) {
  const std::string message = syncgroup::EncodeBatchRequest(
      {.groups = request.groups, .blobs = request.blobs, .blob_bytes_max = request.blob_bytes_max});
  const auto asked = Ask(request.from, {.method = "POST", .path = "/peer/v1/blobs:batch"}, message,
                         request.stall_timeout, stop);
  if (!asked.ok()) return FailureOf(asked.status());
  if (asked->head.status != 200) return RefusalOf(asked->head, asked->body);

  fetcher::BlobReply reply;
  http::FrameReader frames(request.blobs.size(),
                           std::min(request.blob_bytes_max, syncgroup::kBatchBlobBytesMax));
  std::size_t number = 0;
  absl::Status taken;
  const bool whole = ReadBody(
      *asked, request.stall_timeout, stop,
      [&](std::string_view piece) {
        reply.body_bytes += piece.size();
        reply.sink_error = sink.OnBytes(piece.size());
        if (!reply.sink_error.ok()) return reply.sink_error;
        return frames.Feed(piece, [&](const http::Frame& frame) -> absl::Status {
          const auto item = http::ItemIn(frame, request.groups);
          if (!item) return absl::InvalidArgumentError("a malformed answer");
          reply.sink_error = sink.OnItem(number++, *item);
          return reply.sink_error;
        });
      },
      taken);
  reply.kind = !reply.sink_error.ok()                 ? Kind::kSinkError
               : whole && taken.ok() && frames.done() ? Kind::kComplete
               : stop.stop_requested()                ? Kind::kCancelled
                                                      : Kind::kUnreachable;
  if (reply.kind == Kind::kUnreachable) reply.message = "the connection broke";
  return reply;
}

}  // namespace waypost::sim
