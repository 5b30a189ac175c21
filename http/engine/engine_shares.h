#pragma once

#include <algorithm>
#include <cstdint>

#include "http/engine/engine.h"

namespace waypost::http {

// What all strangers together may have of a listener; members have the rest. A stranger reads
// public groups, joins, and shows its papers: none of that is much. Pure.
struct StrangerShare {
  explicit StrangerShare(const EngineOptions& options)
      : connections(std::max(uint64_t{1}, uint64_t{options.max_connections} *
                                              options.stranger_connections_percent / 100)),
        workers(std::max(1u, options.workers / 4)),
        handshake_workers(std::max(1u, options.workers / 4)),
        waiting(std::max(1u, options.max_waiting / 4)) {}

  uint64_t connections;
  uint32_t workers;
  uint32_t handshake_workers;                  // of everybody's handshakes beyond the loop's rate
  uint32_t waiting;                            // subscriptions
  uint32_t uploads = 1;                        // bodies that a worker receives
  uint64_t gather_bytes = uint64_t{16} << 20;  // of bodies that the loop receives
};

}  // namespace waypost::http
