#pragma once

#include <optional>

#include "base/ids.h"
#include "http/message.h"

namespace waypost::http {

// The header by which a peer says who it is until connections between peers prove it.
inline constexpr char kPeerHeader[] = "Waypost-Peer";

// Who is calling on a peer listener: the one place that decides it. Nullopt: nobody we could name.
std::optional<base::PeerId> PeerIdentityOf(const Request& request);

}  // namespace waypost::http
