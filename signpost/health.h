#pragma once

#include <optional>

#include "base/clock.h"
#include "signpost/peer_book.h"

// The pure transitions of a peer's health.
namespace waypost::signpost {

inline constexpr base::Millis kWrongBytesCoolDown{3600 * 1000};
inline constexpr base::Millis kRetryAfterMax{5 * 60 * 1000};
// No cool-down that is read from disk lies further ahead than this.
inline constexpr base::Millis kCoolDownMax{3600 * 1000};

// True when it ended a cool-down: the peer has returned.
bool Succeed(PeerHealth& health, base::WallTime now);
// `unit_random` in [0, 1). False when `returns_at_start` is no longer the peer's: it came back while the
// request that failed was under way, and no new cool-down begins.
bool Fail(PeerHealth& health, uint64_t returns_at_start, LastError error,
          std::optional<base::Millis> retry_after, base::WallTime now, double unit_random);
void SendWrongBytes(PeerHealth& health, LastError error, base::WallTime now);
// After reading it from disk at `now`.
void ClampCoolDown(PeerHealth& health, base::WallTime now);

}  // namespace waypost::signpost
