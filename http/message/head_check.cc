#include "http/message/head_check.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/text.h"

// Judges the raw bytes of a head before anything else sees them. What is accepted is exactly one
// request that every reader would frame in the same way: one Host, one length, no folding, no bare
// line feed, no second framing. What is refused is refused with a status and a reason, and the
// connection is not read further.

namespace waypost::http {
namespace {

constexpr std::size_t kLineBytesMax = 8184;

constexpr std::string_view kMethods[] = {"GET",    "HEAD",  "PUT",    "POST",
                                         "DELETE", "PATCH", "OPTIONS"};

// Headers that must not come twice: two readers might believe different ones.
constexpr std::string_view kSingle[] = {"host",          "content-length", "transfer-encoding",
                                        "authorization", "origin",         "expect",
                                        "if-range",      "waypost-peer"};

HeadFacts Refuse(int status, const char* code, const char* reason, std::string message) {
  HeadFacts facts;
  facts.refused = status;
  facts.code = code;
  facts.reason = reason;
  facts.message = std::move(message);
  return facts;
}
HeadFacts Bad(const char* reason, std::string message) {
  return Refuse(400, "invalid_argument", reason, std::move(message));
}

bool IsTokenChar(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool IsToken(std::string_view text) {
  for (char c : text) {
    if (!IsTokenChar(c)) return false;
  }
  return !text.empty();
}
bool HasControl(std::string_view text, bool tab_allowed) {
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0x7F || (byte < 0x20 && !(tab_allowed && c == '\t'))) return true;
  }
  return false;
}

bool ListHas(std::string_view list, std::string_view word) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (absl::EqualsIgnoreCase(base::Abs(TrimSpaces(list.substr(0, comma))), base::Abs(word)))
      return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// The request line. Refused facts, or ones with method, target and version set.
HeadFacts CheckRequestLine(std::string_view line, const HeadLimits& limits) {
  if (line.substr(0, 14) == "PRI * HTTP/2.0") {
    return Refuse(501, "unimplemented", "version", "HTTP/2 is not spoken here: use HTTP/1.1");
  }
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return Bad("request_line", "the request line must be: METHOD /path HTTP/1.1");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (target.size() > limits.target_bytes_max) {
    return Refuse(414, "uri_too_long", "target",
                  absl::StrCat("the target is longer than ", limits.target_bytes_max, " bytes"));
  }
  if (!IsToken(method) || target.find(' ') != std::string_view::npos || HasControl(target, false)) {
    return Bad("request_line",
               "the request line must be: METHOD /path HTTP/1.1, without other spaces");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.substr(0, 5) != "HTTP/")
      return Bad("request_line", "the request line has no version");
    return Refuse(501, "unimplemented", "version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  bool known = false;
  for (std::string_view name : kMethods) known = known || name == method;
  if (!known) {
    return Refuse(501, "unimplemented", "method",
                  "methods are GET, HEAD, PUT, POST, PATCH and DELETE, in capitals");
  }
  if (target.empty() || target[0] != '/' || target.find('#') != std::string_view::npos) {
    return Bad("target", "the target must be a path that begins with / (no proxy requests)");
  }
  HeadFacts facts;
  facts.method = std::string(method);
  facts.target = std::string(target);
  facts.http_1_0 = version == "HTTP/1.0";
  facts.keep_alive = !facts.http_1_0;
  return facts;
}

// Gathers what the header lines say about framing.
class HeaderScan {
 public:
  HeaderScan(HeadFacts& facts, const HeadLimits& limits) : facts_(facts), limits_(limits) {}

  // The refusal, if this line calls for one.
  std::optional<HeadFacts> Line(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
      return Bad("header",
                 "a header line must be: Name: value, with no space before the colon and no "
                 "continuation lines");
    }
    std::string name = absl::AsciiStrToLower(base::Abs(line.substr(0, colon)));
    const std::string_view value = TrimSpaces(line.substr(colon + 1));
    if (HasControl(value, true)) {
      return Bad("header", absl::StrCat("the header ", name, " has control characters"));
    }
    for (std::size_t i = 0; i < std::size(kSingle); ++i) {
      if (name != kSingle[i]) continue;
      if (seen_[i])
        return Bad("duplicate_header", absl::StrCat("the header ", name, " came twice"));
      seen_[i] = true;
    }
    if (auto refused = Framing(name, value)) return refused;
    if (!left_out_) {
      facts_.headers.emplace_back(std::move(name), std::string(value));
    }
    return std::nullopt;
  }

  std::optional<HeadFacts> End() {
    if (!seen_[0]) return Bad("host", "exactly one Host header is needed");
    if (facts_.chunked) {
      if (facts_.content_length) {
        return Bad("framing", "Content-Length and Transfer-Encoding exclude each other");
      }
      if (facts_.http_1_0) return Bad("framing", "HTTP/1.0 has no Transfer-Encoding");
      if (!limits_.chunked_bodies) {
        return Refuse(411, "length_required", "chunked",
                      "send Content-Length: chunked bodies are not taken");
      }
    }
    if ((facts_.chunked || facts_.content_length.value_or(0) > 0) &&
        (facts_.method == "GET" || facts_.method == "HEAD" || facts_.method == "OPTIONS")) {
      return Bad("body", absl::StrCat(facts_.method, " takes no body"));
    }
    if (!facts_.chunked && facts_.content_length.value_or(0) == 0) facts_.expect_continue = false;
    return std::nullopt;
  }

 private:
  std::optional<HeadFacts> Framing(const std::string& name, std::string_view value) {
    left_out_ = false;
    if (name == "host" && value.empty()) return Bad("host", "the Host header is empty");
    if (name == "content-length") {
      left_out_ = true;
      const auto length = ParseDecimal(value);
      if (!length || *length > INT64_MAX) {
        return Bad("content_length", "Content-Length must be one decimal number");
      }
      facts_.content_length = *length;
    } else if (name == "transfer-encoding") {
      left_out_ = true;
      if (!absl::EqualsIgnoreCase(base::Abs(value), "chunked")) {
        return Refuse(501, "unimplemented", "framing",
                      "the only Transfer-Encoding taken here is chunked, alone");
      }
      facts_.chunked = true;
    } else if (name == "content-encoding") {
      if (!absl::EqualsIgnoreCase(base::Abs(value), "identity")) {
        return Bad("content_encoding", "encoded bodies are not taken: send the bytes as they are");
      }
    } else if (name == "range") {
      if (has_range_ || value.find(',') != std::string_view::npos) {
        return Refuse(416, "out_of_range", "ranges", "exactly one range is served at a time");
      }
      has_range_ = true;
    } else if (name == "expect") {
      left_out_ = true;
      if (!absl::EqualsIgnoreCase(base::Abs(value), "100-continue")) {
        return Bad("expect", "the only expectation met here is 100-continue");
      }
      facts_.expect_continue = !facts_.http_1_0;
    } else if (name == "connection") {
      if (ListHas(value, "close")) facts_.keep_alive = false;
      if (facts_.http_1_0 && ListHas(value, "keep-alive")) facts_.keep_alive = true;
    }
    return std::nullopt;
  }

  HeadFacts& facts_;
  const HeadLimits& limits_;
  std::array<bool, std::size(kSingle)> seen_{};
  bool has_range_ = false;
  bool left_out_ = false;
};

}  // namespace

