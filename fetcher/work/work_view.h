#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "fetcher/policy/pause.h"
#include "fetcher/work/fetch_state.h"
#include "signpost/signpost.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

class Board;

// What others may see of the fetcher's work: copies, each of one moment. Decides nothing and
// changes nothing. Thread-safe.
class WorkView {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    const syncgroup::Ledger& ledger;
    const base::Clock& clock;
    const Board& board;
  };
  explicit WorkView(const Parts& parts) : parts_(parts) {}

  // Of any blob; reads its rows.
  FetchState State(const base::BlobId& blob) const;
  // Of one with a due row, from what is in memory.
  WaitState WaitOf(const base::BlobId& blob, const signpost::Signpost& signpost) const;
  struct Running {
    base::BlobId blob;
    FetchState state;
  };
  // By blob.
  std::vector<Running> InFlight() const;
  PauseState Paused() const;
  struct Counts {
    // In the window.
    uint64_t due = 0, waiting = 0, parked = 0, fetching = 0;
    // Rows beyond it, about: of peers that cool, and of runs whose next row is due.
    uint64_t beyond_parked = 0, beyond_due = 0;
    // Among the first rows of the table, a few seconds ago at most.
    std::optional<base::WallTime> oldest_wanted;
  };
  Counts Count() const;

 private:
  const Parts parts_;
};

}  // namespace waypost::fetcher
