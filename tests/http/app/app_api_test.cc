#include "http/app/app_api.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/http/app/app_fixture.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"

// What holds for every call: who may, from where, and what an answer always has.
namespace waypost::http {
namespace {

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

}  // namespace
}  // namespace waypost::http
