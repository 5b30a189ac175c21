#include "http/app/app_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "http/message/text.h"
#include "tests/fakes/passing_file_system.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"
#include "tests/support/memory_body.h"
#include "tests/support/unwritable_index.h"

namespace waypost::http {
namespace {

std::string IdOf(const std::string& content) { return base::Sha256::Of(content).ToHex(); }

std::string FileOf(const Node& node, const std::string& id) {
  return absl::StrCat(node.folder.path(), "/blobs/", id.substr(0, 2), "/", id.substr(2, 2), "/",
                      id);
}

class AppApiTest : public testing::Test {
 protected:
  std::string NewGroup(Node& node, const std::string& name, const std::string& role = "normal") {
    return node.Call("POST", "/v1/groups",
                     "{\"name\":\"" + name + "\",\"role\":\"" + role + "\"}")["id"];
  }
  // The whole answer of one call.
  AppClient::Reply Send(Node& node, AppClient::Call call) {
    AppClient client = node.Client();
    auto reply = client.Send(call);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : AppClient::Reply();
  }
  std::string CodeOf(const AppClient::Reply& reply) {
    const Json json = Json::parse(reply.body, nullptr, false);
    return json.is_object() && json.contains("error") ? json["error"]["code"].get<std::string>()
                                                      : "";
  }
};

TEST_F(AppApiTest, PutsAndServesSmallAndLargeBlobs) {
  Node node;
  for (const std::string& content :
       {std::string("hello"), std::string(), std::string(100000, 'm'), std::string(3 << 20, 'L')}) {
    const auto put = Send(node, {.method = "POST", .target = "/v1/blobs", .body = content});
    EXPECT_EQ(put.status, 201);
    const Json json = Json::parse(put.body);
    EXPECT_EQ(json["id"], IdOf(content));
    EXPECT_EQ(json["size"], content.size());
    const auto again =
        Send(node, {.method = "PUT", .target = "/v1/blobs/" + IdOf(content), .body = content});
    EXPECT_EQ(again.status, 200);

    const auto get = Send(node, {.target = "/v1/blobs/sha256:" + IdOf(content)});
    EXPECT_EQ(get.status, 200);
    EXPECT_TRUE(get.body == content);
    EXPECT_EQ(get.Header("etag"), "\"" + IdOf(content) + "\"");
    EXPECT_EQ(get.Header("repr-digest"),
              "sha-256=:" + Base64(base::Sha256::Of(content).bytes()) + ":");
    EXPECT_EQ(get.Header("content-type"), "application/octet-stream");
    EXPECT_EQ(get.Header("cache-control"), "private, max-age=31536000, immutable");
    EXPECT_EQ(get.Header("x-content-type-options"), "nosniff");
    EXPECT_EQ(get.Header("content-security-policy"), "sandbox");
    EXPECT_EQ(get.Header("accept-ranges"), "bytes");
    const auto head = Send(node, {.method = "HEAD", .target = "/v1/blobs/" + IdOf(content)});
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.Header("content-length"), std::to_string(content.size()));
  }
}

TEST_F(AppApiTest, RangesAndConditionsOfABlob) {
  Node node;
  const std::string content = "0123456789";
  node.Call("POST", "/v1/blobs", content);
  const std::string target = "/v1/blobs/" + IdOf(content);
  const std::string etag = "\"" + IdOf(content) + "\"";
  struct {
    const char* name;
    std::vector<std::pair<std::string, std::string>> headers;
    int status;
    std::string body;
    std::string content_range;
  } cases[] = {
      {"part", {{"Range", "bytes=2-4"}}, 206, "234", "bytes 2-4/10"},
      {"suffix", {{"Range", "bytes=-3"}}, 206, "789", "bytes 7-9/10"},
      {"beyond", {{"Range", "bytes=10-"}}, 416, "", "bytes */10"},
      {"malformed is ignored", {{"Range", "bytes=x"}}, 200, content, ""},
      {"two", {{"Range", "bytes=0-1,2-3"}}, 416, "", ""},
      {"if-range of this blob",
       {{"Range", "bytes=2-4"}, {"If-Range", etag}},
       206,
       "234",
       "bytes 2-4/10"},
      {"if-range of another", {{"Range", "bytes=2-4"}, {"If-Range", "\"x\""}}, 200, content, ""},
      {"if-range weak", {{"Range", "bytes=2-4"}, {"If-Range", "W/" + etag}}, 200, content, ""},
      {"known already", {{"If-None-Match", etag}}, 304, "", ""},
      {"another known", {{"If-None-Match", "\"x\""}}, 200, content, ""},
  };
  for (const auto& c : cases) {
    AppClient::Call call{.target = target};
    call.headers = c.headers;
    const auto reply = Send(node, call);
    EXPECT_EQ(reply.status, c.status) << c.name;
    if (c.status != 416) {
      EXPECT_EQ(reply.body, c.body) << c.name;
    }
    if (!c.content_range.empty()) {
      EXPECT_EQ(reply.Header("content-range"), c.content_range) << c.name;
    }
  }
}

TEST_F(AppApiTest, WhichBlobsAreHere) {
  Node node;
  node.Call("POST", "/v1/blobs", "one");
  node.Call("POST", "/v1/blobs", "two");
  const auto have = [&](const Json& ids) {
    return node.Call("POST", "/v1/blobs:have", Json{{"ids", ids}}.dump())["here"];
  };
  EXPECT_EQ(have(Json::array()), Json::array());
  EXPECT_EQ(have({IdOf("three")}), Json::array());
  EXPECT_EQ(have({"sha256:" + IdOf("one"), IdOf("three"), IdOf("one")}), Json({IdOf("one")}));
  EXPECT_EQ(have({IdOf("one"), IdOf("two")}).size(), 2u);
  EXPECT_EQ(have(Json(1000, IdOf("one"))).size(), 1u);
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"ids":"x"})"), std::string(R"({"ids":[1]})"),
        std::string(R"({"ids":["abc"]})"), Json{{"ids", Json(1001, IdOf("one"))}}.dump()}) {
    EXPECT_EQ(node.Status("POST", "/v1/blobs:have", body), 400) << body.substr(0, 40);
  }
}

