#include <algorithm>
#include <optional>

#include "base/status.h"
#include "http/client/response_reader.h"
#include "tests/fuzz/fuzz_target.h"

// Answers of peers and bodies in chunks: wherever the bytes are cut, the same comes out, and never
// more of them is used than there was.

namespace waypost::fuzz {
namespace {

// What a body of chunks says, however it was cut into pieces; nullopt: refused.
struct Chunks {
  std::string body;
  std::size_t used = 0;
  bool done = false;
  friend bool operator==(const Chunks&, const Chunks&) = default;
};
std::optional<Chunks> Decode(std::string_view first, std::string_view second) {
  http::ChunkDecoder decoder;
  Chunks chunks;
  for (std::string_view piece : {first, second}) {
    const auto used = decoder.Feed(piece, [&](std::string_view data) {
      chunks.body.append(data);
      return absl::OkStatus();
    });
    if (!used.ok()) return std::nullopt;
    CHECK(*used <= piece.size());
    CHECK(decoder.done() || *used == piece.size());
    chunks.used += *used;
  }
  chunks.done = decoder.done();
  CHECK(chunks.body.size() <= first.size() + second.size());
  return chunks;
}

void CheckHead(std::string_view answer, bool streams) {
  const http::ResponseLimits limits{
      .head_bytes_max = 2048, .lines_max = 8, .status_line_max = 128, .allow_streams = streams};
  const auto whole = http::ParseResponseHead(answer, false, limits);
  const std::size_t step = std::max<std::size_t>(1, answer.size() / 64);
  for (std::size_t length = 0; length < answer.size(); length += step) {
    const auto part = http::ParseResponseHead(answer.substr(0, length), false, limits);
    if (!part.ok()) CHECK(!whole.ok());
    if (part.ok() && *part) CHECK(whole.ok() && *whole && (*whole)->size == (*part)->size);
  }
  if (!whole.ok() || !*whole) return;
  const http::ResponseHead& head = **whole;
  CHECK(head.size <= answer.size() && head.size <= limits.head_bytes_max + 1);
  CHECK(head.status >= 100 && head.status <= 599 && head.headers.size() <= limits.lines_max + 1);
  if (head.status < 200) return;
  // Exactly one way to find its end; without streams always by its length.
  CHECK(!(head.chunked && head.content_length));
  if (!streams) CHECK(head.content_length && !head.chunked);
  if (!head.chunked && !head.content_length) CHECK(!head.keep_alive);
}

void RunResponse(std::string_view input) {
  if (input.empty()) return;
  const std::size_t cut = static_cast<unsigned char>(input[0]);
  const std::string_view answer = input.substr(1);
  CheckHead(answer, false);
  CheckHead(answer, true);
  CHECK(Decode(answer.substr(0, std::min(cut, answer.size())),
               answer.substr(std::min(cut, answer.size()))) == Decode(answer, ""));
}

std::vector<std::string> ResponseSeeds() {
  return {"\x10HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nhello",
          "\x20HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/9\r\nContent-Length: "
          "2\r\n\r\nab",
          "\x05HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
          "\x30HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
          "\x04"
          "5\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nX: y\r\n\r\nrest",
          "\x01HTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\n",
          "\x01HTTP/1.1 304 \r\nContent-Encoding: gzip\r\n\r\n"};
}

}  // namespace

const Target kResponse = {"response", RunResponse, ResponseSeeds};

}  // namespace waypost::fuzz
