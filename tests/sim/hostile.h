#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/random.h"
#include "http/message/message.h"
#include "tests/sim/network.h"
#include "tests/support/hostile_member.h"

namespace waypost::sim {

// A member of a world's groups that keeps to no rule. Whoever asks it for entries gets numberings
// without end, deletes, mentions of blobs that nobody has, forks of what it wrote and claims to
// know more of the caller than the caller wrote; whoever asks it for a blob gets one that drips and
// is another. What it writes is under its own keys only (IsItsKey): peers that took different parts
// of it have to agree on everything else.
class Hostile {
 public:
  // All of them outlive it. It answers at `number`, where an honest peer with this identity joined.
  Hostile(Network& network, PeerNumber number, const base::Identity& identity, uint64_t seed);
  ~Hostile() { Leave(); }

  // It answers from now on, until Leave, as a member of these groups.
  void Enter(const std::vector<base::GroupId>& groups);
  void Leave();
  // Calls a peer with what no peer would send: knowledge that nobody has, probes, a thousand haves,
  // papers by the dozen, noise. Waits for the answer, whatever it is.
  void Call(PeerNumber victim, const base::PeerId& id);

  const base::PeerId& id() const { return member_.peer(); }
  static bool IsItsKey(std::string_view key) { return key.starts_with("hostile-"); }

 private:
  struct Writing {
    base::GroupId group;
    support::HostileMember::Numbering numbering;
    syncgroup::SealedEntry last;
    int mentioned = 0;
  };
  uint64_t Below(uint64_t count) EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return random_.Next() % count; }
  base::BlobId SomeBlob() EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // that nobody has
  std::string NewKey() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  http::Response Answer(http::Request& request);
  syncgroup::SyncReply Entries(const base::PeerId& caller, const syncgroup::SyncRequest& asked);
  void Fill(Writing& writing, const base::PeerId& caller, syncgroup::SyncGroupReply& reply)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Network& network_;
  const PeerNumber number_;
  const base::SystemClock clock_;
  base::Mutex mutex_;  // callers come on threads of their own
  base::SeededRandom random_ GUARDED_BY(mutex_);
  support::HostileMember member_;
  std::vector<Writing> writings_ GUARDED_BY(mutex_);
};

}  // namespace waypost::sim
