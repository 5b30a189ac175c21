#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/kept_pause.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "blobstore/blob_row.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/recount.h"
#include "upkeep/scanner.h"

// What scanner.cc (the thread, when to scan, status) and scan_pass.cc (one pass) share.
namespace waypost::upkeep {

struct Scanner::Impl {
  static constexpr unsigned kFolders = 256;
  static constexpr base::SteadyTime kNoEnd = base::SteadyTime::max();

  Impl(ScannerOptions options_in, const Parts& parts)
      : index(parts.index),
        blobs(parts.blobs),
        groups(parts.groups),
        ledger(parts.ledger),
        clock(parts.clock),
        kept_pause(parts.index, parts.clock, "scan.pause_until_ms"),
        events(parts.events),
        options(options_in) {
    base::Metrics& metrics = parts.metrics;
    duration_seconds = metrics.AddHistogram("waypost_scan_duration_seconds", "Time of a full scan.",
                                            {0.01, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800});
    rows_total = metrics.AddCounter("waypost_scan_rows_total", "Rows looked at by scans.");
    last_completed = metrics.AddGauge("waypost_scan_last_completed_timestamp_seconds",
                                      "When the last full scan ended, in Unix time.");
    for (unsigned folder = 0; folder < kFolders; ++folder) folders_left.push_back(folder);
  }

  void Loop();
  bool AwaitPass();
  absl::Status Pass();
  absl::Status LoadRoles();
  absl::Status ReconcileNextFolder();
  absl::Status ReconcileFolder(unsigned folder);
  // Each looks at one page; false at the end.
  absl::StatusOr<bool> JoinPage(std::string& from);
  absl::StatusOr<bool> RefPage(std::string& from);
  absl::StatusOr<bool> DuePage(std::string& from);
  // Whether the rows of a blob are perhaps not as they should be: `signpost_seen`, `holdings_seen`
  // and the signpost's payload are its.
  bool Suspicious(base::ReadTxn& txn, const base::BlobId& blob, std::string_view payload,
                  bool here);
  absl::Status Repair(std::vector<base::BlobId>& suspects);
  absl::Status RemoveStray(const std::vector<std::string>& due_rows);
  // The counts against what this pass counted, if nothing was written meanwhile.
  absl::Status CheckCounts();
  // True where rows may have been lost: the counts stay until those were made again.
  bool RowsMissing(const std::vector<syncgroup::Recount::Difference>& differences);
  // Makes again what was lost with rows that were set aside; kUnavailable while that takes longer.
  absl::Status RepairDamage();
  void Advance(uint64_t rows);
  void Count(const std::function<void(ScanPass&)>& change);
  // Waits while an operator has scans paused. False: the scanner is to end.
  bool MayGoOn();
  // What an operator said before the last restart.
  absl::Status LoadPause();
  void SetPause(std::optional<base::WallTime> until);

  base::Index& index;
  blobstore::DiskBlobStore& blobs;
  syncgroup::Groups& groups;
  syncgroup::Ledger& ledger;
  const base::Clock& clock;
  base::KeptPause kept_pause;
  base::EventLog& events;
  base::Notifier changed;
  base::Histogram duration_seconds;
  base::Counter rows_total;
  base::Gauge last_completed;

  // What the scanner thread alone uses. Of the pass under way:
  absl::flat_hash_map<std::string, bool> server_of;  // group bytes -> is this peer a server there?
  uint64_t rows_expected = 0;
  uint64_t due_seen = 0;  // due rows that the merge join found in their place
  std::optional<syncgroup::Recount> recount;
  std::optional<uint64_t> snapshot;  // that all its reads saw; nullopt: not the same
  signpost::SignpostView signpost_seen;
  blobstore::HoldingsView holdings_seen;
  // Of all passes:
  std::vector<unsigned> folders_left;  // whose files are still to be held against their rows
  uint64_t bad_rows_repaired = 0;      // of Index::bad_rows()
  bool refolding = false;              // references, because of damage
  // Rows are fewer than were counted, and no commit says why: groups whose references are. Found by
  // a pass and made again by it or the next one; nullopt: nothing is missing.
  std::optional<std::set<base::GroupId>> rows_missing;
  bool missing_made_again = false;  // so a difference that is left is one of the counts

  mutable base::Mutex mutex;
  base::CondVar wake;
  ScannerOptions options GUARDED_BY(mutex);
  bool requested GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  // While it is later than now; kNoEnd: until an operator resumes.
  base::SteadyTime paused GUARDED_BY(mutex){};
  std::optional<base::WallTime> paused_until GUARDED_BY(mutex);
  std::optional<ScanPass> last GUARDED_BY(mutex);
  std::optional<ScanPass> running GUARDED_BY(mutex);
  double progress GUARDED_BY(mutex) = 0;
  base::SteadyTime next GUARDED_BY(mutex){};
  std::optional<base::SteadyTime> last_end GUARDED_BY(mutex);  // of a pass, ended well or not
  base::Millis last_spent GUARDED_BY(mutex){};
  uint64_t failures GUARDED_BY(mutex) = 0;
  base::Thread thread;
};

}  // namespace waypost::upkeep
