#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/status.h"
#include "tests/fakes/passing_file_system.h"
#include "tests/http/app/app_fixture.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"
#include "tests/support/unwritable_index.h"

// What is said of how things stand: why, complete, metrics, health, settings, pauses.
namespace waypost::http {
namespace {

TEST_F(AppApiTest, AnUnknownBlobIs404AndItsWhySaysSo) {
  Node node;
  const std::string target = "/v1/blobs/" + IdOf("nowhere");
  EXPECT_EQ(node.Status("GET", target), 404);
  EXPECT_EQ(node.Status("HEAD", target), 404);
  EXPECT_EQ(node.Status("GET", target + "?fetch=never"), 404);
  EXPECT_EQ(node.Status("GET", target + "?fetch=async"), 404);
  EXPECT_EQ(node.Status("GET", target + "?fetch=soon"), 400);
  EXPECT_EQ(node.Status("GET", target + "?timeout=11m"), 400);
  // What the command line takes for a duration, the service takes too.
  EXPECT_EQ(node.Status("GET", target + "?timeout=1.5m"), 404);
  EXPECT_EQ(node.Status("GET", target + "?timeout=1.5"), 400);
  EXPECT_EQ(node.Status("POST", target + "/fetch"), 404);
  EXPECT_EQ(node.Status("GET", target + "/signpost"), 404);
  const Json why = node.Call("GET", target + "/why");
  EXPECT_EQ(why["blob"], IdOf("nowhere"));
  EXPECT_EQ(why["steps"][0]["step"], "mentioned");
  EXPECT_EQ(why["steps"][0]["verdict"], "no");
}

TEST_F(AppApiTest, ABlobThatNobodyCanGiveIs503AtOnceWithTheReason) {
  Node node;
  const std::string group = NewGroup(node, "g", "server");
  node.Call("PUT", "/v1/groups/" + group + "/refs/k", "{\"blob\":\"" + IdOf("missing") + "\"}");
  const auto reply = Send(node, {.target = "/v1/blobs/" + IdOf("missing") + "?timeout=10m"});
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.Header("retry-after").has_value());
  const Json json = Json::parse(reply.body);
  EXPECT_EQ(json["error"]["code"], "unavailable");
  EXPECT_GT(json["error"]["retry_after_ms"], 0);
  EXPECT_EQ(json["why"]["step"], "blocked");
  EXPECT_EQ(node.Status("GET", "/v1/blobs/" + IdOf("missing") + "?fetch=async"), 202);
  const Json wanted = node.Call("GET", "/v1/wanted?group=" + group);
  ASSERT_EQ(wanted["items"].size(), 1u);
  EXPECT_EQ(wanted["items"][0]["blob"], IdOf("missing"));
  EXPECT_EQ(wanted["items"][0]["groups"][0], group);
  EXPECT_EQ(node.Call("GET", "/v1/complete")["complete"], false);
  EXPECT_EQ(node.Call("POST", "/v1/wanted:retry")["moved"], 1);
  EXPECT_EQ(node.Status("DELETE", "/v1/wanted/" + IdOf("missing")), 204);
  EXPECT_EQ(node.Call("GET", "/v1/wanted?state=stopped")["items"].size(), 1u);
  EXPECT_EQ(node.Status("GET", "/v1/wanted?state=lost"), 400);
}

TEST_F(AppApiTest, CompleteOfOneGroupCountsThatGroup) {
  Node node;
  const std::string one = NewGroup(node, "one", "server"), two = NewGroup(node, "two", "server");
  const auto mention = [&](const std::string& group, const std::string& name) {
    node.Call("PUT", "/v1/groups/" + group + "/refs/" + name, "{\"blob\":\"" + IdOf(name) + "\"}");
  };
  mention(one, "a");
  mention(two, "b");
  mention(two, "c");
  EXPECT_EQ(node.Status("DELETE", "/v1/wanted/" + IdOf("b")), 204);
  const auto complete = [&](const std::string& query) {
    return node.Call("GET", "/v1/complete" + query);
  };
  EXPECT_EQ(complete("?group=" + one)["wanted"], 1);
  EXPECT_EQ(complete("?group=" + one)["stopped"], 0);
  EXPECT_TRUE(complete("?group=" + one)["oldest_wanted_ms"].is_number());
  EXPECT_EQ(complete("?group=" + two)["wanted"], 2);
  EXPECT_EQ(complete("?group=" + two)["stopped"], 1);
  EXPECT_EQ(complete("")["wanted"], 3);
  EXPECT_EQ(complete("")["stopped"], 1);
}

TEST_F(AppApiTest, CompleteNamesAPeerOfSeveralGroupsOnce) {
  Node laptop({.name = "laptop"}), server({.name = "server"});
  for (const std::string name : {"one", "two"}) {
    const std::string group = NewGroup(laptop, name);
    const std::string invite =
        laptop.Call("POST", "/v1/groups/" + group + "/invites", "{\"role\":\"server\"}")["invite"];
    EXPECT_EQ(server.Call("POST", "/v1/join", "{\"invite\":\"" + invite + "\"}")["id"], group);
  }
  const Json complete = server.Call("GET", "/v1/complete?wait=30s");
  EXPECT_EQ(complete["complete"], true) << complete;
  ASSERT_EQ(complete["heard"].size(), 1u) << complete;
  EXPECT_EQ(complete["heard"][0]["peer"], laptop.identity->peer_id().ToHex());
  EXPECT_TRUE(complete["heard"][0]["last_sync"].is_string());
  EXPECT_EQ(complete["not_heard"].size(), 0u);
}

TEST_F(AppApiTest, MetricsSayOfEachGroupWhatItWantsAndWhetherItIsComplete) {
  Node node;
  const std::string one = NewGroup(node, "one", "server"), two = NewGroup(node, "two", "normal");
  node.Call("PUT", "/v1/groups/" + one + "/refs/a", "{\"blob\":\"" + IdOf("a") + "\"}");
  const std::string text = Send(node, {.target = "/metrics"}).body;
  for (const std::string& line :
       {"waypost_group_wanted{group=\"" + one + "\"} 1",
        "waypost_group_wanted{group=\"" + two + "\"} 0",
        "waypost_group_complete{group=\"" + one + "\"} 0",
        std::string("waypost_mode{mode=\"normal\"} 1"),
        std::string("waypost_mode{mode=\"away: blobs\"} 0"),
        std::string("waypost_store_min_free_bytes 0"), std::string("process_open_fds "),
        std::string("process_start_time_seconds ")}) {
    EXPECT_NE(text.find("\n" + line), std::string::npos) << line;
  }
  EXPECT_EQ(text.find("waypost_group_complete{group=\"" + two), std::string::npos) << "no server";
}

TEST_F(AppApiTest, ASecondCopyOfTheFolderIsSaidByStatusAndReadiness) {
  Node node;
  const std::string group = NewGroup(node, "photos");
  EXPECT_EQ(node.Call("GET", "/v1/status")["second_copy"], "");
  node.parts->group_core->second_copy.Met(*base::GroupId::FromHex(group), node.identity->peer_id(),
                                          node.clock.WallNow());
  const std::string copy = node.Call("GET", "/v1/status")["second_copy"];
  EXPECT_THAT(copy, testing::StartsWith("a second copy of this data folder runs: "));
  EXPECT_THAT(copy, testing::HasSubstr(group));
  const auto ready = Send(node, {.target = "/readyz"});
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(Json::parse(ready.body)["reasons"], Json({copy}));
  EXPECT_EQ(node.Status("GET", "/healthz"), 200) << "a start changes nothing of it";
}

TEST_F(AppApiTest, MetricsSayWhenTheLastRoundWithAMemberWas) {
  Node laptop({.name = "laptop"}), server({.name = "server"});
  const std::string group = NewGroup(laptop, "one");
  const std::string invite =
      laptop.Call("POST", "/v1/groups/" + group + "/invites", "{}")["invite"];
  EXPECT_EQ(server.Call("POST", "/v1/join", "{\"invite\":\"" + invite + "\"}")["id"], group);
  const std::string name = "\nwaypost_member_last_sync_seconds{group=\"" + group + "\",peer=\"" +
                           laptop.identity->peer_id().ToHex() + "\"} ";
  // A round each 200 ms; 1: some have been missed, on a machine that is busy.
  const auto seconds = [&] {
    const std::string text = Send(server, {.target = "/metrics"}).body;
    const std::size_t at = text.find(name);
    return at == std::string::npos ? -1.0 : std::strtod(text.c_str() + at + name.size(), nullptr);
  };
  EXPECT_TRUE(support::Eventually([&] { return seconds() >= 0 && seconds() < 1; })) << seconds();
  // It grows while nobody answers.
  laptop.peer->Shutdown(base::Millis(0));
  EXPECT_TRUE(support::Eventually([&] { return seconds() > 1; })) << seconds();
}

TEST_F(AppApiTest, AClockThatWasAheadIsSaidWhereverOneLooks) {
  Node node;
  const std::string group = NewGroup(node, "photos");
  const auto set = [&](const std::string& key) {
    node.Call("PUT", "/v1/groups/" + group + "/refs/" + key, "{\"blob\":\"" + IdOf("a") + "\"}");
  };
  const auto self_ahead = [&] {
    return node.Call("GET", "/v1/groups/" + group + "/members")["items"][0]["clock_ahead"];
  };
  set("before");
  EXPECT_EQ(self_ahead(), false);
  EXPECT_EQ(node.Call("GET", "/v1/status")["clock_ahead"], false);
  EXPECT_EQ(node.Status("GET", "/readyz"), 200);

  node.clock.Shift(base::Millis(3600 * 1000));
  set("ahead");
  node.clock.Shift(base::Millis(0));
  EXPECT_EQ(self_ahead(), true);
  const Json status = node.Call("GET", "/v1/status");
  EXPECT_EQ(status["clock_ahead"], true);
  EXPECT_EQ(status["clock_behind"], false);
  ASSERT_EQ(status["clock"].size(), 1u);
  const auto ready = Send(node, {.target = "/readyz"});
  EXPECT_EQ(ready.status, 503);
  const std::string why = Json::parse(ready.body)["reasons"][0];
  EXPECT_THAT(why, testing::StartsWith("clock_ahead: others take from "));
  EXPECT_THAT(why, testing::HasSubstr(group));
  EXPECT_EQ(why, "clock_ahead: " + status["clock"][0].get<std::string>());
}

// Opens no file of a blob while it is told so: the limit of descriptors is reached.
class WithoutDescriptors final : public base::PassingFileSystem {
 public:
  WithoutDescriptors(std::unique_ptr<base::FileSystem> below, const std::atomic<bool>& at_limit)
      : PassingFileSystem(std::move(below)), at_limit_(at_limit) {}
  absl::StatusOr<std::unique_ptr<base::File>> OpenRead(const std::string& path) override {
    const bool of_blob = path.find("/blobs/") != std::string::npos;
    if (at_limit_ && of_blob) return base::ErrnoStatus(EMFILE, path);
    return PassingFileSystem::OpenRead(path);
  }

