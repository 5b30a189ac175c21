#include "http/client/response_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/text.h"

// Heads and chunks of answers, read strictly and within bounds. Anything that two readers could
// understand differently is an error, and an answer without a length is taken only where streams
// are expected.

namespace waypost::http {
namespace {

constexpr std::size_t kChunkLineMax = 128;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("a malformed answer: ", base::Abs(what)));
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && c != '\t');
  });
}

absl::Status ParseStatusLine(std::string_view line, ResponseHead& head) {
  if (line.size() < 12 || (line.substr(0, 9) != "HTTP/1.1 " && line.substr(0, 9) != "HTTP/1.0 ") ||
      (line.size() > 12 && line[12] != ' ') || HasControl(line)) {
    return Bad("its status line");
  }
  const auto status = ParseDecimal(line.substr(9, 3));
  if (!status || *status < 100 || *status > 599) return Bad("its status");
  head.status = static_cast<int>(*status);
  head.keep_alive = line[7] == '1';
  return absl::OkStatus();
}

absl::Status ParseHeaderLine(std::string_view line, const ResponseLimits& limits,
                             ResponseHead& head) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return Bad("a header without a name");
  const std::string_view raw_name = line.substr(0, colon);
  const std::string_view value = TrimSpaces(line.substr(colon + 1));
  if (raw_name.find_first_of(" \t") != std::string_view::npos || HasControl(raw_name) ||
      HasControl(value)) {
    return Bad("a header with spaces or control characters");
  }
  std::string name = absl::AsciiStrToLower(base::Abs(raw_name));
  if (name == "content-length") {
    const auto length = ParseDecimal(value);
    if (head.content_length || !length || *length > INT64_MAX) return Bad("its Content-Length");
    head.content_length = *length;
  } else if (name == "transfer-encoding") {
    if (!limits.allow_streams || head.chunked ||
        !absl::EqualsIgnoreCase(base::Abs(value), "chunked")) {
      return Bad("it has a Transfer-Encoding");
    }
    head.chunked = true;
  } else if (name == "content-encoding") {
    return Bad("it has a Content-Encoding");
  } else if (name == "connection") {
    if (absl::StrContains(absl::AsciiStrToLower(base::Abs(value)), "close"))
      head.keep_alive = false;
  }
  head.headers.emplace_back(std::move(name), std::string(value));
  return absl::OkStatus();
}

}  // namespace

std::optional<std::string_view> ResponseHead::Header(std::string_view lower_case_name) const {
  for (const auto& header : headers) {
    if (header.first == lower_case_name) return header.second;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<ResponseHead>> ParseResponseHead(std::string_view received,
                                                              bool head_request,
                                                              const ResponseLimits& limits) {
  ResponseHead head;
  std::size_t start = 0;
  std::size_t lines = 0;
  while (true) {
    const std::size_t end = received.find('\n', start);
    const std::size_t reached = end == std::string_view::npos ? received.size() : end;
    if (start == 0 && reached > limits.status_line_max) return Bad("its status line is too long");
    if (reached >= limits.head_bytes_max || lines > limits.lines_max)
      return Bad("its head is too long");
    if (end == std::string_view::npos) return std::optional<ResponseHead>();
    if (end == start || received[end - 1] != '\r') return Bad("a line without CR LF");
    const std::string_view line = received.substr(start, end - 1 - start);
    if (start == 0) {
      RETURN_IF_ERROR(ParseStatusLine(line, head));
    } else if (line.empty()) {
      head.size = end + 1;
      break;
    } else {
      RETURN_IF_ERROR(ParseHeaderLine(line, limits, head));
      ++lines;
    }
    start = end + 1;
  }
  if (head.status < 200) return std::optional<ResponseHead>(std::move(head));
  if (head.chunked && head.content_length) return Bad("it has two lengths");
  if (head_request || head.status == 204 || head.status == 304) {
    head.chunked = false;
    if (!head_request) head.content_length = 0;
  } else if (!head.content_length && !head.chunked) {
    if (!limits.allow_streams) return Bad("it has no Content-Length");
    head.keep_alive = false;
  }
  return std::optional<ResponseHead>(std::move(head));
}

absl::StatusOr<std::size_t> ChunkDecoder::Feed(
    std::string_view received, absl::FunctionRef<absl::Status(std::string_view)> take) {
  std::size_t used = 0;
  while (used < received.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::size_t count =
          static_cast<std::size_t>(std::min<uint64_t>(left_, received.size() - used));
      RETURN_IF_ERROR(take(received.substr(used, count)));
      used += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    const char c = received[used++];
    if (c != '\n') {
      line_.push_back(c);
      if (line_.size() > kChunkLineMax) return Bad("a chunk's line is too long");
      continue;
    }
    if (line_.empty() || line_.back() != '\r') return Bad("a chunk's line without CR LF");
    line_.pop_back();
    if (state_ == State::kDataEnd) {
      if (!line_.empty()) return Bad("a chunk is longer than it says");
      state_ = State::kSize;
    } else if (state_ == State::kTrailer) {
      if (line_.empty()) state_ = State::kDone;
    } else {
      const std::size_t digits = line_.find_first_not_of("0123456789abcdefABCDEF");
      // Without extensions: we send none.
      if (line_.empty() || digits != std::string::npos || line_.size() > 15)
        return Bad("a chunk's size");
      left_ = std::stoull(line_, nullptr, 16);
      state_ = left_ == 0 ? State::kTrailer : State::kData;
    }
    line_.clear();
  }
  return used;
}

}  // namespace waypost::http
