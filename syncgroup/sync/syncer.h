#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/notifier.h"
#include "base/payer.h"
#include "base/random.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/group/work.h"
#include "syncgroup/protocol/peer_client.h"
#include "syncgroup/sync/clocks.h"
#include "syncgroup/sync/replication.h"

namespace waypost::syncgroup {

struct SyncerOptions {
  base::Millis interval{2000};  // live
  uint32_t concurrency = 8;     // live
  base::Metrics* metrics = nullptr;
};

// Keeps the groups in step with their members: pulls what they have, tells them when something is
// new here, learns that a peer is back. One `syncer` thread decides, `sync-n` workers call.
// Thread-safe. Lifecycle: construct -> Start -> Shutdown (idempotent, joins).
class Syncer {
 public:
  struct Parts {
    Core& core;  // whose local changes the syncer tells others
    GroupWork& work;
    Groups& groups;
    Invites& invites;
    Replication& replication;
    PeerClient& client;
    signpost::PeerBook& peers;
    const base::Clock& clock;
    base::Random& random;
  };
  Syncer(SyncerOptions options, Parts parts);
  ~Syncer();
  void Start();
  void Shutdown();
  void SetOptions(base::Millis interval, uint32_t concurrency);
  base::Millis interval() const;
  uint32_t concurrency() const;

  // `caller` said that it has something new in these groups: a round for them starts at once. Who
  // is not known as a member yet is looked up first, and asked for all that both share.
  void OnPoke(const base::PeerId& caller, const std::vector<base::GroupId>& groups);
  // An inbound request from a peer in cool-down: one hello to it (PeerBook::NoteInbound said so).
  void ScheduleHello(const base::PeerId& peer);
  // `caller` asked for these blobs under `groups` and was told that they are not here. It hears of
  // them when they are, if it is a member of one of the groups with this peer.
  void NoteToldNo(const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                  const std::vector<base::GroupId>& groups);
  // This peer may serve the blob to these groups from now on: whoever was told no is told. Quick.
  void OnGranted(const base::BlobId& blob, const std::vector<base::GroupId>& groups);

  // Tells `holder` that what it sent of the blob was wrong, under one of `groups`; few at a time,
  // what is more is not told.
  void TellWrong(const base::PeerId& holder, const base::BlobId& blob,
                 const std::vector<base::GroupId>& groups);

  // Joins by invite on a `sync-n` worker: prepares, calls the inviter, finishes, starts a round.
  // `done` runs once on that worker (at Shutdown with kUnavailable) and must be quick.
  void Join(const Invite& invite, std::optional<Role> role,
            std::function<void(absl::StatusOr<GroupInfo>)> done);

  // Is everything that the group mentions here on at least `servers` of its servers? Asks them on a
  // `sync-n` worker, kHavesMax ids a request; this peer counts when it is a server.
  struct HeldReport {
    bool held = false;
    uint64_t blobs = 0;                                // mentioned here
    uint64_t missing = 0;                              // on fewer servers than asked for
    std::vector<base::BlobId> missing_blobs;           // at most kHavesMax of them
    std::vector<base::PeerId> answered, not_answered;  // of the servers
  };
  void CheckHeld(const base::GroupId& group, uint32_t servers,
                 std::function<void(absl::StatusOr<HeldReport>)> done);

  // Whose share the peer takes of what members share. nullopt: it is in no group with this one, as
  // far as was known a moment ago. From memory.
  std::optional<base::Payer> PayerOf(const base::PeerId& peer) const;
  // Has a hello with the peer, which then knew us as a member of the group, succeeded since this
  // start?
  bool KnowsUs(const base::PeerId& peer, const base::GroupId& group) const;

  struct MemberStatus {
    base::PeerId peer;
    base::WallTime last_sync;  // end of the last round that succeeded; kNever for none since start
    base::SteadyTime last_round;  // end of the last round, however it ended
    bool last_round_ok = false;
    // Start of the last round that ended with nothing left to pull; epoch zero for none since
    // start.
    base::SteadyTime caught_up_since;
    bool held_back = false;  // the last round that succeeded left out entries that the member has
    bool clock_ahead = false;
    std::string last_error;
  };
  std::vector<MemberStatus> Status(const base::GroupId& group) const;
  // When members or roles of the group last changed, or this start.
  base::SteadyTime MembersChanged(const base::GroupId& group) const;
  // How this peer's clock stands to those of its members.
  ClockReport Clocks() const;
  // Why it seems that a second copy of this data folder runs; empty: it does not.
  std::string SecondCopy() const;
  // A round ended or a status changed.
  base::Notifier& changed();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with what Core calls on a change
};

}  // namespace waypost::syncgroup
