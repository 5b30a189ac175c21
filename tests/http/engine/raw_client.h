#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/eventually.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace waypost::http {

// A socket for tests that must say exactly what goes over the wire, or through TLS where the
// address begins with "https://", or with "peer://": then with a key of its own, as a peer. Every
// wait ends after 30 s.
class RawClient {
 public:
  explicit RawClient(const std::string& address, int receive_buffer_bytes = 0);
  // As which peer: by default with a key drawn now, from wherever the kernel says.
  using Key = std::shared_ptr<evp_pkey_st>;
  struct As {
    Key key = nullptr;
    std::string from = "";               // an address of this machine, "127.0.0.7"
    std::size_t certificate_filler = 0;  // bytes of it that say nothing
  };
  static Key DrawKey();
  RawClient(const std::string& address, int receive_buffer_bytes, const As& as);
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
