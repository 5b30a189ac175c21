#include "service/parts/peer_parts.h"

#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "service/parts/gauges.h"

// The one place where the parts of a peer meet that need no socket, and where the order stands in
// which they start and end. What must hold: a part is made after those that it borrows; listeners
// are set before anything runs; what calls others ends before what they need.

namespace waypost::service {

// What the ledger tells of blobs, to all that want to hear it.
class PeerParts::BlobNews final : public syncgroup::Wake {
 public:
  explicit BlobNews(PeerParts& parts) : parts_(parts) {}
  void OnBlobChange(const syncgroup::BlobChange& change) override {
    parts_.fetcher->OnBlobChange(change);
    if (!change.granted.empty()) parts_.syncer->OnGranted(change.blob, change.granted);
  }
  void OnMembershipChange(const base::GroupId& group) override {
    parts_.fetcher->OnMembershipChange(group);
  }

 private:
  PeerParts& parts_;
};

PeerParts::PeerParts(const Outside& outside, std::string boot_id)
    : events(outside.clock, std::move(boot_id)), outside_(outside) {}

PeerParts::~PeerParts() { Shutdown(); }

absl::Status PeerParts::OpenIndex(base::Index::Options options) {
  options.metrics = &metrics;
  ASSIGN_OR_RETURN(index, base::Index::Open(options));
  return absl::OkStatus();
}

absl::Status PeerParts::Open(PeerPartsOptions options,
                             const std::function<Clients(signpost::PeerBook&)>& make_clients) {
  options.store.metrics = &metrics;
  options.sync.metrics = &metrics;
  ASSIGN_OR_RETURN(
      blobs, blobstore::DiskBlobStore::Open(*index, outside_.fs, outside_.clock, options.store));
  peers = std::make_unique<signpost::PeerBook>(*index, outside_.clock, outside_.random);
  RETURN_IF_ERROR(peers->Load());
  Compose(options, make_clients(*peers));
  Wire(options);
  RETURN_IF_ERROR(ledger->RememberCounts(*index));
  return groups->Load();
}

void PeerParts::ComposeGroups(const PeerPartsOptions& options) {
  const base::Clock& clock = outside_.clock;
  ledger = std::make_unique<syncgroup::Ledger>(
      syncgroup::Ledger::Options{.self = outside_.identity.peer_id(),
                                 .max_locations = options.max_locations},
      clock);
  group_core = std::unique_ptr<syncgroup::Core>(
      new syncgroup::Core{.options = {.identity = outside_.identity,
                                      .name = options.name,
                                      .addresses = options.addresses,
                                      .role = options.role},
                          .index = *index,
                          .ledger = *ledger,
                          .blobs = *blobs,
                          .peers = *peers,
                          .clock = clock,
                          .events = events});
  group_core->SetLimits(options.limits);
  group_work = std::make_unique<syncgroup::GroupWork>(*group_core);
  groups = std::make_unique<syncgroup::Groups>(*group_core, *group_work);
  refs = std::make_unique<syncgroup::Refs>(*group_core, *group_work);
  invites = std::make_unique<syncgroup::Invites>(*group_core, *group_work, *groups);
  access = std::make_unique<syncgroup::Access>(syncgroup::Access::Parts{
      .core = *group_core,
      .guesses = options.guesses,
      .told_no = [this](const base::PeerId& caller, const std::vector<base::BlobId>& blobs_missed,
                        const std::vector<base::GroupId>& asked_under) {
        peer_service->ToldNo(caller, blobs_missed, asked_under);
      }});
}

// In this order: each takes what those above it have made.
void PeerParts::Compose(PeerPartsOptions& options, const Clients& clients) {
  ComposeGroups(options);
  ComposeSync(options, clients);
  ComposeScanner(options);
  ComposeFetcher(options, clients);
  ComposeReports();
  ComposeWhatAnswersPeers();
  ComposeWatch();
}

void PeerParts::ComposeSync(const PeerPartsOptions& options, const Clients& clients) {
  replication = std::make_unique<syncgroup::Replication>(*group_core, *group_work);
  syncer = std::make_unique<syncgroup::Syncer>(options.sync,
                                               syncgroup::Syncer::Parts{.core = *group_core,
                                                                        .work = *group_work,
                                                                        .groups = *groups,
                                                                        .invites = *invites,
                                                                        .replication = *replication,
                                                                        .client = clients.calls,
                                                                        .peers = *peers,
                                                                        .clock = outside_.clock,
                                                                        .random = outside_.random});
}

void PeerParts::ComposeScanner(const PeerPartsOptions& options) {
  scanner = std::make_unique<upkeep::Scanner>(options.scan,
                                              upkeep::Scanner::Parts{.index = *index,
                                                                     .blobs = *blobs,
                                                                     .groups = *groups,
                                                                     .ledger = *ledger,
                                                                     .clock = outside_.clock,
                                                                     .events = events,
                                                                     .metrics = metrics});
}

void PeerParts::ComposeFetcher(PeerPartsOptions& options, const Clients& clients) {
  if (!options.knows_us) {
    options.knows_us = [this](const base::PeerId& peer, const base::GroupId& group) {
      return syncer->KnowsUs(peer, group);
    };
  }
  fetcher = std::make_unique<fetcher::Fetcher>(
      options.fetch,
      fetcher::Fetcher::Parts{.index = *index,
                              .blobs = *blobs,
                              .ledger = *ledger,
                              .groups = *groups,
                              .peers = *peers,
                              .client = clients.blobs,
                              .clock = outside_.clock,
                              .random = outside_.random,
                              .events = events,
                              .metrics = metrics,
                              .knows_us = std::move(options.knows_us),
                              .came_wrong =
                                  [this](const base::PeerId& peer, const base::BlobId& blob,
                                         const std::vector<base::GroupId>& under) {
                                    syncer->TellWrong(peer, blob, under);
                                  },
                              .request_scan = [this] { scanner->Request(); }});
}

// What is told of the work to people and apps.
void PeerParts::ComposeReports() {
  report = std::make_unique<fetcher::Report>(fetcher::Report::Parts{.index = *index,
                                                                    .blobs = *blobs,
                                                                    .ledger = *ledger,
                                                                    .groups = *groups,
                                                                    .peers = *peers,
                                                                    .clock = outside_.clock,
                                                                    .metrics = metrics,
                                                                    .work = fetcher->work()});
  completeness = std::make_unique<fetcher::CompletenessReporter>(
      fetcher::CompletenessReporter::Parts{.groups = *groups,
                                           .syncer = *syncer,
                                           .peers = *peers,
                                           .scanner = *scanner,
                                           .states = *report,
                                           .self = outside_.identity.peer_id(),
                                           .away = [this] { return blobs->away(); }});
}

void PeerParts::ComposeWhatAnswersPeers() {
  suspects = std::make_unique<upkeep::Suspects>(
      outside_.clock, [this](const base::BlobId& blob, const std::function<bool()>& stop) {
        return blobs->CheckBytes(blob, stop);
      });
  peer_service = std::make_unique<syncgroup::PeerService>(syncgroup::PeerService::Parts{
      .invites = *invites,
      .replication = *replication,
      .syncer = *syncer,
      .peers = *peers,
      .look_at = [this](const base::PeerId& by, const base::BlobId& blob) {
        return suspects->Report(by, blob);
      }});
}

void PeerParts::ComposeWatch() {
  watch = std::make_unique<Watch>(Watch::Parts{.events = events,
                                               .completeness = *completeness,
                                               .groups = *groups,
                                               .fetcher = *fetcher,
                                               .scanner = *scanner,
                                               .syncer = *syncer,
                                               .peers = *peers,
                                               .clock = outside_.clock,
                                               .self = outside_.identity.peer_id(),
                                               .note_mode = [this] { NoteMode(); },
                                               .look_at_disk = [this] { LookAtDisk(); }});
}

// Back: whatever is there is held against the rows.
void PeerParts::LookAtDisk() {
  const bool away = !blobs->away().empty();
  blobs->CheckWrites();
  if (away && blobs->CheckBlobsThere().ok()) scanner->Request();
}

// Whoever finds that it may have changed: the store, and a look each second.
void PeerParts::NoteMode() {
  const std::string away = blobs->away();
  const std::string read_only = blobs->read_only();
  const fetcher::Mode mode = fetcher::ModeOf(away, fetcher->Paused(), read_only);
  fetcher::Mode before = mode;
  {
    base::MutexLock lock(mode_mutex_);
    std::swap(before, mode_);
  }
  if (mode == before) return;
  if (!away.empty()) {
    base::LogWarning("the blobs are away: ", away);
  } else if (!read_only.empty()) {
    base::LogWarning("read-only: ", read_only);
  } else {
    base::LogInfo("the mode is ", fetcher::ModeName(mode), ", it was ", fetcher::ModeName(before));
  }
  events.Publish(base::EventKind::kModeChanged, {{"mode", fetcher::ModeName(mode)}});
}

// Who hears of what, where a lower room knows the higher one by an interface only.
void PeerParts::Wire(PeerPartsOptions& options) {
  peer_events = std::make_unique<PeerEvents>(outside_.clock, events);
  blob_news_ = std::make_unique<BlobNews>(*this);
  ledger->SetWake(blob_news_.get());
  blobs->SetLossHandler([this](const base::BlobId& blob) { scanner->ReportLost(blob); });
  blobs->SetAwayHandler([this](const std::string&) { NoteMode(); });
  blobs->SetReadOnlyHandler([this](const std::string&) { NoteMode(); });
  // Seen when it was opened.
  NoteMode();
  peers->SetListener([this](const base::PeerId& peer, const signpost::PeerHealth& health) {
    fetcher->OnPeerHealth(peer, health);
    peer_events->OnHealth(peer, health);
  });
  group_core->SetAccessListener(std::move(options.access));
  AddGauges(metrics, {.ledger = *ledger,
                      .peers = *peers,
                      .clock = outside_.clock,
                      .blobs = *blobs,
                      .fetcher = *fetcher,
                      .groups = *groups,
                      .syncer = *syncer,
                      .completeness = *completeness});
}

absl::Status PeerParts::Start(const std::function<absl::Status()>& listen) {
  fetcher->Start();
  scanner->Start();
  if (listen) RETURN_IF_ERROR(listen());
  syncer->Start();
  suspects->Start();
  watch->Start();
  return absl::OkStatus();
}

void PeerParts::Shutdown(const std::function<void()>& drain) {
  if (std::exchange(ended_, true)) return;
  if (watch != nullptr) watch->Shutdown();
  if (suspects != nullptr) suspects->Shutdown();
  if (syncer != nullptr) syncer->Shutdown();
  if (scanner != nullptr) scanner->Shutdown();
  if (fetcher != nullptr) fetcher->Shutdown();
  if (drain) drain();
  if (peers != nullptr) {
    const absl::Status flushed = peers->Flush();
    if (!flushed.ok()) {
      base::LogWarning("the last news of peers were not written: ", flushed.ToString());
    }
  }
  if (index != nullptr) index->Shutdown();
}

}  // namespace waypost::service
