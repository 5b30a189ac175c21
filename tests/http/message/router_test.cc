#include "http/message/router.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    for (const char* route :
         {"GET /v1/blobs", "POST /v1/blobs", "GET /v1/blobs/{id}", "PUT /v1/blobs/{id}",
          "POST /v1/blobs/{id}/fetch", "GET /v1/groups/{g}/refs", "POST /v1/groups/{g}/refs:batch",
          "GET /v1/groups/{g}/refs/{key...}", "DELETE /v1/groups/{g}/refs/{key...}",
          "PATCH /v1/groups/{g}/members/self", "DELETE /v1/groups/{g}/members/{p}",
          "HEAD /only-head"}) {
      const std::string text = route;
      const std::size_t space = text.find(' ');
      router_.Add({.method = std::string_view(route).substr(0, space),
                   .pattern = std::string_view(route).substr(space + 1),
                   .query = {"limit", "group..."},
                   .handler = [text](Request&) {
                     Response response;
                     response.body = text;
                     return response;
                   }});
    }
  }
  // The route that answered, or the status.
  std::string Ask(const std::string& method, const std::string& path) {
    request_ = Request();
    request_.method = method;
    request_.path = path;
    response_ = router_.Answer(request_);
    if (response_.status != 200) return std::to_string(response_.status);
    return std::get<std::string>(response_.body);
  }
  Router router_;
  Request request_;
  Response response_;
};

TEST_F(RouterTest, FindsRoutesByTheirSegments) {
  EXPECT_EQ(Ask("GET", "/v1/blobs"), "GET /v1/blobs");
  EXPECT_EQ(Ask("POST", "/v1/blobs"), "POST /v1/blobs");
  EXPECT_EQ(Ask("GET", "/v1/blobs/ab"), "GET /v1/blobs/{id}");
  EXPECT_EQ(request_.params["id"], "ab");
  EXPECT_EQ(Ask("POST", "/v1/blobs/ab/fetch"), "POST /v1/blobs/{id}/fetch");
  EXPECT_EQ(Ask("POST", "/v1/groups/g1/refs:batch"), "POST /v1/groups/{g}/refs:batch");
  EXPECT_EQ(request_.params["g"], "g1");
}

TEST_F(RouterTest, AKeyTakesTheRestDecodedOnce) {
  struct {
    const char* path;
    const char* key;
  } cases[] = {
      {"/v1/groups/g/refs/a", "a"},
      {"/v1/groups/g/refs/a/b/c", "a/b/c"},
      {"/v1/groups/g/refs/a%2Fb", "a/b"},
      {"/v1/groups/g/refs/a%252Fb", "a%2Fb"},
      {"/v1/groups/g/refs/a+b", "a+b"},
      {"/v1/groups/g/refs/../x/.", "../x/."},
      {"/v1/groups/g/refs//", "/"},
      {"/v1/groups/g/refs/", ""},
      {"/v1/groups/g/refs/%C3%A9", "\xC3\xA9"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Ask("GET", c.path), "GET /v1/groups/{g}/refs/{key...}") << c.path;
    EXPECT_EQ(request_.params["key"], c.key) << c.path;
  }
  EXPECT_EQ(Ask("GET", "/v1/groups/g/refs"), "GET /v1/groups/{g}/refs");
}

TEST_F(RouterTest, ALiteralGoesBeforeAParameterAndFallsBackToIt) {
  EXPECT_EQ(Ask("PATCH", "/v1/groups/g/members/self"), "PATCH /v1/groups/{g}/members/self");
  EXPECT_EQ(Ask("DELETE", "/v1/groups/g/members/self"), "DELETE /v1/groups/{g}/members/{p}");
  EXPECT_EQ(request_.params["p"], "self");
}

TEST_F(RouterTest, UnknownPathsAre404AndOtherMethods405WithAllow) {
  for (const char* path :
       {"/", "/v1", "/v1/blobs/", "/v1//blobs", "/v1/blobs/a/b", "/V1/blobs", ""}) {
    EXPECT_EQ(Ask("GET", path), "404") << path;
  }
  EXPECT_EQ(Ask("DELETE", "/v1/blobs"), "405");
  std::string allow;
  for (const auto& header : response_.headers) {
    if (header.first == "Allow") allow = header.second;
  }
  EXPECT_EQ(allow, "GET, HEAD, POST");
}

