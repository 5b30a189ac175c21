#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"

namespace waypost::support {

// Ids that are told apart at a glance: every byte of the n-th is n.
template <class Id>
Id Filled(uint8_t n) {
  std::array<uint8_t, Id::kBytes> bytes{};
  bytes.fill(n);
  return Id(bytes);
}
inline base::PeerId Peer(uint8_t n) { return Filled<base::PeerId>(n); }
inline base::GroupId Group(uint8_t n) { return Filled<base::GroupId>(n); }
inline base::BlobId Blob(uint8_t n) { return Filled<base::BlobId>(n); }

}  // namespace waypost::support
