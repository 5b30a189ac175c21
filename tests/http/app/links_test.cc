// Links: who has the text of one reads one thing, as far as whoever made it could.
#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "http/app/link_store.h"
#include "http/app/token_store.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"

namespace waypost::http {
namespace {

class LinksTest : public testing::Test {
 protected:
  LinksTest() {
    mine_ = node_.Call("POST", "/v1/groups", "{\"name\":\"mine\"}")["id"];
    theirs_ = node_.Call("POST", "/v1/groups", "{\"name\":\"theirs\"}")["id"];
    node_.Call("POST", "/v1/blobs?group=" + mine_ + "&key=photos/a.jpg", "picture");
    node_.Call("POST", "/v1/blobs?group=" + theirs_ + "&key=b", "other");
  }
  static std::string HashOf(const std::string& content) {
    return base::Sha256::Of(content).ToHex();
  }
  std::string TokenFor(const std::string& name, const std::string& rest) {
    return node_.Call("POST", "/v1/tokens", "{\"name\":\"" + name + "\"," + rest + "}")["token"];
  }
  AppClient::Reply Ask(const std::string& token, const std::string& method,
                       const std::string& target, const std::string& body = "") {
    return node_.Ask(token, method, target, body);
  }
  Json Make(const std::string& body, const std::string& token = Node::kToken) {
    const auto reply = Ask(token, "POST", "/v1/links", body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }
  std::string KeyLink(const std::string& rest = "") {
    return "{\"group\":\"" + mine_ + "\",\"key\":\"photos/a.jpg\"" + rest + "}";
  }
  RawClient::Answer Open(const Json& link, const std::string& rest = "", bool head = false) {
    RawClient raw(node_.app->bound_address());
    raw.Send((head ? "HEAD " : "GET ") + link["url"].get<std::string>() + rest +
             " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return raw.ReadAnswer(head);
  }

  Node node_;
  std::string mine_, theirs_;
};

TEST_F(LinksTest, ALinkIsReadWithoutATokenAndFollowsItsKey) {
  const Json link = Make(KeyLink());
  EXPECT_TRUE(link["url"].get<std::string>().starts_with("/s/"));
  auto opened = Open(link);
  EXPECT_EQ(opened.status, 200);
  EXPECT_EQ(opened.body, "picture");
  EXPECT_EQ(opened.headers["content-type"], "image/jpeg");
  EXPECT_EQ(opened.headers["cache-control"], "no-cache");
  EXPECT_EQ(opened.headers["referrer-policy"], "no-referrer");
  EXPECT_EQ(opened.headers["content-security-policy"], "sandbox");
  EXPECT_TRUE(Open(link, "?download").headers["content-disposition"].starts_with("attachment"));
  EXPECT_EQ(Open(link, "", /*head=*/true).headers["content-length"], "7");
  node_.Call("POST", "/v1/blobs?group=" + mine_ + "&key=photos/a.jpg", "newer");
  EXPECT_EQ(Open(link).body, "newer");
  EXPECT_EQ(node_.Status("DELETE", "/v1/groups/" + mine_ + "/refs/photos/a.jpg"), 204);
  EXPECT_EQ(Open(link).status, 404);
  const Json blob = Make("{\"blob\":\"" + HashOf("picture") + "\"}");
  EXPECT_EQ(Open(blob).body, "picture");
  EXPECT_EQ(Open(blob).headers["cache-control"], "no-cache");
  Json other = link;
  other["url"] = "/s/" + std::string(64, 'a');
  EXPECT_EQ(Open(other).status, 404);
}

TEST_F(LinksTest, ALinkOpensNoMoreThanItsMakerCouldRead) {
  const std::string token = TokenFor("t", "\"rights\":\"write\",\"groups\":[\"" + mine_ + "\"]");
  EXPECT_EQ(Open(Make(KeyLink(), token)).body, "picture");
  EXPECT_EQ(Ask(token, "POST", "/v1/links", "{\"blob\":\"" + HashOf("other") + "\"}").status, 404);
  EXPECT_EQ(Ask(token, "POST", "/v1/links", "{\"group\":\"" + theirs_ + "\",\"key\":\"b\"}").status,
            404);
  // A reference opens no bytes that the group does not hold.
  node_.Call("PUT", "/v1/groups/" + mine_ + "/refs/guess",
             "{\"blob\":\"" + HashOf("nowhere") + "\"}");
  EXPECT_EQ(Open(Make("{\"group\":\"" + mine_ + "\",\"key\":\"guess\"}")).status, 404);
  EXPECT_EQ(Ask(Node::kReadToken, "POST", "/v1/links", KeyLink()).status, 403);
}

TEST_F(LinksTest, ALinkEndsWithItsTokenByHandAndInTime) {
  const std::string token = TokenFor("t", "\"rights\":\"write\"");
  const Json by_token = Make(KeyLink(), token), by_hand = Make(KeyLink()),
             in_time = Make(KeyLink(",\"expires\":\"50ms\"")), by_api = Make(KeyLink());
  EXPECT_EQ(Open(by_token).status, 200);
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/t"), 204);
  EXPECT_EQ(Open(by_token).status, 404);
  EXPECT_EQ(node_.Status("DELETE", "/v1/links/" + by_hand["id"].get<std::string>()), 204);
  EXPECT_EQ(node_.Status("DELETE", "/v1/links/" + by_hand["id"].get<std::string>()), 404);
  EXPECT_EQ(Open(by_hand).status, 404);
  EXPECT_TRUE(Eventually([&] { return Open(in_time).status == 404; }));
  const Json list = node_.Call("GET", "/v1/links")["items"];
  ASSERT_EQ(list.size(), 1u) << list;
  EXPECT_EQ(list[0]["id"], by_api["id"]);
  EXPECT_FALSE(list[0].contains("url"));
  EXPECT_EQ(Open(by_api).status, 200);
  node_.app_api->SetTokens({.api = "another", .read = Node::kReadToken});
  EXPECT_EQ(Open(by_api).status, 404);
}

TEST_F(LinksTest, EachSeesItsOwn) {
  const std::string one = TokenFor("one", "\"rights\":\"write\",\"groups\":[\"" + mine_ + "\"]");
  const std::string two = TokenFor("two", "\"rights\":\"write\",\"groups\":[\"" + mine_ + "\"]");
  const Json link = Make(KeyLink(), one);
  const std::string target = "/v1/links/" + link["id"].get<std::string>();
  EXPECT_EQ(Json::parse(Ask(one, "GET", "/v1/links").body)["items"].size(), 1u);
  EXPECT_EQ(Json::parse(Ask(two, "GET", "/v1/links").body)["items"].size(), 0u);
  EXPECT_EQ(Ask(two, "DELETE", target).status, 404);
  EXPECT_EQ(node_.Call("GET", "/v1/links")["items"].size(), 1u);
  EXPECT_EQ(Ask(one, "DELETE", target).status, 204);
}

TEST_F(LinksTest, WhatIsAskedForWronglyMakesNone) {
  const std::string bodies[] = {
      "{}",
      "{\"group\":\"" + mine_ + "\"}",
      "{\"key\":\"photos/a.jpg\"}",
      "{\"group\":\"" + mine_ + "\",\"key\":\"photos/a.jpg\",\"blob\":\"" + HashOf("picture") +
          "\"}",
      KeyLink(",\"expires\":\"91d\""),
      KeyLink(",\"expires\":\"0s\""),
      KeyLink(",\"colour\":\"red\""),
  };
  for (const std::string& body : bodies)
    EXPECT_EQ(node_.Status("POST", "/v1/links", body), 400) << body;
  EXPECT_EQ(node_.Status("POST", "/v1/links", "{\"group\":\"" + mine_ + "\",\"key\":\"none\"}"),
            404);
  EXPECT_EQ(node_.Call("GET", "/v1/links")["items"].size(), 0u);
}

TEST_F(LinksTest, AThousandAreKeptAlsoOverAStartAndThoseThatHaveEndedMakeRoom) {
  base::Index& index = *node_.parts->index;
  LinkStore store(index, node_.clock);
  const base::WallTime now = node_.clock.WallNow();
  std::string gone;
  const auto is_token = [&](const std::string& mark) { return mark != gone; };
  const auto make = [&](base::Millis life, const std::string& mark = "m") {
    Link link{.blob = base::Sha256::Of("x"), .created = now, .expires = now + life, .mark = mark};
    return store.Create(link, is_token);
  };
  std::string first;
  for (std::size_t i = 0; i < LinkStore::kLinksMax - 1; ++i) {
    const auto text = make(LinkStore::kLife);
    ASSERT_TRUE(text.ok()) << text.status();
    if (i == 0) first = *text;
  }
  ASSERT_TRUE(make(base::Millis(-1)).ok());
  EXPECT_TRUE(make(LinkStore::kLife, "revoked later").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(make(LinkStore::kLife).status()));
  // Nobody sees those of a token that is gone, so that nobody could revoke them.
  gone = "revoked later";
  EXPECT_TRUE(make(LinkStore::kLife).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(make(LinkStore::kLife).status()));
  LinkStore again(index, node_.clock);
  ASSERT_TRUE(again.Load().ok());
  EXPECT_EQ(again.List().size(), LinkStore::kLinksMax);
  EXPECT_TRUE(again.Find(first));
  // They are no tokens, and take none of their room.
  TokenStore tokens(index, node_.clock);
  ASSERT_TRUE(tokens.Load().ok());
  EXPECT_EQ(tokens.List().size(), 0u);
  EXPECT_TRUE(tokens.Create({.token = "t"}).ok());
}

}  // namespace
}  // namespace waypost::http
