#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"

// A small HTTP/1.1 client of the tests' own, so that they do not share the service's mistakes.
namespace waypost::integration {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string Header(const std::string& lower_case_name) const;
};

// One answer while it arrives. Closing the connection is how it is given up. One thread.
class HttpStream {
 public:
  // Connects, sends `request` as it is, reads the answer's head. Each wait lasts at most `timeout`.
  static absl::StatusOr<std::unique_ptr<HttpStream>> Open(const std::string& address,
                                                          std::string_view request,
                                                          base::Millis timeout);
  ~HttpStream();
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  int status() const { return reply_.status; }
  const HttpReply& head() const { return reply_; }
  // More of the body; empty at its end. kDataLoss: it ended before its length.
  absl::StatusOr<std::string> ReadSome();
  // Without the newline; nullopt at the end.
  absl::StatusOr<std::optional<std::string>> ReadLine();
  absl::StatusOr<std::string> ReadAll();

 private:
  HttpStream(int fd, base::Millis timeout) : fd_(fd), timeout_(timeout) {}
  absl::Status Fill();
  absl::StatusOr<std::string> RawLine();
  absl::Status ReadHead();

  const int fd_;
  const base::Millis timeout_;
  std::string buffer_;  // received, not yet consumed
  std::string line_;    // of ReadLine, not yet complete
  HttpReply reply_;
  std::optional<uint64_t> left_;  // of a body with a length
  bool chunked_ = false, ended_ = false;
};

struct HttpCall {
  std::string method = "GET";
  std::string target;
  std::string body;
  Headers headers;
  base::Millis timeout{120'000};
};

// A connection a call. Thread-safe.
class HttpClient {
 public:
  HttpClient() = default;
  HttpClient(std::string address, std::string token)
      : address_(std::move(address)), token_(std::move(token)) {}

  const std::string& address() const { return address_; }
  absl::StatusOr<HttpReply> Send(const HttpCall& call) const;
  absl::StatusOr<std::unique_ptr<HttpStream>> OpenStream(const HttpCall& call) const;
  // The bytes of the call, to be bent by tests of bad input.
  std::string Format(const HttpCall& call) const;

 private:
  std::string address_;
  std::string token_;
};

// Sends bytes and reads whatever comes until the other side closes or `timeout`; empty if nothing
// came. `end_early` closes our sending side at once.
std::string SendRaw(const std::string& address, std::string_view bytes, bool end_early,
                    base::Millis timeout);
struct ConnectFrom {
  std::string address;           // of ours on loopback, "127.0.0.2"; empty: any
  int receive_buffer_bytes = 0;  // 0: the system's
};
// A connected socket; -1 if there is none. The caller closes it.
int Connect(const std::string& address, const ConnectFrom& from = {});

// Percent-encodes all but unreserved characters and slashes.
std::string EscapePath(std::string_view text);

}  // namespace waypost::integration
