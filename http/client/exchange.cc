#include "http/client/exchange.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"

// One request and its answer on a connection. A connection may be used again only if the answer
// ended exactly where it said and nothing came after it; anything else makes it unusable, because
// the next answer could be somebody else's.

namespace waypost::http {
namespace {

constexpr std::size_t kReceiveBytes = 256 * 1024;

}  // namespace

absl::Status Exchange::Send(std::string_view bytes, base::SteadyTime deadline,
                            const Interrupt& interrupt) {
  answer_begun_ = false;
  take_status_ = absl::OkStatus();
  bytes_out_ += bytes.size();
  return socket_.SendAll(bytes, deadline, interrupt);
}

absl::StatusOr<std::size_t> Exchange::Fill(base::SteadyTime deadline, const Interrupt& interrupt) {
  incoming_.resize(kReceiveBytes);
  ASSIGN_OR_RETURN(const std::size_t got, socket_.Receive(incoming_, deadline, interrupt));
  bytes_in_ += got;
  if (got > 0) answer_begun_ = true;
  return got;
}

absl::Status Exchange::FillLine(std::size_t bytes_max, base::SteadyTime deadline,
                                const Interrupt& interrupt) {
  while (true) {
    ASSIGN_OR_RETURN(const std::size_t got, Fill(deadline, interrupt));
    if (got == 0) {
      return absl::UnavailableError(
          absl::StrCat(address(), " closed the connection without an answer"));
    }
    const std::string_view fresh = std::string_view(incoming_).substr(0, got);
    buffer_.append(fresh);
    if (fresh.find('\n') != std::string_view::npos || buffer_.size() > bytes_max) {
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<ResponseHead> Exchange::ReadHead(bool head_request, const ResponseLimits& limits,
                                                base::SteadyTime deadline,
                                                const Interrupt& interrupt) {
  // Interim answers are few; a peer that sends them without end is cut.
  for (int interim = 0; interim < 8;) {
    ASSIGN_OR_RETURN(auto head, ParseResponseHead(buffer_, head_request, limits));
    if (head) {
      buffer_.erase(0, head->size);
      if (head->status >= 200) {
        if (!head->keep_alive) reusable_ = false;
        return std::move(*head);
      }
      ++interim;
      continue;
    }
    RETURN_IF_ERROR(FillLine(limits.head_bytes_max, deadline, interrupt));
  }
  return absl::InvalidArgumentError("a malformed answer: interim answers without end");
}

absl::Status Exchange::Take(std::string_view piece,
                            absl::FunctionRef<absl::Status(std::string_view)> take) {
  take_status_ = take(piece);
  return take_status_;
}

absl::Status Exchange::ReadBody(const ResponseHead& head, const Pace& pace,
                                base::SteadyTime deadline, const Interrupt& interrupt,
                                absl::FunctionRef<absl::Status(std::string_view)> take) {
  ChunkDecoder chunks;
  uint64_t received = 0;
  auto window_end = base::SteadyNow() + pace.window;
  uint64_t window_start_bytes = 0;
  std::string_view fresh = buffer_;  // not yet used
  const auto complete = [&] {
    if (head.chunked) return chunks.done();
    return head.content_length && received == *head.content_length;
  };
  reusable_ = reusable_ && (head.chunked || head.content_length);
  while (true) {
    if (head.chunked) {
      auto used = chunks.Feed(fresh, [&](std::string_view piece) { return Take(piece, take); });
      if (!used.ok()) return used.status();
      received += *used;
      fresh.remove_prefix(*used);
    } else {
      const uint64_t left = head.content_length ? *head.content_length - received : UINT64_MAX;
      const std::string_view piece = fresh.substr(0, std::min<uint64_t>(left, fresh.size()));
      if (!piece.empty()) RETURN_IF_ERROR(Take(piece, take));
      received += piece.size();
      fresh.remove_prefix(piece.size());
    }
    if (complete()) {
      buffer_ = std::string(fresh);
      return absl::OkStatus();
    }
    auto got = Fill(std::min(deadline, window_end), interrupt);
    const auto now = base::SteadyNow();
    if (!got.ok() && !(absl::IsDeadlineExceeded(got.status()) && now < deadline))
      return got.status();
    if (got.ok() && *got == 0) {
      if (!head.chunked && !head.content_length) return absl::OkStatus();
      return absl::UnavailableError(absl::StrCat(address(), " ended its answer after ", received,
                                                 " bytes of ", head.content_length.value_or(0)));
    }
    fresh = std::string_view(incoming_).substr(0, got.ok() ? *got : 0);
    if (now >= window_end) {
      if (received + fresh.size() - window_start_bytes < pace.bytes) {
        return absl::DeadlineExceededError(absl::StrCat(address(), " stalled: under ", pace.bytes,
                                                        " bytes in ", pace.window.count(), " ms"));
      }
      window_start_bytes = received + fresh.size();
      window_end = now + pace.window;
    }
  }
}

std::string FormatRequest(std::string_view method, std::string_view target, std::string_view host,
                          const std::vector<std::pair<std::string, std::string>>& headers,
                          std::optional<uint64_t> content_length) {
  std::string head = absl::StrCat(base::Abs(method), " ", base::Abs(target),
                                  " HTTP/1.1\r\nHost: ", base::Abs(host), "\r\n");
  CHECK(target.find_first_of("\r\n ") == std::string_view::npos);
  for (const auto& header : headers) {
    CHECK(header.second.find_first_of("\r\n") == std::string::npos);
    absl::StrAppend(&head, header.first, ": ", header.second, "\r\n");
  }
  if (content_length) absl::StrAppend(&head, "Content-Length: ", *content_length, "\r\n");
  return head + "\r\n";
}

}  // namespace waypost::http
