#include "http/tls/peer_identity.h"

// The one place that says who is calling on the peer listener: the key that TLS proved. The header
// counts only on listeners without TLS, which only tests can make.

namespace waypost::http {

std::optional<base::PeerId> PeerIdentityOf(const TlsSession* tls, const Request& request) {
  if (tls != nullptr) return tls->PeerKey();
  const auto header = request.Header("waypost-peer");
  if (!header) return std::nullopt;
  const auto peer = base::PeerId::FromHex(*header);
  if (!peer || peer->IsZero()) return std::nullopt;
  return peer;
}

}  // namespace waypost::http
