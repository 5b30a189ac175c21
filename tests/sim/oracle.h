#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/sim/hostile_band.h"
#include "tests/sim/peer.h"

namespace waypost::sim {

// What is not yet as it must be once faults have ended, a sentence each; nothing: all is well.
// Reads the rows of peers that are up, and counts by itself.

// Every peer of a group has the same settings, members, references and knowledge, and who is called
// a member has the group, but for what hostile members (null: there are none) wrote: of that each
// takes no more than its limits, and not each the same.
std::vector<std::string> StatesThatDiffer(const std::vector<Peer*>& peers,
                                          const HostileBand* hostiles);
// Every blob that a server's group mentions is held there for the group, and so is what an app of
// any peer referenced or asked for, if another member that it can call holds it for that group.
std::vector<std::string> BlobsThatAreMissing(const std::vector<Peer*>& peers,
                                             const Network& network);

// A reference that an app set, under a key that nobody else has.
struct OwnRef {
  PeerNumber by = 0;
  base::GroupId group;
  std::string key;
  base::BlobId blob;
};
// Whoever is in its group has it.
std::vector<std::string> RefsThatAreMissing(const std::vector<Peer*>& peers,
                                            const std::vector<OwnRef>& refs);
// What a peer took of hostile members is within the limits, those of puppets together; whoever sent
// it wrong bytes is blamed for them; what it keeps about numberings that part is bounded; no honest
// numbering was given up for a claim, no clock was set forward, no holder was believed in who is no
// member.
std::vector<std::string> HostilesThatGotTheirWay(Peer& peer, const std::vector<Peer*>& peers,
                                                 const HostileBand& hostiles,
                                                 const syncgroup::MemberLimits& limits);
// How much that is, in words.
std::string TakenOf(Peer& peer, const HostileBand& hostiles);
// How often the peer has written to its index since it started.
uint64_t CommitsOf(Peer& peer);

// Due rows, counts and holdings are what the references, signposts and blobs of the peer say, and
// it does not think that a copy of it runs.
std::vector<std::string> RowsThatDisagree(Peer& peer);

}  // namespace waypost::sim
