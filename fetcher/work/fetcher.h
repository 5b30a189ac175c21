#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/notifier.h"
#include "base/random.h"
#include "blobstore/blob_store.h"
#include "fetcher/attempt/blob_client.h"
#include "signpost/due.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/wake.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::fetcher {

// Each may change while the fetcher runs: SetOptions.
struct FetcherOptions {
  uint32_t concurrency = 4;  // attempts at once, 1-256
  uint32_t per_peer = 2;     // to one peer
  base::Millis retry_base{1000};
  base::Millis retry_max{3600 * 1000};
  base::Millis expiry{720LL * 3600 * 1000};  // of what an app asked for, after the last caller left
  base::Millis stall_timeout{30000};
  uint64_t rate_limit_bytes_per_s = 0;  // of all fetches together; 0: none
  // Small blobs asked of one peer in one request, at most; 1: each by itself.
  uint32_t batch_blobs = syncgroup::kBatchBlobsMax;
  uint64_t batch_blob_bytes = syncgroup::kBatchBlobBytesMax;  // what counts as small
};

// How one blob stands, for those who wait and for people.
struct FetchState {
  enum class Kind { kPending, kLocating, kFetching, kParked, kDone, kFailed, kStopped };
  Kind kind = Kind::kPending;
  uint64_t received_bytes = 0;
  std::optional<uint64_t> total_bytes;
  base::PeerId source;          // while fetching
  base::WallTime parked_until;  // while parked: the first end of a cool-down
  signpost::LastError error;    // when failed
  bool will_retry = false;
  base::WallTime next_attempt;
  // Why nothing runs just now: "slot", "peer_slot", "peer_cool_down", "space", "paused", "not_due",
  // "nobody", "stopped"; empty when it runs. The same word that `why` ends with.
  std::string blocked_by;
  // Whole attempts that ended since this service started: a waiter compares with what it saw first.
  uint64_t attempts_ended = 0;
};
const char* FetchStateName(FetchState::Kind kind);  // "pending", ...

// A wanted blob as listed to people.
struct WantedItem {
  base::BlobId blob;
  signpost::Lane lane = signpost::Lane::kNew;
  std::string state;  // "due", "waiting", "fetching", "parked", "stopped"
  signpost::Signpost signpost;
};

// One step of the answer to "why is it not here yet?", in the order in which a blob comes here; the
// words are those of GET /v1/blobs/{id}/why in docs/openapi.yaml.
struct WhyStep {
  std::string step;  // "mentioned", "role", "bytes", "location", "blocked", "next_attempt"
  // One word: "yes", "no", "held", "partial", "missing", "denied", "cooling", ...
  std::string verdict;
  std::string detail;  // a sentence
  // Names and values: group, role, peer, last_seen, until, ...
  std::vector<std::pair<std::string, std::string>> fields;
};

// Gets every wanted blob here: a heap over the `due` table, a starter thread, N worker threads, one
// attempt a blob. Hears of new work as the index's Wake. Thread-safe. Lifecycle: construct -> Start
// -> Shutdown (idempotent; cancels what runs, joins).
class Fetcher final : public syncgroup::Wake {
 public:
  struct Parts {
    base::Index& index;
    blobstore::BlobStore& blobs;
    syncgroup::Ledger& ledger;
    syncgroup::Groups& groups;
    signpost::PeerBook& peers;
    BlobClient& client;
    const base::Clock& clock;
    base::Random& random;
    base::EventLog& events;
    base::Metrics& metrics;
    // Has a hello with the peer for the group succeeded since start? A miss without denies nothing.
    std::function<bool(const base::PeerId&, const base::GroupId&)> knows_us;
    // A change of role or members asks for a scan.
    std::function<void()> request_scan;
  };
  Fetcher(FetcherOptions options, Parts parts);
  ~Fetcher() override;
  void Start();
  void Shutdown();
  void SetOptions(const FetcherOptions& options);

  // ---- Wake, PeerBook listener ----
  void OnBlobChange(const syncgroup::BlobChange& change) override;
  void OnMembershipChange(const base::GroupId& group) override;
  void OnPeerHealth(const base::PeerId& peer, const signpost::PeerHealth& health);

  // ---- on demand ----
  // One caller who waits for a blob. While it exists the blob goes before others at its peer; when
  // the last one leaves, what was only asked for stays due until `expiry` later. Ends before the
  // fetcher.
  class Interest {
   public:
    virtual ~Interest() = default;
    virtual FetchState State() const = 0;
    // `callback` runs after each change of the state; quick, any thread.
    virtual base::Notifier::Registration OnChange(std::function<void()> callback) = 0;
  };
  // kNotFound when no group here mentions the blob and no signpost knows it. Starts at once if it
  // may: an explicit request also ends a stop. Blocks for one index commit when the blob was not
  // yet due.
  absl::StatusOr<std::unique_ptr<Interest>> Ask(const base::BlobId& blob);
  FetchState State(const base::BlobId& blob) const;

  // ---- for operators ----
  // Due now, whatever the wait was. How many due rows that moved; kNotFound: it is not wanted.
  absl::StatusOr<uint64_t> Retry(const base::BlobId& blob);
  absl::StatusOr<uint64_t> RetryAll();
  absl::Status Stop(const base::BlobId& blob);
  absl::Status Pause(std::optional<base::Millis> how_long);  // survives a restart
  absl::Status Resume();
  struct PauseState {
    bool paused = false;
    std::string reason;  // "operator", "space", "disk", "index"
    std::string detail;
    std::optional<base::WallTime> until;
  };
  PauseState Paused() const;
  struct Running {
    base::BlobId blob;
    FetchState state;
  };
  std::vector<Running> InFlight() const;
  // In the order of `due`, then stopped ones. `cursor` empty: from the start; `next` empty: at the
  // end.
  struct WantedPage {
    std::vector<WantedItem> items;
    std::string next;
  };
  struct WantedFilter {
    std::string state;  // empty: all
    std::optional<base::GroupId> group;
  };
  absl::StatusOr<WantedPage> Wanted(const WantedFilter& filter, const std::string& cursor,
                                    std::size_t limit) const;
  absl::StatusOr<std::vector<WhyStep>> Why(const base::BlobId& blob) const;
  struct StateCounts {
    uint64_t due = 0, waiting = 0, fetching = 0, parked = 0, stopped = 0;
    std::optional<base::WallTime> oldest_wanted;
  };
  // From what is in memory and the counts: cost does not grow with the table.
  StateCounts CountStates() const;
  // Of what one group wants: `fetching` and `stopped` exactly; the others and the oldest as far as
  // they are among the first 10,000 rows of the table `due`.
  StateCounts CountStatesIn(const base::GroupId& group) const;
  base::Notifier& changed();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::fetcher
