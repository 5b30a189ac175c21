#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/eventually.h"

namespace waypost::http {

// A socket for tests that must say exactly what goes over the wire, or through TLS where the
// address begins with "https://", or with "peer://": then with a key of its own, as a peer. Every
// wait ends after 30 s.
class RawClient {
 public:
  explicit RawClient(const std::string& address, int receive_buffer_bytes = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // With TLS: and the handshake is done.
  bool connected() const { return fd_ >= 0; }
  // False when the other side has closed.
  bool Send(const std::string& bytes);
  void FinishSending();
  // With TLS: one KeyUpdate. False when the other side has closed.
  bool UpdateKey();
  void Close();
  // More bytes into `buffered`; false at the end, on a reset or when time is over.
  bool Receive();
  // Everything up to the end.
  std::string ReadAll();
  // True if the other side closes before it says another byte.
  bool Closed();

  struct Answer {
    int status = 0;                              // 0: none came
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    bool complete = false;  // exactly the announced length, or the last chunk was seen
  };
  Answer ReadAnswer(bool head_request = false);
  // A request without a body on a connection that is kept.
  Answer Get(const std::string& target, const std::string& more_headers = "");

  std::string buffered;

 private:
  int fd_ = -1;
  struct Tls;
  std::unique_ptr<Tls> tls_;
};

using support::Eventually;

}  // namespace waypost::http
