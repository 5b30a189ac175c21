#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "fetcher/work/board.h"
#include "signpost/peer_book.h"
#include "signpost/signpost.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// Ways around peers that cool: what waits there and another peer has is sent to that one. Of the
// starter's thread.
class Detours {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    const syncgroup::Ledger& ledger;
    syncgroup::Groups& groups;
    const signpost::PeerBook& peers;
    const base::Clock& clock;
    Board& board;
  };
  explicit Detours(const Parts& parts) : parts_(parts) {}

  // For what waits in memory and was not looked at since somebody's cool-down began or ended.
  void LookAround();
  // For the rows beyond the window too: what another peer has must not wait until one that is away
  // comes back. Once over all rows of cooling peers, and again when somebody became usable, with a
  // rest between.
  void WalkAround();

 private:
  bool AnyMember(base::ReadTxn& txn, const signpost::Signpost& signpost,
                 const base::PeerId& peer) const;
  // Who may be asked for the blob at once: as an attempt would find it.
  std::optional<base::PeerId> AnotherPeerFor(base::ReadTxn& txn, const signpost::Signpost& signpost,
                                             base::WallTime now) const;
  // Of peers that are back, one that collects the blob: it may have got it while it could not be
  // asked.
  std::optional<base::PeerId> ServerFor(base::ReadTxn& txn, const signpost::Signpost& signpost,
                                        const std::vector<base::PeerId>& back,
                                        base::WallTime now) const;

  const Parts parts_;
  base::SteadyTime walk_began_{}, next_walk_{};
};

}  // namespace waypost::fetcher
