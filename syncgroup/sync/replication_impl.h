#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/mutex.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/sync/haves_meter.h"
#include "syncgroup/sync/replication.h"

namespace waypost::syncgroup {

// What a member says of our own numberings, or a numbering in which a member and we part: see
// repair.cc.
struct ProbeState {
  uint64_t from = 1;
  uint64_t span = 16;    // how far back the next step goes
  bool forward = false;  // the same was seen at `from`: what follows is looked at
  // Of an own numbering that forked: what the member has beyond the fork is ours to keep.
  bool salvage = false;
  bool asked = false;  // in the request whose answer comes next
  bool done = false;   // with this member, as long as it is kept
};

struct ChunkResult;  // sync_apply.cc

// Does what a member says of an own numbering agree with what we know? Of repair.cc.
bool ClaimFits(base::ReadTxn& txn, const base::GroupId& group, const OriginKey& numbering,
               const Known& claim);

struct Replication::Impl {
  Impl(const Core& shared, GroupWork& group_work) : core(shared), work(group_work) {}

  const Core& core;
  GroupWork& work;
  // Which numberings are being compared with which member. Only in memory: after a restart the same
  // difference is met again.
  base::Mutex mutex;
  using ProbeKey = std::tuple<base::GroupId, base::PeerId, OriginKey>;
  std::map<ProbeKey, ProbeState> probes GUARDED_BY(mutex);
  // Until when no forks are learned of an origin, whose last ones have just cost a walk.
  std::map<std::pair<base::GroupId, base::PeerId>, base::SteadyTime> fork_rests GUARDED_BY(mutex);

  // Blobs that members said they have and that were written down, at the rate of mentions.
  HavesMeter haves_taken GUARDED_BY(mutex);
  // kResourceExhausted with a time: so many more are too many now.
  absl::Status TakeHaves(const base::PeerId& caller, std::size_t count);

  std::atomic<uint64_t> problems{0};  // that members' logs had, since this service started

  // What papers say, of at most kHelloGroups groups, all in one transaction. Only those that show
  // that `leads_to` is a member, where somebody is named: anybody can show anybody's.
  absl::Status LearnAll(const std::optional<base::PeerId>& leads_to,
                        const std::vector<Papers>& all) const;

  // ---- sync_apply.cc ----
  absl::Status ApplyGroup(const base::PeerId& peer, SyncGroupReply reply, Round& round);
  absl::Status ApplyEntries(const base::PeerId& peer, const base::GroupId& group,
                            std::vector<SealedEntry> sealed, const std::optional<LogCursor>& cursor,
                            Round& round);
  // Where there is no room for entries: what of them decides about members has its effect all the
  // same, within PaperShares. They are asked for again.
  absl::Status ShowEntries(const base::GroupId& group, SyncGroupReply& reply, Round& round);
  // Decodes and hashes a page, off the writer thread. Of a numbering with an entry that cannot be
  // taken, which goes into `ended`, nothing that follows is.
  std::vector<PreparedEntry> PreparePage(const base::PeerId& peer, const base::GroupId& group,
                                         std::vector<SealedEntry> sealed, Round& round,
                                         std::set<OriginKey>& ended);
  // A gap, a fork, an entry that does not parse: counted, logged at powers of two.
  void NoteProblem(const base::GroupId& group, const base::PeerId& peer, const std::string& problem,
                   Round& round);
  // What the entries of one transaction mean for the round.
  absl::Status NoteChunk(const base::PeerId& peer, const base::GroupId& group,
                         const ChunkResult& result, Round& round);

  // ---- repair.cc ----
  // `claimed`: what a member shows of our own entries. If one under our signature is further in the
  // numbering of now than we know, or another than ours, that numbering is retired: true.
  absl::StatusOr<bool> CheckClaims(const base::PeerId& peer, const base::GroupId& group,
                                   std::vector<SealedEntry> claimed);
  // Where a member says, and older ones show nothing for it, that an own numbering has other
  // entries than ours, the place where they part is asked for.
  absl::Status CompareClaims(const base::PeerId& peer, const base::GroupId& group,
                             const Knowledge& claims, Round& round);
  // `claimed`: the stamp of an entry of that numbering which `peer` has and we do not know.
  absl::Status Retire(const base::PeerId& peer, const base::GroupId& group,
                      const base::Incarnation& incarnation, base::WallTime claimed);
  // May one more be kept of what is compared with the peer? Those that are done make room: a
  // difference that is met again is compared again.
  bool RoomForProbe(const base::GroupId& group, const base::PeerId& peer)
      EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Asks the peer from where the numberings part. False if that was done already, or has to wait
  // for others.
  bool StartProbe(const base::GroupId& group, const base::PeerId& peer, const OriginKey& numbering,
                  uint64_t known_generation);
  std::vector<Probe> ProbesFor(const base::GroupId& group, const GroupRow& row,
                               const base::PeerId& peer, const Knowledge& knowledge);
  // No forks of the origin for a while: its last ones took since `began`.
  void Rest(const base::GroupId& group, const base::PeerId& origin, base::SteadyTime began);
  bool Resting(const base::GroupId& group, const base::PeerId& origin);
  struct ProvenFork {
    EntryPlace place;
    const ForkProof* proof;
    base::WallTime earlier;  // stamp of the two
  };
  // Which of them prove something that is not known here. They point into `forks`.
  absl::StatusOr<std::vector<ProvenFork>> NewForks(const base::GroupId& group,
                                                   const std::vector<ForkProof>& forks);
  absl::Status ApplyForks(const base::PeerId& peer, const base::GroupId& group,
                          const std::vector<ForkProof>& forks);
  absl::Status ApplyProbed(const base::PeerId& peer, const base::GroupId& group,
                           std::vector<SealedEntry> probed, std::optional<uint32_t> answered,
                           Round& round);
  absl::Status ApplyOneProbe(const base::PeerId& peer, const base::GroupId& group,
                             const OriginKey& numbering, std::vector<PreparedEntry> entries,
                             Round& round);
  // The next step of a probe that was asked for, by what the peer answered.
  absl::Status FollowProbe(const ProbeKey& key, ProbeState state,
                           std::vector<PreparedEntry> entries, Round& round);
  // Of a probe whose answer has come; nullopt: nothing was asked.
  std::optional<ProbeState> TakeAsked(const ProbeKey& key);
  void KeepProbe(const ProbeKey& key, const ProbeState& state, Round& round);
  // An own retired numbering needs no more comparing.
  absl::Status Resolve(const base::GroupId& group, const base::Incarnation& incarnation);
  absl::Status Part(const base::PeerId& peer, const base::GroupId& group,
                    const OriginKey& numbering, std::vector<PreparedEntry> from_there,
                    Round& round);
  absl::Status Salvage(const base::GroupId& group, const std::vector<PreparedEntry>& entries);
};

}  // namespace waypost::syncgroup
