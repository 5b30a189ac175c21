#pragma once

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
  // True when the signpost says from now on until when the blob is asked for.
  absl::StatusOr<bool> WriteAsk(const base::BlobId& blob, base::WallTime now,
                                const FetcherOptions& options);
  void CallerLeft(const base::BlobId& blob);

  const Parts parts_;
};

}  // namespace waypost::fetcher
