#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/sha256.h"
#include "http/app/app_api.h"
#include "http/message/text.h"
#include "tests/http/app/app_fixture.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"
#include "tests/support/memory_body.h"

// Blobs: put, read, asked for, listed; what is refused and what rotted.
namespace waypost::http {
namespace {

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

}  // namespace
}  // namespace waypost::http
