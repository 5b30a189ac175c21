#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/message/range.h"
#include "http/message/text.h"
#include "http/peer/batch_frames.h"
#include "http/peer/peer_answers.h"
#include "http/peer/peer_http_client_impl.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"

// The calling side of blobs, one or many in an answer. The sink decides what to keep; here it is
// decided whose fault a broken transfer is: one that ends early is only unreachable, one with more
// bytes than it announced lied.

namespace waypost::http {

namespace {

// Below this rate, averaged over the stall timeout, a transfer is stalled: so slow is nobody who
// still sends, and a peer must not keep a slot by a byte now and then.
constexpr uint64_t kStallBytesPerSecond = 1024;

using Kind = fetcher::BlobReply::Kind;

fetcher::BlobReply ReplyOf(Kind kind, std::string_view message) {
  fetcher::BlobReply reply;
  reply.kind = kind;
  reply.message = base::ShortMessage(message);
  return reply;
}

fetcher::BlobReply FailureOf(const absl::Status& status) {
  if (base::IsNoMemory(status)) {
    // Of this side: the peer is not blamed for it.
    fetcher::BlobReply reply;
    reply.kind = Kind::kSinkError;
    reply.sink_error = status;
    return reply;
  }
  return ReplyOf(absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable,
                 base::Std(status.message()));
}

Exchange::Pace PaceOf(base::Millis stall_timeout) {
  const auto window_ms = static_cast<uint64_t>(std::max<int64_t>(stall_timeout.count(), 1));
  return {.window = stall_timeout,
          .bytes = std::max<uint64_t>(kStallBytesPerSecond * window_ms / 1000, 1)};
}

}  // namespace

fetcher::BlobReply PeerHttpClient::Impl::ReadBlob(const fetcher::BlobRequest& request,
                                                  uint64_t offset, Started& started,
                                                  fetcher::BlobSink& sink,
                                                  const Interrupt& interrupt) {
  const ResponseHead& head = started.head;
  const uint64_t length = *head.content_length;
  uint64_t total = length;
  uint64_t begins = 0;
  if (head.status == 206) {
    const auto range = ParseContentRange(head.Header("content-range").value_or(""));
    if (!range || range->offset != offset || range->offset + range->length != range->size) {
      return ReplyOf(Kind::kUnreachable, "a malformed answer: not the range that was asked for");
    }
    if (range->length != length) {
      return ReplyOf(Kind::kWrongLength, "its Content-Length and Content-Range disagree");
    }
    total = range->size;
    begins = offset;
  }
  fetcher::BlobReply reply;
  reply.sink_error = sink.OnStart(total, begins, GroupsIn(head));
  if (!reply.sink_error.ok()) {
    reply.kind = Kind::kSinkError;
    return reply;
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
    reply.message = base::ShortMessage(base::Std(status.message()));
  } else if (exchange.HasSurplus()) {
    reply.kind = Kind::kWrongLength;
    reply.message = "it sent more bytes than its Content-Length says";
  } else {
    reply.kind = Kind::kComplete;
  }
  return reply;
}

std::optional<fetcher::BlobReply> PeerHttpClient::Impl::GetBlob(const fetcher::BlobRequest& request,
                                                                uint64_t offset,
                                                                fetcher::BlobSink& sink,
                                                                const Interrupt& interrupt) {
  std::string target = absl::StrCat("/peer/v1/blobs/", request.blob.ToHex());
  for (std::size_t i = 0; i < request.groups.size() && i < syncgroup::kReadGroupsMax; ++i) {
    absl::StrAppend(&target, i == 0 ? "?" : "&", "group=", request.groups[i].ToHex());
  }
  std::vector<std::pair<std::string, std::string>> headers;
  if (offset > 0) headers.emplace_back("Range", absl::StrCat("bytes=", offset, "-"));
  // The head alone must come within the stall timeout.
  const base::SteadyTime deadline = base::SteadyNow() + request.stall_timeout;
  auto started = Start(request.from, "GET", target, headers, std::nullopt, deadline, interrupt);
  if (!started.ok()) return FailureOf(started.status());

  const int status = started->head.status;
  if (status == 200 || status == 206) {
    fetcher::BlobReply reply = ReadBlob(request, offset, *started, sink, interrupt);
    GiveBackAfter(request.from, *std::move(started), reply.kind == Kind::kComplete);
    return reply;
  }
  Refusal refusal = ReadRefusal(*started, deadline, interrupt);
  if (!refusal.read) return std::move(refusal.reply);
  GiveBackAfter(request.from, *std::move(started), /*whole=*/true);
  if (status == 416 && offset > 0) return std::nullopt;
  if (status != 404) return std::move(refusal.reply);
  auto miss = syncgroup::DecodeElsewhere(refusal.body);
  if (!miss.ok()) {
    return ReplyOf(Kind::kUnreachable, "a malformed answer: its miss does not parse");
  }
  fetcher::BlobReply reply = ReplyOf(Kind::kMiss, "not here");
  reply.miss = *std::move(miss);
  return reply;
}

PeerHttpClient::Impl::Refusal PeerHttpClient::Impl::ReadRefusal(Started& started,
                                                                base::SteadyTime deadline,
                                                                const Interrupt& interrupt) {
  const int status = started.head.status;
  const bool miss = status == 404;
  const std::size_t bytes_max = miss ? syncgroup::kMissBytesMax : kRefusalBytesMax;
  const bool too_long = !miss && started.head.content_length.value_or(0) > bytes_max;
  auto body = too_long ? absl::StatusOr<std::string>(std::string())
                       : ReadSmall(started, bytes_max, deadline, interrupt);
  if (!body.ok()) return {.reply = FailureOf(body.status())};
  const absl::Status error = ErrorIn(started.head, miss ? "" : *body);
  Refusal refusal{
      .reply = ReplyOf(status >= 500 || status == 429 ? Kind::kBusy : Kind::kUnreachable,
                       base::Std(error.message())),
      .body = *std::move(body),
      .read = !too_long};
  refusal.reply.retry_after = base::RetryAfterOf(error);
  return refusal;
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

fetcher::BlobReply PeerHttpClient::Impl::ReadBatch(const fetcher::BatchCall& request,
                                                   Started& started, fetcher::BatchSink& sink,
                                                   const Interrupt& interrupt) {
  fetcher::BlobReply reply;
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
                          reply.sink_error = sink.OnBytes(piece.size());
                          if (!reply.sink_error.ok()) return reply.sink_error;
                          return frames.Feed(piece, take);
                        });
  if (!reply.sink_error.ok()) {
    reply.kind = Kind::kSinkError;
  } else if (!status.ok()) {
    reply.kind = absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable;
    reply.message = base::ShortMessage(base::Std(status.message()));
  } else if (!frames.done() || exchange.HasSurplus()) {
    reply.kind = Kind::kUnreachable;
    reply.message = "a malformed answer: not a frame for each blob";
  } else {
    reply.kind = Kind::kComplete;
  }
  return reply;
}

