#include "service/live_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

using ::testing::HasSubstr;

class LiveSettingsTest : public ::testing::Test {
 protected:
  void SetUp() override { OpenIndex(); }
  void OpenIndex() {
    index_.reset();
    auto index = base::Index::Open({.dir = dir_, .map_size = uint64_t{64} << 20});
    ASSERT_TRUE(index.ok()) << index.status();
    index_ = *std::move(index);
  }
  void WriteToml(const std::string& text) {
    std::ofstream(dir_ + "/waypost.toml", std::ios::trunc) << text;
  }
  std::unique_ptr<LiveSettings> Load() {
    auto settings = LiveSettings::Load(
        *index_,
        {.file = dir_ + "/waypost.toml", .environment = environment_, .command_line = line_});
    EXPECT_TRUE(settings.ok()) << settings.status();
    return settings.ok() ? *std::move(settings) : nullptr;
  }
  static http::SettingsAccess::Item Find(const LiveSettings& settings, const std::string& key) {
    for (auto& item : settings.All()) {
      if (item.key == key) return item;
    }
    return {};
  }

  const base::TempDir temp_;
  const std::string dir_ = temp_.path();
  Layer environment_, line_;
  std::unique_ptr<base::Index> index_;
};

TEST_F(LiveSettingsTest, APatchIsAppliedToldAndKept) {
  auto settings = Load();
  ASSERT_NE(settings, nullptr);
  uint32_t told = 0;
  settings->SetListener([&told](const Config& config) { told = config.fetcher.concurrency; });
  ASSERT_TRUE(settings->Patch({{"fetcher.concurrency", "9"}, {"log.level", "debug"}}).ok());
  EXPECT_EQ(told, 9u);
  EXPECT_EQ(Find(*settings, "fetcher.concurrency").value, "9");
  EXPECT_EQ(Find(*settings, "fetcher.concurrency").origin, "patched");
  settings.reset();
  OpenIndex();
  settings = Load();
  ASSERT_NE(settings, nullptr);
  EXPECT_EQ(settings->current().fetcher.concurrency, 9u);
  EXPECT_EQ(settings->current().log_level, base::LogLevel::kDebug);
  EXPECT_EQ(Find(*settings, "fetcher.per_peer").origin, "default");
}

TEST_F(LiveSettingsTest, AListIsPatchedAsOneTextAndKept) {
  auto settings = Load();
  ASSERT_NE(settings, nullptr);
  std::vector<std::string> hosts, origins;
  settings->SetListener([&](const Config& config) {
    hosts = config.http_allowed_hosts;
    origins = config.http_allowed_origins;
  });
  ASSERT_TRUE(settings
                  ->Patch({{"http.allowed_hosts", "nas.example, a.example:7440"},
                           {"http.allowed_origins", "https://app.example"}})
                  .ok());
  EXPECT_THAT(hosts, testing::ElementsAre("nas.example", "a.example:7440"));
  EXPECT_THAT(origins, testing::ElementsAre("https://app.example"));
  for (const char* bad : {"app.example", "https://app.example/", "ftp://a", "https://", "*"}) {
    EXPECT_FALSE(settings->Patch({{"http.allowed_origins", bad}}).ok()) << bad;
  }
  settings.reset();
  OpenIndex();
  settings = Load();
  ASSERT_NE(settings, nullptr);
  EXPECT_EQ(settings->current().http_allowed_hosts.size(), 2u);
  EXPECT_EQ(Find(*settings, "http.allowed_hosts").value, "nas.example,a.example:7440");
  ASSERT_TRUE(settings->Patch({{"http.allowed_hosts", ""}}).ok());
  EXPECT_TRUE(settings->current().http_allowed_hosts.empty());
}

