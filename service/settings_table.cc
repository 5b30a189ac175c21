#include "service/settings_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "service/addresses.h"
#include "service/units.h"

// Every setting, once: key, default, bounds, help, and the member of Config that it sets. File,
// environment, command line, PATCH and the template of a new folder are all read from these rows.

namespace waypost::service {
namespace {

using base::Abs;
using base::Millis;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

absl::Status OutOfRange(const std::string& text, const std::string& allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is out of range; allowed: ", allowed));
}

// What every kind of setting starts from. `field` finds the value in a Config.
Setting Base(std::string key, std::string standard, std::string allowed, std::string help) {
  Setting setting;
  setting.key = std::move(key);
  setting.standard = {std::move(standard)};
  setting.allowed = std::move(allowed);
  setting.help = std::move(help);
  return setting;
}

using One = const std::vector<std::string>&;

template <class Field>
Setting Count(std::string key, const char* standard, uint32_t low, uint32_t high, std::string help,
              Field field) {
  Setting setting = Base(std::move(key), standard, absl::StrCat(low, "-", high), std::move(help));
  setting.apply = [=, allowed = setting.allowed](One items, Config& config) -> absl::Status {
    uint32_t value = 0;
    const bool digits = items[0].find_first_not_of("0123456789") == std::string::npos;
    if (!digits || !absl::SimpleAtoi(items[0], &value) || value < low || value > high) {
      return OutOfRange(items[0], allowed);
    }
    field(config) = value;
    return absl::OkStatus();
  };
  setting.show = [field](const Config& config) -> std::vector<std::string> {
    return {absl::StrCat(field(const_cast<Config&>(config)))};
  };
  return setting;
}

template <class Field>
Setting Duration(std::string key, const char* standard, Millis low, Millis high, std::string help,
                 Field field) {
  Setting setting =
      Base(std::move(key), standard,
           absl::StrCat(FormatDuration(low), " to ", FormatDuration(high)), std::move(help));
  setting.apply = [=, allowed = setting.allowed](One items, Config& config) -> absl::Status {
    Millis value;
    ASSIGN_OR_RETURN(value, ParseDuration(items[0]));
    if (value < low || value > high) return OutOfRange(items[0], allowed);
    field(config) = value;
    return absl::OkStatus();
  };
  setting.show = [field](const Config& config) -> std::vector<std::string> {
    return {FormatDuration(field(const_cast<Config&>(config)))};
  };
  return setting;
}

template <class Field>
Setting Size(std::string key, const char* standard, uint64_t low, uint64_t high, std::string help,
             Field field) {
  Setting setting = Base(std::move(key), standard,
                         absl::StrCat(FormatSize(low), " to ", FormatSize(high)), std::move(help));
  setting.apply = [=, allowed = setting.allowed](One items, Config& config) -> absl::Status {
    uint64_t value = 0;
    ASSIGN_OR_RETURN(value, ParseSize(items[0]));
    if (value < low || value > high) return OutOfRange(items[0], allowed);
    field(config) = value;
    return absl::OkStatus();
  };
  setting.show = [field](const Config& config) -> std::vector<std::string> {
    return {FormatSize(field(const_cast<Config&>(config)))};
  };
  return setting;
}

// `check` looks at one item.
using Check = absl::Status (*)(std::string_view);

template <class Field>
Setting Text(std::string key, const char* standard, std::string allowed, std::string help,
             Check check, Field field) {
  Setting setting = Base(std::move(key), standard, std::move(allowed), std::move(help));
  setting.apply = [check, field](One items, Config& config) -> absl::Status {
    RETURN_IF_ERROR(check(items[0]));
    field(config) = items[0];
    return absl::OkStatus();
  };
  setting.show = [field](const Config& config) -> std::vector<std::string> {
    return {field(const_cast<Config&>(config))};
  };
  return setting;
}

template <class Field>
Setting List(std::string key, std::string allowed, std::string help, Check check, Field field) {
  Setting setting = Base(std::move(key), "", std::move(allowed), std::move(help));
  setting.list = true;
  setting.standard.clear();
  setting.apply = [check, field](One items, Config& config) -> absl::Status {
    if (items.size() > 64) return absl::InvalidArgumentError("a list has at most 64 items");
    for (const std::string& item : items) RETURN_IF_ERROR(check(item));
    field(config) = items;
    return absl::OkStatus();
  };
  setting.show = [field](const Config& config) -> std::vector<std::string> {
    return field(const_cast<Config&>(config));
  };
  return setting;
}

template <class Enum, class Field>
Setting Choice(std::string key, const char* standard, std::string help,
               std::vector<std::pair<std::string, Enum>> choices, Field field) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  Setting setting = Base(std::move(key), standard, absl::StrJoin(names, ", "), std::move(help));
  setting.apply = [=, allowed = setting.allowed](One items, Config& config) -> absl::Status {
    for (const auto& choice : choices) {
      if (choice.first == items[0]) {
        field(config) = choice.second;
        return absl::OkStatus();
      }
    }
    return OutOfRange(items[0], allowed);
  };
  setting.show = [=](const Config& config) -> std::vector<std::string> {
    for (const auto& choice : choices) {
      if (choice.second == field(const_cast<Config&>(config))) return {choice.first};
    }
    return {};
  };
  return setting;
}

Setting MinFree() {
  Setting setting = Base("store.min_free", "1GiB", "0 to 1024TiB, or 0% to 99%",
                         "below it, counting transfers under way, nothing is fetched or accepted");
  setting.apply = [allowed = setting.allowed](One items, Config& config) -> absl::Status {
    const std::string& text = items[0];
    if (!text.empty() && text.back() == '%') {
      uint32_t percent = 0;
      ASSIGN_OR_RETURN(percent, ParsePercent(text));
      config.store_min_free = {.bytes = 0, .percent = percent};
      return absl::OkStatus();
    }
    uint64_t bytes = 0;
    ASSIGN_OR_RETURN(bytes, ParseSize(text));
    if (bytes > uint64_t{1} << 50) return OutOfRange(text, allowed);
    config.store_min_free = {.bytes = bytes, .percent = 0};
    return absl::OkStatus();
  };
  setting.show = [](const Config& config) -> std::vector<std::string> {
    if (config.store_min_free.percent != 0)
      return {absl::StrCat(config.store_min_free.percent, "%")};
    return {FormatSize(config.store_min_free.bytes)};
  };
  return setting;
}

Setting Multiplier() {
  Setting setting =
      Base("scan.delay_multiplier", "4", "0-1000",
           "a scan waits this many times as long as the last one took, and extra_delay");
  setting.apply = [allowed = setting.allowed](One items, Config& config) -> absl::Status {
    double value = 0;
    const bool plain = items[0].find_first_not_of("0123456789.") == std::string::npos;
    if (!plain || !absl::SimpleAtod(items[0], &value) || !(value >= 0 && value <= 1000)) {
      return OutOfRange(items[0], allowed);
    }
    config.scan_delay_multiplier = value;
    return absl::OkStatus();
  };
  setting.show = [](const Config& config) -> std::vector<std::string> {
    return {absl::StrCat(config.scan_delay_multiplier)};
  };
  return setting;
}

Setting Live(Setting setting) {
  setting.live = true;
  return setting;
}

absl::Status AnyText(std::string_view text) {
  if (text.size() > 4096) return absl::InvalidArgumentError("at most 4096 bytes are allowed");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return absl::InvalidArgumentError("control characters are not allowed");
    }
  }
  return absl::OkStatus();
}

