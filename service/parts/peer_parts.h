#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/events.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/random.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/attempt/blob_client.h"
#include "fetcher/report/completeness.h"
#include "fetcher/report/mode.h"
#include "fetcher/report/report.h"
#include "fetcher/work/fetcher.h"
#include "service/parts/peer_events.h"
#include "service/parts/watch.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/access.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/group/refs.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/protocol/peer_client.h"
#include "syncgroup/sync/peer_service.h"
#include "syncgroup/sync/replication.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"
#include "upkeep/suspects.h"

namespace waypost::service {

struct PeerPartsOptions {
  std::string name;                                     // published in the profile
  syncgroup::Role role = syncgroup::Role::kServer;      // taken where none is named
  std::function<std::vector<std::string>()> addresses;  // to be published
  std::size_t max_locations = 8;                        // of one signpost
  syncgroup::MemberLimits limits;                       // of other members
  syncgroup::GuessLimits guesses;                       // of those that ask for blobs
  blobstore::DiskBlobStoreOptions store;                // metrics: filled in
  syncgroup::SyncerOptions sync;                        // metrics: filled in
  upkeep::ScannerOptions scan;
  fetcher::FetcherOptions fetch;
  syncgroup::AccessListener access;  // who may read less from now on
  // Whether a peer is known to know us. Null: as the syncer has it.
  std::function<bool(const base::PeerId&, const base::GroupId&)> knows_us;
};

// All of one peer but its sockets: put together here for the service, for tests and for the
// simulated world. What it runs on and whom it calls by comes from outside. One thread.
//
// Lifecycle: construct -> OpenIndex -> Open -> Start -> Shutdown (idempotent). The index comes
// first, because settings that decide on the rest are in it.
class PeerParts {
 public:
  // All outlive the parts.
  struct Outside {
    const base::Clock& clock;
    base::Random& random;
    base::FileSystem& fs;
    const base::Identity& identity;
  };
  // How this peer calls others. They outlive everything that runs here, that is Shutdown.
  struct Clients {
    syncgroup::PeerClient& calls;
    fetcher::BlobClient& blobs;
  };

  // `boot_id` names this start in the numbers of events.
  PeerParts(const Outside& outside, std::string boot_id);
  ~PeerParts();

  // `metrics` is filled in.
  absl::Status OpenIndex(base::Index::Options options);
  // Opens what is on the disk and makes every other part; nothing runs yet. `make_clients` is
  // called once, when there is a peer book to write down in what calls came to.
  absl::Status Open(PeerPartsOptions options,
                    const std::function<Clients(signpost::PeerBook&)>& make_clients);
  // What fetches and looks for what is missing, then `listen` (whoever the syncer says hello to
  // calls back at once), then the syncer.
  absl::Status Start(const std::function<absl::Status()>& listen = nullptr);
  // Ends what runs here, then `drain` (requests of others that still need the index), then writes
  // what is only in memory.
  void Shutdown(const std::function<void()>& drain = nullptr);

  // In the order of construction; each borrows from those above it.
  base::Metrics metrics;
  base::EventLog events;
  std::unique_ptr<base::Index> index;
  std::unique_ptr<blobstore::DiskBlobStore> blobs;
  std::unique_ptr<signpost::PeerBook> peers;
  std::unique_ptr<PeerEvents> peer_events;
  std::unique_ptr<syncgroup::Ledger> ledger;
  std::unique_ptr<syncgroup::Core> group_core;
  std::unique_ptr<syncgroup::GroupWork> group_work;
  std::unique_ptr<syncgroup::Groups> groups;
  std::unique_ptr<syncgroup::Refs> refs;
  std::unique_ptr<syncgroup::Invites> invites;
  std::unique_ptr<syncgroup::Access> access;
  std::unique_ptr<syncgroup::Replication> replication;
  std::unique_ptr<syncgroup::Syncer> syncer;
  std::unique_ptr<upkeep::Scanner> scanner;
  std::unique_ptr<fetcher::Fetcher> fetcher;
  std::unique_ptr<fetcher::Report> report;
  std::unique_ptr<fetcher::CompletenessReporter> completeness;
  std::unique_ptr<upkeep::Suspects> suspects;
  std::unique_ptr<syncgroup::PeerService> peer_service;
  std::unique_ptr<Watch> watch;

 private:
  class BlobNews;
  void Compose(PeerPartsOptions& options, const Clients& clients);
  void ComposeGroups(const PeerPartsOptions& options);
  void ComposeSync(const PeerPartsOptions& options, const Clients& clients);
  void ComposeScanner(const PeerPartsOptions& options);
  void ComposeFetcher(PeerPartsOptions& options, const Clients& clients);
  void ComposeReports();
  void ComposeWhatAnswersPeers();
  void ComposeWatch();
  void Wire(PeerPartsOptions& options);
  void NoteMode();
  void LookAtDisk();

  const Outside outside_;
  std::unique_ptr<BlobNews> blob_news_;
  bool ended_ = false;
  base::Mutex mode_mutex_;
  fetcher::Mode mode_ GUARDED_BY(mode_mutex_) = fetcher::Mode::kNormal;  // as it was told last
};

}  // namespace waypost::service
