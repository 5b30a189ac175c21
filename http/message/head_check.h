#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace waypost::http {

struct HeadLimits {
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t lines_max = 64;  // header lines
  std::size_t target_bytes_max = 4096;
  bool chunked_bodies = false;  // taken; else they are refused with 411
};

// What the head of a request says, or a refusal when it is not exactly one request that everyone
// would frame in the same way.
struct HeadFacts {
  // 0: the head may be parsed. Else the answer's status, with an error code of docs/openapi.yaml, a
  // message that says what to change, and a word for metrics.
  int refused = 0;
  const char* code = "";
  std::string message;
  const char* reason = "";

  std::string method;
  std::string target;  // as sent
  bool http_1_0 = false;
  bool keep_alive = false;
  bool expect_continue = false;
  std::optional<uint64_t> content_length;
  bool chunked = false;  // the body comes in chunks, and has no content_length
  bool has_body() const { return chunked || content_length.has_value(); }
  // Names in lower case, values as sent without the spaces around them; not the Content-Length,
  // Transfer-Encoding and Expect that were understood.
  std::vector<std::pair<std::string, std::string>> headers;
};

// `head`: up to and including the empty line that ends it. Pure.
HeadFacts CheckHead(std::string_view head, const HeadLimits& limits);

// Empty lines before a request that are taken off: some clients send one after a body.
inline constexpr int kEmptyLinesMax = 2;

// How many of the bytes are empty lines, of which no more than `lines_max` are taken. Pure.
std::size_t EmptyLinesSize(std::string_view received, int lines_max);

// Looks at what has arrived so far. `size`: of the complete head, 0 when its end is not there yet.
// `refused` is set as soon as no continuation could be right. `line_start`: of the line that is not
// there in whole; whoever looks again when more has arrived begins there, so that a head that drips
// is not read anew for each of its bytes.
struct HeadProgress {
  std::size_t size = 0;
  std::size_t line_start = 0;
  std::optional<HeadFacts> refused;
};
HeadProgress FindHead(std::string_view received, const HeadLimits& limits,
                      std::size_t line_start = 0);

}  // namespace waypost::http
