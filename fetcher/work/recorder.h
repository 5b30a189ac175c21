#pragma once

#include <array>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/random.h"
#include "blobstore/blob_store.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/policy/outcome.h"
#include "fetcher/work/board.h"
#include "signpost/peer_book.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// What was written down of a blob that arrived.
struct Written {
  bool kept = false;    // it is still wanted
  bool stored = false;  // and was not here before
};

// What judging an attempt that did not bring the blob needs besides its own result, and what the
// judgement is.
struct Failure {
  base::WallTime now;
  double unit = 0;  // of the random wait
  AttemptReport report;
  RetryPolicy policy;
  uint64_t partial_bytes = 0;  // that it left behind
  bool window_full = false;
  bool to_write = false;
  Consequences consequences;
};

// What attempts leave in the index, in metrics and in events. Write... is called in a transaction,
// and may run several times; the rest on the worker. Thread-safe.
class Recorder {
 public:
  // All outlive it.
  struct Parts {
    blobstore::BlobStore& blobs;
    syncgroup::Ledger& ledger;
    signpost::PeerBook& peers;
    const base::Clock& clock;
    base::Random& random;
    base::EventLog& events;
    base::Metrics& metrics;
    Board& board;
  };
  explicit Recorder(const Parts& parts);

  // ---- an attempt that brought the blob: write, then note what was committed ----
  Written WriteSuccess(base::WriteTxn& txn, const base::BlobId& blob, const AttemptResult& result,
                       base::WallTime now) const;
  void NoteSuccess(const base::BlobId& blob, const AttemptResult& result, base::SteadyTime began,
                   const absl::Status& recorded, const Written& written);

  // ---- one that did not: begin, write where it says so, then note ----
  Failure BeginFailure(const base::BlobId& blob, const AttemptResult& result) const;
  void WriteFailure(base::WriteTxn& txn, const base::BlobId& blob, const AttemptResult& result,
                    Failure& failure) const;
  void NoteFailure(const base::BlobId& blob, const AttemptResult& result,
                   const absl::Status& recorded, const Consequences& consequences);

  // The queue named a blob that its rows do not want: makes the due row agree with them.
  void WriteRepair(base::WriteTxn& txn, const base::BlobId& blob, base::WallTime now) const;
  void NoteReceived(uint64_t body_bytes) { bytes_total_.Add(static_cast<double>(body_bytes)); }

  // Since the start.
  uint64_t blobs_fetched() const { return CountOf(Outcome::kOk); }
  uint64_t bytes_received() const { return static_cast<uint64_t>(bytes_total_.value()); }
  uint64_t attempts_failed() const {
    return CountOf(Outcome::kNotHere) + CountOf(Outcome::kUnreachable) +
           CountOf(Outcome::kWrongBytes) + CountOf(Outcome::kLocalError);
  }

 private:
  uint64_t CountOf(Outcome outcome) const {
    return static_cast<uint64_t>(attempts_total_.at(static_cast<std::size_t>(outcome)).value());
  }
  void Count(Outcome outcome) { attempts_total_.at(static_cast<std::size_t>(outcome)).Add(); }
  void NoteNotRecorded(const absl::Status& error);
  bool SomebodyReturned(const AttemptResult& result) const;
  void PauseFor(PauseReason reason, const std::string& detail);

  const Parts parts_;
  std::array<base::Counter, kOutcomes> attempts_total_;
  base::Counter bytes_total_, hint_hit_, hint_miss_;
  base::Histogram duration_seconds_;
};

}  // namespace waypost::fetcher
