// Who may do what, with real services: members that are removed, tokens, identities, secrets.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

TEST(TrustTest, ARemovedMemberIsCutInTheMiddleOfADownload) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server", {"--fetcher.rate_limit=1MiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  const std::string blob = PutRef(laptop, group, "film", SomeBytes(std::size_t{48} << 20, 1));
  ASSERT_TRUE(Eventually([&] {
    const Json fetching = server.Get("/v1/status").value("fetching", Json::array());
    return !fetching.empty() && fetching[0].value("received", 0) > 0;
  }));
  const auto removed = std::chrono::steady_clock::now();
  ASSERT_EQ(
      laptop.Call("DELETE", absl::StrCat("/v1/groups/", group, "/members/", server.id())).status,
      204);
  EXPECT_TRUE(Eventually([&] {
    return laptop.Metric("waypost_http_rejected_total{listener=\"peer\",reason=\"peer_left\"}") >=
           1;
  }));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - removed).count();
  if (kTimesCount) {
    EXPECT_LT(seconds, 5.0);
  }
  // Nor does it get the rest by asking again, nor what comes later.
  const std::string later = PutRef(laptop, group, "later", "later");
  EXPECT_TRUE(Eventually([&] {
    return server.Get("/v1/groups/" + group + "/members").value("items", Json::array()).size() < 2;
  }));
  EXPECT_FALSE(server.Has(blob));
  EXPECT_FALSE(server.Has(later));
  // What the removed one says from now on is heard by nobody.
  server.SetRef(group, "mine", later);
  EXPECT_EQ(laptop.Call("GET", "/v1/groups/" + group + "/refs/mine").status, 404);
  // Back by another invite.
  EXPECT_EQ(server.Join(laptop.Invite(group, 1), "server"), group);
  EXPECT_TRUE(Eventually([&] { return server.Has(later); }));
}

// Nobody can dial the laptop: what it tells others is a port where nobody listens.
TEST(TrustTest, APeerThatNobodyCanReachGivesItsBlobsOnConnectionsItDialledItself) {
  Cluster cluster;
  Peer& server = cluster.Add("server");
  Peer& laptop = cluster.Add("laptop", {"--peer.advertise=127.0.0.1:9"});
  const std::string group = server.CreateGroup("family", "server");
  ASSERT_EQ(laptop.Join(server.Invite(group, 1), "normal"), group);
  std::vector<std::string> blobs;
  for (int i = 0; i < 30; ++i) {
    blobs.push_back(PutRef(laptop, group, absl::StrCat("k", i),
                           SomeBytes(i % 10 == 0 ? 5'000'000 : 20'000, static_cast<uint64_t>(i))));
  }
  const auto put = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return HoldsAll(server, blobs); }));
  std::cout << "30 blobs held "
            << std::chrono::duration<double>(std::chrono::steady_clock::now() - put).count()
            << " s after the last put\n";
  // And one by one, long after: a connection lies ready.
  for (int i = 0; i < 3; ++i) {
    const std::string blob = PutRef(laptop, group, "late", "late " + std::to_string(i));
    EXPECT_TRUE(Eventually([&] { return server.Has(blob); }));
  }
  // What a server says to it in return goes the same way.
  const std::string from_server = PutRef(server, group, "back", "back");
  EXPECT_TRUE(Eventually([&] {
    return laptop.Call("GET", "/v1/groups/" + group + "/refs/back?content").body == "back";
  }));
  // After a restart of the server it is found again.
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_TRUE(server.Start().ok());
  const std::string after = PutRef(laptop, group, "after", "after");
  EXPECT_TRUE(Eventually([&] { return server.Has(after); }));
}

