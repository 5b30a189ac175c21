#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "base/time.h"
#include "signpost/due_key.h"
#include "tests/support/filled_ids.h"

// Rows of the table `due`, as tests write them down.
namespace waypost::fetcher {

inline base::BlobId Blob(uint32_t n) {
  std::array<uint8_t, 32> bytes{};
  for (int i = 0; i < 4; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<uint8_t>(n >> (24 - 8 * i));
  return base::BlobId(bytes);
}
inline base::WallTime At(int64_t ms) { return base::WallTime(base::Millis(ms)); }
inline signpost::DueKey Key(uint8_t peer, uint32_t blob, int64_t due_ms = 0,
                            signpost::DueLane lane = signpost::DueLane::kNew) {
  return {.first_peer = support::Peer(peer), .lane = lane, .due = At(due_ms), .blob = Blob(blob)};
}

}  // namespace waypost::fetcher
