#include "service/settings_table.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/status.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/work/fetcher.h"
#include "http/app/allowed_sites.h"
#include "http/app/app_api.h"
#include "http/peer/peer_http_client.h"
#include "service/addresses.h"
#include "service/node_name.h"
#include "service/part_options.h"
#include "syncgroup/group/core.h"
#include "syncgroup/membership/member_limits.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"

// Every setting, once: key, default, kind with the member of Config and its bounds, help, and what
// it acts on. File, environment, command line, PATCH, the template of a new folder and the running
// service are all driven by these rows.

namespace waypost::service {
namespace {

using base::Abs;
using base::Millis;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Rows = std::vector<Setting>;

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = kKiB << 10;
constexpr uint64_t kTiB = kMiB << 20;

// ---- what live settings act on; which option each is says part_options.h ----

void ToLog(const Config& config, const LiveParts&) { base::SetLogLevel(config.log_level); }
void ToFloor(const Config& config, const LiveParts& parts) {
  parts.blobs.SetMinFree(PartsOptionsOf(config).store.min_free);
}
void ToMaxBlob(const Config& config, const LiveParts& parts) {
  parts.blobs.SetMaxBlob(PartsOptionsOf(config).store.max_blob_bytes);
}
void ToDials(const Config& config, const LiveParts& parts) {
  parts.client.SetConnectTimeout(PeerClientOptionsOf(config).connect_timeout);
}
void ToFetcher(const Config& config, const LiveParts& parts) {
  parts.fetcher.SetOptions(PartsOptionsOf(config).fetch);
}
void ToSyncer(const Config& config, const LiveParts& parts) {
  const syncgroup::SyncerOptions options = PartsOptionsOf(config).sync;
  parts.syncer.SetOptions(options.interval, options.concurrency);
}
void ToLimits(const Config& config, const LiveParts& parts) {
  parts.group_core.SetLimits(PartsOptionsOf(config).limits);
}
void ToApp(const Config& config, const LiveParts& parts) {
  parts.app.SetLimits(AppLimitsOf(config));
}
void ToSites(const Config& config, const LiveParts& parts) { parts.sites.Set(SitesOf(config)); }
void ToScanner(const Config& config, const LiveParts& parts) {
  const upkeep::ScannerOptions options = PartsOptionsOf(config).scan;
  parts.scanner.SetOptions(options.extra_delay, options.delay_multiplier);
}

// ---- the rows: key, default, kind, help, and what a live one acts on ----

// What both listeners have.
Rows Listener(const std::string& section, ListenerConfig Config::*listener, std::string listen,
              std::string listen_help, std::string per_address) {
  using L = ListenerConfig;
  const auto key = [&](const char* name) { return absl::StrCat(section, ".", name); };
  const auto in = [&](auto member) { return In(listener, member); };
  return {
      {key("listen"), std::move(listen),
       Text(in(&L::listen), "ADDRESS:PORT with a numeric address", CheckListenAddress),
       std::move(listen_help)},
      {key("max_connections"), "1024", Count(in(&L::max_connections), 1, 100'000),
       "connections at once"},
      {key("max_per_address"), std::move(per_address), Count(in(&L::max_per_address), 1, 100'000),
       "connections of one network: an IPv4 address, an IPv6 /64"},
      {key("workers"), "0", Count(in(&L::workers), 0, 1024), "threads; 0: 2 x cores, at least 8"},
      {key("head_timeout"), "10s", Duration(in(&L::head_timeout), Millis(100), minutes(10)),
       "for the head of a request"},
      {key("idle_timeout"), "60s", Duration(in(&L::idle_timeout), Millis(100), hours(24)),
       "for a connection between requests"},
      {key("min_rate"), "1KiB", Size(in(&L::min_rate_bytes_per_s), 0, kTiB),
       "bytes a second: of who sends over 5 s, of who reads over 5 s from peers' listener, and "
       "from "
       "apps' over 60 s, on this machine over 10 min"},
  };
}

Rows Node() {
  return {{"node.name", "", Text(In(&Config::node_name), "up to 200 bytes", CheckNodeName),
           "shown to people; empty: the host's name"},
          {"node.role", "server",
           Choice<syncgroup::Role>(In(&Config::node_role), {{"server", syncgroup::Role::kServer},
                                                            {"normal", syncgroup::Role::kNormal},
                                                            {"leaf", syncgroup::Role::kLeaf}}),
           "what this peer is in groups that it creates or joins without --role; never more than "
           "the invite gives"}};
}

Rows ForApps() {
  return {
      {"http.allowed_hosts", "", List(In(&Config::http_allowed_hosts), "host names", CheckHostText),
       "Host values besides localhost and the bound ones", ToSites},
      {"http.allowed_origins", "",
       List(In(&Config::http_allowed_origins), "origins", CheckOriginText),
       "pages of other sites that may call, with a token: https://app.example.org", ToSites},
      {"http.max_waiting", "512", Count(In(&Config::http_max_waiting), 1, 100'000),
       "waiting GETs, streams and events"},
      {"http.tls_cert", "", Text(In(&Config::http_tls_cert), "a path", CheckAnyText),
       "HTTPS on the app listener: certificate"},
      {"http.tls_key", "", Text(In(&Config::http_tls_key), "a path", CheckAnyText),
       "HTTPS on the app listener: key"},
  };
}

Rows ForPeers() {
  return {
      // More would make whatever this peer says of itself be refused: it would be mute.
      {"peer.advertise", "",
       List(In(&Config::peer_advertise),
            absl::StrCat("HOST:PORT, at most ", syncgroup::kAddressesMax), CheckAdvertisedAddress,
            syncgroup::kAddressesMax),
       absl::StrCat("addresses other peers should use; empty: the bound one, or those of the "
                    "interfaces, at most ",
                    syncgroup::kAddressesMax)},
      {"peer.allow_cidr", "", List(In(&Config::peer_allow_cidr), "ADDRESS/BITS", CheckCidr),
       "ranges that may be dialled although loopback or otherwise refused"},
  };
}

Rows Fetching() {
  using F = fetcher::FetcherOptions;
  const auto in = [](auto member) { return In(&Config::fetcher, member); };
  return {
      {"fetcher.concurrency", "4", Count(in(&F::concurrency), 1, 256), "attempts at once",
       ToFetcher},
      {"fetcher.per_peer", "3", Count(in(&F::per_peer), 1, 256),
       "attempts to one peer; the last is for small blobs", ToFetcher},
      {"fetcher.retry_base", "1s", Duration(in(&F::retry_base), Millis(1), hours(24)),
       "the wait after n failures: up to this x 2^n", ToFetcher},
      {"fetcher.retry_max", "1h", Duration(in(&F::retry_max), Millis(1), hours(24 * 365)),
       "but at most this", ToFetcher},
      {"fetcher.expiry", "720h", Duration(in(&F::expiry), Millis(0), hours(24 * 3650)),
       "for blobs asked for where this peer is no server", ToFetcher},
      {"fetcher.connect_timeout", "3s",
       Duration(In(&Config::fetcher_connect_timeout), Millis(10), minutes(5)),
       "for one address of a peer", ToDials},
      {"fetcher.stall_timeout", "30s", Duration(in(&F::stall_timeout), Millis(100), hours(1)),
       "under 1 KiB/s averaged over this long a transfer is given up", ToFetcher},
      {"fetcher.rate_limit", "0", Size(in(&F::rate_limit_bytes_per_s), 0, kTiB),
       "bytes a second of all fetches together; 0: none", ToFetcher},
  };
}

Rows ScansAndRounds() {
  return {
      {"scan.initial_delay", "10s", Duration(In(&Config::scan_initial_delay), Millis(0), hours(24)),
       "before the first scan"},
      {"scan.extra_delay", "300s",
       Duration(In(&Config::scan_extra_delay), Millis(0), hours(24 * 30)), "between scans",
       ToScanner},
      {"scan.delay_multiplier", "4", Factor(In(&Config::scan_delay_multiplier), 0, 1000),
       "a scan waits this many times as long as the last one took, and extra_delay", ToScanner},
      {"sync.interval", "2s", Duration(In(&Config::sync_interval), Millis(10), hours(1)),
       "between rounds with a member", ToSyncer},
      {"sync.concurrency", "8", Count(In(&Config::sync_concurrency), 1, 64), "peers at once",
       ToSyncer},
  };
}

Rows Limits() {
  return {
      {"signpost.max_locations", "8", Count(In(&Config::signpost_max_locations), 1, 64),
       "locations kept of one blob"},
      {"limits.mentions", "5000000", Count(In(&Config::limits_mentions), 1, 1'000'000'000),
       "operations, references above all, taken of one other member in one group", ToLimits},
      {"limits.mention_burst", "100000", Count(In(&Config::limits_mention_burst), 1, 1'000'000'000),
       "of these at once after its admission", ToLimits},
      {"limits.mention_rate", "200", Count(In(&Config::limits_mention_rate), 0, 1'000'000),
       "and a second since then", ToLimits},
      {"limits.entries", "1000000", Count(In(&Config::limits_entries), 1, 1'000'000'000),
       "entries of its log", ToLimits},
      {"limits.log_bytes", "1GiB", Size(In(&Config::limits_log_bytes), kMiB, kTiB),
       "and their size", ToLimits},
      {"limits.membership", "1000", Count(In(&Config::limits_membership), 1, 1'000'000),
       "admissions and settings, and as many removals, at once", ToLimits},
      {"limits.membership_rate", "100", Count(In(&Config::limits_membership_rate), 0, 1'000'000),
       "and a day since its admission", ToLimits},
      {"limits.numberings", "64", Count(In(&Config::limits_numberings), 1, 10'000),
       "times that it began its log anew; one more a day since its admission", ToLimits},
      {"limits.member_bytes", "1TiB", Size(In(&Config::limits_member_bytes), 1, kTiB << 20),
       "that one other member can make this peer want and fetch in one group", ToLimits},
      {"limits.stranger_connections", "67", Count(In(&Config::limits_stranger_connections), 1, 100),
       "percent of peer.max_connections that peers may have who share no group with this one"},
      {"limits.tokens", "1000", Count(In(&Config::limits_tokens), 1, 100'000), "named tokens",
       ToApp},
      {"limits.audit_rows", "100000", Count(In(&Config::limits_audit_rows), 1, 100'000'000),
       "acts that the audit keeps", ToApp},
      {"limits.audit_age", "2160h",
       Duration(In(&Config::limits_audit_age), minutes(1), hours(24 * 3650)), "and for how long",
       ToApp},
  };
}

Rows Security() {
  return {{"security.sandbox", "true",
           Choice<bool>(In(&Config::security_sandbox), {{"true", true}, {"false", false}}),
           "give up files elsewhere, programs and other processes, where the kernel can"}};
}

Rows Storing() {
  return {
      {"store.inline_max", "16KiB", Size(In(&Config::store_inline_max_bytes), 0, kMiB),
       "blobs up to this live in the index"},
      {"store.min_free", "1GiB", FreeSpace(In(&Config::store_min_free), kTiB << 10),
       "below it, counting transfers under way, nothing is fetched or accepted", ToFloor},
      {"store.max_blob", "64GiB", Size(In(&Config::store_max_blob_bytes), 1, kTiB << 4),
       "the largest blob accepted", ToMaxBlob},
      {"index.map_size", "64GiB", Size(In(&Config::index_map_size_bytes), kMiB, kTiB << 4),
       "of the index, sparse; grows by itself"},
  };
}

Rows Logging() {
  using base::LogFormat;
  using base::LogLevel;
  return {
      {"log.level", "info",
       Choice<LogLevel>(In(&Config::log_level), {{"debug", LogLevel::kDebug},
                                                 {"info", LogLevel::kInfo},
                                                 {"warning", LogLevel::kWarning},
                                                 {"error", LogLevel::kError}}),
       "what is written to standard error", ToLog},
      {"log.format", "text",
       Choice<LogFormat>(In(&Config::log_format),
                         {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}),
       "of the log"},
  };
}

Rows Build() {
  Rows all;
  for (Rows& rows : std::vector<Rows>{
           Node(),
           Listener("http", &Config::http, "127.0.0.1:7440",
                    "app API; port 0 picks a free one at the first start and keeps it", "256"),
           ForApps(),
           Listener("peer", &Config::peer, "0.0.0.0:7441", "peer API; port 0 as http.listen", "32"),
           ForPeers(), Fetching(), ScansAndRounds(), Limits(), Security(), Storing(), Logging()}) {
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

std::string Setting::section() const { return key.substr(0, key.find('.')); }

std::string Setting::name() const { return key.substr(key.find('.') + 1); }

std::string Setting::EnvironmentName() const {
  return absl::StrCat("WAYPOST_", absl::AsciiStrToUpper(absl::StrReplaceAll(key, {{".", "_"}})));
}

std::vector<std::string> Setting::ItemsOf(std::string_view text) const {
  if (!kind.list) return {std::string(text)};
  std::vector<std::string> items = absl::StrSplit(Abs(text), ',', absl::SkipWhitespace());
  for (std::string& item : items) absl::StripAsciiWhitespace(&item);
  return items;
}

std::string Setting::Show(const Config& config) const {
  return absl::StrJoin(kind.show(config), ",");
}

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> all = Build();
  return all;
}

const Setting* FindSetting(std::string_view key) {
  for (const Setting& setting : Settings()) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

absl::Status UnknownSetting(std::string_view where, std::string_view key) {
  const std::string_view section = key.substr(0, key.find('.'));
  std::vector<std::string> near, sections;
  for (const Setting& setting : Settings()) {
    const std::string its = setting.section();
    if (its == section) near.push_back(setting.key);
    if (sections.empty() || sections.back() != its) sections.push_back(its);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Abs(where), ": there is no setting \"", Abs(key), "\"; ",
                   near.empty() ? "the sections are " : "there are ",
                   absl::StrJoin(near.empty() ? sections : near, ", ")));
}

void ApplyLiveSettings(const Config& config, const LiveParts& parts) {
  // Settings that one part takes together act by the same function: it is called once.
  std::vector<decltype(Setting::act)> acted;
  for (const Setting& setting : Settings()) {
    if (!setting.live() || std::find(acted.begin(), acted.end(), setting.act) != acted.end()) {
      continue;
    }
    setting.act(config, parts);
    acted.push_back(setting.act);
  }
}

}  // namespace waypost::service
