#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/notifier.h"
#include "blobstore/disk_blob_store.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::upkeep {

struct ScannerOptions {
  base::Millis initial_delay{10000};
  base::Millis extra_delay{300000};  // live
  double delay_multiplier = 4;       // live
  std::size_t page_rows = 1000;
};

struct ScanPass {
  base::WallTime started, ended;
  base::SteadyTime started_steady, ended_steady;
  uint64_t rows = 0;           // signposts and blobs looked at
  uint64_t missing_found = 0;  // due rows that were not there
  uint64_t stale_removed = 0;  // due rows, holdings of groups left, old empty signposts
  uint64_t adopted = 0, quarantined = 0, lost = 0;
  bool ok = false;
  std::string error;
};
struct ScanStatus {
  std::optional<ScanPass> last;  // the last full pass that ended well
  std::optional<ScanPass> running;
  double progress = 0;  // of the running one, 0-1
  std::optional<base::Millis> estimate_left;
  base::WallTime next;
  // By an operator: no pass begins, and the running one waits between two pages.
  bool paused = false;
  std::optional<base::WallTime> paused_until;  // nullopt: until Resume
};

// The safety net: walks `signposts` and `blobs` side by side and puts right what events missed;
// with the first pass also compares files and rows. One `scanner` thread. Lifecycle: construct ->
// Start -> Shutdown (idempotent, joins).
class Scanner {
 public:
  // All outlive it.
  struct Parts {
    base::Index& index;
    blobstore::DiskBlobStore& blobs;
    syncgroup::Groups& groups;
    syncgroup::Ledger& ledger;
    const base::Clock& clock;
    base::EventLog& events;
    base::Metrics& metrics;
  };
  Scanner(ScannerOptions options, Parts parts);
  ~Scanner();
  void Start();
  void Shutdown();
  void SetOptions(base::Millis extra_delay, double delay_multiplier);
  ScannerOptions options() const;
  // A pass that begins after this call. While one runs, another follows it; during a pause it waits
  // for its end.
  void Request();
  // For so long, or until Resume; survives a restart. Blocks for one index commit.
  absl::Status Pause(std::optional<base::Millis> how_long);
  absl::Status Resume();
  ScanStatus Status() const;
  base::Notifier& changed();
  // A row whose bytes were found missing: it goes, its holdings are kept until they are back
  // (Ledger::Lose), and it is wanted again. Decides again inside its transaction. For the store's
  // loss handler; does not wait.
  void ReportLost(const base::BlobId& blob);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::upkeep
