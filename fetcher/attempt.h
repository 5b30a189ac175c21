#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/index.h"
#include "blobstore/blob_store.h"
#include "fetcher/blob_client.h"
#include "fetcher/outcome.h"
#include "fetcher/rate_limiter.h"
#include "signpost/peer_book.h"
#include "syncgroup/group_store.h"
#include "syncgroup/ledger.h"

namespace waypost::fetcher {

// What an attempt needs; all outlive it.
struct AttemptParts {
  base::Index& index;
  blobstore::BlobStore& blobs;
  const syncgroup::Ledger& ledger;
  syncgroup::GroupStore& groups;
  signpost::PeerBook& peers;
  BlobClient& client;
  const base::Clock& clock;
  RateLimiter& rate;
  std::function<bool(const base::PeerId&, const base::GroupId&)> greeted;
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
  // Asked once a minute of a transfer under kSlowBytesPerS: does another peer's blob wait for this
  // slot?
  std::function<bool()> should_yield;
  // A peer is about to be asked: takes one of its slots in place of the one held. False: none is
  // free.
  std::function<bool(const base::PeerId&)> take_slot;
};
inline constexpr uint64_t kSlowBytesPerS = 64 * 1024;
inline constexpr base::Millis kSlowWindow{60 * 1000};

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
  // Peers that could not be heard, with their `returns` as noted before: one that moved since is
  // news.
  std::map<base::PeerId, uint64_t> silent;
  bool first_try = false;  // the first location asked sent it
  uint64_t body_bytes = 0;
};

// One try to obtain `blob`, over up to kAskedMax locations, one after the other, including those
// that misses name. Only members of a group under which it is wanted are asked, and each hears only
// of the groups it is a member of. Blocks; no lock is held, no transaction open, while a peer is
// asked. Tells PeerBook how each peer answered.
AttemptResult RunAttempt(const AttemptParts& parts, const base::BlobId& blob,
                         const AttemptOptions& options, AttemptProgress& progress,
                         std::stop_token stop);

}  // namespace waypost::fetcher
