#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "waypost/detail/sha256.h"

// TLS on a socket of ours. Not httplib's SSLClient: that trusts authorities where Waypost knows a
// fingerprint, writes without MSG_NOSIGNAL, and its handshake has no deadline.
namespace waypost::client::detail {

// OpenSSL's way to a socket that does not block, without SIGPIPE. The descriptor is borrowed.
inline BIO* NewSocketBio(const int* fd) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "waypost socket");
    BIO_meth_set_read(made, [](BIO* bio, char* data, int size) {
      BIO_clear_retry_flags(bio);
      const auto got = recv(*static_cast<const int*>(BIO_get_data(bio)), data,
                            static_cast<std::size_t>(size), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
      return static_cast<int>(got);
    });
    BIO_meth_set_write(made, [](BIO* bio, const char* data, int size) {
      BIO_clear_retry_flags(bio);
      const auto sent = send(*static_cast<const int*>(BIO_get_data(bio)), data,
                             static_cast<std::size_t>(size), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
      return static_cast<int>(sent);
    });
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;  // one for the program's life
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, const_cast<int*>(fd));
  BIO_set_init(bio, 1);
  return bio;
}

// One session of the dialling side. Every step tells what it waits for. One thread.
class TlsSession {
 public:
  enum class Step { kDone, kWantRead, kWantWrite, kEnd, kFailed };

  // `fd` must outlive it.
  explicit TlsSession(const int* fd) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    // The fingerprint decides, before anything is sent: no authority is asked.
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(context_.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ssl_.reset(SSL_new(context_.get()));
    BIO* bio = NewSocketBio(fd);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  Step Handshake() {
    ERR_clear_error();
    return StepOf(SSL_connect(ssl_.get()));
  }
  // SHA-256 of the other side's certificate, in lower-case digits; empty if there is none.
  std::string Fingerprint() const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr ||
        X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
      return {};
    }
    return Hex(digest.data(), size);
  }
  // kDone: `moved` bytes went. kEnd: the other side ended in order.
  Step Read(char* data, std::size_t size, std::size_t& moved) {
    ERR_clear_error();
    return StepOf(SSL_read_ex(ssl_.get(), data, size, &moved));
  }
  Step Write(const char* data, std::size_t size, std::size_t& moved) {
    ERR_clear_error();
    return StepOf(SSL_write_ex(ssl_.get(), data, size, &moved));
  }
  void Finish() {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  Step StepOf(int result) const {
    if (result == 1) return Step::kDone;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Step::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Step::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Step::kEnd;
      default:
        return Step::kFailed;
    }
  }

  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace waypost::client::detail