// Whoever asks would not send it, and it would stay rotten.
TEST_F(AppApiTest, WhatRottedIsNotSaidToBeHere) {
  Node node({.max_blob_bytes = uint64_t{128} << 20});
  const auto have = [&](const Json& ids) {
    return node.Call("POST", "/v1/blobs:have", Json{{"ids", ids}}.dump())["here"];
  };
  // More than is read for a question about many.
  const std::string large(65 << 20, 'l'), small(100'000, 's');
  for (const std::string& bytes : {small, large}) {
    node.Call("POST", "/v1/blobs", bytes);
    const std::string id = IdOf(bytes);
    EXPECT_EQ(have({id}), Json({id}));
    std::fstream(FileOf(node, id), std::ios::in | std::ios::out).seekp(500).write("rot", 3);
    EXPECT_EQ(have({id}), Json::array()) << bytes.size();
    EXPECT_EQ(node.Status("POST", "/v1/blobs", bytes), 200);
    EXPECT_EQ(have({id}), Json({id}));
    AppClient::Call mended{.target = "/v1/blobs/" + id};
    mended.headers = {{"Range", "bytes=0-999"}};
    EXPECT_EQ(Send(node, mended).body, bytes.substr(0, 1000));
  }
  // The first is read, and others as far as that goes; those not read are not said to be here.
  EXPECT_EQ(have({IdOf(small), IdOf(large)}), Json({IdOf(small)}));
  EXPECT_EQ(have({IdOf(large), IdOf(small)}), Json({IdOf(large)}));
}

// A clock by which everything takes long.
class HastyClock final : public base::Clock {
 public:
  base::WallTime WallNow() const override { return real_.WallNow(); }
  base::SteadyTime SteadyNow() const override {
    now_ += base::Millis(6'000);
    return now_;
  }
  bool WaitUntil(base::CondVar& changed, base::Mutex& mutex,
                 base::SteadyTime deadline) const override EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return real_.WaitUntil(changed, mutex, deadline);
  }

 private:
  const base::SystemClock real_{};
  mutable base::SteadyTime now_ = real_.SteadyNow();
};

TEST_F(AppApiTest, WhatTakesLongToReadIsReadInTurnsAndTheCallerHearsOfIt) {
  Node node;
  HastyClock clock;
  const auto api = node.MakeAppApi(clock);
  const std::string bytes(1 << 20, 'x');
  node.Call("POST", "/v1/blobs", bytes);
  const std::string ids = Json{{"ids", {IdOf(bytes)}}}.dump();
  support::MemoryBody body(ids);
  Request request{.method = "POST", .path = "/v1/blobs:have", .body = &body};
  request.headers = {{"host", node.app->bound_address()},
                     {"authorization", std::string("Bearer ") + Node::kToken}};
  Response response = api->Handle(request);
  const auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body);
  ASSERT_NE(later, nullptr);
  EXPECT_EQ((*later)->content_type(), "application/json");
  (*later)->Start([] {});
  std::string said;
  int turns = 0;
  for (bool end = false; !end; ++turns) {
    ASSERT_LT(turns, 100);
    Subscription::Result result = (*later)->Step(clock.SteadyNow());
    ASSERT_EQ(result.answer, nullptr);
    said += result.bytes;
    end = result.end;
  }
  // A piece at a time, and white space before the answer itself.
  EXPECT_GE(turns, 3);
  EXPECT_EQ(said[0], '\n');
  EXPECT_EQ(Json::parse(said, nullptr, false)["here"], Json({IdOf(bytes)}));
}

TEST_F(AppApiTest, WhatCannotBeReadIsNotSaidToBeHere) {
  Node node;
  const std::string one(100'000, '1'), two(100'000, '2');
  for (const std::string& bytes : {one, two}) node.Call("POST", "/v1/blobs", bytes);
  const auto have = [&](const std::string& bytes) {
    return node.Call("POST", "/v1/blobs:have", Json{{"ids", {IdOf(bytes)}}}.dump())["here"].size();
  };
  // The folder away, as a disk that is not mounted, before anybody has opened the file.
  const std::string blobs = node.folder / "blobs";
  std::filesystem::rename(blobs, blobs + ".away");
  EXPECT_EQ(have(one), 0u);
  std::filesystem::rename(blobs + ".away", blobs);
  EXPECT_TRUE(support::Eventually([&] { return have(one) == 1; }));
  // A file that does not open, also for root.
  EXPECT_EQ(have(two), 1u);
  std::filesystem::remove(FileOf(node, IdOf(two)));
  std::filesystem::create_symlink(IdOf(two), FileOf(node, IdOf(two)));
  EXPECT_EQ(have(two), 0u);
}

