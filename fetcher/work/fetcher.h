#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

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
#include "fetcher/policy/pause.h"
#include "fetcher/work/fetch_state.h"
#include "fetcher/work/fetcher_options.h"
#include "fetcher/work/work_view.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/wake.h"

namespace waypost::fetcher {

// Gets every wanted blob here: the room's face for all that is not in it. Puts the parts together
// (board.h says what they share), starts and ends them, and hears of new work as the index's Wake.
// Thread-safe. Lifecycle: construct -> Start -> Shutdown (idempotent; cancels what runs, joins).
class Fetcher final : public syncgroup::Wake {
 public:
  // All outlive it.
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
    // See AttemptParts. Null: nobody wants to know.
    std::function<void(const base::PeerId&, const base::BlobId&, const std::vector<base::GroupId>&)>
        came_wrong;
    // A change of role or members asks for a scan.
    std::function<void()> request_scan;
  };
  Fetcher(const FetcherOptions& options, Parts parts);
  ~Fetcher() override;
  void Start();
  void Shutdown();
  void SetOptions(const FetcherOptions& options);
  FetcherOptions options() const;

  // ---- Wake, PeerBook listener ----
  void OnBlobChange(const syncgroup::BlobChange& change) override;
  void OnMembershipChange(const base::GroupId& group) override;
  void OnPeerHealth(const base::PeerId& peer, const signpost::PeerHealth& health);

  // ---- on demand ----
  // kNotFound when no group here mentions the blob and no signpost knows it. Starts at once if it
  // may: an explicit request also ends a stop. Waits for no commit: until what it had to write is
  // durable the state is pending, and where that fails it is failed with the error of the disk.
  // kUnavailable: thousands wait for the index already.
  absl::StatusOr<std::unique_ptr<Interest>> Ask(const base::BlobId& blob);

  // ---- for operators ----
  // Due now, whatever the wait was, and peers that sent wrong bytes may be asked again. How many
  // due rows that moved; kNotFound: it is not wanted.
  absl::StatusOr<uint64_t> Retry(const base::BlobId& blob);
  absl::StatusOr<uint64_t> RetryAll();
  absl::Status Stop(const base::BlobId& blob);
  absl::Status Pause(std::optional<base::Millis> how_long);  // survives a restart
  absl::Status Resume();
  PauseState Paused() const { return work().Paused(); }
  // Since this start: blobs that came, bytes received, attempts that failed.
  struct Totals {
    uint64_t blobs = 0, bytes = 0, failures = 0;
  };
  Totals totals() const;

  // How the work stands; lives as long as the fetcher.
  const WorkView& work() const;
  FetchState State(const base::BlobId& blob) const { return work().State(blob); }
  // Told after every change that people may want to see.
  base::Notifier& changed();

 private:
  struct Inside;
  const std::unique_ptr<Inside> inside_;
};

}  // namespace waypost::fetcher