HeadFacts CheckHead(std::string_view head, const HeadLimits& limits) {
  std::size_t end = head.find("\r\n");
  CHECK(end != std::string_view::npos);
  HeadFacts facts = CheckRequestLine(head.substr(0, end), limits);
  if (facts.refused != 0) return facts;
  HeaderScan scan(facts, limits);
  std::size_t lines = 0;
  while (true) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    if (end == 0 || end == std::string_view::npos) break;
    if (++lines > limits.lines_max || end > kLineBytesMax) {
      return Refuse(431, "head_too_large", "head",
                    absl::StrCat("at most ", limits.lines_max, " header lines of at most ",
                                 kLineBytesMax, " bytes"));
    }
    if (auto refused = scan.Line(head.substr(0, end))) return std::move(*refused);
  }
  if (auto refused = scan.End()) return std::move(*refused);
  return facts;
}

std::size_t EmptyLinesSize(std::string_view received, int lines_max) {
  std::size_t size = 0;
  while (lines_max-- > 0 && received.substr(size, 2) == "\r\n") size += 2;
  return size;
}

HeadProgress FindHead(std::string_view received, const HeadLimits& limits, std::size_t line_start) {
  HeadProgress progress;
  while (true) {
    const std::size_t newline = received.find('\n', line_start);
    const std::size_t line_end = newline == std::string_view::npos ? received.size() : newline;
    // The request line has 8 + 9 bytes and a little around the target.
    if (line_start == 0 && line_end > limits.target_bytes_max + 32) {
      progress.refused =
          Refuse(414, "uri_too_long", "target",
                 absl::StrCat("the target is longer than ", limits.target_bytes_max, " bytes"));
      return progress;
    }
    if (line_end >= limits.head_bytes_max) {
      progress.refused =
          Refuse(431, "head_too_large", "head",
                 absl::StrCat("the head is longer than ", limits.head_bytes_max, " bytes"));
      return progress;
    }
    if (newline == std::string_view::npos) {
      progress.line_start = line_start;
      return progress;
    }
    if (newline == 0 || received[newline - 1] != '\r') {
      progress.refused = Bad("header", "lines must end with CR LF");
      return progress;
    }
    if (newline == line_start + 1) {
      progress.size = newline + 1;
      return progress;
    }
    line_start = newline + 1;
  }
}

}  // namespace waypost::http
