#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "http/tls/tls.h"

namespace waypost::http {

// TLS between peers: version 1.3 and nothing else, X25519, Ed25519. Both sides show a certificate
// that they made of their identity key; its key is all that counts of it. There is no authority, no
// name, no session to be resumed. Thread-safe.
class PeerTls final : public TlsAcceptor {
 public:
  // The certificate is the same at every start: nothing is stored.
  static absl::StatusOr<std::unique_ptr<PeerTls>> Create(const base::Identity& identity);
  ~PeerTls() override;

  // For a socket just accepted. The handshake is done when the other side has proved any key but
  // ours: TlsSession::PeerKey.
  std::unique_ptr<TlsSession> Begin(int fd) const override;
  // For a socket that was dialled: the handshake fails unless the other side proves this key. Once
  // it is done the other side may still refuse us: only an answer shows that it did not.
  std::unique_ptr<TlsSession> Dial(int fd, const base::PeerId& expected) const;

 private:
  struct Context;
  explicit PeerTls(std::unique_ptr<Context> context);
  const std::unique_ptr<Context> context_;
};

}  // namespace waypost::http
