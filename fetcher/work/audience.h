#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "fetcher/work/board.h"
#include "fetcher/work/fetch_state.h"
#include "fetcher/work/work_view.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// Those who wait for blobs. While somebody does, the blob goes before others at its peer; when the
// last one leaves, what was only asked for stays due for a while. Thread-safe; outlives every
// Interest.
class Audience {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    syncgroup::Ledger& ledger;
    const base::Clock& clock;
    Board& board;
    const WorkView& view;
    // Asks on their way into the index at once: far more than a disk that works leaves waiting.
    uint32_t asking_max = 10'000;
  };
  explicit Audience(const Parts& parts) : parts_(parts) {}

  // As Fetcher::Ask.
  absl::StatusOr<std::unique_ptr<Interest>> Ask(const base::BlobId& blob);

 private:
  class Caller;
  // What is to be done for one who asks.
  enum class Need {
    kUnknown,  // nobody here ever heard of the blob
    kNothing,  // it is here, or its row says what an ask would make it say
    kWrite
  };
  absl::StatusOr<Need> NeedOf(const base::BlobId& blob, base::WallTime now,
                              const FetcherOptions& options) const;
  // What is asked for, on its way into the signpost.
  class Asking;
  // Does not wait: `asking` hears of the commit.
  void WriteAsk(const base::BlobId& blob, base::WallTime now, const FetcherOptions& options,
                const std::shared_ptr<Asking>& asking);
  void CallerLeft(const base::BlobId& blob);

  const Parts parts_;
  // How many are on their way. Shared with them: the last commit may be after our end.
  const std::shared_ptr<std::atomic<uint32_t>> asking_ = std::make_shared<std::atomic<uint32_t>>();
};

}  // namespace waypost::fetcher
