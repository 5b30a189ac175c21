#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace waypost::signpost {

// Stored numbers: never renumbered. New: never failed; retry: failed before.
enum class DueLane : uint8_t { kNew = 1, kRetry = 2 };

// A row of table `due`: every wanted or asked-for blob that is not stopped, grouped by the peer
// that would be asked first. Byte order of the key is the order of the members here. Key: 32 bytes
// of peer, 1 of lane, 8 of due time in ms, 32 of blob. Value: wanted_since in ms, 8 bytes
// big-endian.
struct DueKey {
  base::PeerId first_peer;  // zero: nobody is known
  DueLane lane = DueLane::kNew;
  base::WallTime due;
  base::BlobId blob;

  friend auto operator<=>(const DueKey&, const DueKey&) = default;
};

// A due time before 1970 is stored as 1970: byte order is the order of DueKey from there on.
std::string EncodeDueKey(const DueKey& key);
std::optional<DueKey> DecodeDueKey(std::string_view bytes);

}  // namespace waypost::signpost
