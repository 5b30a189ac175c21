#include "service/settings_table.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/random.h"
#include "http/app/allowed_sites.h"
#include "http/app/app_api.h"
#include "http/peer/peer_http_client.h"
#include "service/app_listeners.h"
#include "service/live_settings.h"
#include "service/parts/peer_parts.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

// A running peer, with no listeners.
class SettingsTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(base::InitCrypto());
    ASSERT_TRUE(std::filesystem::create_directory(folder_ / "index"));
    identity_ = base::Identity::Generate();
    parts_ = std::make_unique<PeerParts>(
        PeerParts::Outside{.clock = clock_, .random = random_, .fs = *fs_, .identity = *identity_},
        "boot");
    ASSERT_TRUE(parts_->OpenIndex({.dir = folder_ / "index"}).ok());
    const absl::Status opened = parts_->Open(
        {.addresses = [] { return std::vector<std::string>(); },
         .store = {.data_dir = folder_.path()}},
        [this](signpost::PeerBook& peers) {
          client_ = std::make_unique<http::PeerHttpClient>(
              http::PeerHttpClientOptions{.self = identity_->peer_id(), .plain_for_tests = true},
              peers);
          return PeerParts::Clients{.calls = *client_, .blobs = *client_};
        });
    ASSERT_TRUE(opened.ok()) << opened;
    auto settings = LiveSettings::Load(*parts_->index, {.file = folder_ / "there_is_none.toml"});
    ASSERT_TRUE(settings.ok()) << settings.status();
    settings_ = *std::move(settings);
    app_ = std::make_unique<http::AppApi>(AppPartsOf(*parts_, *client_, *settings_, sites_, clock_),
                                          http::AppInfo{});
    ASSERT_TRUE(parts_->Start().ok());
  }
  void TearDown() override { parts_->Shutdown(); }

  LiveParts Parts() {
    return {.blobs = *parts_->blobs,
            .client = *client_,
            .group_core = *parts_->group_core,
            .syncer = *parts_->syncer,
            .scanner = *parts_->scanner,
            .fetcher = *parts_->fetcher,
            .app = *app_,
            .sites = sites_};
  }
  // What the running parts go by just now.
  Config InEffect() {
    Config config;
    config.fetcher = parts_->fetcher->options();
    config.fetcher_connect_timeout = client_->connect_timeout();
    config.scan_extra_delay = parts_->scanner->options().extra_delay;
    config.scan_delay_multiplier = parts_->scanner->options().delay_multiplier;
    config.sync_interval = parts_->syncer->interval();
    config.sync_concurrency = parts_->syncer->concurrency();
    config.store_min_free = parts_->blobs->min_free();
    config.store_max_blob_bytes = parts_->blobs->blob_bytes_max();
    config.http_allowed_hosts = sites_.now()->hosts;
    config.http_allowed_origins = sites_.now()->origins;
    const syncgroup::MemberLimits limits = parts_->group_core->limits();
    config.limits_mentions = static_cast<uint32_t>(limits.total);
    config.limits_mention_burst = static_cast<uint32_t>(limits.burst);
    config.limits_mention_rate = static_cast<uint32_t>(limits.per_second);
    config.limits_member_bytes = limits.bytes;
    config.limits_entries = static_cast<uint32_t>(limits.entries);
    config.limits_log_bytes = limits.log_bytes;
    config.limits_membership = static_cast<uint32_t>(limits.membership);
    config.limits_membership_rate = static_cast<uint32_t>(limits.membership_per_day);
    config.limits_numberings = static_cast<uint32_t>(limits.numberings);
    const http::AppLimits app = app_->limits();
    config.limits_tokens = static_cast<uint32_t>(app.tokens);
    config.limits_audit_rows = static_cast<uint32_t>(app.audit_rows);
    config.limits_audit_age = app.audit_age;
    using base::LogLevel;
    for (const auto level :
         {LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo, LogLevel::kDebug}) {
      if (base::LogEnabled(level)) config.log_level = level;
    }
    return config;
  }

  const base::TempDir folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  const std::unique_ptr<base::FileSystem> fs_ = base::NewPosixFileSystem();
  std::unique_ptr<base::Identity> identity_;
  std::unique_ptr<PeerParts> parts_;
  std::unique_ptr<http::PeerHttpClient> client_;
  http::AllowedSites sites_;
  std::unique_ptr<LiveSettings> settings_;
  std::unique_ptr<http::AppApi> app_;
};

// A value that fits, and is not what is in effect.
std::string AnotherValue(const Setting& setting, const Config& now) {
  for (const char* const text : {"7KiB", "7MiB", "7", "7s", "7h", "error", "https://a.example"}) {
    Config changed = now;
    if (setting.kind.parse({text}, changed).ok() && setting.Show(changed) != setting.Show(now)) {
      return text;
    }
  }
  ADD_FAILURE() << "no other value for " << setting.key;
  return "";
}

// The parts are made here without a word about settings: what they then go by is written a second
// time, in their options.
TEST_F(SettingsTableTest, TheOptionsOfPartsHaveTheStandardsOfTheTable) {
  const Config standard = settings_->current();
  for (const Setting& setting : Settings()) {
    if (!setting.live()) continue;
    EXPECT_EQ(setting.Show(InEffect()), setting.Show(standard)) << setting.key;
  }
}

TEST_F(SettingsTableTest, EveryLiveSettingActsOnWhatRuns) {
  const absl::Cleanup level = [] { base::SetLogLevel(base::LogLevel::kInfo); };
  settings_->SetListener([this](const Config& config) { ApplyLiveSettings(config, Parts()); });
  int live = 0;
  for (const Setting& setting : Settings()) {
    if (!setting.live()) continue;
    const std::string value = AnotherValue(setting, InEffect());
    const absl::Status patched = settings_->Patch({{setting.key, value}});
    EXPECT_TRUE(patched.ok()) << patched;
    EXPECT_EQ(setting.Show(InEffect()), value) << setting.key;
    ++live;
  }
  EXPECT_EQ(live, 29);
}

}  // namespace
}  // namespace waypost::service