TEST_F(RouterTest, HeadGoesToGetUnlessItHasItsOwn) {
  EXPECT_EQ(Ask("HEAD", "/v1/blobs/ab"), "GET /v1/blobs/{id}");
  EXPECT_EQ(Ask("HEAD", "/only-head"), "HEAD /only-head");
  EXPECT_EQ(Ask("GET", "/only-head"), "405");
}

TEST_F(RouterTest, MalformedEscapesAndControlCharactersAreBadInput) {
  for (const char* path : {"/v1/blobs/%", "/v1/blobs/%4", "/v1/blobs/%zz", "/v1/blobs/%00",
                           "/v1/groups/g/refs/a%0d%0ab", "/v1/groups/g/refs/%7F"}) {
    EXPECT_EQ(Ask("GET", path), "400") << path;
  }
}

TEST_F(RouterTest, NamesOfRoutesAreBounded) {
  Request request;
  request.method = "GET";
  request.path = "/v1/blobs/whatever";
  EXPECT_EQ(router_.RouteName(request), "/v1/blobs/{id}");
  request.method = "BREW";
  EXPECT_EQ(router_.RouteName(request), "/v1/blobs/{id}");
  request.path = "/nothing";
  EXPECT_EQ(router_.RouteName(request), "none");
}

TEST_F(RouterTest, AQueryHasTheNamesThatTheRouteKnowsEachOnceOrMarkedForMore) {
  using Query = std::vector<std::pair<std::string, std::string>>;
  const auto ask = [&](Query query) {
    request_ = Request();
    request_.method = "GET";
    request_.path = "/v1/blobs";
    request_.query = std::move(query);
    response_ = router_.Answer(request_);
    return std::get<std::string>(response_.body);
  };
  EXPECT_EQ(ask({{"limit", "1"}}), "GET /v1/blobs");
  EXPECT_EQ(ask({{"group", "a"}, {"limit", "1"}, {"group", "b"}}), "GET /v1/blobs");
  EXPECT_NE(ask({{"limit", "1"}, {"limit", "1"}}).find("comes twice"), std::string::npos);
  EXPECT_EQ(response_.status, 400);
  for (const char* unknown : {"Limit", "group...", ""}) {
    EXPECT_NE(ask({{unknown, "1"}}).find("known are: limit, group..."), std::string::npos)
        << unknown;
    EXPECT_EQ(response_.status, 400);
  }
}

TEST(RouterGuardTest, IsAskedForTheRightBeforeAnythingIsTold) {
  Right has = Right::kAnybody;
  Router router([&has](const Request&, Right right) -> std::optional<Response> {
    if (right <= has) return std::nullopt;
    Response refused;
    refused.status = 403;
    return refused;
  });
  const auto handler = [](Request&) { return Response(); };
  router.Add({"GET", "/open", Right::kAnybody, {}, handler});
  router.Add({"GET", "/things", Right::kRead, {}, handler});
  router.Add({"POST", "/things", Right::kWrite, {}, handler});
  const auto ask = [&](const char* method, const char* path, const char* query = nullptr) {
    Request request;
    request.method = method;
    request.path = path;
    if (query != nullptr) request.query = {{query, ""}};
    return router.Answer(request).status;
  };
  EXPECT_EQ(ask("GET", "/open"), 200);
  for (const char* path : {"/things", "/none", "/%zz"}) EXPECT_EQ(ask("GET", path), 403) << path;
  EXPECT_EQ(ask("GET", "/things", "unknown"), 403);
  EXPECT_EQ(ask("DELETE", "/things"), 403);
  has = Right::kRead;
  EXPECT_EQ(ask("GET", "/things"), 200);
  EXPECT_EQ(ask("HEAD", "/things"), 200);
  EXPECT_EQ(ask("POST", "/things"), 403);
  EXPECT_EQ(ask("GET", "/none"), 404);
  EXPECT_EQ(ask("DELETE", "/things"), 405);
  has = Right::kWrite;
  EXPECT_EQ(ask("POST", "/things"), 200);
}

TEST_F(RouterTest, LongPathsWithManySegmentsAreHandled) {
  std::string path = "/v1/groups/g/refs";
  for (int i = 0; i < 100000; ++i) path += "/a";
  EXPECT_EQ(Ask("GET", path), "GET /v1/groups/{g}/refs/{key...}");
  EXPECT_EQ(request_.params["key"].size(), 199999u);
  EXPECT_EQ(Ask("GET", std::string(100000, '/')), "404");
}

}  // namespace
}  // namespace waypost::http
