#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/peer.h"

namespace waypost::sim {

// What is not yet as it must be once faults have ended, a sentence each; nothing: all is well.
// Reads the rows of peers that are up, and counts by itself.

// Every peer of a group has the same settings, members, references and knowledge, and who is called
// a member has the group, but for what a hostile member wrote: of that each takes no more than its
// limits, and not each the same.
std::vector<std::string> StatesThatDiffer(const std::vector<Peer*>& peers,
                                          const std::optional<base::PeerId>& hostile);
// Every blob that a server's group mentions is held there for the group, and so is what an app of
// any peer referenced or asked for, if another member that it can call holds it for that group.
std::vector<std::string> BlobsThatAreMissing(const std::vector<Peer*>& peers,
                                             const Network& network);
// Due rows, counts and holdings are what the references, signposts and blobs of the peer say, and
// it does not think that a copy of it runs.
std::vector<std::string> RowsThatDisagree(Peer& peer);

}  // namespace waypost::sim
