#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "signpost/peer_book.h"
#include "signpost/signpost.h"

namespace waypost::signpost {

// The value of a row of `peers`; the key is the peer. `returns` is not stored.
std::string EncodePeerRow(const PeerBook::Entry& entry);
std::optional<PeerBook::Entry> DecodePeerRow(const base::PeerId& peer, std::string_view payload);

}  // namespace waypost::signpost
