#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/crypto.h"
#include "syncgroup/protocol/entry.h"

// Entries are signed once, by their origin, over the exact bytes that travel: Ed25519 over this
// tag, a zero byte, and EncodeEntry's bytes. Whoever relays them can neither change nor invent one.
namespace waypost::syncgroup {

inline constexpr std::string_view kEntryTag = "waypost-entry-1";

// `identity`: of the entry's origin.
SealedEntry SealEntry(const base::Identity& identity, const Entry& entry);

// The one place that decides whether an entry is what it says: signed by its origin.
// kInvalidArgument when it is not. `entry`: decoded from `sealed`. At least 10,000 a second and
// core.
absl::Status CheckSealed(const SealedEntry& sealed, const Entry& entry);

}  // namespace waypost::syncgroup