TEST(TrustTest, ANewTokenIsAskedForAtOnceAndTheOldOneIsNoGood) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string old_read = ReadWholeFile(peer.dir() + "/read.token");
  const CommandResult rotated = peer.Run({"token", "rotate", "api", "--json"});
  ASSERT_EQ(rotated.exit_status, 0) << rotated.err;
  EXPECT_EQ(Parsed(rotated)["told"], true);
  EXPECT_TRUE(Eventually([&] { return peer.Call("GET", "/v1/status").status == 401; }));
  // The command line finds the new one; the other token stays.
  EXPECT_EQ(peer.Run({"status"}).exit_status, 0);
  EXPECT_EQ(ReadWholeFile(peer.dir() + "/read.token"), old_read);
  EXPECT_EQ(std::filesystem::status(peer.dir() + "/api.token").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  peer.Stop();
  ASSERT_EQ(peer.Run({"token", "rotate"}).exit_status, 0);
  EXPECT_NE(ReadWholeFile(peer.dir() + "/read.token"), old_read);
  EXPECT_EQ(peer.Run({"token", "rotate", "other"}).exit_status, 2);
}

TEST(TrustTest, AnIdentityMovesWithItsBackup) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  const std::string phrase = cluster.dir() + "/phrase", wrong = cluster.dir() + "/wrong",
                    backup = cluster.dir() + "/backup";
  WriteWholeFile(phrase, "correct horse battery\n");
  WriteWholeFile(wrong, "correct horse batterz\n");
  const Json shown = Parsed(peer.Run({"identity", "show", "--json"}));
  ASSERT_TRUE(shown.is_object());
  EXPECT_EQ(shown["short"].get<std::string>().size(), 29u);
  ASSERT_EQ(peer.Run({"identity", "backup", backup, "--passphrase-file", phrase}).exit_status, 0);
  EXPECT_EQ(std::filesystem::status(backup).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(peer.Run({"identity", "backup", backup, "--passphrase-file", phrase}).exit_status, 1)
      << "a backup is overwritten";
  const std::string seed = ReadWholeFile(peer.dir() + "/identity.key");
  EXPECT_EQ(ReadWholeFile(backup).find(seed.substr(seed.size() - 65, 64)), std::string::npos);
  // Over an identity that is there: never.
  EXPECT_EQ(peer.Run({"identity", "restore", backup, "--passphrase-file", phrase}).exit_status, 1);
  Peer& moved = cluster.Prepare("moved");
  std::filesystem::remove_all(moved.dir());
  EXPECT_EQ(moved.Run({"identity", "restore", backup, "--passphrase-file", wrong}).exit_status, 1);
  EXPECT_FALSE(std::filesystem::exists(moved.dir() + "/identity.key"));
  const CommandResult restored =
      moved.Run({"identity", "restore", backup, "--passphrase-file", phrase, "--json"});
  ASSERT_EQ(restored.exit_status, 0) << restored.err;
  EXPECT_EQ(Parsed(restored)["peer"], shown["peer"]);
  ASSERT_TRUE(moved.Start().ok());
  EXPECT_EQ(moved.Get("/v1/status")["peer"], shown["peer"]);
}