TEST_F(LiveSettingsTest, ABadPatchChangesNothingAtAll) {
  environment_["sync.interval"] = {{"5s"}, "environment variable WAYPOST_SYNC_INTERVAL"};
  line_["sync.concurrency"] = {{"3"}, "--sync.concurrency"};
  const auto settings = Load();
  ASSERT_NE(settings, nullptr);
  struct Case {
    const char *key, *value;
    absl::StatusCode code;
    const char* says;
  };
  using C = absl::StatusCode;
  for (const Case& c :
       {Case{"fetcher.per_peer", "0", C::kInvalidArgument, "1-256"},
        Case{"fetcher.speed", "1", C::kInvalidArgument, "fetcher.concurrency"},
        Case{"http.listen", "127.0.0.1:1", C::kFailedPrecondition, "restart"},
        Case{"sync.interval", "1s", C::kFailedPrecondition, "WAYPOST_SYNC_INTERVAL"},
        Case{"sync.concurrency", "1", C::kFailedPrecondition, "--sync.concurrency"},
        Case{"fetcher.retry_base", "2h", C::kInvalidArgument, "retry_max"}}) {
    const absl::Status status = settings->Patch({{"fetcher.concurrency", "9"}, {c.key, c.value}});
    EXPECT_EQ(status.code(), c.code) << c.key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
    EXPECT_EQ(settings->current().fetcher.concurrency, 4u) << c.key;
  }
  const auto again = Load();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->current().fetcher.concurrency, 4u);
}

TEST_F(LiveSettingsTest, TheFileIsReadAgainForWhatIsLiveOnly) {
  WriteToml("[fetcher]\nconcurrency = 5\n[http]\nmax_waiting = 100\n");
  const auto settings = Load();
  ASSERT_NE(settings, nullptr);
  WriteToml("[fetcher]\nconcurrency = 6\n[http]\nmax_waiting = 200\nworkers = 3\n");
  ASSERT_TRUE(settings->ReloadFile().ok());
  EXPECT_EQ(settings->current().fetcher.concurrency, 6u);
  EXPECT_EQ(settings->current().http_max_waiting, 100u);
  EXPECT_EQ(settings->current().http.workers, 0u);
  EXPECT_EQ(Find(*settings, "http.workers").origin, "default");
  // A patch goes before the file, also before one that is read later.
  ASSERT_TRUE(settings->Patch({{"fetcher.concurrency", "7"}}).ok());
  WriteToml("[fetcher]\nconcurrency = 8\n");
  ASSERT_TRUE(settings->ReloadFile().ok());
  EXPECT_EQ(settings->current().fetcher.concurrency, 7u);
  const auto item = Find(*settings, "fetcher.concurrency");
  ASSERT_EQ(item.hides.size(), 1u);
  EXPECT_EQ(item.hides[0].value, "8");
  EXPECT_EQ(item.hides[0].origin, "file");
  EXPECT_THAT(item.hides[0].where, HasSubstr("waypost.toml:2"));
}

TEST_F(LiveSettingsTest, AMistakeInTheFileKeepsWhatWas) {
  WriteToml("[fetcher]\nconcurrency = 5\n");
  const auto settings = Load();
  ASSERT_NE(settings, nullptr);
  WriteToml("[fetcher]\nconcurrency = 6\nper_peer = 0\n");
  EXPECT_THAT(std::string(settings->ReloadFile().message()), HasSubstr("waypost.toml:3"));
  EXPECT_EQ(settings->current().fetcher.concurrency, 5u);
}

TEST_F(LiveSettingsTest, APatchThatNoLongerFitsIsLeftOut) {
  ASSERT_TRUE(index_
                  ->Update(base::Index::Lane::kForeground,
                           [](base::WriteTxn& txn) {
                             txn.Put(base::Table::kSettings, "fetcher.gone", "1");
                             txn.Put(base::Table::kSettings, "fetcher.per_peer", "1000000");
                             txn.Put(base::Table::kSettings, "fetcher.concurrency", "6");
                             return absl::OkStatus();
                           })
                  .ok());
  const auto settings = Load();
  ASSERT_NE(settings, nullptr);
  EXPECT_EQ(settings->current().fetcher.concurrency, 6u);
  EXPECT_EQ(settings->current().fetcher.per_peer, 3u);
}

}  // namespace
}  // namespace waypost::service