absl::Status NodeName(std::string_view text) {
  if (text.size() > 200) return absl::InvalidArgumentError("at most 200 bytes are allowed");
  return AnyText(text);
}

absl::Status AllowedHost(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("a host name, or host:port, is wanted");
  return AnyText(text);
}

// What both listeners have.
void AddListener(std::vector<Setting>& all, const std::string& section,
                 ListenerConfig Config::*listener, const char* listen, const char* listen_help,
                 const char* per_address) {
  const auto key = [&](const char* name) { return absl::StrCat(section, ".", name); };
  all.push_back(Text(key("listen"), listen, "ADDRESS:PORT with a numeric address", listen_help,
                     CheckListenAddress,
                     [=](Config& c) -> std::string& { return (c.*listener).listen; }));
  all.push_back(Count(key("max_connections"), "1024", 1, 100'000, "connections at once",
                      [=](Config& c) -> uint32_t& { return (c.*listener).max_connections; }));
  all.push_back(Count(key("max_per_address"), per_address, 1, 100'000, "connections of one address",
                      [=](Config& c) -> uint32_t& { return (c.*listener).max_per_address; }));
  all.push_back(Count(key("workers"), "0", 0, 1024, "threads; 0: 2 x cores, at least 8",
                      [=](Config& c) -> uint32_t& { return (c.*listener).workers; }));
  all.push_back(Duration(key("head_timeout"), "10s", Millis(100), minutes(10),
                         "for the head of a request",
                         [=](Config& c) -> Millis& { return (c.*listener).head_timeout; }));
  all.push_back(Duration(key("idle_timeout"), "60s", Millis(100), hours(24),
                         "for a connection between requests",
                         [=](Config& c) -> Millis& { return (c.*listener).idle_timeout; }));
  all.push_back(Size(key("min_rate"), "1KiB", 0, uint64_t{1} << 40,
                     "bytes a second, averaged over 5 s, either way",
                     [=](Config& c) -> uint64_t& { return (c.*listener).min_rate_bytes_per_s; }));
}

