#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/thread.h"
#include "blobstore/blob_store.h"
#include "fetcher/policy/run_queue.h"
#include "fetcher/work/board.h"
#include "fetcher/work/detours.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// The thread `fetch-start`: fills the board's queue from the table, routes around peers that cool,
// drops what was begun of blobs that nobody wants, ends pauses. Lifecycle: construct -> Start ->
// Join, after Board::Stop (idempotent).
class Starter {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    blobstore::BlobStore& blobs;
    syncgroup::Ledger& ledger;
    syncgroup::Groups& groups;
    const signpost::PeerBook& peers;
    const base::Clock& clock;
    Board& board;
  };
  explicit Starter(const Parts& parts);

  void Start();
  void Join() { thread_.Join(); }

 private:
  void Run();
  void DoChores();
  void Load();
  absl::Status LoadRuns();
  void FillUp();
  void ClampFarRows();
  bool ClampRun(const RunQueue::RunId& run, base::WallTime now, base::WallTime latest);
  absl::Status ClampPage(const std::vector<base::BlobId>& far, base::WallTime now,
                         base::WallTime latest);
  void DropPartials();
  void CheckPause();
  void FindOldest();

  const Parts parts_;
  // Of its thread.
  Detours detours_;
  bool loaded_ = false;
  uint64_t load_failures_ = 0;
  base::SteadyTime next_oldest_{}, next_clamp_{};

  base::Thread thread_;
};

}  // namespace waypost::fetcher