TEST_F(AppApiTest, ARefusedPutKeepsNothing) {
  Node node({.max_blob_bytes = 1000});
  EXPECT_EQ(node.Status("PUT", "/v1/blobs/xyz", "a"), 400);
  const auto wrong = Send(node, {.method = "PUT", .target = "/v1/blobs/" + IdOf("a"), .body = "b"});
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(CodeOf(wrong), "digest_mismatch");
  const auto large =
      Send(node, {.method = "POST", .target = "/v1/blobs", .body = std::string(1001, 'x')});
  EXPECT_EQ(large.status, 413);
  EXPECT_NE(large.body.find("store.max_blob"), std::string::npos) << large.body;
  RawClient raw(node.app->bound_address());
  raw.Send(std::string("POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ") +
           Node::kToken + "\r\n\r\n");
  EXPECT_EQ(raw.ReadAnswer().status, 411);
  RawClient shortened(node.app->bound_address());
  shortened.Send(
      std::string("POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ") +
      Node::kToken + "\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\nabc");
  shortened.FinishSending();
  EXPECT_EQ(shortened.ReadAnswer().status, 400);
  // Refused references take the blob with them.
  const std::string group = NewGroup(node, "g");
  EXPECT_EQ(node.Status("POST", "/v1/blobs?group=" + group + "&key=a%00b", "content"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/blobs?key=a", "content"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/blobs?group=" + std::string(64, 'a'), "content"), 404);
  EXPECT_EQ(node.Call("GET", "/v1/blobs")["items"].size(), 0u);
}

