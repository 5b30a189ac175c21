#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/kept_pause.h"
#include "fetcher/work/board.h"
#include "signpost/peer_book.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// What operators say: retry, stop, pause, resume. All of it is written to the index first and acts
// from there, so that it survives a restart. Each call blocks for its commits. Thread-safe.
class Controls {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    syncgroup::Ledger& ledger;
    signpost::PeerBook& peers;
    const base::Clock& clock;
    Board& board;
  };
  explicit Controls(const Parts& parts)
      : parts_(parts), pause_(parts.index, parts.clock, "fetcher.pause_until_ms") {}

  // As Fetcher's.
  absl::StatusOr<uint64_t> Retry(const base::BlobId& blob);
  absl::StatusOr<uint64_t> RetryAll();
  absl::Status Stop(const base::BlobId& blob);
  absl::Status Pause(std::optional<base::Millis> how_long);
  absl::Status Resume();
  // The pause of a run before this one, where its time is not over.
  absl::Status LoadPause();

 private:
  const Parts parts_;
  base::KeptPause pause_;
};

}  // namespace waypost::fetcher
