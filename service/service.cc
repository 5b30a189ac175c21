#include "service/service.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "http/app/app_api.h"
#include "http/engine/engine.h"
#include "http/peer/peer_api.h"
#include "http/peer/peer_http_client.h"
#include "http/peer/turn_keeper.h"
#include "service/addresses.h"
#include "service/app_listeners.h"
#include "service/data_dir.h"
#include "service/descriptors.h"
#include "service/live_settings.h"
#include "service/migration.h"
#include "service/node_name.h"
#include "service/part_options.h"
#include "service/parts/peer_parts.h"
#include "service/sandbox.h"
#include "service/settings_table.h"
#include "service/unusable.h"
#include "service/version.h"

// The whole service: around a peer's parts (parts/peer_parts.h) its data folder, settings, clients,
// listeners and turned connections are made here, each once, by constructor arguments. What must
// hold: listeners refuse before the parts end, and drain while the index still answers, so that
// nobody calls a part that has ended.

namespace waypost::service {
namespace {

// Of the 20 s in which a stop must be done, what the listeners may take; the rest is for the index.
constexpr base::Millis kStopWithin{20'000};
constexpr base::Millis kKeptForIndex{2'000};

// Of the owner's commands, at a time; "wait" and "events --follow" hold a connection and no worker.
constexpr uint32_t kControlConnections = 256;
constexpr uint32_t kControlWorkers = 4;

// Puts wait for one flush together, so that more of them at a time make each cheaper; half of these
// may be receiving large bodies.
constexpr uint32_t kWriters = 16;

// What peers say to each other may have to be written down; what they fetch only reads.
constexpr uint32_t kPeerWriters = 8;

// Of one address at a time: a stalled one holds memory, an honest one takes milliseconds.
constexpr uint32_t kPeerHandshakesPerAddress = 8;

bool TellsSomething(std::string_view method, std::string_view path) {
  return method == "POST" && path != "/peer/v1/blobs:batch";
}

std::string NameOfMachine() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
  return NodeNameOf(name.data());
}

// `section`: of the settings, whose names are in what is said of limits.
http::EngineOptions EngineOptionsOf(const std::string& listener, const std::string& section,
                                    const ListenerConfig& config, const base::HostPort& bind,
                                    base::Metrics& metrics) {
  http::EngineOptions options;
  options.listener = listener;
  options.address = bind.ToString();
  options.names = {.address = absl::StrCat(section, ".listen"),
                   .max_connections = absl::StrCat(section, ".max_connections"),
                   .max_per_address = absl::StrCat(section, ".max_per_address")};
  options.max_connections = config.max_connections;
  options.max_per_address = config.max_per_address;
  options.workers = config.workers;
  options.head_timeout = config.head_timeout;
  options.idle_timeout = config.idle_timeout;
  options.min_rate_bytes_per_s = config.min_rate_bytes_per_s;
  options.metrics = &metrics;
  return options;
}

// The configuration with what the index has to say left out: enough to open the index.
absl::StatusOr<Config> ConfigBeforeIndex(const LiveSettings::Options& options) {
  Layers layers{.environment = options.environment, .command_line = options.command_line};
  ASSIGN_OR_RETURN(layers.file, LayerFromFile(options.file, options.file_must_exist));
  Resolved resolved;
  ASSIGN_OR_RETURN(resolved, Resolve(layers));
  return resolved.config;
}

}  // namespace

// In the order of construction; each part borrows from those above it, so destruction is safe too.
struct Service::Impl {
  std::unique_ptr<base::FileSystem> fs = base::NewPosixFileSystem();
  base::SystemClock clock;
  base::SystemRandom random;
  const base::SteadyTime started = clock.SteadyNow();

  std::unique_ptr<DataDir> data;
  std::string sandbox = "none: not asked for";
  std::unique_ptr<PeerParts> parts;
  std::unique_ptr<LiveSettings> settings;
  base::HostPort http_bind, peer_bind;
  std::unique_ptr<AdvertisedAddresses> advertised;      // to peers
  std::unique_ptr<AdvertisedAddresses> http_addresses;  // what apps may call us

