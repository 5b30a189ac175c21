#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "base/ids.h"

namespace waypost::syncgroup {

// An act by the entry that carries it and its position among the acts about members there (changes
// of settings are not counted), or one of the two that no entry carries: the genesis, which counts
// as an admission of the founder, and the recovery keys, which are nobody's admission but are what
// recovery's acts rest on. An act of recovery is number 0 of its identity (recovery.h).
struct ActId {
  base::EntryHash entry;
  uint32_t position = 0;

  static constexpr ActId Genesis() { return {}; }
  static constexpr ActId Recovery() { return {.entry = {}, .position = 1}; }

  friend auto operator<=>(const ActId&, const ActId&) = default;
  template <class H>
  friend H AbslHashValue(H h, const ActId& id) {
    return H::combine(std::move(h), id.entry, id.position);
  }
};
// "genesis", "recovery", or the entry's hash and the position: for messages.
std::string FormatActId(const ActId& id);

}  // namespace waypost::syncgroup
