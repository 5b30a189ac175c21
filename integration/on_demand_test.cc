// What an app asks for while it is not here: waiting reads, status streams, many readers of one
// fetch.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

std::vector<Json> ReadStates(HttpStream& stream) {
  std::vector<Json> states;
  while (true) {
    const auto line = stream.ReadLine();
    if (!line.ok() || !*line) return states;
    Json json = Json::parse(**line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) states.push_back(std::move(json));
  }
}

TEST(OnDemandTest, SixtyFourReadersOfABlobBeingFetchedGetItFromOneFetch) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone", {"--fetcher.rate_limit=4MiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string bytes = SomeBytes(8 << 20, 1);
  const std::string blob = PutRef(laptop, group, "film", bytes);
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  std::atomic<int> right{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 64; ++i) {
    readers.emplace_back([&, i] {
      // Every fourth one wants a part only.
      Headers headers;
      if (i % 4 == 3) headers = {{"Range", "bytes=1000000-1999999"}};
      const HttpReply reply = phone.Call("GET", "/v1/blobs/" + blob + "?timeout=5m", {}, headers);
      if (i % 4 == 3) {
        right += reply.status == 206 && reply.body == bytes.substr(1'000'000, 1'000'000) ? 1 : 0;
      } else {
        right += reply.status == 200 && reply.body == bytes ? 1 : 0;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 64);
  EXPECT_EQ(phone.Metric("waypost_fetch_bytes_total"), static_cast<double>(bytes.size()));
}

TEST(OnDemandTest, AStatusStreamTellsHowTheFetchGoes) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone", {"--fetcher.rate_limit=2MiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string blob = PutRef(laptop, group, "film", SomeBytes(6 << 20, 2));
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  auto stream =
      phone.http().OpenStream({.method = "POST", .target = "/v1/blobs/" + blob + "/fetch"});
  auto leaver =
      phone.http().OpenStream({.method = "POST", .target = "/v1/blobs/" + blob + "/fetch"});
  ASSERT_TRUE(stream.ok() && leaver.ok()) << stream.status() << leaver.status();
  EXPECT_EQ((*stream)->status(), 200);
  EXPECT_EQ((*stream)->head().Header("content-type"), "application/x-ndjson");
  // A caller that leaves does not end it.
  leaver->reset();
  const std::vector<Json> states = ReadStates(**stream);
  ASSERT_GE(states.size(), 3u);
  EXPECT_EQ(states.back().value("state", ""), "done");
  uint64_t received = 0;
  int fetching = 0;
  for (const Json& state : states) {
    if (state.value("state", "") != "fetching") continue;
    ++fetching;
    EXPECT_GE(state.value("received", uint64_t{0}), received);
    received = state.value("received", uint64_t{0});
    if (received == 0) continue;
    EXPECT_EQ(state.value("total", uint64_t{0}), uint64_t{6} << 20);
    EXPECT_EQ(state.value("source", ""), laptop.id());
  }
  EXPECT_GE(fetching, 2);
  EXPECT_GT(received, 0u);
  // At most four a second over some three seconds, and a few for the changes of state.
  if (kTimesCount) {
    EXPECT_LE(states.size(), 40u);
  }
  // It is here: done at once.
  auto again =
      phone.http().OpenStream({.method = "POST", .target = "/v1/blobs/" + blob + "/fetch"});
  ASSERT_TRUE(again.ok());
  const std::vector<Json> at_once = ReadStates(**again);
  ASSERT_EQ(at_once.size(), 1u);
  EXPECT_EQ(at_once[0].value("state", ""), "done");
}

TEST(OnDemandTest, AStreamEndsWithFailedAfterOneWholeAttemptAndSaysWhetherItIsTriedAgain) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string blob = HexOfSha256("nobody has this");
  ASSERT_EQ(laptop.SetRef(group, "k", blob), 200);
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  auto stream =
      phone.http().OpenStream({.method = "POST", .target = "/v1/blobs/" + blob + "/fetch"});
  ASSERT_TRUE(stream.ok());
  const std::vector<Json> states = ReadStates(**stream);
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.back().value("state", ""), "failed") << states.back();
  EXPECT_TRUE(states.back().value("will_retry", false));
  EXPECT_TRUE(states.back().contains("next_attempt"));
  EXPECT_TRUE(states.back().contains("error"));
  // Of a blob that nothing mentions there is nothing to stream.
  const std::string unknown = HexOfSha256("never heard of");
  EXPECT_EQ(phone.Call("POST", "/v1/blobs/" + unknown + "/fetch").status, 404);
  EXPECT_EQ(phone.Call("GET", "/v1/blobs/" + unknown).status, 404);
  const Json why = phone.Get("/v1/blobs/" + unknown + "/why");
  EXPECT_FALSE(why.empty());
}

TEST(OnDemandTest, ReadsThatMayNotWaitSayWhatIsTheMatter) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string bytes = SomeBytes(100'000, 3);
  const std::string blob = PutRef(laptop, group, "k", bytes);
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  EXPECT_EQ(phone.Call("GET", "/v1/blobs/" + blob + "?fetch=never").status, 404);
  EXPECT_EQ(phone.Call("HEAD", "/v1/blobs/" + blob).status, 404);
  EXPECT_FALSE(phone.Has(blob));
  EXPECT_EQ(phone.Call("GET", "/v1/blobs/" + blob + "?fetch=async").status, 202);
  EXPECT_TRUE(Eventually([&] { return phone.Bytes(blob) == bytes; }));
}

TEST(OnDemandTest, EightWaitingReadsAndEventStreamsDoNotDelayOthers) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone", {"--fetcher.rate_limit=1KiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string blob = PutRef(laptop, group, "film", SomeBytes(8 << 20, 4));
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  // They wait: nothing of the answer comes before the blob does.
  std::vector<int> waiting;
  for (int i = 0; i < 8; ++i) {
    const int fd = Connect(phone.http().address());
    ASSERT_GE(fd, 0);
    const std::string request =
        phone.http().Format({.target = "/v1/blobs/" + blob + "?timeout=10m"});
    ASSERT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    waiting.push_back(fd);
  }
  std::vector<std::unique_ptr<HttpStream>> streams;
  for (int i = 0; i < 8; ++i) {
    auto events = phone.http().OpenStream({.target = "/v1/events"});
    ASSERT_TRUE(events.ok()) << events.status();
    EXPECT_EQ((*events)->head().Header("content-type"), "text/event-stream");
    streams.push_back(*std::move(events));
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(phone.Call("GET", "/healthz").status, 200);
  const double each =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 50;
  std::cout << "/healthz beside 16 waiting calls: " << each * 1e3 << " ms each\n";
  if (kTimesCount) {
    EXPECT_LT(each, 0.1);
  }
  EXPECT_FALSE(phone.PutBlob("something else").empty());
  // The stream says so.
  bool told = false;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!told && std::chrono::steady_clock::now() < deadline) {
    const auto line = streams[0]->ReadLine();
    ASSERT_TRUE(line.ok() && *line) << line.status();
    told = (*line)->find("blob.stored") != std::string::npos;
  }
  EXPECT_TRUE(told);
  for (const int fd : waiting) close(fd);
}

}  // namespace
}  // namespace waypost::integration
