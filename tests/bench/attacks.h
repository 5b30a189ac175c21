#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "integration/peer.h"
#include "syncgroup/protocol/peer_client.h"
#include "tests/support/hostile_peer.h"

namespace waypost::bench {

// What an attack has at hand: the peer that is attacked, a group of it, a member of that group who
// keeps to no rule, and somebody with a key who is no member of anything.
struct Stage {
  const integration::Peer& peer;
  base::GroupId group;
  syncgroup::Endpoint endpoint;  // of the peer
  std::string large_blob;        // hex; `peer` holds it for the group
  support::HostilePeer& member;
  support::HostilePeer& stranger;
  bool quick = false;  // only to see that it runs: little is made before
  const std::atomic<bool>& stop;
  // How often, in whatever the attack counts; and of these answered with an error but 404.
  std::atomic<uint64_t>& done;
  std::atomic<uint64_t>& refused;
};

struct Attack {
  std::string_view name;
  // What is made before the clock runs, and what is to be called then: goes on until `stop`, soon
  // after which it returns. It gives way to all others on the processor.
  std::function<std::function<void()>(Stage&)> prepare;
};

// All of them, in the order of the table.
const std::vector<Attack>& Attacks();

}  // namespace waypost::bench
