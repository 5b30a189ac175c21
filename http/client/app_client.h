#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace waypost::http {

// How the command line (and tests) call the app API: blocking, one connection kept alive between
// calls. One thread at a time.
class AppClient {
 public:
  struct Options {
    std::string address;  // "127.0.0.1:7440", as in endpoints.json
    // Not empty: a Unix socket there is called instead, whose listener must be `owner` or root.
    std::string socket_path;
    uid_t owner = 0;
    std::string token;  // of api.token, without the newline; empty: none is sent
    // Each new connection begins with a proof that the service knows `token` (service_proof.h), or
    // ends: kUnavailable, and the token was not sent.
    bool prove = false;
    // Not empty: HTTPS, with a certificate that has this SHA-256 in hex, as in endpoints.json.
    std::string tls_sha256;
    base::Millis connect_timeout{3000};
    // Without a byte either way for this long the call fails with kDeadlineExceeded. Event streams
    // say something at least every 15 s.
    base::Millis idle_timeout{120000};
    std::stop_token stop;  // ends a call with kCancelled
  };

  struct Call {
    std::string method = "GET";
    std::string target;  // "/v1/blobs?limit=10", escaped already: see EscapeSegment
    std::vector<std::pair<std::string, std::string>> headers;
    // Sent with Content-Length, unless `upload` is set.
    std::optional<std::string> body;
    std::string content_type = "application/json";
    // A body that is read while it is sent: fills the buffer, answers how much; exactly
    // `upload_bytes`.
    std::function<absl::StatusOr<std::size_t>(std::span<char>)> upload;
    uint64_t upload_bytes = 0;
    // Called with the head of a 2xx answer before its body: status and Content-Length if there is
    // one.
    std::function<absl::Status(int status, std::optional<uint64_t> body_bytes)> on_head;
    // Takes the body of a 2xx answer as it arrives instead of Reply::body. An error ends the call.
    std::function<absl::Status(std::string_view)> sink;
    // Takes it line by line without the newline (NDJSON, server-sent events) instead of `sink`.
    std::function<absl::Status(std::string_view line)> line_sink;
    // Bytes of an upload sent so far.
    std::function<void(uint64_t)> on_sent;
  };
  struct Reply {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;
    std::optional<std::string_view> Header(std::string_view lower_case_name) const;
  };

  explicit AppClient(Options options);
  ~AppClient();

  // Any answer with a status is a Reply, also 4xx and 5xx. kUnavailable: the service could not be
  // reached or went away; what a sink or `upload` returned; kCancelled; kDeadlineExceeded.
  absl::StatusOr<Reply> Send(const Call& call);
  // As Send; an answer that is no 2xx becomes its absl::Status (see StatusOf in errors.h).
  absl::StatusOr<Reply> Must(const Call& call);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Percent-encodes everything but unreserved characters: for one segment of a path or a query value.
std::string EscapeSegment(std::string_view text);

}  // namespace waypost::http
