#include "http/peer_identity.h"

namespace waypost::http {

std::optional<base::PeerId> PeerIdentityOf(const Request& request) {
  const auto header = request.Header("waypost-peer");
  if (!header) return std::nullopt;
  const auto peer = base::PeerId::FromHex(*header);
  if (!peer || peer->IsZero()) return std::nullopt;
  return peer;
}

}  // namespace waypost::http
