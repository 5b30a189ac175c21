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
  return ReplyOf(absl::IsCancelled(status) ? Kind::kCancelled : Kind::kUnreachable,
                 base::Std(status.message()));
}

Exchange::Pace PaceOf(base::Millis stall_timeout) {
  const auto window_ms = static_cast<uint64_t>(std::max<int64_t>(stall_timeout.count(), 1));
  return {.window = stall_timeout,
          .bytes = std::max<uint64_t>(kStallBytesPerSecond * window_ms / 1000, 1)};
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
    reply.message = base::ShortMessage(base::Std(status.message()));
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
  const base::SteadyTime deadline = base::SteadyNow() + request.stall_timeout;
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
    auto miss = syncgroup::DecodeElsewhere(body);
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
  const int status = started.head.status;
  const bool miss = status == 404;
  const std::size_t bytes_max = miss ? syncgroup::kMissBytesMax : kRefusalBytesMax;
  const bool too_long = !miss && started.head.content_length.value_or(0) > bytes_max;
  const absl::Status read =
      too_long ? absl::OkStatus() : ReadSmall(started, bytes_max, deadline, interrupt, body);
  if (!read.ok()) {
    reply = FailureOf(read);
    return false;
  }
  const absl::Status error = ErrorIn(started.head, miss ? "" : body);
  reply.kind = status >= 500 || status == 429 ? Kind::kBusy : Kind::kUnreachable;
  reply.message = base::ShortMessage(base::Std(error.message()));
  reply.retry_after = base::RetryAfterOf(error);
  return !too_long;
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

void PeerHttpClient::Impl::ReadBatch(const fetcher::BatchCall& request, Started& started,
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
    reply.message = base::ShortMessage(base::Std(status.message()));
  } else if (!frames.done() || exchange.HasSurplus()) {
    reply.kind = Kind::kUnreachable;
    reply.message = "a malformed answer: not a frame for each blob";
  } else {
    reply.kind = Kind::kComplete;
  }
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

fetcher::BlobReply PeerHttpClient::Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                                       std::stop_token stop) {
  const Interrupt interrupt(stop);
  auto reply = base::WithinMemory([&]() -> absl::StatusOr<fetcher::BlobReply> {
    bool range_refused = false;
    fetcher::BlobReply first =
        impl_->GetBlob(request, request.offset, sink, interrupt, range_refused);
    // What we have is longer than what the peer has: from the beginning.
    bool again = false;
    return range_refused ? impl_->GetBlob(request, 0, sink, interrupt, again) : first;
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