TEST_F(AppApiTest, BodiesThatComeInChunks) {
  Node node({.max_blob_bytes = 1 << 20});
  const auto head = [](const std::string& target, const std::string& more = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
           Node::kToken + "\r\nTransfer-Encoding: chunked\r\n" + more + "\r\n";
  };
  const auto chunk = [](const std::string& data) {
    char size[16];
    std::snprintf(size, sizeof(size), "%zx", data.size());
    return size + ("\r\n" + data + "\r\n");
  };
  RawClient raw(node.app->bound_address());
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{700'000}}) {
    const std::string content(size, 'c');
    std::string body;
    for (std::size_t at = 0; at < size; at += 100'000) body += chunk(content.substr(at, 100'000));
    // The next request of the connection begins right behind the last chunk.
    raw.Send(head("/v1/blobs") + body +
             "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto put = raw.ReadAnswer();
    EXPECT_EQ(put.status, 201) << put.body;
    EXPECT_EQ(Json::parse(put.body)["id"], IdOf(content));
    EXPECT_EQ(Json::parse(put.body)["size"], size);
    EXPECT_EQ(raw.ReadAnswer().status, 200);
    EXPECT_TRUE(Send(node, {.target = "/v1/blobs/" + IdOf(content)}).body == content);
  }
  // "100 Continue" is said to those too.
  raw.Send(head("/v1/groups", "Expect: 100-continue\r\n"));
  EXPECT_TRUE(Eventually([&] {
    return raw.buffered.find("100 Continue\r\n\r\n") != std::string::npos || !raw.Receive();
  }));
  raw.buffered.clear();
  raw.Send(chunk("{\"name\":") + chunk("\"by chunks\"}") + "0\r\n\r\n");
  EXPECT_EQ(raw.ReadAnswer().status, 201);

  struct {
    const char* name;
    std::string target, body;
    int status;
  } cases[] = {
      {"over store.max_blob", "/v1/blobs", chunk(std::string((1 << 20) + 1, 'x')), 413},
      {"malformed", "/v1/blobs", "5\r\nhello!\r\n0\r\n\r\n", 400},
      {"a size in two ways", "/v1/blobs", "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"cut", "/v1/blobs", "5\r\nhello\r\n", 400},
      {"JSON without end", "/v1/groups", chunk(std::string((1 << 20) + 1, ' ')), 413},
  };
  for (const auto& c : cases) {
    RawClient client(node.app->bound_address());
    client.Send(head(c.target) + c.body);
    client.FinishSending();
    const auto refused = client.ReadAnswer();
    EXPECT_EQ(refused.status, c.status) << c.name << refused.body;
    // What follows on this connection could be anything.
    EXPECT_TRUE(client.Closed()) << c.name;
  }
  EXPECT_EQ(node.Status("GET", "/v1/blobs/" + IdOf("hello")), 404);
  RawClient both(node.app->bound_address());
  both.Send(head("/v1/blobs", "Content-Length: 5\r\n") + "0\r\n\r\n");
  EXPECT_EQ(both.ReadAnswer().status, 400);
  RawClient peer(node.peer->bound_address());
  peer.Send("POST /peer/v1/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(peer.ReadAnswer().status, 411);
}

TEST_F(AppApiTest, EveryAnswerHasTheTimeAndAnIdOfItsOwn) {
  Node node;
  std::set<std::string> ids;
  RawClient raw(node.app->bound_address());
  const std::string auth = std::string("Authorization: Bearer ") + Node::kToken + "\r\n";
  const auto check = [&](const RawClient::Answer& answer, int status) {
    EXPECT_EQ(answer.status, status) << answer.body;
    const auto id = answer.headers.find("waypost-request-id");
    ASSERT_TRUE(id != answer.headers.end()) << status;
    EXPECT_TRUE(ids.insert(id->second).second) << id->second;
    const auto date = answer.headers.find("date");
    ASSERT_TRUE(date != answer.headers.end()) << status;
    EXPECT_EQ(date->second.size(), std::string("Sun, 06 Nov 1994 08:49:37 GMT").size());
    if (status < 400) return;
    EXPECT_EQ(Json::parse(answer.body)["error"]["request_id"], id->second) << answer.body;
  };
  check(raw.Get("/v1/status", auth), 200);
  check(raw.Get("/v1/status"), 401);
  check(raw.Get("/healthz"), 200);
  check(raw.Get("/v1/blobs/" + IdOf("not here") + "?fetch=never", auth), 404);
  raw.Send("POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\n" + auth + "Content-Length: 1\r\n\r\nx");
  check(raw.ReadAnswer(), 201);
  raw.Send("GET / HTTP/1.1\r\n\r\n");
  check(raw.ReadAnswer(), 400);
  RawClient stream(node.app->bound_address());
  stream.Send("GET /v1/events HTTP/1.0\r\nHost: localhost\r\n" + auth + "\r\n");
  EXPECT_TRUE(Eventually([&] {
    return stream.buffered.find("Waypost-Request-Id: ") != std::string::npos || !stream.Receive();
  })) << stream.buffered;
  EXPECT_NE(stream.buffered.find("\r\nDate: "), std::string::npos) << stream.buffered;
  EXPECT_FALSE(RawClient(node.peer->bound_address()).Get("/").headers.contains("date"));
}

TEST_F(AppApiTest, EventsSayWhereAndCanBeChosen) {
  Node node;
  const std::string one = NewGroup(node, "one"), other = NewGroup(node, "other");
  const uint64_t begin = node.parts->events.last_number();
  node.Call("POST", "/v1/blobs?group=" + one + "&key=a/k", "x");
  node.Call("PUT", "/v1/groups/" + other + "/refs/b", "{\"blob\":\"" + IdOf("x") + "\"}");
  node.Call("DELETE", "/v1/groups/" + one + "/refs/a/k");
  node.parts->events.Publish("fetch.failed", {{"blob", IdOf("x")}});
  node.parts->events.Publish("peer.online", {});
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

TEST_F(AppApiTest, PagesOfAllowedOriginsMayCallAndNoOthers) {
  Node node;
  const std::string mine = "https://app.example.org", other = "https://elsewhere.example.org";
  const auto call = [&](const std::string& method, const std::string& target,
                        const std::string& origin, const std::string& more = "",
                        const std::string& host = "localhost") {
    RawClient raw(node.app->bound_address());
    raw.Send(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: " + origin +
             "\r\n" + more + "\r\n");
    return raw.ReadAnswer();
  };
  const std::string auth = std::string("Authorization: Bearer ") + Node::kToken + "\r\n";
  const std::string asks =
      "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n";
  EXPECT_EQ(call("GET", "/v1/status", mine, auth).status, 403);
  EXPECT_EQ(call("GET", "/v1/status", "http://localhost", auth, "nas.example.org").status, 403);

  node.sites.Set({.hosts = {"nas.example.org"}, .origins = {mine}});
  EXPECT_EQ(call("GET", "/v1/status", "https://nas.example.org", auth, "nas.example.org").status,
            200);
  auto preflight = call("OPTIONS", "/v1/blobs", mine, asks);
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers["access-control-allow-origin"], mine);
  EXPECT_EQ(preflight.headers["vary"], "Origin");
  EXPECT_NE(preflight.headers["access-control-allow-headers"].find("Authorization"),
            std::string::npos);
  EXPECT_NE(preflight.headers["access-control-allow-methods"].find("PUT"), std::string::npos);
  EXPECT_EQ(call("OPTIONS", "/v1/blobs", other, asks).status, 403);
  EXPECT_EQ(call("OPTIONS", "/v1/blobs", mine, asks, "evil.example.org").status, 403);

  auto status = call("GET", "/v1/status", mine, auth);
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.headers["access-control-allow-origin"], mine);
  EXPECT_NE(status.headers["access-control-expose-headers"].find("ETag"), std::string::npos);
  EXPECT_FALSE(status.headers.contains("access-control-allow-credentials"));
  // So that the page learns why; and an answer that comes later.
  EXPECT_EQ(call("GET", "/v1/status", mine).headers["access-control-allow-origin"], mine);
  auto later = call("GET", "/v1/complete?wait=10ms", mine, auth);
  EXPECT_EQ(later.headers["access-control-allow-origin"], mine);
  RawClient stream(node.app->bound_address());
  stream.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nOrigin: " + mine + "\r\n" + auth +
              "\r\n");
  EXPECT_TRUE(Eventually([&] {
    return stream.buffered.find("Access-Control-Allow-Origin: " + mine) != std::string::npos ||
           !stream.Receive();
  })) << stream.buffered;

  node.sites.Set({});
  EXPECT_EQ(call("GET", "/v1/status", mine, auth).status, 403);
  EXPECT_FALSE(
      call("GET", "/v1/status", other, auth).headers.contains("access-control-allow-origin"));
}

TEST_F(AppApiTest, TheEnvelopeOfAFormIsNoBlob) {
  Node node;
  const auto put = [&](const std::string& method, const std::string& target,
                       const std::string& type) {
    return Send(node, {.method = method,
                       .target = target,
                       .body = std::string("--b\r\nbytes\r\n--b--"),
                       .content_type = type});
  };
  for (const char* type : {"multipart/form-data; boundary=b", "Multipart/Form-Data ;boundary=b"}) {
    for (const std::string& target : {std::string("/v1/blobs"), "/v1/blobs/" + IdOf("x")}) {
      const auto refused = put(target == "/v1/blobs" ? "POST" : "PUT", target, type);
      EXPECT_EQ(refused.status, 415) << type;
      EXPECT_EQ(CodeOf(refused), "unsupported_media_type");
      EXPECT_NE(refused.body.find("-T FILE"), std::string::npos) << refused.body;
    }
  }
  EXPECT_EQ(node.Call("GET", "/v1/blobs")["items"].size(), 0u);
  EXPECT_EQ(put("POST", "/v1/blobs", "application/x-www-form-urlencoded").status, 201);
}

