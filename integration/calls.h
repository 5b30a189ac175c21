#pragma once

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

namespace waypost::client {
class Client;
}

// Calls to a service through the public C++ client, so that the service is held against a parser
// that is not ours. The client is compiled once, in calls.cc: httplib.h is heavy.
namespace waypost::integration {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string Header(const std::string& lower_case_name) const;
};

struct HttpCall {
  std::string method = "GET";
  std::string target;
  std::string body;
  Headers headers;
  base::Millis timeout{300'000};  // for all of it
};

// One answer, line by line while it arrives. Destroying it gives it up. One thread.
class HttpStream {
 public:
  ~HttpStream();
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  int status() const { return head().status; }
  const HttpReply& head() const;
  // Without the newline; nullopt at the end.
  absl::StatusOr<std::optional<std::string>> ReadLine();

 private:
  friend class HttpClient;
  struct State;
  explicit HttpStream(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

// Of plain HTTP. Thread-safe.
class HttpClient {
 public:
  // Sees every answer that Send and the client got, on the thread of the call.
  using Observer = std::function<void(const std::string& method, const std::string& target,
                                      int status, const std::string& body)>;

  HttpClient() : HttpClient("", "") {}  // of nobody: every call fails
  HttpClient(std::string address, std::string token, Observer observer = nullptr);

  const std::string& address() const { return address_; }
  // kUnavailable: no answer; kDeadlineExceeded; kDataLoss: one that must not be believed.
  absl::StatusOr<HttpReply> Send(const HttpCall& call) const;
  // Returns when the head is there.
  absl::StatusOr<std::unique_ptr<HttpStream>> OpenStream(const HttpCall& call) const;
  // The bytes of the call as a plain client would send them, for tests that bend them.
  std::string Format(const HttpCall& call) const;
  // Typed calls; include waypost/client.h for them.
  const client::Client& typed() const { return *typed_; }

 private:
  std::string address_, token_;
  std::shared_ptr<const client::Client> typed_;
};

}  // namespace waypost::integration
