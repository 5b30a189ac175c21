#include "service/hidden_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/cli/commands.h"

namespace waypost::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Layers SomeLayers() {
  Layers layers;
  layers.file["fetcher.concurrency"] = {{"6"}, "waypost.toml:12"};
  layers.file["http.allowed_hosts"] = {{"a", "b"}, "waypost.toml:3"};
  layers.file["sync.interval"] = {{"5s"}, "waypost.toml:20"};
  layers.file["log.level"] = {{"debug"}, "waypost.toml:21"};
  layers.patched["fetcher.concurrency"] = {{"8"}, "patched"};
  layers.patched["fetcher.per_peer"] = {{"2"}, "patched"};
  layers.environment["fetcher.concurrency"] = {{"9"},
                                               "environment variable WAYPOST_FETCHER_CONCURRENCY"};
  layers.environment["sync.interval"] = {{"5s"}, "environment variable WAYPOST_SYNC_INTERVAL"};
  layers.patched["log.level"] = {{"info"}, "patched"};
  layers.command_line["http.allowed_hosts"] = {{"c"}, "--http.allowed_hosts"};
  return layers;
}

TEST(HiddenValues, AreAllButTheOneThatCounts) {
  const auto hidden = HiddenValues(SomeLayers(), "fetcher.concurrency");
  ASSERT_EQ(hidden.size(), 2u);
  EXPECT_EQ(hidden[0].value, "6");
  EXPECT_EQ(hidden[0].where, "waypost.toml:12");
  EXPECT_EQ(hidden[1].origin, Origin::kPatched);
  EXPECT_EQ(HiddenValues(SomeLayers(), "http.allowed_hosts")[0].value, "a,b");
  EXPECT_THAT(HiddenValues(SomeLayers(), "fetcher.per_peer"), IsEmpty());
  EXPECT_THAT(HiddenValues(SomeLayers(), "node.name"), IsEmpty());
}

TEST(HiddenValues, OfTheFileAreSaidWithWhatOverrulesThem) {
  EXPECT_THAT(
      FileValuesInVain(SomeLayers()),
      ElementsAre("fetcher.concurrency = 6 (waypost.toml:12) does not count: environment variable "
                  "WAYPOST_FETCHER_CONCURRENCY says 9; change it there",
                  "http.allowed_hosts = a,b (waypost.toml:3) does not count: --http.allowed_hosts "
                  "says c; change it there",
                  "log.level = debug (waypost.toml:21) does not count: \"config set\" says info; "
                  "undo that: waypost config unset log.level"));
}

TEST(SettingChangeLines, SayOldAndNewAndWhatIsHidden) {
  const Json hides = Json::array({{{"value", "6"}, {"origin", "file"}, {"where", "w.toml:12"}}});
  EXPECT_THAT(SettingChangeLines("fetcher.concurrency", {{"value", "6"}, {"origin", "file"}},
                                 {{"value", "8"}, {"origin", "patched"}, {"hides", hides}}),
              ElementsAre("fetcher.concurrency: 6 (file) -> 8 (patched)",
                          "  6 of w.toml:12 does not count while this is set"));
  EXPECT_THAT(SettingChangeLines("node.name", {{"value", ""}, {"origin", "default"}}, {}),
              ElementsAre("node.name: \"\" (default) -> \"\" ()"));
}

}  // namespace
}  // namespace waypost::service
