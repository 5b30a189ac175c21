#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/index.h"
#include "base/log_bound.h"
#include "blobstore/blob_store.h"
#include "fetcher/attempt/blob_client.h"
#include "fetcher/attempt/group_members.h"
#include "fetcher/attempt/rate_limiter.h"
#include "fetcher/policy/outcome.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

class StoreSink;

// What an attempt needs; all outlive it.
struct AttemptParts {
  base::Index& index;
  blobstore::BlobStore& blobs;
  const syncgroup::Ledger& ledger;
  syncgroup::Groups& groups;
  signpost::PeerBook& peers;
  BlobClient& client;
  const base::Clock& clock;
  RateLimiter& rate;
  base::LogBound& lines;  // of peers that sent wrong bytes
  std::function<bool(const base::PeerId&, const base::GroupId&)> knows_us;
  // Who sent wrong bytes, under which groups it may be asked. Null: nobody wants to know.
  std::function<void(const base::PeerId&, const base::BlobId&, const std::vector<base::GroupId>&)>
      came_wrong;
};

// What others may see of an attempt while it runs. Atomics: written by its worker, read by anyone.
struct AttemptProgress {
  std::atomic<uint64_t> received_bytes{0};
  std::atomic<uint64_t> total_bytes{0};  // 0: not known yet
  std::atomic<bool> transferring{false};
};

struct AttemptOptions {
  base::Millis stall_timeout{30000};
  // Whose slot it has: asked first, where it may be asked at all. Zero: nobody's.
  base::PeerId prefer;
  // Not kNever: it may start before its time where it failed before this; see RunQueue::Picked.
  base::WallTime free_since;
  // An app here waits for it: that some member may make this peer fetch no more is no matter then.
  bool for_app = false;
  // Told of each piece that comes: its bytes, and the time since the last one that was not the
  // peer's fault. True: the transfer gives its slot away and goes on later. Null: it never does.
  std::function<bool(uint64_t bytes, base::SteadyTime::duration excused)> should_yield;
  // Is a slot of the peer free? Null: it always is.
  std::function<bool(const base::PeerId&)> has_free_slot;
  // Asked where more than `small_bytes` are announced: may this slot carry a large blob?
  uint64_t small_bytes = std::numeric_limits<uint64_t>::max();
  std::function<bool()> may_be_large;
};

// What an attempt came to.
struct AttemptResult {
  // What the rows said at the start. The queue is a hint: only kGo asks anybody.
  enum class Start { kGo, kNotWanted, kNotDue };
  Start start = Start::kGo;
  AttemptReport report;
  // Set when the blob arrived: verified and durable, not yet recorded.
  std::optional<blobstore::StagedBlob> staged;
  base::PeerId source;
  std::vector<base::GroupId> granted;
  signpost::Locations learned;  // from misses
  std::optional<uint64_t> size_bytes;
  uint64_t evidence_at_start = 0;
  uint64_t partial_bytes_at_start = 0;  // that the row knew of
  // Peers that could not be heard, with their `returns` as noted before: one that moved since is
  // news. At most kSilentMax.
  std::map<base::PeerId, uint64_t> silent;
  bool first_try = false;  // the first location asked sent it
  uint64_t body_bytes = 0;
};

// The peer could not be heard: what its health is told. `returns`: its PeerHealth::returns from
// before it was asked.
void RecordUnheard(const AttemptParts& parts, const base::PeerId& peer, uint64_t returns,
                   const BlobReply& reply);

// One try to obtain a blob, over up to kAskedMax locations, one after the other, including those
// that misses name. Only members of a group under which it is wanted are asked, and each hears only
// of the groups it is a member of. Tells PeerBook how each peer answered.
//
//   Load -> while Next: Ask or, where a batch asks, one of Hear -> Finish
//
// One thread. What it is given outlives it.
class Attempt {
 public:
  Attempt(const AttemptParts& parts, const base::BlobId& blob, AttemptOptions options,
          AttemptProgress& progress, std::stop_token stop);
  Attempt(Attempt&&) noexcept;
  ~Attempt();

  // What the rows say now. In a transaction of the caller's, so that many load at once.
  void Load(base::ReadTxn& txn, MembersOfGroups& members);
  // The index could not be read.
  void LoadFailed(const absl::Status& status);

  const base::BlobId& blob() const { return blob_; }
  // Learned from others: judges nobody.
  std::optional<uint64_t> size_hint() const { return start_.signpost.size_hint_bytes; }

