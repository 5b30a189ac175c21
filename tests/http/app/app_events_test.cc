#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/http/app/app_fixture.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"

// What is told while it happens: events and streams of states.
namespace waypost::http {
namespace {

TEST_F(AppApiTest, EventsSayWhereAndCanBeChosen) {
  Node node;
  const std::string one = NewGroup(node, "one"), other = NewGroup(node, "other");
  const uint64_t begin = node.parts->events.last_number();
  node.Call("POST", "/v1/blobs?group=" + one + "&key=a/k", "x");
  node.Call("PUT", "/v1/groups/" + other + "/refs/b", "{\"blob\":\"" + IdOf("x") + "\"}");
  node.Call("DELETE", "/v1/groups/" + one + "/refs/a/k");
  node.parts->events.Publish(base::EventKind::kFetchFailed, {{"blob", IdOf("x")}});
  node.parts->events.Publish(base::EventKind::kPeerOnline, {});
  // The events of a wish, one a line.
  const auto events = [&](const std::string& wish) {
    RawClient client(node.app->bound_address());
    client.Send("GET /v1/events?since=" + std::to_string(begin) + wish +
                " HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer " + Node::kToken +
                "\r\n\r\n");
    // The first step sends all that is there.
    EXPECT_TRUE(Eventually([&] {
      return client.buffered.find(": events of this service\n\n") != std::string::npos ||
             !client.Receive();
    }));
    EXPECT_NE(client.buffered.find("X-Accel-Buffering: no\r\n"), std::string::npos);
    std::vector<std::string> lines;
    std::istringstream in(client.buffered);
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("data: ")) continue;
      const Json json = Json::parse(line.substr(6));
      if (json["kind"] == "scan.done") continue;  // whenever the scan likes
      lines.push_back(json["kind"].get<std::string>() + " " +
                      (json.value("group", "") == one     ? "one"
                       : json.value("group", "") == other ? "other"
                                                          : "-") +
                      " " + json.value("key", "-"));
      if (json["kind"] != "peer.online") {
        EXPECT_EQ(json["blob"], IdOf("x")) << line;
      }
    }
    return lines;
  };
  const std::string set_one = "ref.set one a/k", set_other = "ref.set other b",
                    deleted = "ref.deleted one a/k";
  EXPECT_THAT(events(""),
              testing::UnorderedElementsAre("blob.stored one a/k", set_one, set_other, deleted,
                                            "fetch.failed other -", "peer.online - -"));
  EXPECT_THAT(events("&kinds=ref.set"), testing::ElementsAre(set_one, set_other));
  EXPECT_THAT(events("&kinds=ref.deleted,ref.set&group=" + one),
              testing::ElementsAre(set_one, deleted));
  EXPECT_THAT(events("&group=" + other), testing::ElementsAre(set_other, "fetch.failed other -"));
  EXPECT_EQ(node.Status("GET", "/v1/events?kinds=ref.sat"), 400);
  EXPECT_EQ(node.Status("GET", "/v1/events?kinds="), 400);
  EXPECT_EQ(node.Status("GET", "/v1/events?group=" + std::string(64, 'a')), 404);
}

TEST_F(AppApiTest, EventsAreStreamedResumedAndGapsAreSaid) {
  Node node;
  const std::string auth = std::string("Authorization: Bearer ") + Node::kToken + "\r\n";
  RawClient live(node.app->bound_address());
  live.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n" + auth + "\r\n");
  while (live.buffered.find(": events") == std::string::npos) ASSERT_TRUE(live.Receive());
  const uint64_t before = node.parts->events.last_number();
  node.parts->events.Publish(base::EventKind::kFetchFailed, {{"what", "x"}});
  while (live.buffered.find("fetch.failed") == std::string::npos) ASSERT_TRUE(live.Receive());
  EXPECT_NE(live.buffered.find("text/event-stream"), std::string::npos);
  EXPECT_NE(live.buffered.find("id: boot-" + std::to_string(before + 1) +
                               "\nevent: fetch.failed\ndata: {"),
            std::string::npos)
      << live.buffered;

  RawClient resumed(node.app->bound_address());
  resumed.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: boot-" +
               std::to_string(before) + "\r\n" + auth + "\r\n");
  while (resumed.buffered.find("fetch.failed") == std::string::npos) ASSERT_TRUE(resumed.Receive());
  EXPECT_EQ(resumed.buffered.find("event: gap"), std::string::npos);

  RawClient other(node.app->bound_address());
  other.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: elsewhere-3\r\n" + auth +
             "\r\n");
  while (other.buffered.find("fetch.failed") == std::string::npos) ASSERT_TRUE(other.Receive());
  EXPECT_LT(other.buffered.find("event: gap"), other.buffered.find("fetch.failed"));

  RawClient bad(node.app->bound_address());
  EXPECT_EQ(bad.Get("/v1/events?since=x", auth).status, 400);
}

TEST_F(AppApiTest, ABlobHereIsDoneAtOnceInAStatusStream) {
  Node node;
  node.Call("POST", "/v1/blobs", "here");
  const auto reply =
      Send(node, {.method = "POST", .target = "/v1/blobs/" + IdOf("here") + "/fetch"});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Header("content-type"), "application/x-ndjson");
  EXPECT_EQ(reply.body, "{\"state\":\"done\"}\n");
}

}  // namespace
}  // namespace waypost::http
