#include "service/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <set>

#include "service/descriptors.h"
#include "service/settings_table.h"

namespace waypost::service {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Layer File(std::string_view text) {
  auto layer = LayerFromToml(text, "waypost.toml");
  EXPECT_TRUE(layer.ok()) << layer.status();
  return layer.ok() ? *std::move(layer) : Layer();
}

std::string MessageOfFile(std::string_view text) {
  auto layer = LayerFromToml(text, "waypost.toml");
  if (!layer.ok()) return std::string(layer.status().message());
  const auto resolved = Resolve({.file = *std::move(layer)});
  return resolved.ok() ? "ok" : std::string(resolved.status().message());
}

TEST(ConfigTest, TheDefaultsAreThoseOfTheContract) {
  const auto resolved = Resolve({});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const Config& c = resolved->config;
  EXPECT_EQ(c.http.listen, "127.0.0.1:7440");
  EXPECT_EQ(c.peer.listen, "0.0.0.0:7441");
  EXPECT_EQ(c.http.max_connections, 1024u);
  EXPECT_EQ(c.http.max_per_address, 256u);
  EXPECT_EQ(c.peer.max_per_address, 32u);
  EXPECT_EQ(c.http_max_waiting, 512u);
  EXPECT_EQ(c.http.head_timeout, std::chrono::seconds(10));
  EXPECT_EQ(c.peer.idle_timeout, std::chrono::seconds(60));
  EXPECT_EQ(c.http.min_rate_bytes_per_s, 1024u);
  EXPECT_EQ(c.fetcher.concurrency, 4u);
  EXPECT_EQ(c.fetcher.per_peer, 3u);
  EXPECT_EQ(c.fetcher.retry_base, std::chrono::seconds(1));
  EXPECT_EQ(c.fetcher.retry_max, std::chrono::hours(1));
  EXPECT_EQ(c.fetcher.expiry, std::chrono::hours(720));
  EXPECT_EQ(c.fetcher.stall_timeout, std::chrono::seconds(30));
  EXPECT_EQ(c.fetcher.rate_limit_bytes_per_s, 0u);
  EXPECT_EQ(c.fetcher_connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(c.scan_initial_delay, std::chrono::seconds(10));
  EXPECT_EQ(c.scan_extra_delay, std::chrono::seconds(300));
  EXPECT_EQ(c.scan_delay_multiplier, 4);
  EXPECT_EQ(c.sync_interval, std::chrono::seconds(2));
  EXPECT_EQ(c.sync_concurrency, 8u);
  EXPECT_EQ(c.signpost_max_locations, 8u);
  EXPECT_EQ(c.store_inline_max_bytes, 16u << 10);
  EXPECT_EQ(c.store_min_free.bytes, uint64_t{1} << 30);
  EXPECT_EQ(c.store_min_free.percent, 0u);
  EXPECT_EQ(c.limits_member_bytes, uint64_t{1} << 40);
  EXPECT_EQ(c.store_max_blob_bytes, uint64_t{64} << 30);
  EXPECT_EQ(c.index_map_size_bytes, uint64_t{64} << 30);
  EXPECT_EQ(c.log_level, base::LogLevel::kInfo);
  EXPECT_THAT(c.http_allowed_hosts, IsEmpty());
  for (const auto& origin : resolved->origins)
    EXPECT_EQ(origin.second, Origin::kDefault) << origin.first;
}

TEST(ConfigTest, WhatIsLiveIsWhatTheContractMarks) {
  std::set<std::string> live;
  for (const Setting& setting : Settings()) {
    if (setting.live()) live.insert(setting.key);
  }
  EXPECT_THAT(live,
              ElementsAre("fetcher.concurrency", "fetcher.connect_timeout", "fetcher.expiry",
                          "fetcher.per_peer", "fetcher.rate_limit", "fetcher.retry_base",
                          "fetcher.retry_max", "fetcher.stall_timeout", "http.allowed_hosts",
                          "http.allowed_origins", "limits.audit_age", "limits.audit_rows",
                          "limits.entries", "limits.log_bytes", "limits.member_bytes",
                          "limits.membership", "limits.membership_rate", "limits.mention_burst",
                          "limits.mention_rate", "limits.mentions", "limits.numberings",
                          "limits.tokens", "log.level", "scan.delay_multiplier", "scan.extra_delay",
                          "store.max_blob", "store.min_free", "sync.concurrency", "sync.interval"));
  EXPECT_EQ(Settings().size(), 57u);
}

TEST(ConfigTest, ALaterOriginWins) {
  const Layer file = File("[fetcher]\nconcurrency = 5\nper_peer = 3\n[sync]\nconcurrency = 2\n");
  const Layer patched = {{"fetcher.concurrency", {{"6"}, "patched"}},
                         {"sync.interval", {{"1s"}, "patched"}}};
  const char* const environment[] = {"WAYPOST_FETCHER_CONCURRENCY=7", "WAYPOST_DATA=/x",
                                     "PATH=/bin", nullptr};
  const auto env = LayerFromEnvironment(environment);
  ASSERT_TRUE(env.ok()) << env.status();
  const auto line = LayerFromCommandLine({{"fetcher.concurrency", "8"}});
  ASSERT_TRUE(line.ok());

  struct Case {
    Layers layers;
    uint32_t concurrency;
    Origin origin;
  };
  for (const Case& c :
       {Case{{.file = file}, 5, Origin::kFile},
        Case{{.file = file, .patched = patched}, 6, Origin::kPatched},
        Case{{.file = file, .patched = patched, .environment = *env}, 7, Origin::kEnvironment},
        Case{{.file = file, .patched = patched, .environment = *env, .command_line = *line},
             8,
             Origin::kCommandLine}}) {
    const auto resolved = Resolve(c.layers);
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_EQ(resolved->config.fetcher.concurrency, c.concurrency);
    EXPECT_EQ(resolved->origins.at("fetcher.concurrency"), c.origin);
    EXPECT_EQ(resolved->config.fetcher.per_peer, 3u);
    EXPECT_EQ(resolved->origins.at("fetcher.per_peer"), Origin::kFile);
  }
}

TEST(ConfigTest, EveryKindOfValueIsReadFromEveryPlace) {
  const auto from_file = Resolve({.file = File(R"(
[node]
name = "camera"
[http]
listen = "[::1]:0"
allowed_hosts = ["a.example", "b.example:7440"]
[peer]
allow_cidr = ["127.0.0.0/8", "10.0.0.0/8"]
advertise = ["nas.local:7441"]
[scan]
delay_multiplier = 2.5
[store]
min_free = "5%"
inline_max = 4096
[log]
level = "debug"
format = "json"
)")});
  ASSERT_TRUE(from_file.ok()) << from_file.status();
  const Config& c = from_file->config;
  EXPECT_EQ(c.node_name, "camera");
  EXPECT_EQ(c.http.listen, "[::1]:0");
  EXPECT_THAT(c.http_allowed_hosts, ElementsAre("a.example", "b.example:7440"));
  EXPECT_THAT(c.peer_allow_cidr, ElementsAre("127.0.0.0/8", "10.0.0.0/8"));
  EXPECT_EQ(c.scan_delay_multiplier, 2.5);
  EXPECT_EQ(c.store_min_free.percent, 5u);
  EXPECT_EQ(c.store_min_free.bytes, 0u);
  EXPECT_EQ(c.store_inline_max_bytes, 4096u);
  EXPECT_EQ(c.log_level, base::LogLevel::kDebug);
  EXPECT_EQ(c.log_format, base::LogFormat::kJson);

  const char* const environment[] = {"WAYPOST_PEER_ALLOW_CIDR=127.0.0.0/8, 10.0.0.0/8",
                                     "WAYPOST_STORE_MIN_FREE=2GiB", nullptr};
  const auto env = LayerFromEnvironment(environment);
  ASSERT_TRUE(env.ok());
  const auto line =
      LayerFromCommandLine({{"http.allowed_hosts", "a"}, {"http.allowed_hosts", "b"}});
  ASSERT_TRUE(line.ok());
  const auto rest = Resolve({.environment = *env, .command_line = *line});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_THAT(rest->config.peer_allow_cidr, ElementsAre("127.0.0.0/8", "10.0.0.0/8"));
  EXPECT_EQ(rest->config.store_min_free.bytes, uint64_t{2} << 30);
  EXPECT_THAT(rest->config.http_allowed_hosts, ElementsAre("a", "b"));
}

TEST(ConfigTest, MistakesInTheFileNameFileLineAndWhatIsAllowed) {
  struct Case {
    const char* name;
    const char* text;
    std::vector<const char*> parts;
  };
  const Case cases[] = {
      {"unknown key",
       "[fetcher]\n\nconcurency = 3\n",
       {"waypost.toml:3", "\"fetcher.concurency\"", "fetcher.concurrency"}},
      {"unknown section",
       "[fetch]\nconcurrency = 3\n",
       {"waypost.toml:2", "sections are", "fetcher"}},
      {"no section", "concurrency = 3\n", {"waypost.toml:1", "\"concurrency\""}},
      {"out of range",
       "[fetcher]\nconcurrency = 257\n",
       {"waypost.toml:2", "fetcher.concurrency", "257", "1-256"}},
      {"negative", "[fetcher]\nconcurrency = -1\n", {"waypost.toml:2", "1-256"}},
      {"a fraction", "[fetcher]\nconcurrency = 2.5\n", {"waypost.toml:2", "1-256"}},
      {"no unit", "[fetcher]\nretry_base = 5\n", {"waypost.toml:2", "ms, s, m or h"}},
      {"duration out of range",
       "[fetcher]\nstall_timeout = \"2h\"\n",
       {"waypost.toml:2", "100ms to 1h"}},
      {"bad size", "[store]\nmax_blob = \"1Kb\"\n", {"waypost.toml:2", "KiB"}},
      {"bad percentage", "[store]\nmin_free = \"100%\"\n", {"waypost.toml:2", "0% to 99%"}},
      {"bad choice",
       "[log]\nlevel = \"loud\"\n",
       {"waypost.toml:2", "debug, info, warning, error"}},
      {"list for a value", "[fetcher]\nconcurrency = [1]\n", {"waypost.toml:2", "one value"}},
      {"value for a list", "[peer]\nallow_cidr = \"127.0.0.0/8\"\n", {"waypost.toml:2", "a list"}},
      {"table for a value", "[fetcher.concurrency]\nx = 1\n", {"fetcher.concurrency", "one value"}},
      {"bad item", "[peer]\nallow_cidr = [\"localhost\"]\n", {"waypost.toml:2", "127.0.0.0/8"}},
      {"bad address", "[http]\nlisten = \"7440\"\n", {"waypost.toml:2", "127.0.0.1:7440"}},
      {"not TOML", "[fetcher]\nconcurrency = \n", {"waypost.toml:2"}},
      {"twice", "[fetcher]\nper_peer = 1\nper_peer = 2\n", {"waypost.toml:3"}},
      {"a name that others refuse",
       "[node]\nname = \"k\\u0085\"\n",
       {"waypost.toml:2: node.name: ", "control character"}},
      {"half of TLS", "[http]\ntls_cert = \"c.pem\"\n", {"http.tls_cert", "http.tls_key"}},
      {"base over max",
       "[fetcher]\nretry_base = \"2h\"\n",
       {"fetcher.retry_base", "fetcher.retry_max"}},
  };
  for (const Case& c : cases) {
    const std::string message = MessageOfFile(c.text);
    for (const char* part : c.parts) EXPECT_THAT(message, HasSubstr(part)) << c.name;
  }
}

TEST(ConfigTest, SettingsThatExcludeEachOtherAreBothNamedWithTheirPlaces) {
  const Layer file = {{"fetcher.retry_max", {{"1m"}, "waypost.toml:7"}}};
  const Layer patched = {{"fetcher.retry_base", {{"2m"}, "patched"}}};
  const std::string message(Resolve({.file = file, .patched = patched}).status().message());
  for (const char* part : {"fetcher.retry_base = 2m (patched", "config unset fetcher.retry_base",
                           "fetcher.retry_max = 1m (waypost.toml:7)"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
  const Layer half = {{"http.tls_cert", {{"/a.pem"}, "--http.tls_cert"}}};
  const std::string other(Resolve({.command_line = half}).status().message());
  EXPECT_THAT(other, HasSubstr("http.tls_cert = /a.pem (--http.tls_cert)"));
  EXPECT_THAT(other, HasSubstr("http.tls_key = \"\" (the default)"));
}

TEST(ConfigTest, MistakesElsewhereNameTheVariableOrTheFlag) {
  const char* const unknown[] = {"WAYPOST_FETCHER_SPEED=3", nullptr};
  const auto ignored = LayerFromEnvironment(unknown);
  ASSERT_TRUE(ignored.ok()) << ignored.status();
  EXPECT_TRUE(ignored->empty());
  EXPECT_THAT(std::string(LayerFromCommandLine({{"fetcher.speed", "3"}}).status().message()),
              HasSubstr("--fetcher.speed"));
  const char* const bad[] = {"WAYPOST_FETCHER_CONCURRENCY=0", nullptr};
  const auto layer = LayerFromEnvironment(bad);
  ASSERT_TRUE(layer.ok());
  EXPECT_THAT(std::string(Resolve({.environment = *layer}).status().message()),
              HasSubstr("WAYPOST_FETCHER_CONCURRENCY: fetcher.concurrency: \"0\" is out of range; "
                        "allowed: 1-256"));
  // In Latin-1, as other peers take no name.
  const char* const latin[] = {"WAYPOST_NODE_NAME=k\xfc", nullptr};
  const auto name = LayerFromEnvironment(latin);
  ASSERT_TRUE(name.ok());
  EXPECT_THAT(std::string(Resolve({.environment = *name}).status().message()),
              AllOf(HasSubstr("WAYPOST_NODE_NAME: node.name: "), HasSubstr("UTF-8")));
}

TEST(ConfigTest, MoreAddressesThanOthersTakeAreRefused) {
  std::string list = "[peer]\nadvertise = [";
  for (int i = 1; i <= 16; ++i) list += "\"nas" + std::to_string(i) + ":7441\", ";
  EXPECT_EQ(MessageOfFile(list + "]\n"), "ok");
  EXPECT_THAT(
      MessageOfFile(list + "\"one.more:7441\"]\n"),
      AllOf(HasSubstr("waypost.toml:2: peer.advertise"), HasSubstr("17 items; at most 16")));
}

TEST(ConfigTest, AnOverruledMistakeIsStillAMistake) {
  const auto line = LayerFromCommandLine({{"fetcher.concurrency", "8"}});
  ASSERT_TRUE(line.ok());
  const auto resolved =
      Resolve({.file = File("[fetcher]\nconcurrency = 0\n"), .command_line = *line});
  EXPECT_THAT(std::string(resolved.status().message()), HasSubstr("waypost.toml:2"));
}

TEST(ConfigTest, WhatIsShownCanBeReadBackToTheSame) {
  const auto resolved =
      Resolve({.file = File("[store]\nmin_free = \"5%\"\n[peer]\nallow_cidr = [\"::/0\"]\n")});
  ASSERT_TRUE(resolved.ok());
  for (const Setting& setting : Settings()) {
    const std::vector<std::string> shown = setting.kind.show(resolved->config);
    Config again;
    ASSERT_TRUE(setting.kind.parse(shown, again).ok()) << setting.key;
    EXPECT_EQ(setting.kind.show(again), shown) << setting.key;
  }
  EXPECT_EQ(FindSetting("store.min_free")->Show(resolved->config), "5%");
}

TEST(ConfigTest, TheTemplateHasEverySettingAndReadsBack) {
  const Layer values = {{"node.name", {{"a \"b\" \\c"}, ""}},
                        {"peer.advertise", {{"nas:1", "nas:2"}, ""}},
                        {"fetcher.concurrency", {{"9"}, ""}}};
  const std::string text = TemplateToml(values);
  for (const Setting& setting : Settings()) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(values.count(setting.key) ? "" : "#") +
                                setting.key.substr(setting.key.find('.') + 1) + " = "));
  }
  const auto resolved = Resolve({.file = File(text)});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->config.node_name, "a \"b\" \\c");
  EXPECT_THAT(resolved->config.peer_advertise, ElementsAre("nas:1", "nas:2"));
  EXPECT_EQ(resolved->config.fetcher.concurrency, 9u);
  // With the defaults uncommented it is still a valid file, and says the same.
  std::string all = text;
  for (std::size_t at = 0; (at = all.find("\n#", at)) != std::string::npos; ++at) {
    if (all[at + 2] != ' ') all.erase(at + 1, 1);
  }
  const auto uncommented = Resolve({.file = File(all)});
  ASSERT_TRUE(uncommented.ok()) << uncommented.status();
  EXPECT_EQ(uncommented->origins.at("sync.interval"), Origin::kFile);
  EXPECT_EQ(uncommented->config.sync_interval, resolved->config.sync_interval);
}

TEST(DescriptorsTest, ConnectionsAndTheFilesSentOnThemAreCounted) {
  const Config config = Resolve({}).value().config;
  Config larger = config;
  larger.http.max_connections += 1000;
  EXPECT_EQ(DescriptorsNeeded(larger) - DescriptorsNeeded(config), 2000u);
  EXPECT_GT(DescriptorsNeeded(config), 2 * (1024u + 1024u));
}

TEST(DescriptorsTest, TheSoftLimitIsRaisedAsFarAsTheHardOneLets) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto limit_after = [](uint64_t needed) {
    RaiseDescriptorLimit(needed);
    rlimit now{};
    getrlimit(RLIMIT_NOFILE, &now);
    return uint64_t{now.rlim_cur};
  };
  EXPECT_EQ(limit_after(50), 100u);
  EXPECT_EQ(limit_after(200), 200u);
  EXPECT_EQ(limit_after(uint64_t{1} << 40), uint64_t{before.rlim_max});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace waypost::service
