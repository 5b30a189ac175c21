#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "tests/sim/network.h"
#include "tests/sim/peer.h"

namespace waypost::sim {

struct WorldOptions {
  uint64_t seed = 1;
  PeerNumber peers_min = 2;
  PeerNumber peers_max = 5;
  int actions = 60;
  bool hostile = false;     // members more that keep to no rule (hostile_band.h)
  bool tell = false;        // what happens, on standard error
  bool tell_calls = false;  // ... and each call between peers
};

// What a run came to.
struct Outcome {
  std::vector<std::string> problems;  // none: all is as it must be
  base::Millis settled_after{0};      // from the end of the faults
  base::Millis virtual_time{0};
  PeerNumber peers = 0;
  uint64_t calls = 0;
  uint64_t decisions = 0;
  uint64_t trace = 0;
};

// One simulated run: peers on temporary folders that join groups, put blobs, change references and
// ask for blobs while links are cut and peers restart; then faults end, and within two virtual
// minutes everything must be as oracle.h says, whatever a hostile member goes on doing. All that
// happens follows from the seed.
Outcome RunWorld(const WorldOptions& options);

}  // namespace waypost::sim
