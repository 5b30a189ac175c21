#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "signpost/peer_book.h"

// The stored form of a PeerBook entry: table `peers`, key: the 32 bytes of the peer.
namespace waypost::signpost {

// Without `peer`, which is the key, and without `health.returns`, which counts since this start.
std::string EncodePeerRow(const PeerBook::KnownPeer& entry);
std::optional<PeerBook::KnownPeer> DecodePeerRow(const base::PeerId& peer,
                                                 std::string_view payload);

}  // namespace waypost::signpost
