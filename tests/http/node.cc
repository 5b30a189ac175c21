#include "tests/http/node.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "service/app_listeners.h"

// Puts a peer's parts and both listeners together as service/service.cc does, without its process,
// its data folder's rules and its settings.

namespace waypost::http {

Node::Node(NodeOptions options) : options_(std::move(options)) {
  CHECK(base::InitCrypto());
  identity = base::Identity::Generate();
  const base::PeerId self = identity->peer_id();
  if (options_.tls) peer_tls = *PeerTls::Create(*identity);
  fs = base::NewPosixFileSystem();
  if (options_.before_disk) fs = options_.before_disk(std::move(fs));
  CHECK(std::filesystem::create_directory(folder / "index"));
  parts = std::make_unique<service::PeerParts>(
      service::PeerParts::Outside{
          .clock = clock, .random = random, .fs = *fs, .identity = *identity},
      "boot");
  CHECK(parts->OpenIndex({.dir = folder / "index"}).ok());
  const auto make_client = [&](signpost::PeerBook& peers) {
    client = std::make_unique<PeerHttpClient>(
        PeerHttpClientOptions{.self = self, .tls = peer_tls, .plain_for_tests = !options_.tls},
        peers);
    return service::PeerParts::Clients{.calls = *client, .blobs = *client};
  };
  CHECK(parts
            ->Open({.name = options_.name,
                    .addresses = [this] { return std::vector<std::string>{peer->bound_address()}; },
                    .store = {.data_dir = folder.path(),
                              .min_free = {.bytes = options_.min_free_bytes},
                              .max_blob_bytes = options_.max_blob_bytes},
                    .sync = {.interval = base::Millis(200)},
                    .scan = {.initial_delay = base::Millis(100)}},
                   make_client)
            .ok());
  app_api = MakeAppApi(clock);
  peer_api = std::make_unique<PeerApi>(PeerApi::Parts{.blobs = *parts->blobs,
                                                      .access = *parts->access,
                                                      .service = *parts->peer_service,
                                                      .peers = *parts->peers});
  app = std::make_unique<Engine>(
      EngineOptions{.listener = "app",
                    .address = "127.0.0.1:0",
                    .workers = 4,
                    .chunked_bodies = true,
                    .request_ids = true,
                    .metrics = &parts->metrics},
      [this](Request& request) { return app_api->Handle(request); },
      [this](const Request& request) { return app_api->RouteName(request); });
  peer = std::make_unique<Engine>(
      EngineOptions{.listener = "peer",
                    .address = "127.0.0.1:0",
                    .workers = 4,
                    .tls = peer_tls,
                    .peers = true,
                    .plain_peers_for_tests = !options_.tls,
                    .metrics = &parts->metrics},
      [this](Request& request) { return peer_api->Handle(request); },
      [this](const Request& request) { return peer_api->RouteName(request); });
  CHECK(parts
            ->Start([&]() -> absl::Status {
              RETURN_IF_ERROR(peer->Start());
              return app->Start();
            })
            .ok());
}

std::unique_ptr<AppApi> Node::MakeAppApi(const base::Clock& its_clock) {
  return std::make_unique<AppApi>(
      service::AppPartsOf(*parts, *client, settings, sites, its_clock),
      AppInfo{.name = options_.name,
              .version = "test",
              .peer = identity->peer_id(),
              .tokens = {.api = kToken, .read = kReadToken},
              .bound_hosts = [this] { return std::vector<std::string>{app->bound_address()}; },
              .addresses = [this] { return std::vector<std::string>{peer->bound_address()}; },
              .endpoint = [this] { return app->bound_address(); },
              .reload = [this] { return reload; },
              .started = its_clock.SteadyNow()});
}

Node::~Node() {
  app->RefuseNew();
  peer->RefuseNew();
  parts->Shutdown([&] {
    app->Shutdown(base::Millis(2000));
    peer->Shutdown(base::Millis(2000));
  });
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

AppClient::Reply Node::Ask(const std::string& token, const std::string& method,
                           const std::string& target, const std::string& body) {
  AppClient caller({.address = app->bound_address(), .token = token});
  AppClient::Call call{.method = method, .target = target};
  if (!body.empty()) call.body = body;
  const auto reply = caller.Send(call);
  EXPECT_TRUE(reply.ok()) << reply.status();
  return reply.ok() ? *reply : AppClient::Reply();
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
