// The end of the process at every point of the write path: nothing that was acknowledged is lost,
// nothing wrong is kept, and the service goes on where it was.
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

struct CrashPoint {
  const char* point;
  int pass;  // the how many-th time
};
std::string NameOfCrash(const ::testing::TestParamInfo<CrashPoint>& info) {
  std::string name = absl::StrCat(info.param.point, "_", info.param.pass);
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
}

class CrashOfAWriterTest : public ::testing::TestWithParam<CrashPoint> {};

TEST_P(CrashOfAWriterTest, WhatWasAcknowledgedIsThereAfterwards) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  ASSERT_TRUE(peer.Start().ok());
  const std::string group = peer.CreateGroup("family", "normal");
  ASSERT_EQ(peer.Stop(), 0);
  ASSERT_TRUE(peer.Start({.environment = {{"WAYPOST_FAULT_POINT",
                                           absl::StrCat(GetParam().point, ":", GetParam().pass)}}})
                  .ok());
  // Inline ones and files, until the process ends under us.
  std::map<std::string, std::string> acknowledged;  // key -> bytes
  int tried = 0;
  for (; tried < 60 && peer.process().running(); ++tried) {
    const std::string bytes =
        SomeBytes(tried % 2 == 0 ? 60'000 : 500, static_cast<uint64_t>(tried));
    const std::string key = absl::StrCat("k", tried);
    const HttpReply reply =
        peer.Call("POST", absl::StrCat("/v1/blobs?group=", group, "&key=", key), bytes);
    if (reply.status == 201) acknowledged[key] = bytes;
  }
  ASSERT_EQ(peer.process().Wait(kPatience), base::kFaultPointExit) << "the point was not reached";
  ASSERT_TRUE(peer.Start({.settings = {"--scan.initial_delay=0s"}}).ok());
  for (const auto& entry : acknowledged) {
    const HttpReply reply =
        peer.Call("GET", "/v1/groups/" + group + "/refs/" + entry.first + "?content");
    EXPECT_EQ(reply.status, 200) << entry.first;
    EXPECT_EQ(reply.body == entry.second, true) << entry.first;
  }
  // Of the one that was not acknowledged, both or neither of blob and reference.
  const Json counts = peer.Get("/v1/groups/" + group);
  const int refs = counts.value("refs", -1);
  EXPECT_GE(refs, static_cast<int>(acknowledged.size()));
  EXPECT_LE(refs, tried);
  EXPECT_EQ(counts.value("blobs", -1), refs);
  EXPECT_EQ(counts.value("wanted", -1), 0);
  // It writes on, the one it was at included.
  for (int i = 0; i < tried; ++i) {
    const std::string bytes = SomeBytes(i % 2 == 0 ? 60'000 : 500, static_cast<uint64_t>(i));
    EXPECT_EQ(PutRef(peer, group, absl::StrCat("k", i), bytes), HexOfSha256(bytes));
  }
  EXPECT_EQ(peer.Get("/v1/groups/" + group).value("refs", -1), tried);
}

INSTANTIATE_TEST_SUITE_P(
    EveryPoint, CrashOfAWriterTest,
    ::testing::Values(CrashPoint{"blob.written", 1}, CrashPoint{"blob.written", 5},
                      CrashPoint{"blob.synced", 3}, CrashPoint{"blob.linked", 3},
                      CrashPoint{"blob.durable", 3}, CrashPoint{"index.before", 3},
                      CrashPoint{"index.before", 8}, CrashPoint{"index.committed", 3},
                      CrashPoint{"index.committed", 8}),
    NameOfCrash);

class CrashOfAServerTest : public ::testing::TestWithParam<CrashPoint> {};

TEST_P(CrashOfAServerTest, EverythingArrivesAllTheSame) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  ASSERT_EQ(server.Stop(), 0);
  std::vector<std::string> blobs;
  for (int i = 0; i < 12; ++i) {
    blobs.push_back(PutRef(laptop, group, absl::StrCat("k", i),
                           SomeBytes(i % 2 == 0 ? 60'000 : 500, static_cast<uint64_t>(i))));
  }
  const absl::Status started =
      server.Start({.environment = {{"WAYPOST_FAULT_POINT",
                                     absl::StrCat(GetParam().point, ":", GetParam().pass)}}});
  // It may end before it is ready.
  if (started.ok()) {
    ASSERT_EQ(server.process().Wait(kPatience), base::kFaultPointExit)
        << "the point was not reached";
  } else {
    ASSERT_EQ(server.process().Wait(base::Millis(0)), base::kFaultPointExit) << started;
  }
  ASSERT_TRUE(server.Start().ok());
  EXPECT_TRUE(Eventually([&] { return HoldsAll(server, blobs); }));
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    EXPECT_EQ(server.Bytes(blobs[i]), SomeBytes(i % 2 == 0 ? 60'000 : 500, i));
  }
  EXPECT_TRUE(
      Eventually([&] { return server.Get("/v1/groups/" + group).value("wanted", -1) == 0; }));
  EXPECT_EQ(server.Get("/v1/groups/" + group).value("refs", -1), 12);
}

INSTANTIATE_TEST_SUITE_P(
    EveryPoint, CrashOfAServerTest,
    ::testing::Values(CrashPoint{"blob.written", 2}, CrashPoint{"blob.synced", 2},
                      CrashPoint{"blob.linked", 2}, CrashPoint{"blob.durable", 2},
                      CrashPoint{"index.before", 1}, CrashPoint{"index.before", 4},
                      CrashPoint{"index.committed", 1}, CrashPoint{"index.committed", 4},
                      CrashPoint{"fetch.verified", 1}, CrashPoint{"fetch.verified", 5},
                      CrashPoint{"sync.applied", 1}),
    NameOfCrash);

TEST(CrashTest, APartialDownloadGoesOnAfterTheEndOfTheProcess) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  ASSERT_EQ(server.Stop(), 0);
  constexpr uint64_t kSize = uint64_t{80} << 20;
  constexpr uint64_t kMark = uint64_t{64} << 20;
  const std::string bytes = SomeBytes(kSize, 9);
  const std::string blob = PutRef(laptop, group, "film", bytes);
  const absl::Status started =
      server.Start({.environment = {{"WAYPOST_FAULT_POINT", "partial.marked"}}});
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_EQ(server.process().Wait(kPatience), base::kFaultPointExit) << "the point was not reached";
  ASSERT_TRUE(server.Start().ok());
  ASSERT_TRUE(Eventually([&] { return server.Has(blob); }));
  EXPECT_EQ(server.Bytes(blob) == bytes, true);
  // What was marked was not sent again.
  EXPECT_LE(server.Metric("waypost_fetch_bytes_total"), static_cast<double>(kSize - kMark));
}

// A boot id that is another at every start would throw away what was received.
TEST(CrashTest, AReceiverThatIsKilledAgainAndAgainGetsToTheEnd) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server", {"--fetcher.rate_limit=32MiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  const std::string bytes = SomeBytes(std::size_t{96} << 20, 11);
  const std::string blob = PutRef(laptop, group, "film", bytes);
  const auto received = [&] {
    const Json fetching = server.Get("/v1/status").value("fetching", Json::array());
    return fetching.empty() ? uint64_t{0} : fetching[0].value("received", uint64_t{0});
  };
  uint64_t had = 0;
  for (int kill = 0; kill < 3; ++kill) {
    // Less than is marked as durable on the way.
    ASSERT_TRUE(Eventually([&] { return received() > had + (uint64_t{12} << 20); }))
        << "kill " << kill << " at " << had;
    had = received();
    server.process().Kill();
    ASSERT_TRUE(server.Start().ok());
    uint64_t now = 0;
    ASSERT_TRUE(Eventually([&] { return (now = received()) > 0; })) << "kill " << kill;
    EXPECT_GE(now + (uint64_t{1} << 20), had) << "kill " << kill;
  }
  ASSERT_TRUE(Eventually([&] { return server.Has(blob); }));
  EXPECT_EQ(server.Bytes(blob) == bytes, true);
}

// The list of points above, with those of a migration in golden_test.cc, is the list of points
// there are.
TEST(CrashTest, EveryPointOfTheWritePathIsTried) {
  EXPECT_EQ(std::size(base::kFaultPoints), 12u) << "a new point: try it here";
}

}  // namespace
}  // namespace waypost::integration
