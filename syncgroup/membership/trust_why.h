#pragma once

#include <vector>

#include "syncgroup/membership/act_store.h"

namespace waypost::syncgroup {

// Acts by which whoever has them, with all that they and the peer's admissions need
// (trust_needs.h), finds that the peer is no member: its leavings, what lowers its bases and those
// that they rest on, and what voids each void act on the way, which would count where nothing said
// otherwise. Sorted by number. The peer is no member. O(what they need, and the acts about those
// peers). Inside the fold only.
std::vector<ActNumber> WhyNoMemberActs(const ActStore& store, ActPeerNumber peer);

}  // namespace waypost::syncgroup
