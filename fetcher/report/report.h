#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/metrics.h"
#include "blobstore/blob_store.h"
#include "fetcher/work/work_view.h"
#include "signpost/due_key.h"
#include "signpost/peer_book.h"
#include "signpost/signpost.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::fetcher {

// A wanted blob as listed to people.
struct WantedItem {
  base::BlobId blob;
  signpost::DueLane lane = signpost::DueLane::kNew;
  WaitState state = WaitState::kDue;
  signpost::Signpost signpost;
};

// One step of the answer to "why is it not here yet?", in the order in which a blob comes here; the
// words are those of GET /v1/blobs/{id}/why in docs/openapi.yaml.
struct WhyStep {
  enum class Kind { kMentioned, kRole, kHolding, kBytes, kLocation, kBlocked, kNextAttempt };
  Kind kind = Kind::kMentioned;
  // Only shown. One word, in part those of other rooms: "yes", "held", "missing", "cooling", a
  // role, an obstacle, ...
  std::string verdict;
  std::string detail;  // a sentence
  // Names and values: group, role, peer, last_seen, until, ...
  std::vector<std::pair<std::string, std::string>> fields;
};
const char* WhyStepName(WhyStep::Kind kind);  // "mentioned", ...

// What people are told about fetching. Reads the index and a view of the work; decides nothing.
// Thread-safe; no lock is held while the index is read.
class Report {
 public:
  // All outlive it, and it outlives the last rendering of the metrics.
  struct Parts {
    base::Index& index;
    blobstore::BlobStore& blobs;
    const syncgroup::Ledger& ledger;
    syncgroup::Groups& groups;
    const signpost::PeerBook& peers;
    const base::Clock& clock;
    base::Metrics& metrics;
    const WorkView& work;
  };
  // Adds the gauges waypost_wanted, waypost_fetch_in_flight and waypost_oldest_wanted_seconds.
  explicit Report(const Parts& parts);

  PauseState Pause() const { return parts_.work.Paused(); }
  std::vector<WorkView::Running> InFlight() const { return parts_.work.InFlight(); }

  // In the order of `due`, then stopped ones. `cursor` empty: from the start; `next` empty: at the
  // end.
  struct WantedPage {
    std::vector<WantedItem> items;
    std::string next;
  };
  struct WantedFilter {
    std::optional<WaitState> state;
    std::optional<base::GroupId> group;
  };
  // Looks at up to 10,000 rows, so that a page may be short. kInvalidArgument: not a cursor.
  absl::StatusOr<WantedPage> Wanted(const WantedFilter& filter, const std::string& cursor,
                                    std::size_t limit) const;

  absl::StatusOr<std::vector<WhyStep>> Why(const base::BlobId& blob) const;
  // As it is stored; nullopt: nothing is known of the blob's whereabouts.
  absl::StatusOr<std::optional<signpost::Signpost>> SignpostOf(const base::BlobId& blob) const;

  struct StateCounts {
    uint64_t due = 0, waiting = 0, fetching = 0, parked = 0, stopped = 0;
    std::optional<base::WallTime> oldest_wanted;
  };
  // From what is in memory and the counts: cost does not grow with the table.
  StateCounts CountStates() const;
  // Of what one group wants: `fetching` and `stopped` exactly; the others and the oldest as far as
  // they are among the first 10,000 rows of the table `due`.
  StateCounts CountStatesIn(const base::GroupId& group) const;

 private:
  void RefreshGauges() const;

  const Parts parts_;
  std::array<base::Gauge, 5> wanted_;  // by WaitState
  base::Gauge in_flight_, oldest_;
};

}  // namespace waypost::fetcher
