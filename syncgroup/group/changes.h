#pragma once

#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

// What the groups of this peer tell others when something changed.
namespace waypost::syncgroup {

// Something in a group changed that its members or the syncer should know of. Called after the
// commit on the thread that made the change, without a lock held; must be quick.
struct LocalChange {
  base::GroupId group;
  std::vector<base::BlobId> haves;  // bytes that arrived after the group had mentioned them
  bool entries = false;             // an entry was written here
  bool members = false;             // a member came, went, or has another role
  bool work = false;                // work is left for GroupWork
  // Before the commit: a scan that was asked for by it began later than this.
  base::SteadyTime at;
};

// Called after the commit by which somebody may read less than before, on the thread that made
// it; must not wait. Before use.
struct AccessListener {
  // A peer is no longer a member of a group here.
  std::function<void(const base::PeerId&)> member_left;
  // A public group with these members is private now.
  std::function<void(const std::vector<base::PeerId>& members)> made_private;
};

}  // namespace waypost::syncgroup