fetcher::BlobReply PeerHttpClient::Impl::GetBatch(const fetcher::BatchCall& request,
                                                  fetcher::BatchSink& sink,
                                                  const Interrupt& interrupt) {
  const std::string message = syncgroup::EncodeBatchRequest(
      {.groups = request.groups, .blobs = request.blobs, .blob_bytes_max = request.blob_bytes_max});
  const base::SteadyTime deadline = base::SteadyNow() + request.stall_timeout;
  auto started = Start(request.from, "POST", "/peer/v1/blobs:batch",
                       {{"Content-Type", "application/x-protobuf"}}, message, deadline, interrupt);
  if (!started.ok()) return FailureOf(started.status());
  if (started->head.status == 200) {
    fetcher::BlobReply reply = ReadBatch(request, *started, sink, interrupt);
    GiveBackAfter(request.from, *std::move(started), reply.kind == Kind::kComplete);
    return reply;
  }
  Refusal refusal = ReadRefusal(*started, deadline, interrupt);
  if (refusal.read) GiveBackAfter(request.from, *std::move(started), /*whole=*/true);
  return std::move(refusal.reply);
}

fetcher::BlobReply PeerHttpClient::Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                                       std::stop_token stop) {
  const Interrupt interrupt(stop);
  auto reply = base::WithinMemory([&]() -> absl::StatusOr<fetcher::BlobReply> {
    auto answer = impl_->GetBlob(request, request.offset, sink, interrupt);
    // What we have is longer than what the peer has: from the beginning.
    if (!answer) answer = impl_->GetBlob(request, 0, sink, interrupt);
    return *std::move(answer);
  });
  return reply.ok() ? *std::move(reply) : FailureOf(reply.status());
}

fetcher::BlobReply PeerHttpClient::GetBatch(const fetcher::BatchCall& request,
                                            fetcher::BatchSink& sink, std::stop_token stop) {
  auto reply = base::WithinMemory([&]() -> absl::StatusOr<fetcher::BlobReply> {
    return impl_->GetBatch(request, sink, Interrupt(stop));
  });
  return reply.ok() ? *std::move(reply) : FailureOf(reply.status());
}

}  // namespace waypost::http