 private:
  const std::atomic<bool>& at_limit_;
};

TEST_F(AppApiTest, AtTheLimitOfDescriptorsAReadIsToBeTriedAgain) {
  std::atomic<bool> at_limit{false};
  Node node({.before_disk = [&](std::unique_ptr<base::FileSystem> disk) {
    return std::make_unique<WithoutDescriptors>(std::move(disk), at_limit);
  }});
  const std::string content(100'000, 'x');
  node.Call("POST", "/v1/blobs", content);
  at_limit = true;
  const auto reply = Send(node, {.target = "/v1/blobs/" + IdOf(content)});
  EXPECT_EQ(reply.status, 503) << reply.body;
  EXPECT_TRUE(reply.Header("retry-after").has_value());
  EXPECT_THAT(reply.body, testing::HasSubstr("limit of descriptors"));
  at_limit = false;
  EXPECT_EQ(node.Status("GET", "/v1/blobs/" + IdOf(content)), 200);
}

// The disk of the index fails for good: the service says so to whoever looks, and does not end.
TEST_F(AppApiTest, AnIndexThatCannotBeReadIsNeitherHealthyNorReady) {
  Node node;
  const std::string index = node.folder / "index", away = node.folder / "index.away";
  EXPECT_EQ(node.Status("GET", "/healthz"), 200);
  EXPECT_EQ(node.Status("GET", "/readyz"), 200);
  ASSERT_NO_FATAL_FAILURE(support::MakeMetaPagesUnwritable(index + "/data.mdb"));
  std::filesystem::rename(index, away);
  EXPECT_GE(node.Status("POST", "/v1/blobs", "small"), 500);
  for (const char* target : {"/healthz", "/readyz"}) {
    const auto reply = Send(node, {.target = target});
    EXPECT_EQ(reply.status, 503) << target;
    const Json body = Json::parse(reply.body, nullptr, false);
    ASSERT_TRUE(body.is_object() && body.contains("reasons")) << reply.body;
    EXPECT_EQ(body["status"], "failing");
    EXPECT_NE(body["reasons"].dump().find("index"), std::string::npos) << reply.body;
  }
  EXPECT_EQ(node.Status("GET", "/v1/groups"), 503);
  EXPECT_EQ(node.Status("GET", "/v1/status"), 200) << "it is answered from memory";
  std::filesystem::rename(away, index);
  EXPECT_TRUE(support::Eventually([&] { return node.Status("GET", "/readyz") == 200; }));
  EXPECT_EQ(node.Status("GET", "/healthz"), 200);
  EXPECT_EQ(node.Status("POST", "/v1/blobs", "small"), 201);
}

TEST_F(AppApiTest, StatusSettingsScanAndPause) {
  Node node({.name = "lab"});
  node.Call("POST", "/v1/blobs", "four");
  const Json status = node.Call("GET", "/v1/status");
  EXPECT_EQ(status["name"], "lab");
  EXPECT_EQ(status["peer"], node.identity->peer_id().ToHex());
  EXPECT_EQ(status["blobs"], 1);
  EXPECT_EQ(status["bytes"], 4);
  EXPECT_EQ(status["paused"], false);
  EXPECT_EQ(status["addresses"][0], node.peer->bound_address());
  EXPECT_GT(status["disk_free"], 0);

  EXPECT_EQ(node.Status("POST", "/v1/fetcher/pause", "{\"for\":\"1h\"}"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/status")["pause"]["reason"], "operator");
  EXPECT_EQ(node.Status("POST", "/v1/fetcher/pause", "{\"for\":\"soon\"}"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/fetcher/resume"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/status")["paused"], false);

  EXPECT_EQ(node.Status("POST", "/v1/pause", R"({"kind":"fetch","for":"1h"})"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/status")["pause"]["reason"], "operator");
  EXPECT_EQ(node.Status("POST", "/v1/pause", R"({"kind":"scan"})"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/status")["scan"]["paused"], true);
  EXPECT_TRUE(node.Call("GET", "/v1/scan")["paused_until"].is_null());
  EXPECT_EQ(node.Status("POST", "/v1/pause", R"({"kind":"scan","for":"1h"})"), 204);
  EXPECT_TRUE(node.Call("GET", "/v1/scan")["paused_until"].is_string());
  EXPECT_EQ(node.Status("POST", "/v1/resume", R"({"kind":"fetch"})"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/status")["paused"], false);
  EXPECT_EQ(node.Call("GET", "/v1/scan")["paused"], true);
  EXPECT_EQ(node.Status("POST", "/v1/resume", R"({"kind":"scan"})"), 204);
  EXPECT_EQ(node.Call("GET", "/v1/scan")["paused"], false);
  for (const char* body : {"{}", R"({"kind":"sleep"})", R"({"kind":"scan","for":"0s"})",
                           R"({"kind":"scan","for":"9000h"})", R"({"kind":"scan","when":"1h"})"}) {
    EXPECT_EQ(node.Status("POST", "/v1/pause", body), 400) << body;
  }
  EXPECT_EQ(node.Status("POST", "/v1/resume", "{}"), 400);

  EXPECT_EQ(node.Call("PATCH", "/v1/config",
                      "{\"fetcher.concurrency\": 8}")["settings"]["fetcher.concurrency"]["value"],
            "8");
  EXPECT_EQ(node.Status("PATCH", "/v1/config", "{\"no.such\": 8}"), 400);
  EXPECT_EQ(node.Status("PATCH", "/v1/config", "{\"fetcher.concurrency\": {}}"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/scan"), 202);
  EXPECT_TRUE(Eventually([&] { return !node.Call("GET", "/v1/scan")["last"].is_null(); }));
  const auto metrics = Send(node, {.target = "/metrics"});
  EXPECT_NE(metrics.body.find("waypost_http_requests_total{"), std::string::npos);
  EXPECT_EQ(Json::parse(Send(node, {.target = "/healthz"}).body)["status"], "ok");
}

TEST_F(AppApiTest, WhoGetsWrongBytesTellsTheHolderWhichSetsThemAside) {
  const std::string content(100'000, 'x'), id = IdOf(content);
  std::string holder, getter;
  testing::internal::CaptureStderr();
  {
    Node laptop({.name = "laptop"}), server({.name = "server"});
    holder = laptop.identity->peer_id().ToHex();
    getter = server.identity->peer_id().ToHex();
    const std::string group = NewGroup(laptop, "g");
    laptop.Call("POST", "/v1/blobs?group=" + group + "&key=k", content);
    const std::string path = FileOf(laptop, id);
    std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::fstream(path, std::ios::in | std::ios::out).put('X');
    const std::string invite =
        laptop.Call("POST", "/v1/groups/" + group + "/invites", "{\"role\":\"server\"}")["invite"];
    server.Call("POST", "/v1/join", "{\"invite\":\"" + invite + "\"}");
    EXPECT_TRUE(support::Eventually([&] { return !std::filesystem::exists(path); }));
    EXPECT_TRUE(std::filesystem::exists(laptop.folder / ("quarantine/" + id)));
    EXPECT_TRUE(
        support::Eventually([&] { return laptop.Call("GET", "/v1/status")["blobs"] == 0; }));
  }
  // Both ends name the blob and the peer at the other one.
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, testing::HasSubstr("blob " + id + ": peer " + holder + " sent wrong bytes: "));
  EXPECT_THAT(log, testing::HasSubstr("peer " + getter + " got wrong bytes of blob " + id +
                                      " from here: they are rotten here too"));
}

}  // namespace
}  // namespace waypost::http
