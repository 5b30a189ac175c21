#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waypost::http {

struct HeadLimits {
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t lines_max = 64;  // header lines
  std::size_t target_bytes_max = 4096;
};

// What the raw head of a request says about its framing, found before any parser of ours or others
// looks at it, and a refusal when it is not exactly one request that everyone would frame in the
// same way.
struct HeadFacts {
  // 0: the head may be parsed. Else the answer's status, with a code of API.md, a message that says
  // what to change, and a word for metrics.
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
  // The head for httplib's parser: Range, Expect and the lengths are left out (it acts on them in
  // ways that we do not want), and each % of a value is escaped, because it decodes values.
  std::string for_parser;
  // The Range header, as it was.
  std::optional<std::string> range;
};

// `head`: up to and including the empty line that ends it. Pure.
HeadFacts CheckHead(std::string_view head, const HeadLimits& limits);

// Looks at what has arrived so far. `size`: of the complete head, 0 when its end is not there yet.
// `refused` is set as soon as no continuation could be right.
struct HeadProgress {
  std::size_t size = 0;
  std::optional<HeadFacts> refused;
};
HeadProgress FindHead(std::string_view received, const HeadLimits& limits);

}  // namespace waypost::http