TEST_F(AppApiTest, AFullDiskIsToldBeforeTheBody) {
  Node node({.min_free_bytes = uint64_t{1} << 60});
  const auto reply = Send(node, {.method = "POST", .target = "/v1/blobs", .body = "x"});
  EXPECT_EQ(reply.status, 507);
  EXPECT_EQ(CodeOf(reply), "no_space");
  EXPECT_NE(reply.body.find("store.min_free"), std::string::npos) << reply.body;
}

TEST_F(AppApiTest, BlobsAreListedInPages) {
  Node node;
  const std::string group = NewGroup(node, "g");
  std::set<std::string> all, of_group;
  for (int i = 0; i < 25; ++i) {
    const std::string content = "blob " + std::to_string(i);
    all.insert(IdOf(content));
    const bool in_group = i % 5 == 0;
    if (in_group) of_group.insert(IdOf(content));
    node.Call("POST", in_group ? "/v1/blobs?group=" + group : "/v1/blobs", content);
  }
  const auto walk = [&](const std::string& query) {
    std::set<std::string> seen;
    std::string cursor;
    for (int page = 0; page < 50; ++page) {
      const Json json = node.Call(
          "GET", "/v1/blobs?limit=4" + query + (cursor.empty() ? "" : "&cursor=" + cursor));
      EXPECT_LE(json["items"].size(), 4u);
      for (const Json& item : json["items"]) EXPECT_TRUE(seen.insert(item["id"]).second);
      if (json["next"].is_null()) break;
      cursor = json["next"];
    }
    return seen;
  };
  EXPECT_EQ(walk(""), all);
  EXPECT_EQ(walk("&group=" + group), of_group);
  EXPECT_EQ(node.Status("GET", "/v1/blobs?limit=0"), 400);
  EXPECT_EQ(node.Status("GET", "/v1/blobs?limit=1001"), 400);
  EXPECT_EQ(node.Status("GET", "/v1/blobs?cursor=%2F%2F"), 400);
  EXPECT_EQ(node.Status("GET", "/v1/blobs?colour=red"), 400);
}

TEST_F(AppApiTest, GroupsAndReferences) {
  Node node;
  const auto created =
      Send(node, {.method = "POST",
                  .target = "/v1/groups",
                  .body = "{\"name\":\"photos\",\"description\":\"d\",\"role\":\"server\"}"});
  EXPECT_EQ(created.status, 201);
  const Json group = Json::parse(created.body);
  EXPECT_EQ(group["name"], "photos");
  EXPECT_EQ(group["role"], "server");
  EXPECT_EQ(group["authority"], "admin");
  EXPECT_EQ(group["members"], 1);
  EXPECT_FALSE(group["public"].get<bool>());
  const std::string id = group["id"];
  const auto twice =
      Send(node, {.method = "POST", .target = "/v1/groups", .body = "{\"name\":\"photos\"}"});
  EXPECT_EQ(twice.status, 409);
  EXPECT_EQ(CodeOf(twice), "already_exists");
  EXPECT_EQ(node.Status("POST", "/v1/groups?duplicate=true", "{\"name\":\"photos\"}"), 201);
  EXPECT_EQ(node.Call("GET", "/v1/groups")["items"].size(), 2u);

  node.Call("POST", "/v1/blobs", "content");
  const std::string refs = "/v1/groups/" + id + "/refs";
  const Json ref = node.Call("PUT", refs + "/a/b%2Fc+d", "{\"blob\":\"" + IdOf("content") + "\"}");
  EXPECT_EQ(ref["key"], "a/b/c+d");
  EXPECT_EQ(ref["blob"], IdOf("content"));
  EXPECT_EQ(ref["size"], 7);
  EXPECT_EQ(ref["origin"], node.identity->peer_id().ToHex());
  EXPECT_EQ(node.Call("GET", refs + "/a/b/c+d"), ref);
  EXPECT_EQ(Send(node, {.target = refs + "/a/b/c+d?content"}).body, "content");
  EXPECT_EQ(node.Call("GET", refs + "?prefix=a/")["items"].size(), 1u);
  EXPECT_EQ(node.Call("GET", refs + "?prefix=b")["items"].size(), 0u);
  EXPECT_EQ(node.Status("DELETE", refs + "/a/b/c+d"), 204);
  EXPECT_EQ(node.Status("GET", refs + "/a/b/c+d"), 404);
  EXPECT_EQ(node.Status("DELETE", refs + "/a/b/c+d"), 404);
  EXPECT_EQ(node.Status("PUT", refs + "/" + std::string(401, 'k'),
                        "{\"blob\":\"" + IdOf("content") + "\"}"),
            400);
  EXPECT_EQ(node.Status("PUT", refs + "/", "{\"blob\":\"" + IdOf("content") + "\"}"), 400);
  EXPECT_EQ(node.Status("PUT", refs + "/%FF", "{\"blob\":\"" + IdOf("content") + "\"}"), 400);
}