void AddFetcher(std::vector<Setting>& all) {
  using F = fetcher::FetcherOptions;
  const auto of = [](auto member) {
    return [member](Config & c) -> auto& { return c.fetcher.*member; };
  };
  all.push_back(
      Live(Count("fetcher.concurrency", "4", 1, 256, "attempts at once", of(&F::concurrency))));
  all.push_back(
      Live(Count("fetcher.per_peer", "2", 1, 256, "attempts to one peer", of(&F::per_peer))));
  all.push_back(Live(Duration("fetcher.retry_base", "1s", Millis(1), hours(24),
                              "the wait after n failures: up to this x 2^n", of(&F::retry_base))));
  all.push_back(Live(Duration("fetcher.retry_max", "1h", Millis(1), hours(24 * 365),
                              "but at most this", of(&F::retry_max))));
  all.push_back(Live(Duration("fetcher.expiry", "720h", Millis(0), hours(24 * 3650),
                              "for blobs asked for where this peer is no server", of(&F::expiry))));
  all.push_back(Live(Duration("fetcher.connect_timeout", "3s", Millis(10), minutes(5),
                              "for one address of a peer",
                              [](Config& c) -> Millis& { return c.fetcher_connect_timeout; })));
  all.push_back(Live(Duration("fetcher.stall_timeout", "30s", Millis(100), hours(1),
                              "under 1 KiB/s averaged over this long a transfer is given up",
                              of(&F::stall_timeout))));
  all.push_back(Live(Size("fetcher.rate_limit", "0", 0, uint64_t{1} << 40,
                          "bytes a second of all fetches together; 0: none",
                          of(&F::rate_limit_bytes_per_s))));
}

