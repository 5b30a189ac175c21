// Peers that go away, come back, come late, or come back with an older memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;

TEST(AwayTest, BlobsOfAPeerThatIsAwayAreParkedAtNoCostAndArriveWhenItIsBack) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  // The server learns of the references, and fetches nothing yet.
  server.Post("/v1/fetcher/pause", Json::object(), 204);
  std::vector<std::string> blobs;
  for (int i = 0; i < 10; ++i) {
    blobs.push_back(
        PutRef(laptop, group, absl::StrCat("k", i), SomeBytes(30'000, static_cast<uint64_t>(i))));
  }
  ASSERT_TRUE(
      Eventually([&] { return server.Get("/v1/groups/" + group).value("wanted", 0) == 10; }));
  laptop.Kill();
  server.Post("/v1/fetcher/resume", Json::object(), 204);
  ASSERT_TRUE(Eventually([&] {
    const Json parked = server.Get("/v1/wanted?state=parked");
    return parked.value("items", Json::array()).size() == 10;
  }));
  // Long enough for its cool-down to grow over several tries.
  ASSERT_TRUE(Eventually([&] {
    const Json peers = server.Get("/v1/peers");
    return peers.is_object() && !peers["items"].empty() &&
           !peers["items"][0]["cool_down_until"].is_null();
  }));
  for (const std::string& blob : blobs) {
    const Json item = WantedItem(server, blob);
    ASSERT_FALSE(item.empty());
    EXPECT_EQ(item.value("fetch_attempts", -1), 0);
    EXPECT_EQ(item.value("failures", -1), 0);
  }
  EXPECT_EQ(server.Call("GET", "/v1/blobs/" + blobs[0] + "?timeout=100ms").status, 503);
  ASSERT_TRUE(laptop.Start().ok());
  const auto back = std::chrono::steady_clock::now();
  ASSERT_TRUE(Eventually([&] { return HoldsAll(server, blobs); }));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - back).count();
  std::cout << "10 parked blobs held " << seconds << " s after the return\n";
  if (kTimesCount) {
    EXPECT_LT(seconds, 5.0);
  }
}

TEST(AwayTest, AnAttemptAndAWaitSurviveARestartAsTheyWere) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  // The second try lies far ahead.
  Peer& server = cluster.Add("server", {"--fetcher.retry_base=10m"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  const std::string blob = HexOfSha256("nobody has this");
  ASSERT_EQ(laptop.SetRef(group, "gone", blob), 200);
  const std::string held = PutRef(laptop, group, "here", SomeBytes(20'000, 1));
  ASSERT_TRUE(Eventually([&] {
    const Json item = WantedItem(server, blob);
    // Not before the laptop knows the server as a member does its no count as an attempt.
    return item.value("fetch_attempts", 0) == 1 && server.Has(held);
  }));
  const Json before = WantedItem(server, blob);
  for (const bool clean : {false, true}) {
    if (clean) {
      EXPECT_EQ(server.Stop(), 0);
    } else {
      server.Kill();
    }
    ASSERT_TRUE(server.Start().ok());
    const Json after = WantedItem(server, blob);
    ASSERT_FALSE(after.empty());
    for (const char* field : {"fetch_attempts", "failures", "next_attempt"}) {
      EXPECT_EQ(after[field], before[field]) << field << (clean ? ", clean" : ", killed");
    }
    EXPECT_TRUE(server.Has(held));
    EXPECT_EQ(server.Get("/v1/groups/" + group).value("refs", 0), 2);
  }
  // An operator's retry does not wait.
  EXPECT_EQ(server.Post("/v1/wanted/" + blob + "/retry", Json::object(), 202).value("moved", 0), 1);
  EXPECT_TRUE(Eventually([&] { return WantedItem(server, blob).value("fetch_attempts", 0) == 2; }))
      << WantedItem(server, blob) << server.Get("/v1/blobs/" + blob + "/why");
}

TEST(AwayTest, APeerThatJoinsLateGetsTenThousandReferences) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  const std::string group = laptop.CreateGroup("family", "normal");
  // One blob under many keys, and a few others.
  const std::string blob = PutRef(laptop, group, "first", "the same bytes");
  for (int batch = 0; batch < 10; ++batch) {
    Json puts = Json::array();
    for (int i = 0; i < 1000; ++i) {
      puts.push_back({{"key", absl::StrCat("batch", batch, "/", i)}, {"blob", blob}});
    }
    ASSERT_FALSE(
        laptop.Post("/v1/groups/" + group + "/refs:batch", {{"put", puts}}, 200).is_null());
  }
  Peer& server = cluster.Add("server");
  ASSERT_EQ(server.Join(laptop.Invite(group), "server"), group);
  EXPECT_TRUE(
      Eventually([&] { return server.Get("/v1/groups/" + group).value("refs", 0) == 10'001; }));
  EXPECT_TRUE(Eventually([&] { return server.Has(blob); }));
  EXPECT_EQ(server.Get("/v1/groups/" + group + "/refs/batch9/999").value("blob", ""), blob);
  EXPECT_EQ(server.Run({"wait-complete", "--group", "family", "--timeout", "60s"}).exit_status, 0);
  // All of them go, and with the last one the want.
  const Json counts = server.Get("/v1/groups/" + group);
  EXPECT_EQ(counts.value("blobs", 0), 1);
}

// A data folder restored from an older copy, wiped, or copied twice loses no key of anyone's and
// reuses no number.
class OldCopyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    laptop_ = &cluster_.Add("laptop");
    server_ = &cluster_.Add("server");
    group_ = laptop_->CreateGroup("family", "normal");
    const Json invite = laptop_->Post("/v1/groups/" + group_ + "/invites",
                                      {{"authority", "admin"}, {"role", "server"}}, 201);
    ASSERT_EQ(server_->Join(invite.value("invite", ""), "server"), group_);
    Write("before", 3);
    ASSERT_TRUE(BothHave(3));
  }
  void Write(const std::string& name, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_FALSE(
          PutRef(*laptop_, group_, absl::StrCat(name, "/", i), name + std::to_string(i)).empty());
    }
  }
  int Refs(const Peer& peer) {
    const Json group = peer.Get("/v1/groups/" + group_);
    return group.value("refs", -1);
  }
  bool BothHave(int refs) {
    return Eventually([&] { return Refs(*laptop_) == refs && Refs(*server_) == refs; });
  }
  void Save() {
    ASSERT_EQ(laptop_->Stop(), 0);
    fs::copy(laptop_->dir(), cluster_.dir() + "/copy", fs::copy_options::recursive);
    ASSERT_TRUE(laptop_->Start().ok());
  }
  void Restore() {
    laptop_->Kill();
    fs::remove_all(laptop_->dir());
    fs::copy(cluster_.dir() + "/copy", laptop_->dir(), fs::copy_options::recursive);
    ASSERT_TRUE(laptop_->Start().ok());
  }

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* server_ = nullptr;
  std::string group_;
};

TEST_F(OldCopyTest, ARestoredFolderPullsItsOwnLostEntriesBackAndWritesOn) {
  Save();
  Write("lost", 4);
  ASSERT_TRUE(BothHave(7));
  Restore();
  Write("after", 2);
  EXPECT_TRUE(BothHave(9));
  // The same copy a second time.
  Restore();
  Write("again", 2);
  EXPECT_TRUE(BothHave(11));
  for (const char* key : {"before/2", "lost/3", "after/1", "again/1"}) {
    for (const Peer* peer : {laptop_, server_}) {
      EXPECT_EQ(peer->Get(absl::StrCat("/v1/groups/", group_, "/refs/", key)).value("key", ""), key)
          << peer->name();
    }
  }
}

TEST_F(OldCopyTest, AWipedIndexWithItsIdentityJoinsAgainAndLosesNothing) {
  ASSERT_TRUE(Eventually([&] { return server_->Has(HexOfSha256("before1")); }));
  laptop_->Kill();
  fs::remove_all(laptop_->dir() + "/index");
  fs::remove_all(laptop_->dir() + "/blobs");
  EXPECT_FALSE(laptop_->Start().ok()) << "an empty index took its place without a word";
  ASSERT_TRUE(laptop_->Start({.settings = {"--new-index=true"}}).ok());
  EXPECT_EQ(laptop_->Call("GET", "/v1/groups/" + group_).status, 404);
  ASSERT_EQ(laptop_->Join(server_->Invite(group_), "normal"), group_);
  EXPECT_TRUE(BothHave(3));
  Write("after", 2);
  EXPECT_TRUE(BothHave(5));
  EXPECT_EQ(laptop_->Call("GET", "/v1/groups/" + group_ + "/refs/before/1?content").body,
            "before1");
}

}  // namespace
}  // namespace waypost::integration