TEST_F(AppApiTest, ABatchIsAllOrNothing) {
  Node node;
  const std::string refs = "/v1/groups/" + NewGroup(node, "g") + "/refs";
  const std::string blob = IdOf("x");
  std::string puts;
  for (int i = 0; i < 1000; ++i) {
    puts += (i ? "," : "") + std::string("{\"key\":\"k") + std::to_string(i) + "\",\"blob\":\"" +
            blob + "\"}";
  }
  const Json done = node.Call("POST", refs + ":batch", "{\"put\":[" + puts + "]}");
  EXPECT_EQ(done["put"], 1000);
  EXPECT_EQ(node.Status("POST", refs + ":batch", "{\"put\":[" + puts + "],\"delete\":[\"k0\"]}"),
            400);
  const std::string bad =
      "{\"put\":[{\"key\":\"new\",\"blob\":\"" + blob + "\"}],\"delete\":[\"not there\"]}";
  EXPECT_EQ(node.Status("POST", refs + ":batch", bad), 404);
  EXPECT_EQ(node.Status("GET", refs + "/new"), 404);
  const auto named =
      Send(node, {.method = "POST",
                  .target = refs + ":batch",
                  .body = "{\"put\":[{\"key\":\"a\",\"blob\":\"" + blob + "\"},{\"key\":\"b\"}]}"});
  EXPECT_EQ(named.status, 400);
  EXPECT_NE(named.body.find("put[1]"), std::string::npos) << named.body;
  EXPECT_EQ(node.Call("GET", refs + "?limit=1000")["items"].size(), 1000u);
}

TEST_F(AppApiTest, HostileJsonIsRefusedWithWhatIsWrong) {
  Node node;
  struct {
    std::string body;
    const char* says;
  } cases[] = {
      {"{", "no JSON"},
      {"[]", "object"},
      {"\"x\"", "object"},
      {"{\"name\":\"a\"} x", "no JSON"},
      {"{\"name\":1}", "\\\"name\\\" must be a string"},
      {"{\"name\":\"a\",\"public\":\"yes\"}", "\\\"public\\\" must be true or false"},
      {"{\"name\":\"a\",\"colour\":\"red\"}", "unknown key \\\"colour\\\""},
      {"{\"name\":\"a\",\"name\":\"b\"}", "comes twice"},
      {"{\"name\":\"a\",\"role\":\"boss\"}", "server, normal or leaf"},
      {"{}", "\\\"name\\\" is needed"},
      {"{\"name\":\"\"}", "1 to 200 bytes"},
      {"{\"name\":\"" + std::string(201, 'n') + "\"}", "1 to 200 bytes"},
      {"{\"name\":\"\xFF\"}", "no JSON"},
      {"{\"name\":" + std::string(100000, '[') + std::string(100000, ']') + "}", "nested deeper"},
      {"{\"name\":NaN}", "no JSON"},
      {"{'name':'a'}", "no JSON"},
  };
  for (const auto& c : cases) {
    const auto reply = Send(node, {.method = "POST", .target = "/v1/groups", .body = c.body});
    EXPECT_EQ(reply.status, 400) << c.body.substr(0, 80);
    EXPECT_NE(reply.body.find(c.says), std::string::npos) << c.body.substr(0, 80) << reply.body;
  }
  EXPECT_EQ(node.Status("POST", "/v1/groups", std::string((1 << 20) + 1, ' ')), 413);
  EXPECT_EQ(node.Call("GET", "/v1/groups")["items"].size(), 0u);
}

TEST_F(AppApiTest, OnlyTokensMayAndTheReadTokenOnlyReads) {
  Node node;
  struct {
    const char* name;
    std::string method, target, headers;
    int status;
  } cases[] = {
      {"no token", "GET", "/v1/status", "", 401},
      {"wrong token", "GET", "/v1/status", "Authorization: Bearer x\r\n", 401},
      {"right token in another scheme", "GET", "/v1/status",
       std::string("Authorization: Basic ") + Node::kToken + "\r\n", 401},
      {"a prefix of the token", "GET", "/v1/status",
       std::string("Authorization: Bearer ") + std::string(Node::kToken).substr(0, 15) + "\r\n",
       401},
      {"token", "GET", "/v1/status", std::string("Authorization: bearer ") + Node::kToken + "\r\n",
       200},
      {"read token", "GET", "/v1/status",
       std::string("Authorization: Bearer ") + Node::kReadToken + "\r\n", 200},
      {"read token scrapes", "GET", "/metrics",
       std::string("Authorization: Bearer ") + Node::kReadToken + "\r\n", 200},
      {"read token does not write", "POST", "/v1/scan",
       std::string("Authorization: Bearer ") + Node::kReadToken + "\r\n", 403},
      {"unknown path without a token", "GET", "/nothing", "", 401},
      {"health needs none", "GET", "/healthz", "", 200},
      {"readiness needs none", "GET", "/readyz", "", 200},
      {"foreign origin", "GET", "/v1/status",
       std::string("Origin: http://evil.example\r\nAuthorization: Bearer ") + Node::kToken + "\r\n",
       403},
      {"origin null", "GET", "/healthz", "Origin: null\r\n", 403},
      {"own origin", "GET", "/healthz", "Origin: http://localhost\r\n", 200},
  };
  for (const auto& c : cases) {
    RawClient client(node.app->bound_address());
    client.Send(c.method + " " + c.target + " HTTP/1.1\r\nHost: localhost\r\n" + c.headers +
                "\r\n");
    EXPECT_EQ(client.ReadAnswer().status, c.status) << c.name;
  }
  struct {
    const char* host;
    int status;
  } hosts[] = {{"localhost", 200},   {"LOCALHOST:1", 200},  {"127.0.0.1:99", 200},
               {"[::1]:7440", 200},  {"evil.example", 403}, {"127.0.0.1.evil.example", 403},
               {"localhost:x", 403}, {"10.0.0.1", 403}};
  for (const auto& h : hosts) {
    RawClient client(node.app->bound_address());
    client.Send(std::string("GET /healthz HTTP/1.1\r\nHost: ") + h.host + "\r\n\r\n");
    EXPECT_EQ(client.ReadAnswer().status, h.status) << h.host;
  }
}

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