TEST(TrustTest, ACrashLeavesNoCore) {
  // Where nothing else leaves one either, nothing is shown.
  TempDir dir;
  auto other =
      Process::Spawn({.arguments = {"/bin/sleep", "60"}, .dir = dir.path(), .may_dump_core = true});
  ASSERT_TRUE(other.ok());
  // Once it is what it is to be.
  ASSERT_TRUE(Eventually(
      [&] { return ReadWholeFile(absl::StrCat("/proc/", other->pid(), "/comm")) == "sleep\n"; }));
  other->Signal(SIGABRT);
  ASSERT_EQ(other->Wait(base::Millis(20'000)), 128 + SIGABRT);
  if (!other->dumped_core()) GTEST_SKIP() << "no process leaves a core here";
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  ASSERT_TRUE(peer.Start({.may_dump_core = true}).ok());
  peer.process().Signal(SIGABRT);
  ASSERT_EQ(peer.process().Wait(base::Millis(60'000)), 128 + SIGABRT);
  EXPECT_FALSE(peer.process().dumped_core());
}

// The strings that must be nowhere but in their files and in the hands of who was given them.
TEST(TrustTest, NoSecretIsInWhatTheServicesSay) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop", {"--log.level=debug"});
  Peer& server = cluster.Add("server", {"--log.level=debug", "--log.format=json"});
  Peer& stranger = cluster.Add("stranger", {"--log.level=debug"});
  const std::string group = laptop.CreateGroup("family", "normal");
  const std::string invite = laptop.Invite(group, 1);
  const std::string unused = laptop.Invite(group, 5);
  std::string said;
  const auto note = [&](const HttpReply& reply) { absl::StrAppend(&said, reply.body, "\n"); };
  ASSERT_EQ(server.Join(invite, "server"), group);
  note(stranger.Call("POST", "/v1/join", Json{{"invite", invite}}.dump()));  // used up
  std::string bent = unused;
  bent[bent.size() - 20] = bent[bent.size() - 20] == 'A' ? 'B' : 'A';
  note(stranger.Call("POST", "/v1/join", Json{{"invite", bent}}.dump()));
  note(stranger.Call("POST", "/v1/join", "{\"invite\": \"" + unused + "\", \"x\": 1}"));
  const std::string blob = PutRef(laptop, group, "k", SomeBytes(100'000, 1));
  ASSERT_TRUE(Eventually([&] { return server.Has(blob); }));
  // Its path is what it opens with, also where nothing is there any more.
  const Json link = laptop.Post("/v1/links", {{"group", group}, {"key", "k"}}, 201);
  const std::string link_secret = link.value("url", "").substr(3);
  ASSERT_GE(link_secret.size(), 32u);
  EXPECT_EQ(laptop.Call("GET", "/s/" + link_secret).status, 200);
  note(laptop.Call("GET", "/s/" + link_secret + "?x=1"));
  note(laptop.Call("PUT", "/s/" + link_secret, "x"));
  note(laptop.Call("GET", "/v1/links"));
  note(laptop.Call("GET", "/v1/audit"));
  EXPECT_EQ(laptop.Call("DELETE", "/v1/links/" + link.value("id", "")).status, 204);
  note(laptop.Call("GET", "/s/" + link_secret));
  for (Peer* peer : {&laptop, &server, &stranger}) {
    for (const char* target : {"/v1/status", "/v1/config", "/v1/groups", "/v1/peers", "/metrics",
                               "/v1/events?since=0", "/v1/wanted", "/v1/scan"}) {
      if (std::string(target).find("events") == std::string::npos) note(peer->Call("GET", target));
    }
    note(peer->Call("GET", "/v1/blobs/" + blob + "/why"));
    note(peer->Call("GET", "/v1/groups/" + group + "/invites"));
    note(peer->Call("GET", "/v1/groups/" + group + "/members"));
    note(peer->Call("GET", "/v1/status", "", {{"Authorization", "Bearer wrong-token-000000"}}));
    note(peer->Call("GET", "/nothing"));
    const CommandResult shown = peer->Run({"identity", "show"});
    absl::StrAppend(&said, shown.out, shown.err);
  }
  for (Peer* peer : {&laptop, &server, &stranger}) {
    peer->Stop();
    absl::StrAppend(&said, peer->Log(), "\n");
    // Whatever else lies in the folder of the test: no core file.
    for (const auto& file : std::filesystem::recursive_directory_iterator(peer->dir())) {
      EXPECT_EQ(file.path().filename().string().rfind("core", 0), std::string::npos) << file.path();
    }
  }
  EXPECT_GT(said.size(), 10'000u);
  std::vector<std::pair<std::string, std::string>> secrets = {
      {"an invite that was used", invite.substr(9, 40)},
      {"the end of it", invite.substr(invite.size() - 40)},
      {"an invite", unused.substr(unused.size() / 3, 40)},
      {"a link", link_secret.substr(0, 32)},
  };
  for (Peer* peer : {&laptop, &server, &stranger}) {
    for (const char* name : {"api.token", "read.token", "identity.key"}) {
      std::string text = ReadWholeFile(peer->dir() + "/" + name);
      while (!text.empty() && text.back() == '\n') text.pop_back();
      ASSERT_GE(text.size(), 32u) << name;
      secrets.emplace_back(absl::StrCat(name, " of ", peer->dir()), text.substr(text.size() - 32));
    }
  }
  for (const auto& [what, secret] : secrets) {
    EXPECT_EQ(said.find(secret), std::string::npos) << what << " was said";
  }
}

}  // namespace
}  // namespace waypost::integration
