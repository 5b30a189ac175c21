#include "tests/http/node.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace waypost::http {

Node::Node(NodeOptions options) {
  CHECK(base::InitCrypto());
  identity = base::Identity::Generate();
  const base::PeerId self = identity->peer_id();
  if (options.tls) peer_tls = *PeerTls::Create(*identity);
  fs = base::NewPosixFileSystem();
  events = std::make_unique<base::EventLog>(clock, "boot");
  CHECK(std::filesystem::create_directory(folder / "index"));
  index = *base::Index::Open({.dir = folder / "index", .metrics = &metrics});
  blobs = *blobstore::DiskBlobStore::Open(*index, *fs, clock,
                                          {.data_dir = folder.path(),
                                           .min_free = {.bytes = options.min_free_bytes},
                                           .max_blob_bytes = options.max_blob_bytes,
                                           .metrics = &metrics});
  peers = std::make_unique<signpost::PeerBook>(*index, clock, random);
  CHECK(peers->Load().ok());
  ledger = std::make_unique<syncgroup::Ledger>(syncgroup::Ledger::Options{.self = self}, clock);
  groups = std::make_unique<syncgroup::GroupStore>(
      syncgroup::GroupStore::Options{
          .identity = *identity,
          .name = options.name,
          .addresses = [this] { return std::vector<std::string>{peer->bound_address()}; }},
      *index, *ledger, *blobs, *peers, clock, *events);
  client = std::make_unique<PeerHttpClient>(
      PeerHttpClientOptions{.self = self, .tls = peer_tls, .plain_for_tests = !options.tls}, *peers,
      clock);
  syncer = std::make_unique<syncgroup::Syncer>(
      syncgroup::SyncerOptions{.interval = base::Millis(200), .metrics = &metrics}, *groups,
      *client, *peers, clock, random);
  scanner = std::make_unique<fetcher::Scanner>(
      fetcher::ScannerOptions{.initial_delay = base::Millis(100)}, *index, *blobs, *groups, *ledger,
      clock, *events, metrics);
  fetcher = std::make_unique<fetcher::Fetcher>(
      fetcher::FetcherOptions{},
      fetcher::Fetcher::Parts{
          .index = *index,
          .blobs = *blobs,
          .ledger = *ledger,
          .groups = *groups,
          .peers = *peers,
          .client = *client,
          .clock = clock,
          .random = random,
          .events = *events,
          .metrics = metrics,
          .greeted = [this](const base::PeerId& other,
                            const base::GroupId& group) { return syncer->Greeted(other, group); },
          .request_scan = [this] { scanner->Request(); }});
  ledger->SetWake(fetcher.get());
  peers->SetListener([this](const base::PeerId& other, const signpost::PeerHealth& health) {
    fetcher->OnPeerHealth(other, health);
  });
  blobs->SetLossHandler([this](const base::BlobId& blob) { scanner->ReportLost(blob); });
  completeness =
      std::make_unique<fetcher::CompletenessReporter>(*groups, *syncer, *peers, *scanner, *fetcher);
  service = std::make_unique<syncgroup::PeerService>(*groups, *syncer, *peers);
  app_api = std::make_unique<AppApi>(
      AppParts{.index = *index,
               .blobs = *blobs,
               .ledger = *ledger,
               .groups = *groups,
               .syncer = *syncer,
               .client = *client,
               .peers = *peers,
               .fetcher = *fetcher,
               .scanner = *scanner,
               .completeness = *completeness,
               .settings = settings,
               .events = *events,
               .metrics = metrics,
               .clock = clock},
      AppInfo{.name = options.name,
              .version = "test",
              .peer = self,
              .tokens = {.api = kToken, .read = kReadToken},
              .bound_hosts = [this] { return std::vector<std::string>{app->bound_address()}; },
              .addresses = [this] { return std::vector<std::string>{peer->bound_address()}; },
              .started = clock.SteadyNow()});
  peer_api = std::make_unique<PeerApi>(*index, *blobs, *groups, *service, *peers);
  app = std::make_unique<Engine>(
      EngineOptions{.listener = "app", .address = "127.0.0.1:0", .workers = 4, .metrics = &metrics},
      [this](Request& request) { return app_api->Handle(request); },
      [this](const Request& request) { return app_api->RouteName(request); });
  peer = std::make_unique<Engine>(
      EngineOptions{.listener = "peer",
                    .address = "127.0.0.1:0",
                    .workers = 4,
                    .tls = peer_tls,
                    .peers = true,
                    .plain_peers_for_tests = !options.tls,
                    .metrics = &metrics},
      [this](Request& request) { return peer_api->Handle(request); },
      [this](const Request& request) { return peer_api->RouteName(request); });
  CHECK(peer->Start().ok());
  CHECK(app->Start().ok());
  CHECK(groups->Load().ok());
  fetcher->Start();
  scanner->Start();
  syncer->Start();
}

Node::~Node() {
  app->RefuseNew();
  peer->RefuseNew();
  syncer->Shutdown();
  scanner->Shutdown();
  fetcher->Shutdown();
  app->Shutdown(base::Millis(2000));
  peer->Shutdown(base::Millis(2000));
  index->Shutdown();
}

Json Node::Call(const std::string& method, const std::string& target, const std::string& body) {
  AppClient::Call call{.method = method, .target = target};
  if (!body.empty()) call.body = body;
  AppClient caller = Client();
  const auto reply = caller.Must(call);
  EXPECT_TRUE(reply.ok()) << method << " " << target << ": " << reply.status();
  if (!reply.ok() || reply->body.empty()) return nullptr;
  return Json::parse(reply->body, nullptr, false);
}

int Node::Status(const std::string& method, const std::string& target, const std::string& body) {
  AppClient::Call call{.method = method, .target = target};
  if (!body.empty()) call.body = body;
  AppClient caller = Client();
  const auto reply = caller.Send(call);
  EXPECT_TRUE(reply.ok()) << reply.status();
  return reply.ok() ? reply->status : 0;
}

}  // namespace waypost::http
