#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
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
  // Asked once a minute of a transfer under kSlowBytesPerS: is another peer's blob ready for this
  // slot?
  std::function<bool()> should_yield;
  // A location is about to be asked.
  std::function<void(const base::PeerId&)> on_source;
};
inline constexpr uint64_t kSlowBytesPerS = 64 * 1024;
inline constexpr base::Millis kSlowWindow{60 * 1000};

// What an attempt came to.
struct AttemptResult {
  AttemptReport report;
  // Set when the blob arrived: verified and durable, not yet recorded.
  std::optional<blobstore::StagedBlob> staged;
  base::PeerId source;
  std::vector<base::GroupId> granted;
  signpost::Locations learned;  // from misses
  std::optional<uint64_t> size_bytes;
  uint64_t evidence_at_start = 0;
  bool first_try = false;  // the first location asked sent it
  uint64_t body_bytes = 0;
  bool still_wanted = true;  // false: the rows said at the start that there is nothing to do
};

// One try to obtain `blob`, over up to kAskedMax locations, one after the other, including those
// that misses name. Blocks; no lock is held, no transaction open, while a peer is asked. Tells
// PeerBook how each peer answered.
AttemptResult RunAttempt(const AttemptParts& parts, const base::BlobId& blob,
                         const AttemptOptions& options, AttemptProgress& progress,
                         std::stop_token stop);

}  // namespace waypost::fetcher
