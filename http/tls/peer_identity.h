#pragma once

#include <optional>

#include "base/ids.h"
#include "http/message/message.h"
#include "http/tls/tls.h"

namespace waypost::http {

// The header by which a peer says who it is where there is no TLS, which only tests may have.
inline constexpr char kPeerHeader[] = "Waypost-Peer";

// Who is calling on a peer listener: the one place that decides it. With TLS the key that the
// connection proved, whatever the request says; `tls` is null only in tests. Nullopt: nobody we
// could name.
std::optional<base::PeerId> PeerIdentityOf(const TlsSession* tls, const Request& request);

}  // namespace waypost::http