  std::unique_ptr<http::PeerHttpClient> client;
  http::AllowedSites sites;
  std::unique_ptr<http::AppApi> app_api;
  std::unique_ptr<http::PeerApi> peer_api;
  std::shared_ptr<http::TlsServer> app_tls;  // none: plain HTTP
  std::shared_ptr<const http::PeerTls> peer_tls;
  std::unique_ptr<http::Engine> peer_engine;
  std::unique_ptr<http::TurnKeeper> turn_keeper;
  std::unique_ptr<http::Engine> app_engine;
  std::unique_ptr<http::Engine> control_engine;  // for the owner of the data folder
  // Of what endpoints.json says, and of reading files again.
  base::Mutex mutex;
  bool running GUARDED_BY(mutex) = false;

  absl::Status Open(const ServiceOptions& options);
  absl::Status GiveUpWhatIsNotNeeded(const ServiceOptions& options, const Config& config,
                                     const std::string& settings_file);
  absl::Status OpenParts(const Config& config);
  syncgroup::AccessListener CutWhoMayReadLess();
  void MakeAppListener(const Config& config);
  http::TurnedSink TakeTurned();
  void MakePeerListener(const Config& config);
  void MakeTurnKeeper();
  std::unique_ptr<http::Engine> EngineForApps(http::EngineOptions options);
  void MakeControlListener();
  void StartControlListener();
  std::string AddressToDial();
  absl::Status WriteEndpoints();
  absl::Status Reload();
  absl::Status ReloadCertificate();
  std::vector<std::string> BoundHosts();
  LiveParts PartsOfLiveSettings();
};

absl::Status Service::Impl::Open(const ServiceOptions& options) {
  ASSIGN_OR_RETURN(data, DataDir::Open(*fs, options.data_dir));
  const bool default_file = options.config_file.empty();
  const LiveSettings::Options live{
      .file = default_file ? options.data_dir + "/waypost.toml" : options.config_file,
      .file_must_exist = !default_file,
      .environment = options.environment,
      .command_line = options.command_line};
  Config config;
  ASSIGN_OR_RETURN(config, Unusable(ConfigBeforeIndex(live)));
  base::ConfigureLog(config.log_level, config.log_format);
  RETURN_IF_ERROR(data->CheckIndexIsThere(options.new_index));
  if (options.may_enter_sandbox) RaiseDescriptorLimit(DescriptorsNeeded(config));
  RETURN_IF_ERROR(GiveUpWhatIsNotNeeded(options, config, live.file));
  parts = std::make_unique<PeerParts>(
      PeerParts::Outside{.clock = clock, .random = random, .fs = *fs, .identity = data->identity()},
      base::ToHex(random.Bytes(4)));
  RETURN_IF_ERROR(
      parts->OpenIndex({.dir = data->index_dir(), .map_size = config.index_map_size_bytes}));
  RETURN_IF_ERROR(Migrate(*data, *parts->index));
  RETURN_IF_ERROR(data->ClaimIndex(*parts->index));
  ASSIGN_OR_RETURN(settings, LiveSettings::Load(*parts->index, live));
  config = settings->current();
  base::ConfigureLog(config.log_level, config.log_format);
  if (config.node_name.empty()) config.node_name = NameOfMachine();

  ASSIGN_OR_RETURN(http_bind, base::ParseHostPort(config.http.listen));
  ASSIGN_OR_RETURN(http_bind, data->SettlePort("http", http_bind));
  ASSIGN_OR_RETURN(peer_bind, base::ParseHostPort(config.peer.listen));
  ASSIGN_OR_RETURN(peer_bind, data->SettlePort("peer", peer_bind));
  advertised = std::make_unique<AdvertisedAddresses>(clock, config.peer_advertise, peer_bind);
  // Each of these an app may call, be they never so many.
  http_addresses = std::make_unique<AdvertisedAddresses>(
      clock, std::vector<std::string>(), http_bind, InterfaceAddresses, /*addresses_max=*/SIZE_MAX);

  if (!config.http_tls_cert.empty()) {
    ASSIGN_OR_RETURN(app_tls,
                     Unusable(http::TlsServer::Load({.certificate = config.http_tls_cert,
                                                     .key = config.http_tls_key,
                                                     .certificate_setting = "http.tls_cert",
                                                     .key_setting = "http.tls_key"})));
  }
  ASSIGN_OR_RETURN(peer_tls, http::PeerTls::Create(data->identity()));
  RETURN_IF_ERROR(OpenParts(config));
  parts->metrics
      .AddGauge("waypost_build_info", "1, labelled with the version of the program",
                {{"version", kVersion}})
      .Set(1);
  MakePeerListener(config);
  MakeTurnKeeper();
  MakeAppListener(config);
  MakeControlListener();
  settings->SetListener(
      [this](const Config& now) { ApplyLiveSettings(now, PartsOfLiveSettings()); });
  return absl::OkStatus();
}

// Before the index is opened, for that begins the first thread.
absl::Status Service::Impl::GiveUpWhatIsNotNeeded(const ServiceOptions& options,
                                                  const Config& config,
                                                  const std::string& settings_file) {
  if (!config.security_sandbox) {
    sandbox = "none: security.sandbox = false";
    return absl::OkStatus();
  }
  if (!options.may_enter_sandbox) return absl::OkStatus();
  Sandbox entered;
  ASSIGN_OR_RETURN(entered,
                   EnterSandbox(PathsOfService(
                       data->path(), {settings_file, config.http_tls_cert, config.http_tls_key})));
  sandbox = entered.Text();
  base::LogInfo("sandbox: ", sandbox);
  return absl::OkStatus();
}

absl::Status Service::Impl::OpenParts(const Config& config) {
  PeerPartsOptions options = PartsOptionsOf(config);
  options.store.data_dir = data->path();
  options.addresses = [this] { return advertised->Get(); };
  options.access = CutWhoMayReadLess();
  return parts->Open(std::move(options), [&](signpost::PeerBook& peers) {
    http::PeerHttpClientOptions calling = PeerClientOptionsOf(config);
    calling.self = data->identity().peer_id();
    calling.tls = peer_tls;
    calling.payer_of = [this](const base::PeerId& peer) { return parts->syncer->PayerOf(peer); };
    client = std::make_unique<http::PeerHttpClient>(std::move(calling), peers);
    return PeerParts::Clients{.calls = *client, .blobs = *client};
  });
}

// Who may read less than before must not read to the end what it was reading.
syncgroup::AccessListener Service::Impl::CutWhoMayReadLess() {
  return {
      .member_left =
          [this](const base::PeerId& peer) {
            if (peer_engine != nullptr) {
              peer_engine->CutPeers([peer](const base::PeerId& each) { return each == peer; });
            }
            client->Forget(peer);
          },
      .made_private =
          [this](const std::vector<base::PeerId>& members) {
            if (peer_engine == nullptr) return;
            peer_engine->CutPeers([stay = std::set<base::PeerId>(members.begin(), members.end())](
                                      const base::PeerId& each) { return !stay.contains(each); });
          }};
}

void Service::Impl::MakeAppListener(const Config& config) {
  sites.Set(SitesOf(config));
  app_api = std::make_unique<http::AppApi>(
      AppPartsOf(*parts, *client, *settings, sites, clock),
      http::AppInfo{.name = config.node_name,
                    .version = kVersion,
                    .sandbox = sandbox,
                    .peer = data->identity().peer_id(),
                    .tokens = {.api = data->api_token(), .read = data->read_token()},
                    .bound_hosts = [this] { return BoundHosts(); },
                    .addresses = [this] { return advertised->Get(); },
                    .endpoint = [this] { return AddressToDial(); },
                    .reload = [this] { return Reload(); },
                    .started = started,
                    .limits = AppLimitsOf(config)});
  http::EngineOptions for_apps =
      EngineOptionsOf("app", "http", config.http, http_bind, parts->metrics);
  for_apps.max_waiting = config.http_max_waiting;
  for_apps.names.max_waiting = "http.max_waiting";
  for_apps.tls = app_tls;
  for_apps.writers = kWriters;
  app_engine = EngineForApps(std::move(for_apps));
}

std::unique_ptr<http::Engine> Service::Impl::EngineForApps(http::EngineOptions options) {
  options = WithWhatAppsNeed(std::move(options));
  options.metrics = &parts->metrics;
  return std::make_unique<http::Engine>(
      std::move(options), [this](http::Request& request) { return app_api->Handle(request); },
      [this](const http::Request& request) { return app_api->RouteName(request); });
}

// Whoever fills the app listener keeps the owner of the folder neither from looking nor from
// acting: this one has its own connections and workers.
void Service::Impl::MakeControlListener() {
  http::EngineOptions options;
  options.listener = "control";
  options.address = data->path() + "/control.sock";
  options.names = {.address = "the data folder",
                   .max_connections = "",
                   .max_per_address = "",
                   .max_waiting = ""};
  options.max_connections = kControlConnections;
  options.max_per_address = kControlConnections;
  options.max_waiting = kControlConnections;
  options.workers = kControlWorkers;
  options.writers = kWriters;
  options.owner_only = true;
  control_engine = EngineForApps(std::move(options));
}

// Not every file system can hold a socket; the command line has another way.
void Service::Impl::StartControlListener() {
  const absl::Status listening = control_engine->Start();
  if (!listening.ok()) {
    base::LogWarning(listening.message(),
                     ": commands use the app API instead, which others can fill; a data folder on "
                     "a file system that holds sockets has control.sock");
  }
}

// The connections that peers turn here are used to call them.
http::TurnedSink Service::Impl::TakeTurned() {
  return {.wants = [this](const base::PeerId& peer) { return client->WantsTurned(peer); },
          .take =
              [this](const base::PeerId& peer, std::unique_ptr<http::TurnedConnection> turned) {
                client->TakeTurned(peer, std::move(turned));
                // Who could not be dialled can be called now.
                if (parts->peers->Health(peer).CoolsForCalls(clock.WallNow())) {
                  parts->syncer->ScheduleHello(peer);
                }
              }};
}

void Service::Impl::MakePeerListener(const Config& config) {
  peer_api = std::make_unique<http::PeerApi>(http::PeerApi::Parts{.blobs = *parts->blobs,
                                                                  .access = *parts->access,
                                                                  .service = *parts->peer_service,
                                                                  .peers = *parts->peers,
                                                                  .turned = TakeTurned()});
  http::EngineOptions for_peers =
      EngineOptionsOf("peer", "peer", config.peer, peer_bind, parts->metrics);
  for_peers.writers = kPeerWriters;
  for_peers.changes = TellsSomething;
  for_peers.peers = true;
  for_peers.tls = peer_tls;
  for_peers.stranger_connections_percent = config.limits_stranger_connections;
  for_peers.max_handshakes_per_address = kPeerHandshakesPerAddress;
  for_peers.payer_of = [this](const base::PeerId& peer) { return parts->syncer->PayerOf(peer); };
  for_peers.turned_changed = [this] {
    if (turn_keeper != nullptr) turn_keeper->Poke();
  };
  peer_engine = std::make_unique<http::Engine>(
      std::move(for_peers), [this](http::Request& request) { return peer_api->Handle(request); },
      [this](const http::Request& request) { return peer_api->RouteName(request); });
}

void Service::Impl::MakeTurnKeeper() {
  turn_keeper = std::make_unique<http::TurnKeeper>(http::TurnKeeper::Parts{
      .replication = *parts->replication,
      .client = *client,
      .peers = *parts->peers,
      .clock = clock,
      .lines_of = [this](const base::PeerId& peer) { return peer_engine->TurnedLinesOf(peer); },
      .serve =
          [this](std::unique_ptr<http::TurnedConnection> turned) {
            return peer_engine->Serve(std::move(turned));
          }});
}

std::vector<std::string> Service::Impl::BoundHosts() {
  std::vector<std::string> hosts = http_addresses->Get();
  if (IsWildcard(http_bind.host)) {
    for (const char* loopback : {"127.0.0.1", "::1"}) {
      hosts.push_back(base::HostPort{.host = loopback, .port = http_bind.port}.ToString());
    }
  }
  return hosts;
}

LiveParts Service::Impl::PartsOfLiveSettings() {
  return {.blobs = *parts->blobs,
          .client = *client,
          .group_core = *parts->group_core,
          .syncer = *parts->syncer,
          .scanner = *parts->scanner,
          .fetcher = *parts->fetcher,
          .app = *app_api,
          .sites = sites};
}

absl::StatusOr<std::unique_ptr<Service>> Service::Create(const ServiceOptions& options) {
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(impl->Open(options));
  return std::unique_ptr<Service>(new Service(std::move(impl)));
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Service::~Service() { Shutdown(); }

absl::Status Service::Start() {
  Impl& i = *impl_;
  {
    base::MutexLock lock(i.mutex);
    i.running = true;
  }
  const auto listen = [&]() -> absl::Status {
    RETURN_IF_ERROR(i.peer_engine->Start());
    RETURN_IF_ERROR(i.app_engine->Start());
    i.StartControlListener();
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(i.parts->Start(listen));
  i.turn_keeper->Start();
  if (i.app_tls == nullptr && !base::IsLoopback(i.http_bind.host)) {
    base::LogWarning("the app API is plain HTTP on ", http_address(),
                     ": whoever sees the network sees tokens; set http.tls_cert and http.tls_key, "
                     "or http.listen to 127.0.0.1");
  }
  // Last: its presence means ready.
  RETURN_IF_ERROR(i.WriteEndpoints());
  base::LogInfo("ready: app API on ", http_address(), ", peers on ", peer_address());
  return absl::OkStatus();
}

// All addresses are none that can be dialled.
std::string Service::Impl::AddressToDial() {
  const std::string address = app_engine->bound_address();
  const auto bound = base::ParseHostPort(address);
  if (!IsWildcard(http_bind.host) || !bound.ok()) return address;
  const char* const loopback = http_bind.host == "::" ? "::1" : "127.0.0.1";
  return base::HostPort{.host = loopback, .port = bound->port}.ToString();
}

absl::Status Service::Impl::WriteEndpoints() {
  return data->WriteEndpoints(
      {.http = AddressToDial(),
       .peer = peer_engine->bound_address(),
       .peer_id = data->identity().peer_id().ToHex(),
       .pid = getpid(),
       .version = kVersion,
       .http_tls_sha256 = app_tls != nullptr ? app_tls->Fingerprint() : ""});
}

// A certificate is renewed under its old names, which is no change of a setting.
absl::Status Service::Impl::ReloadCertificate() {
  if (app_tls == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(app_tls->Reload());
  return WriteEndpoints();
}

absl::Status Service::Impl::Reload() {
  base::MutexLock lock(mutex);
  if (!running) return absl::UnavailableError("the service is stopping");
  absl::Status first;
  const auto note = [&first](const absl::Status& status, const char* what) {
    if (status.ok()) return true;
    const absl::Status said = base::Annotate(status, what);
    base::LogError(said.message());
    if (first.ok()) first = said;
    return false;
  };
  note(ReloadCertificate(), "the old certificate stays in use");
  if (note(data->ReadTokens(), "the old tokens stay in use")) {
    app_api->SetTokens({.api = data->api_token(), .read = data->read_token()});
  }
  if (note(settings->ReloadFile(), "settings were not read again, nothing has changed")) {
    base::LogInfo("settings were read again");
  }
  return first;
}

absl::Status Service::Reload() {
  const absl::Status read = impl_->Reload();
  if (!absl::IsUnavailable(read)) impl_->app_api->NoteReload(read);
  return read;
}

void Service::Shutdown() {
  Impl& i = *impl_;
  {
    base::MutexLock lock(i.mutex);
    if (!std::exchange(i.running, false)) return;
    i.data->RemoveEndpoints();
  }
  const base::SteadyTime deadline = i.clock.SteadyNow() + kStopWithin - kKeptForIndex;
  const std::array engines = {i.control_engine.get(), i.app_engine.get(), i.peer_engine.get()};
  for (http::Engine* engine : engines) engine->RefuseNew();
  i.turn_keeper->Shutdown();
  i.parts->Shutdown([&] {
    for (http::Engine* engine : engines) {
      const auto rest = std::chrono::duration_cast<base::Millis>(deadline - i.clock.SteadyNow());
      engine->Shutdown(std::max(rest, base::Millis(0)));
    }
  });
  base::LogInfo("stopped");
}

std::string Service::http_address() const { return impl_->app_engine->bound_address(); }
std::string Service::peer_address() const { return impl_->peer_engine->bound_address(); }

}  // namespace waypost::service