std::vector<Setting> Build() {
  std::vector<Setting> all;
  all.push_back(Text("node.name", "", "up to 200 bytes", "shown to people; empty: the host's name",
                     NodeName, [](Config& c) -> std::string& { return c.node_name; }));
  AddListener(all, "http", &Config::http, "127.0.0.1:7440",
              "app API; port 0 picks a free one at the first start and keeps it", "256");
  all.push_back(List("http.allowed_hosts", "host names",
                     "Host values besides localhost and the bound ones", AllowedHost,
                     [](Config& c) -> std::vector<std::string>& { return c.http_allowed_hosts; }));
  all.push_back(Count("http.max_waiting", "512", 1, 100'000, "waiting GETs, streams and events",
                      [](Config& c) -> uint32_t& { return c.http_max_waiting; }));
  all.push_back(Text("http.tls_cert", "", "a path", "HTTPS on the app listener: certificate",
                     AnyText, [](Config& c) -> std::string& { return c.http_tls_cert; }));
  all.push_back(Text("http.tls_key", "", "a path", "HTTPS on the app listener: key", AnyText,
                     [](Config& c) -> std::string& { return c.http_tls_key; }));
  AddListener(all, "peer", &Config::peer, "0.0.0.0:7441", "peer API; port 0 as http.listen", "32");
  all.push_back(List("peer.advertise", "HOST:PORT",
                     "addresses other peers should use; empty: the bound one",
                     CheckAdvertisedAddress,
                     [](Config& c) -> std::vector<std::string>& { return c.peer_advertise; }));
  all.push_back(List("peer.allow_cidr", "ADDRESS/BITS",
                     "ranges that may be dialled although loopback or otherwise refused", CheckCidr,
                     [](Config& c) -> std::vector<std::string>& { return c.peer_allow_cidr; }));
  AddFetcher(all);
  all.push_back(Duration("scan.initial_delay", "10s", Millis(0), hours(24), "before the first scan",
                         [](Config& c) -> Millis& { return c.scan_initial_delay; }));
  all.push_back(
      Live(Duration("scan.extra_delay", "300s", Millis(0), hours(24 * 30), "between scans",
                    [](Config& c) -> Millis& { return c.scan_extra_delay; })));
  all.push_back(Live(Multiplier()));
  all.push_back(
      Live(Duration("sync.interval", "2s", Millis(10), hours(1), "between rounds with a member",
                    [](Config& c) -> Millis& { return c.sync_interval; })));
  all.push_back(Live(Count("sync.concurrency", "8", 1, 64, "peers at once",
                           [](Config& c) -> uint32_t& { return c.sync_concurrency; })));
  all.push_back(Count("signpost.max_locations", "8", 1, 64, "locations kept of one blob",
                      [](Config& c) -> uint32_t& { return c.signpost_max_locations; }));
  all.push_back(Count("limits.mentions", "5000000", 1, 1'000'000'000,
                      "references taken of one other member in one group",
                      [](Config& c) -> uint32_t& { return c.limits_mentions; }));
  all.push_back(Count("limits.mention_burst", "100000", 1, 1'000'000'000,
                      "of these at once after its admission",
                      [](Config& c) -> uint32_t& { return c.limits_mention_burst; }));
  all.push_back(Count("limits.mention_rate", "200", 0, 1'000'000, "and a second since then",
                      [](Config& c) -> uint32_t& { return c.limits_mention_rate; }));
  all.push_back(Size("limits.member_bytes", "1TiB", 1, uint64_t{1} << 60,
                     "that one other member can make this peer want and fetch in one group",
                     [](Config& c) -> uint64_t& { return c.limits_member_bytes; }));
  all.push_back(Size("store.inline_max", "16KiB", 0, uint64_t{1} << 20,
                     "blobs up to this live in the index",
                     [](Config& c) -> uint64_t& { return c.store_inline_max_bytes; }));
  all.push_back(Live(MinFree()));
  all.push_back(
      Live(Size("store.max_blob", "64GiB", 1, uint64_t{1} << 44, "the largest blob accepted",
                [](Config& c) -> uint64_t& { return c.store_max_blob_bytes; })));
  all.push_back(Size("index.map_size", "64GiB", uint64_t{1} << 20, uint64_t{1} << 44,
                     "of the index, sparse; grows by itself",
                     [](Config& c) -> uint64_t& { return c.index_map_size_bytes; }));
  using base::LogFormat;
  using base::LogLevel;
  all.push_back(Live(Choice<LogLevel>("log.level", "info", "what is written to standard error",
                                      {{"debug", LogLevel::kDebug},
                                       {"info", LogLevel::kInfo},
                                       {"warning", LogLevel::kWarning},
                                       {"error", LogLevel::kError}},
                                      [](Config& c) -> LogLevel& { return c.log_level; })));
  all.push_back(Choice<LogFormat>("log.format", "text", "of the log",
                                  {{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
                                  [](Config& c) -> LogFormat& { return c.log_format; }));
  return all;
}

}  // namespace

std::string Setting::EnvironmentName() const {
  return absl::StrCat("WAYPOST_", absl::AsciiStrToUpper(absl::StrReplaceAll(key, {{".", "_"}})));
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
  const std::string section(key.substr(0, key.find('.')));
  std::vector<std::string> near, sections;
  for (const Setting& setting : Settings()) {
    const std::string its = setting.key.substr(0, setting.key.find('.'));
    if (its == section) near.push_back(setting.key);
    if (sections.empty() || sections.back() != its) sections.push_back(its);
  }
  if (near.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(Abs(where), ": there is no setting \"", Abs(key),
                                                   "\"; the sections are ",
                                                   absl::StrJoin(sections, ", ")));
  }
  return absl::InvalidArgumentError(absl::StrCat(Abs(where), ": there is no setting \"", Abs(key),
                                                 "\"; there are ", absl::StrJoin(near, ", ")));
}

std::string ShowSetting(const Setting& setting, const Config& config) {
  return absl::StrJoin(setting.show(config), ",");
}

}  // namespace waypost::service