TEST_F(AppApiTest, ABlobHereIsDoneAtOnceInAStatusStream) {
  Node node;
  node.Call("POST", "/v1/blobs", "here");
  const auto reply =
      Send(node, {.method = "POST", .target = "/v1/blobs/" + IdOf("here") + "/fetch"});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Header("content-type"), "application/x-ndjson");
  EXPECT_EQ(reply.body, "{\"state\":\"done\"}\n");
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

TEST_F(AppApiTest, EventsAreStreamedResumedAndGapsAreSaid) {
  Node node;
  const std::string auth = std::string("Authorization: Bearer ") + Node::kToken + "\r\n";
  RawClient live(node.app->bound_address());
  live.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n" + auth + "\r\n");
  while (live.buffered.find(": events") == std::string::npos) ASSERT_TRUE(live.Receive());
  const uint64_t before = node.parts->events.last_number();
  node.parts->events.Publish("test.one", {{"what", "x"}});
  while (live.buffered.find("test.one") == std::string::npos) ASSERT_TRUE(live.Receive());
  EXPECT_NE(live.buffered.find("text/event-stream"), std::string::npos);
  EXPECT_NE(
      live.buffered.find("id: boot-" + std::to_string(before + 1) + "\nevent: test.one\ndata: {"),
      std::string::npos)
      << live.buffered;

  RawClient resumed(node.app->bound_address());
  resumed.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: boot-" +
               std::to_string(before) + "\r\n" + auth + "\r\n");
  while (resumed.buffered.find("test.one") == std::string::npos) ASSERT_TRUE(resumed.Receive());
  EXPECT_EQ(resumed.buffered.find("event: gap"), std::string::npos);

  RawClient other(node.app->bound_address());
  other.Send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: elsewhere-3\r\n" + auth +
             "\r\n");
  while (other.buffered.find("test.one") == std::string::npos) ASSERT_TRUE(other.Receive());
  EXPECT_LT(other.buffered.find("event: gap"), other.buffered.find("test.one"));

  RawClient bad(node.app->bound_address());
  EXPECT_EQ(bad.Get("/v1/events?since=x", auth).status, 400);
}

// Two peers: what one puts and mentions, the other fetches, serves and counts as held.
TEST_F(AppApiTest, TwoPeersJoinFetchAndAgree) {
  Node laptop({.name = "laptop"}), server({.name = "server"});
  const std::string group = NewGroup(laptop, "photos");
  const auto invited = Send(laptop, {.method = "POST",
                                     .target = "/v1/groups/" + group + "/invites",
                                     .body = "{\"role\":\"server\"}"});
  EXPECT_EQ(invited.status, 201);
  const std::string invite = Json::parse(invited.body)["invite"];
  const Json joined = server.Call("POST", "/v1/join", "{\"invite\":\"" + invite + "\"}");
  EXPECT_EQ(joined["id"], group);
  EXPECT_EQ(joined["role"], "server");
  // The same again for the same peer.
  EXPECT_EQ(server.Call("POST", "/v1/join", "{\"invite\":\"" + invite + "\"}")["id"], group);

  const std::string small = "small file", large(2 << 20, 'B');
  laptop.Call("POST", "/v1/blobs?group=" + group + "&key=small", small);
  laptop.Call("POST", "/v1/blobs?group=" + group + "&key=large", large);
  const Json held = laptop.Call("GET", "/v1/groups/" + group + "/held?servers=1&wait=30s");
  EXPECT_EQ(held["held"], true) << held;
  EXPECT_EQ(held["blobs"], 2);
  const Json complete = server.Call("GET", "/v1/complete?group=" + group + "&wait=30s");
  EXPECT_EQ(complete["complete"], true) << complete;
  EXPECT_EQ(complete["heard"].size(), 1u);
  EXPECT_EQ(Send(server, {.target = "/v1/blobs/" + IdOf(small)}).body, small);
  EXPECT_TRUE(Send(server, {.target = "/v1/groups/" + group + "/refs/large?content"}).body ==
              large);
  const Json members = server.Call("GET", "/v1/groups/" + group + "/members");
  ASSERT_EQ(members["items"].size(), 2u);
  const Json peers = server.Call("GET", "/v1/peers");
  ASSERT_EQ(peers["items"].size(), 1u);
  EXPECT_EQ(peers["items"][0]["peer"], laptop.identity->peer_id().ToHex());
  EXPECT_EQ(peers["items"][0]["online"], true);
  EXPECT_GT(peers["items"][0]["bytes_in"], large.size());

  // A peer that is no server fetches on demand: the status stream ends with done, and so does a
  // plain GET.
  Node phone({.name = "phone"});
  const std::string second =
      laptop.Call("POST", "/v1/groups/" + group + "/invites", "{}")["invite"];
  EXPECT_EQ(
      phone.Call("POST", "/v1/join", "{\"invite\":\"" + second + "\",\"role\":\"leaf\"}")["role"],
      "leaf");
  ASSERT_TRUE(Eventually(
      [&] { return phone.Status("GET", "/v1/groups/" + group + "/refs/large") == 200; }));
  std::vector<std::string> lines;
  AppClient::Call fetch{.method = "POST", .target = "/v1/blobs/" + IdOf(large) + "/fetch"};
  fetch.line_sink = [&](std::string_view line) {
    lines.emplace_back(line);
    return absl::OkStatus();
  };
  AppClient client = phone.Client();
  ASSERT_TRUE(client.Must(fetch).ok());
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "{\"state\":\"done\"}");
  EXPECT_EQ(Send(phone, {.target = "/v1/groups/" + group + "/refs/small?content&timeout=30s"}).body,
            small);

  EXPECT_EQ(server.Status("POST", "/v1/groups/" + group + "/leave"), 204);
  EXPECT_EQ(server.Status("GET", "/v1/groups/" + group), 404);
}

