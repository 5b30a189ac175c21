#pragma once

#include <optional>
#include <vector>

#include "syncgroup/membership/act_store.h"
#include "syncgroup/membership/trust_acts.h"

namespace waypost::syncgroup {

// A member, as the tree of trust has it.
struct TrustMember {
  base::PeerId peer;
  Authority authority = Authority::kReader;
  bool invites = false;
  Role role = Role::kServer;
  ActId basis;              // under which it writes
  base::WallTime admitted;  // stamp of that basis
  friend bool operator==(const TrustMember&, const TrustMember&) = default;
};

// A basis under which its peer is a member, and what it gives.
struct StandingBasis {
  ActNumber basis = kNoNumber;
  EntryRights rights;
};
// Those of a peer that count, leave it something, and name each leaving of it that counts. O(acts
// about the peer, and their closures). Inside the fold only.
std::vector<StandingBasis> StandingBases(const ActStore& store, ActPeerNumber peer);

// nullopt: no member. O(acts about the peer: n log n, and n^2 / 64 words of closures; its
// profiles). Inside the fold only.
std::optional<TrustMember> MemberOf(const ActStore& store, ActPeerNumber peer);

}  // namespace waypost::syncgroup
