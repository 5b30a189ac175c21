#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "http/client/response_reader.h"
#include "http/engine/engine_head.h"
#include "http/message/head_check.h"
#include "http/message/text.h"
#include "tests/fuzz/fuzz_target.h"

// Heads of requests: what was said of a beginning stays true of all that follows, and an answer
// made of what was accepted carries nothing of the request beyond its value.

namespace waypost::fuzz {
namespace {

using http::HeadFacts;
using http::HeadProgress;

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && c != '\t');
  });
}

// Bytes arrive in pieces: what is said of a beginning must stay true of all that follows.
void CheckPieces(std::string_view input, const HeadProgress& whole,
                 const http::HeadLimits& limits) {
  const std::size_t step = std::max<std::size_t>(1, input.size() / 64);
  for (std::size_t length = 0; length < input.size(); length += step) {
    const HeadProgress part = http::FindHead(input.substr(0, length), limits);
    if (part.refused) CHECK(whole.refused && whole.refused->refused == part.refused->refused);
    if (part.size > 0) CHECK(whole.size == part.size && !whole.refused);
  }
}

// What was let through is one request, framed as everyone would frame it.
void CheckAccepted(HeadFacts facts) {
  CHECK(!facts.target.empty() && facts.target[0] == '/');
  CHECK(!HasControl(facts.target) && facts.target.find(' ') == std::string::npos);
  std::set<std::string> names;
  for (const auto& [name, value] : facts.headers) {
    CHECK(!HasControl(name) && !HasControl(value));
    CHECK(name == absl::AsciiStrToLower(name) && value == http::TrimSpaces(value));
    names.insert(name);
  }
  CHECK(names.contains("host") && !names.contains("transfer-encoding"));
  CHECK(!names.contains("content-length") && !names.contains("expect"));
  const http::Request request = http::MakeRequest(facts);
  CHECK(request.method == facts.method && facts.target.starts_with(request.path));
  const std::string answer = http::FormatHead(
      {.status = 200,
       .headers = {{"Content-Length", "0"},
                   {"X-Target", facts.target},
                   {"X-Split", std::string(request.Header("host").value_or("")) + "\r\nX: y"}},
       .close = !facts.keep_alive});
  // Our own client, which takes little, takes our answers, and nothing of the request got out.
  const auto head = http::ParseResponseHead(answer, false, {.status_line_max = 1024});
  CHECK(head.ok() && *head);
  CHECK((*head)->status == 200 && (*head)->size == answer.size());
  CHECK((*head)->Header("x-target") == facts.target && !(*head)->Header("x-split"));
  CHECK((*head)->keep_alive == facts.keep_alive);
}

void RunHead(std::string_view input) {
  const http::HeadLimits limits{.head_bytes_max = 2048, .lines_max = 8, .target_bytes_max = 256};
  const HeadProgress whole = http::FindHead(input, limits);
  CHECK(whole.size <= input.size());
  CheckPieces(input, whole, limits);
  if (whole.refused) {
    CHECK(whole.refused->refused >= 400 && !HasControl(whole.refused->message));
    return;
  }
  if (whole.size == 0) return;
  const HeadFacts facts = http::CheckHead(input.substr(0, whole.size), limits);
  if (facts.refused == 0) {
    CheckAccepted(facts);
  } else {
    CHECK(facts.refused >= 400 && facts.refused <= 599 && !HasControl(facts.message));
  }
}

std::vector<std::string> HeadSeeds() {
  const std::string host = " HTTP/1.1\r\nHost: a:1\r\n";
  return {
      "GET /v1/blobs?limit=5&cursor=a%20b" + host + "Authorization: Bearer 00\r\n\r\n",
      "HEAD /v1/blobs/00" + host + "Range: bytes=1-2\r\nIf-None-Match: \"a\"\r\n\r\n",
      "PUT /v1/blobs" + host + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
      "POST /x" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "DELETE /a%2Fb?x=%41&y" + host + "Connection: keep-alive, close\r\n\r\nGET / HTTP/1.1\r\n",
      "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\nX: a%0d%0ab: c\r\n\r\n",
      "PATCH /x" + host + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
      "GET http://a/" + host + "\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nREMOTE_ADDR: 1.2.3.4\r\nhost: b\r\nHost: c\r\n folded\r\n\r\n",
  };
}

}  // namespace

const Target kHead = {"head", RunHead, HeadSeeds};

}  // namespace waypost::fuzz
