#include "tests/http/engine/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "absl/strings/ascii.h"
#include "base/host_port.h"
#include "base/status.h"
#include "http/message/text.h"

// One connection, plain or TLS, whose bytes are the test's business alone. Every wait is bounded,
// so that a server that says nothing fails the test instead of hanging it.

namespace waypost::http {
namespace {
constexpr std::chrono::seconds kPatience{30};
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kPeer = "peer://";

// As the service does, in every part of the tests: OpenSSL writes to connections that are gone.
[[maybe_unused]] const auto kBrokenPipesAreErrors = std::signal(SIGPIPE, SIG_IGN);

// A certificate that says nothing but the key, and a comment of so many bytes.
void ShowKey(SSL* ssl, EVP_PKEY* key, std::size_t filler) {
  X509* const certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  if (filler > 0) {
    const std::string text(filler, 'x');
    X509_EXTENSION* const comment =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, text.c_str());
    CHECK(comment != nullptr && X509_set_version(certificate, 2) == 1 &&
          X509_add_ext(certificate, comment, -1) == 1);
    X509_EXTENSION_free(comment);
  }
  CHECK(X509_sign(certificate, key, nullptr) > 0);
  CHECK(SSL_use_certificate(ssl, certificate) == 1 && SSL_use_PrivateKey(ssl, key) == 1);
  X509_free(certificate);
}
}  // namespace

struct RawClient::Tls {
  explicit Tls(int fd) : context(SSL_CTX_new(TLS_client_method())), ssl(SSL_new(context)) {
    SSL_set_fd(ssl, fd);
  }
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  SSL_CTX* const context;
  SSL* const ssl;
};

RawClient::Key RawClient::DrawKey() {
  return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free};
}

RawClient::RawClient(const std::string& address, int receive_buffer_bytes)
    : RawClient(address, receive_buffer_bytes, As()) {}

RawClient::RawClient(const std::string& address, int receive_buffer_bytes, const As& as) {
  const bool https = address.starts_with(kHttps), peer = address.starts_with(kPeer);
  const auto where = base::ParseHostPort(address.substr(https  ? kHttps.size()
                                                        : peer ? kPeer.size()
                                                               : 0));
  if (!where.ok()) return;
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  if (!as.from.empty()) {
    sockaddr_in from{};
    from.sin_family = AF_INET;
    inet_pton(AF_INET, as.from.c_str(), &from.sin_addr);
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&from), sizeof(from)) == 0);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(where->port);
  inet_pton(AF_INET, where->host.c_str(), &to.sin_addr);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) Close();
  if ((!https && !peer) || fd_ < 0) return;
  tls_ = std::make_unique<Tls>(fd_);
  const Key key = as.key != nullptr || !peer ? as.key : DrawKey();
  if (peer) ShowKey(tls_->ssl, key.get(), as.certificate_filler);
  if (SSL_connect(tls_->ssl) != 1) Close();
}

RawClient::~RawClient() { Close(); }

void RawClient::Close() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawClient::UpdateKey() {
  return SSL_key_update(tls_->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
         SSL_do_handshake(tls_->ssl) == 1;
}

bool RawClient::Send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count =
        tls_ ? SSL_write(tls_->ssl, bytes.data() + sent, static_cast<int>(bytes.size() - sent))
             : ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

void RawClient::FinishSending() {
  if (tls_) SSL_shutdown(tls_->ssl);
  ::shutdown(fd_, SHUT_WR);
}

bool RawClient::Receive() {
  if (fd_ < 0) return false;
  pollfd poller{fd_, POLLIN, 0};
  if (!(tls_ && SSL_pending(tls_->ssl) > 0) &&
      ::poll(&poller, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0)
    return false;
  char buffer[65536];
  const ssize_t got =
      tls_ ? SSL_read(tls_->ssl, buffer, sizeof(buffer)) : ::recv(fd_, buffer, sizeof(buffer), 0);
  if (got <= 0) return false;
  buffered.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::string RawClient::ReadAll() {
  while (Receive()) {
  }
  return std::move(buffered);
}

bool RawClient::Closed() {
  if (!buffered.empty()) return false;
  pollfd poller{fd_, POLLIN, 0};
  if (::poll(&poller, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0)
    return false;
  char byte;
  return (tls_ ? SSL_peek(tls_->ssl, &byte, 1) : ::recv(fd_, &byte, 1, MSG_PEEK)) <= 0;
}

RawClient::Answer RawClient::ReadAnswer(bool head_request) {
  Answer answer;
  std::size_t end;
  while ((end = buffered.find("\r\n\r\n")) == std::string::npos) {
    if (!Receive()) return answer;
  }
  std::string head = buffered.substr(0, end + 2);
  buffered.erase(0, end + 4);
  answer.status = std::atoi(head.substr(9, 3).c_str());
  std::size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    const std::size_t next = head.find("\r\n", line);
    const std::string text = head.substr(line, next - line);
    const std::size_t colon = text.find(':');
    answer.headers[absl::AsciiStrToLower(text.substr(0, colon))] =
        std::string(TrimSpaces(std::string_view(text).substr(colon + 1)));
    line = next + 2;
  }
  if (head_request || answer.status == 204 || answer.status == 304 || answer.status == 100) {
    answer.complete = true;
    return answer;
  }
  if (answer.headers.count("content-length") != 0) {
    const auto length = static_cast<std::size_t>(std::stoull(answer.headers["content-length"]));
    while (buffered.size() < length && Receive()) {
    }
    answer.complete = buffered.size() >= length;
    answer.body = buffered.substr(0, length);
    buffered.erase(0, length);
    return answer;
  }
  const auto encoding = answer.headers.find("transfer-encoding");
  if (encoding == answer.headers.end() || encoding->second != "chunked") {
    answer.body = ReadAll();
    answer.complete = true;
    return answer;
  }
  while (true) {
    std::size_t newline;
    while ((newline = buffered.find("\r\n")) == std::string::npos) {
      if (!Receive()) return answer;
    }
    const auto size = static_cast<std::size_t>(std::strtoull(buffered.c_str(), nullptr, 16));
    while (buffered.size() < newline + 2 + size + 2) {
      if (!Receive()) return answer;
    }
    answer.body += buffered.substr(newline + 2, size);
    buffered.erase(0, newline + 2 + size + 2);
    if (size == 0) {
      answer.complete = true;
      return answer;
    }
  }
}

RawClient::Answer RawClient::Get(const std::string& target, const std::string& more_headers) {
  Send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more_headers + "\r\n");
  return ReadAnswer();
}

}  // namespace waypost::http