  // Whom to ask next; nullopt: this try is over. Cheap where the answer is what it was before.
  std::optional<base::PeerId> Next();
  // Who brought the peer into all the groups under which it may be asked; zero: nobody, in one of
  // them an admin admitted it.
  base::PeerId SponsorOf(const base::PeerId& peer) const;
  // The peer has no slot free: goes on without it.
  void SkipFull(const base::PeerId& peer) {
    full_.push_back(peer);
    next_.reset();
  }
  // What is known by now of who has it, for AnotherHolder.
  void LookAgain(base::ReadTxn& txn);
  // Who has the blob, it is said, sends well what it has, and has a slot free: the first location
  // beside `peer`, of those that have sent blobs before others. Where what is here would be lost,
  // none that said no lately.
  std::optional<base::PeerId> AnotherHolder(const base::PeerId& peer) const;
  // Its slot goes to others: what was heard stands, nothing counts, and it goes on with `next`.
  void Yield(const base::PeerId& next);
  // Blocks until the peer has answered; no lock is held, no transaction open.
  void Ask(const base::PeerId& peer);

  // ---- as part of a batch ----
  // The groups under which the peer may be asked for the blob.
  const std::vector<base::GroupId>& GroupsAt(const base::PeerId& peer) const {
    return start_.members->members.at(peer).groups;
  }
  // A batch that asked `peer` for this blob says what it answered by one of the functions that
  // follow, once for each peer. `returns`: the peer's PeerHealth::returns from before it was asked.
  //
  // The peer sent the blob. What is returned must be finished, by itself or together with the blobs
  // of other attempts, and then given to HearFinished before anything else is called here. nullopt:
  // there is nothing to finish, because our own side or the answer was at fault.
  std::optional<blobstore::ArrivedBlob> HearBlob(const base::PeerId& peer, uint64_t returns,
                                                 const BatchItem& item);
  void HearFinished(const base::PeerId& peer, absl::StatusOr<blobstore::StagedBlob> staged);
  void HearMiss(const base::PeerId& peer, uint64_t returns, const syncgroup::Elsewhere& miss);
  // The peer could not be heard.
  void HearFailure(const base::PeerId& peer, uint64_t returns, const BlobReply& reply);

  // Arrived, ended by our own side or by `stop`.
  bool Ended() const;
  const AttemptResult& result() const { return result_; }
  AttemptResult Finish();

 private:
  // Everything that it knows at its start, from one look at the index.
  struct Known {
    signpost::Signpost signpost;
    // Of the groups under which it is wanted; shared with the attempts for others. Null: nobody.
    std::shared_ptr<const MembersOfGroups::Set> members;
  };
  AttemptResult::Start Judge(const syncgroup::BlobRecord& record) const;
  void LoadMembers(base::ReadTxn& txn, const syncgroup::BlobRecord& record,
                   MembersOfGroups& members);
  const MembersOfGroups::Member* Find(const base::PeerId& peer) const;
  std::optional<base::PeerId> BestPeer();
  enum class Standing { kMayBeAsked, kCools };
  Standing NoteCoolDown(const base::PeerId& peer);
  void Begin(const base::PeerId& peer, uint64_t returns);
  // Is what the peer answered recorded, or was the partial file at fault, so that it is asked once
  // more from zero?
  enum class Answered { kForGood, kPartialAtFault };
  Answered AskOnce(const base::PeerId& peer, const std::vector<std::string>& addresses,
                   uint64_t offset);
  Answered Complete(const base::PeerId& peer, StoreSink& sink,
                    absl::StatusOr<blobstore::StagedBlob> staged);
  void Miss(const base::PeerId& peer, const std::vector<base::GroupId>& groups,
            const syncgroup::Elsewhere& miss);
  void FailPeer(const base::PeerId& peer, Answer answer, std::string_view message,
                std::optional<base::Millis> retry_after);
  void WrongBytes(const base::PeerId& peer, StoreSink& sink, std::string_view message);
  Answered SinkError(const base::PeerId& peer, StoreSink& sink, const absl::Status& error);
  void LocalError(const absl::Status& error);
  void Note(const base::PeerId& peer, Answer answer, std::string_view message);

  const AttemptParts& parts_;
  const base::BlobId blob_;
  const AttemptOptions options_;
  AttemptProgress& progress_;
  const std::stop_token stop_;
  Known start_;
  uint64_t bytes_max_ = std::numeric_limits<uint64_t>::max();  // a larger one is not taken
  AttemptResult result_;
  signpost::Locations locations_;
  std::vector<base::PeerId> asked_;
  std::vector<base::PeerId> full_;    // have no slot free
  std::optional<base::PeerId> next_;  // as Next found last
  bool nobody_left_ = false;
  uint64_t returns_at_start_ = 0;  // of the peer being asked
  std::optional<BlobRequest> request_;
  std::unique_ptr<StoreSink> arriving_;  // of a batch, for `request_`
};

}  // namespace waypost::fetcher