TEST_F(AppApiTest, AGroupsSettingsChange) {
  Node node;
  const std::string group = NewGroup(node, "g");
  const std::string path = "/v1/groups/" + group;
  EXPECT_EQ(node.Call("GET", path)["inviters"], "admin");
  const Json changed = node.Call(
      "PATCH", path, R"({"name":"h","description":"d","public":true,"inviters":"reader"})");
  EXPECT_EQ(changed["name"], "h");
  EXPECT_EQ(changed["description"], "d");
  EXPECT_EQ(changed["public"], true);
  EXPECT_EQ(changed["inviters"], "reader");
  EXPECT_EQ(node.Call("PATCH", path, R"({"public":false})")["name"], "h");
  for (const char* bad : {"{}", R"({"name":""})", R"({"inviters":"owner"})", R"({"public":"yes"})",
                          R"({"role":"server"})"}) {
    EXPECT_EQ(node.Status("PATCH", path, bad), 400) << bad;
  }
  EXPECT_EQ(node.Status("PATCH", "/v1/groups/" + std::string(64, 'a'), R"({"name":"x"})"), 404);
  NewGroup(node, "taken");
  EXPECT_EQ(node.Status("PATCH", path, R"({"name":"taken"})"), 409);
}

TEST_F(AppApiTest, BadInvitesAreNamed) {
  Node node;
  EXPECT_EQ(node.Status("POST", "/v1/join", "{\"invite\":\"nonsense\"}"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/join", "{}"), 400);
  const std::string group = NewGroup(node, "g");
  EXPECT_EQ(node.Status("POST", "/v1/groups/" + group + "/invites", "{\"uses\":0}"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/groups/" + group + "/invites", "{\"uses\":1.5}"), 400);
  EXPECT_EQ(node.Status("POST", "/v1/groups/" + group + "/invites", "{\"expires\":\"never\"}"),
            400);
  EXPECT_EQ(node.Status("PATCH", "/v1/groups/" + group + "/members/self", "{}"), 400);
  EXPECT_EQ(node.Status("DELETE", "/v1/groups/" + group + "/members/xyz"), 400);
}

TEST_F(AppApiTest, AnInviterThatIsAwayIs504) {
  std::string invite;
  {
    Node inviter;
    const std::string group = NewGroup(inviter, "g");
    invite = inviter.Call("POST", "/v1/groups/" + group + "/invites", "{}")["invite"];
  }
  Node node;
  const auto reply = Send(
      node, {.method = "POST", .target = "/v1/join", .body = "{\"invite\":\"" + invite + "\"}"});
  EXPECT_EQ(reply.status, 504);
  EXPECT_EQ(CodeOf(reply), "deadline_exceeded");
}

// Of the peer listener: a blob is given to members only, and missing looks like forbidden.
TEST_F(AppApiTest, PeersGetBlobsOnlyUnderTheirGroups) {
  Node node;
  const std::string group = NewGroup(node, "g");
  node.Call("POST", "/v1/blobs?group=" + group, "secret");
  const std::string self = "Waypost-Peer: " + node.identity->peer_id().ToHex() + "\r\n";
  const std::string stranger = "Waypost-Peer: " + std::string(64, 'a') + "\r\n";
  const std::string here = "/peer/v1/blobs/" + IdOf("secret") + "?group=" + group;
  const std::string nowhere = "/peer/v1/blobs/" + IdOf("nothing") + "?group=" + group;
  RawClient client(node.peer->bound_address());
  const auto granted = client.Get(here, self);
  EXPECT_EQ(granted.status, 200);
  EXPECT_EQ(granted.body, "secret");
  EXPECT_EQ(granted.headers.at("waypost-groups"), group);
  const auto part = client.Get(here, self + "Range: bytes=3-\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "ret");
  const auto forbidden = client.Get(here, stranger);
  const auto missing = client.Get(nowhere, stranger);
  EXPECT_EQ(forbidden.status, 404);
  EXPECT_EQ(forbidden.status, missing.status);
  EXPECT_EQ(forbidden.body, missing.body);
  EXPECT_EQ(forbidden.headers, missing.headers);
  EXPECT_EQ(client.Get("/peer/v1/blobs/" + IdOf("secret"), self).status, 400);
  EXPECT_EQ(client.Get(here).status, 401);
  // A request for a blob is a sign of life, as any other.
  const base::PeerId known = *base::PeerId::FromHex(std::string(64, 'b'));
  node.parts->peers->SetProfile(known, "known", {});
  ASSERT_EQ(node.parts->peers->Find(known)->last_seen, base::kNever);
  client.Get(nowhere, "Waypost-Peer: " + known.ToHex() + "\r\n");
  EXPECT_NE(node.parts->peers->Find(known)->last_seen, base::kNever);
  client.Send("POST /peer/v1/hello HTTP/1.1\r\nHost: a\r\n" + self +
              "Content-Length: 5\r\n\r\n\xFF\xFF\xFF\xFF\xFF");
  EXPECT_EQ(client.ReadAnswer().status, 400);
  client.Send("POST /peer/v1/sync HTTP/1.1\r\nHost: a\r\n" + self +
              "Content-Length: 99999999\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().status, 413);
}

}  // namespace
}  // namespace waypost::http
