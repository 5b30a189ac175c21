#pragma once

// What the files of TLS share. Nobody outside http/tls and http/engine includes it.

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/tls/tls.h"

namespace waypost::http {

struct TlsSession::Ssl {
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
  // Why the certificate is refused that the other side shows; empty for a good one. Asked after the
  // handshake whatever OpenSSL made of it.
  std::function<std::string(const SSL& ssl)> judge;
  int key_updates = 0;  // that the other side sent
};

// Forward secrecy, authenticated ciphers, nothing to be resumed, little memory while idle.
void SetCommonTlsOptions(SSL_CTX* context);

// The Ed25519 key of the certificate that the other side showed.
std::optional<base::PeerId> PeerKeyOf(const SSL& ssl);

// The oldest error of this thread, in OpenSSL's words; all are forgotten.
std::string TakeTlsError();

// A session of the context on the socket; null when there is no memory for one.
std::unique_ptr<TlsSession> BeginTls(SSL_CTX* context, int fd, bool accepted,
                                     std::function<std::string(const SSL& ssl)> judge);

}  // namespace waypost::http
