// Named tokens: what each right and each group opens, how tokens end, and what is written down of
// what was done with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/random.h"
#include "base/sha256.h"
#include "http/app/audit_log.h"
#include "http/app/auth.h"
#include "http/app/caller.h"
#include "http/app/token_store.h"
#include "tests/fakes/fake_clock.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"
#include "tests/syncgroup/seed.h"

namespace waypost::http {
namespace {

using support::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;

std::string BlobIdOf(const std::string& bytes) { return base::Sha256::Of(bytes).ToHex(); }

class TokensTest : public ::testing::Test {
 protected:
  // The token's text.
  std::string Make(const std::string& name, const std::string& rights,
                   const std::vector<std::string>& groups = {}, const std::string& expires = "") {
    Json body = {{"name", name}, {"rights", rights}};
    if (!groups.empty()) body["groups"] = groups;
    if (!expires.empty()) body["expires"] = expires;
    return node_.Call("POST", "/v1/tokens", body.dump()).value("token", "");
  }
  AppClient::Reply Send(const std::string& token, const std::string& method,
                        const std::string& target, const std::string& body = "") {
    return node_.Ask(token, method, target, body);
  }
  int Status(const std::string& token, const std::string& method, const std::string& target,
             const std::string& body = "") {
    return Send(token, method, target, body).status;
  }
  std::string Group(const std::string& name) {
    return node_.Call("POST", "/v1/groups", Json{{"name", name}, {"role", "server"}}.dump())
        .value("id", "");
  }

  Node node_;
};

TEST_F(TokensTest, EachRightOpensWhatTheTableSays) {
  const std::map<Right, std::string> tokens = {{Right::kRead, Make("r", "read")},
                                               {Right::kWrite, Make("w", "write")},
                                               {Right::kAdmin, Make("a", "admin")}};
  std::size_t refused = 0;
  for (const Route* route : node_.app_api->Routes()) {
    std::string path(route->pattern);
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) {
      path.replace(at, path.find('}') - at + 1, std::string(64, 'a'));
    }
    for (const auto& [right, token] : tokens) {
      // What it may do is not done to this node.
      if (right >= route->right && route->method != "GET") continue;
      Request request{.method = std::string(route->method), .path = path};
      request.headers = {{"host", node_.app->bound_address()},
                         {"authorization", "Bearer " + token}};
      const int status = node_.app_api->Handle(request).status;
      EXPECT_EQ(status == 403, route->right > right) << route->method << " " << path;
      EXPECT_NE(status, 401);
      refused += status == 403 ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 30u);
}

TEST_F(TokensTest, ATokenForGroupsSeesWhatTheyHoldAndNothingElse) {
  const std::string photos = Group("photos"), letters = Group("letters");
  node_.Call("POST", "/v1/blobs?group=" + photos + "&key=a", "mine");
  node_.Call("POST", "/v1/blobs?group=" + letters + "&key=b", "theirs");
  node_.Call("POST", "/v1/blobs", "loose");
  const std::string token = Make("t", "admin", {photos});
  const std::string unknown(64, 'b');

  EXPECT_EQ(Status(token, "GET", "/v1/groups/" + photos), 200);
  const Json groups = Json::parse(Send(token, "GET", "/v1/groups").body);
  ASSERT_EQ(groups["items"].size(), 1u);
  EXPECT_EQ(groups["items"][0]["id"], photos);
  const Json blobs = Json::parse(Send(token, "GET", "/v1/blobs").body);
  ASSERT_EQ(blobs["items"].size(), 1u);
  EXPECT_EQ(blobs["items"][0]["id"], BlobIdOf("mine"));

  // A group that is here and not the token's is as one that is nowhere.
  for (const char* rest :
       {"", "/members", "/refs", "/refs/b", "/refs/b?content", "/invites", "/held"}) {
    const auto theirs = Send(token, "GET", "/v1/groups/" + letters + rest);
    const auto nowhere = Send(token, "GET", "/v1/groups/" + unknown + rest);
    EXPECT_EQ(theirs.status, 404) << rest;
    std::string said = theirs.body, expected = nowhere.body;
    for (std::string* body : {&said, &expected}) {
      for (const std::string& id : {letters, unknown}) {
        const std::size_t at = body->find(id);
        if (at != std::string::npos) body->replace(at, id.size(), "ID");
      }
      if (const std::size_t at = body->find("\"request_id\""); at != std::string::npos) {
        body->erase(at, body->find(',', at) - at);
      }
    }
    EXPECT_EQ(said, expected) << rest;
  }
  for (const char* target : {"/v1/blobs?group=", "/v1/wanted?group=", "/v1/complete?group="}) {
    EXPECT_EQ(Status(token, "GET", target + letters), 404) << target;
  }
  EXPECT_EQ(Status(token, "DELETE", "/v1/groups/" + letters + "/refs/b"), 404);
  EXPECT_EQ(Status(token, "POST", "/v1/groups/" + letters + "/leave", "{}"), 404);
  for (const char* target : {"/v1/status", "/v1/config", "/v1/peers", "/v1/scan", "/v1/events",
                             "/v1/tokens", "/v1/audit", "/metrics"}) {
    EXPECT_EQ(Status(token, "GET", target), 404) << target;
  }
  EXPECT_EQ(Status(token, "POST", "/v1/groups", "{\"name\":\"new\"}"), 404);
  EXPECT_EQ(Status(token, "POST", "/v1/tokens", "{\"name\":\"x\",\"rights\":\"admin\"}"), 404);

  EXPECT_EQ(Send(token, "GET", "/v1/blobs/" + BlobIdOf("mine")).body, "mine");
  for (const char* bytes : {"theirs", "loose", "nobody's"}) {
    EXPECT_EQ(Status(token, "GET", "/v1/blobs/" + BlobIdOf(bytes) + "?fetch=never"), 404) << bytes;
    EXPECT_EQ(Status(token, "GET", "/v1/blobs/" + BlobIdOf(bytes)), 404) << bytes;
  }
}

TEST_F(TokensTest, AGroupIsNamedAmongThoseThatTheTokenSees) {
  const std::string photos = Group("my photos/ä"), letters = Group("letters");
  const std::string name = "name:my%20photos%2F%C3%A4";
  const std::string by_name = "/v1/groups/" + name;
  EXPECT_EQ(node_.Call("GET", by_name)["id"], photos);
  node_.Call("POST", "/v1/blobs?key=a&group=" + name, "mine");
  EXPECT_EQ(node_.Call("GET", by_name + "/refs/a")["blob"], BlobIdOf("mine"));
  EXPECT_EQ(node_.Call("GET", "/v1/blobs?group=" + name)["items"].size(), 1u);
  EXPECT_EQ(node_.Call("POST", by_name + "/refs:batch", "{\"delete\":[\"a\"]}")["deleted"], 1);
  node_.Call("PUT", by_name + "/refs/b", "{\"blob\":\"" + BlobIdOf("mine") + "\"}");
  node_.Call("POST", "/v1/links", "{\"group\":\"name:my photos/ä\",\"key\":\"b\"}");

  // A token too is made for a group by its name.
  EXPECT_EQ(Status(Make("named", "read", {"name:my photos/ä"}), "GET", "/v1/groups/" + photos),
            200);
  // Whoever sees one group learns of another's name what it learns of a name that nobody has.
  const std::string token = Make("t", "admin", {photos});
  EXPECT_EQ(Status(token, "GET", by_name), 200);
  for (const char* call : {"/v1/groups/name:", "/v1/blobs?group=name:"}) {
    const auto theirs = Send(token, "GET", std::string(call) + "letters");
    const auto nowhere = Send(token, "GET", std::string(call) + "nothing");
    EXPECT_EQ(theirs.status, 404);
    EXPECT_THAT(theirs.body, HasSubstr("no group \\\"letters\\\" here"));
    EXPECT_EQ(nowhere.status, 404);
    EXPECT_THAT(nowhere.body, HasSubstr("no group \\\"nothing\\\" here"));
  }
  // And of one that is called as its own, nothing at all.
  const std::string also =
      node_.Call("POST", "/v1/groups?duplicate=true", "{\"name\":\"my photos/ä\"}").value("id", "");
  EXPECT_EQ(Json::parse(Send(token, "GET", by_name).body)["id"], photos);
  const auto several = node_.Ask(Node::kToken, "GET", by_name);
  EXPECT_EQ(several.status, 400);
  EXPECT_THAT(several.body, HasSubstr(photos));
  EXPECT_THAT(several.body, HasSubstr(also));
  EXPECT_EQ(node_.Status("GET", "/v1/groups/name:"), 404);
  EXPECT_EQ(node_.Status("GET", "/v1/groups/letters"), 400);
  // Beyond the first page of groups.
  for (int i = 0; i < 101; ++i) Group("g" + std::to_string(i));
  for (int i = 0; i < 101; i += 20) {
    EXPECT_EQ(node_.Status("GET", "/v1/groups/name:g" + std::to_string(i)), 200) << i;
  }
}

// Whoever guesses a hash could else learn that the bytes are here, or read them.
TEST_F(TokensTest, ATokenForGroupsOpensNothingByNamingAHash) {
  const std::string photos = Group("photos"), letters = Group("letters");
  node_.Call("POST", "/v1/blobs?group=" + letters + "&key=b", "theirs");
  const std::string token = Make("t", "write", {photos});
  const std::string blob = BlobIdOf("theirs");
  const std::string ref = "/v1/groups/" + photos + "/refs/guess";
  EXPECT_EQ(Status(token, "PUT", ref, "{\"blob\":\"" + blob + "\"}"), 404);
  EXPECT_EQ(Status(token, "POST", "/v1/groups/" + photos + "/refs:batch",
                   "{\"put\":[{\"key\":\"k\",\"blob\":\"" + blob + "\"}]}"),
            404);
  // Another member mentions it there.
  ASSERT_TRUE(node_.parts->index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             node_.parts->ledger->ApplyMention(
                                 txn, base::Sha256::Of("theirs"),
                                 {.group = *base::GroupId::FromHex(photos), .keys = 1});
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(Status(token, "PUT", ref, "{\"blob\":\"" + blob + "\"}"), 404);
  EXPECT_EQ(Status(token, "GET", "/v1/blobs/" + blob + "?fetch=never"), 404);
  const auto asked = Send(token, "GET", "/v1/blobs/" + blob + "?fetch=async");
  EXPECT_EQ(asked.status, 202);
  EXPECT_EQ(Json::parse(asked.body).value("state", ""), "pending");
  EXPECT_NE(Status(token, "GET", "/v1/blobs/" + blob + "?timeout=200ms"), 200);
  // Who has the bytes puts them, and does not learn that they were here.
  EXPECT_EQ(Status(token, "POST", "/v1/blobs?group=" + photos + "&key=own", "theirs"), 201);
  EXPECT_EQ(Send(token, "GET", "/v1/blobs/" + blob).body, "theirs");
}

TEST_F(TokensTest, WithSeveralGroupsACallNamesOne) {
  const std::string one = Group("one"), two = Group("two");
  const std::string token = Make("t", "write", {one, two});
  EXPECT_EQ(Status(token, "GET", "/v1/blobs"), 400);
  EXPECT_EQ(Status(token, "POST", "/v1/blobs", "x"), 400);
  EXPECT_EQ(Status(token, "POST", "/v1/blobs?group=" + two, "x"), 201);
  EXPECT_EQ(Status(token, "GET", "/v1/blobs?group=" + one), 200);
  EXPECT_EQ(Json::parse(Send(token, "GET", "/v1/groups").body)["items"].size(), 2u);
}

TEST_F(TokensTest, WhoOnlyReadsFetchesNothing) {
  const std::string group = Group("g");
  const std::string missing = BlobIdOf("missing");
  node_.Call("PUT", "/v1/groups/" + group + "/refs/k", "{\"blob\":\"" + missing + "\"}");
  for (const std::string& token :
       {Make("r", "read"), Make("g", "read", {group}), std::string(Node::kReadToken)}) {
    for (const char* how : {"", "?fetch=wait", "?fetch=async", "?fetch=never"}) {
      EXPECT_EQ(Status(token, "GET", "/v1/blobs/" + missing + how), 404) << how;
    }
    EXPECT_EQ(Status(token, "GET", "/v1/groups/" + group + "/refs/k?content"), 404);
  }
  EXPECT_EQ(Status(Make("w", "write"), "GET", "/v1/blobs/" + missing + "?fetch=async"), 202);
}

TEST_F(TokensTest, EndsWhenItIsRevokedOrItsTimeHasCome) {
  const std::string token = Make("t", "read"), brief = Make("brief", "read", {}, "300ms");
  EXPECT_EQ(Status(token, "GET", "/v1/status"), 200);
  EXPECT_EQ(Status(brief, "GET", "/v1/status"), 200);
  EXPECT_EQ(node_.Status("POST", "/v1/tokens", "{\"name\":\"t\",\"rights\":\"read\"}"), 409);
  EXPECT_EQ(node_.Status("POST", "/v1/tokens", "{\"name\":\"api\",\"rights\":\"read\"}"), 409);
  // What waits ends with it.
  node_.Call("PUT", "/v1/groups/" + Group("g") + "/refs/k",
             "{\"blob\":\"" + BlobIdOf("missing") + "\"}");
  const std::string waits = Make("w", "read");
  int waited = 0;
  std::thread waiter([&] { waited = Status(waits, "GET", "/v1/complete?wait=10m"); });
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/t"), 204);
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/w"), 204);
  waiter.join();
  EXPECT_EQ(waited, 401);
  EXPECT_EQ(Status(token, "GET", "/v1/status"), 401);
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/t"), 404);
  EXPECT_TRUE(Eventually([&] { return Status(brief, "GET", "/v1/status") == 401; }));
  EXPECT_EQ(node_.Status("POST", "/v1/tokens", "{\"name\":\"t\",\"rights\":\"read\"}"), 201);
}

TEST_F(TokensTest, WhatIsAskedForWronglyMakesNone) {
  for (const char* body :
       {"{}", "{\"name\":\"x\"}", "{\"name\":\"x\",\"rights\":\"root\"}",
        "{\"name\":\"a b\",\"rights\":\"read\"}", "{\"name\":\"\",\"rights\":\"read\"}",
        "{\"name\":\"x\",\"rights\":\"read\",\"groups\":[]}",
        "{\"name\":\"x\",\"rights\":\"read\",\"groups\":[\"x\"]}",
        "{\"name\":\"x\",\"rights\":\"read\",\"expires\":\"0s\"}",
        "{\"name\":\"x\",\"rights\":\"read\",\"expires\":\"4000d\"}"}) {
    EXPECT_EQ(node_.Status("POST", "/v1/tokens", body), 400) << body;
  }
  EXPECT_EQ(node_.Call("GET", "/v1/tokens")["items"].size(), 0u);
}

TEST_F(TokensTest, BeyondTheirLimitOneMoreIsRefusedUnlessOneHasEnded) {
  node_.app_api->SetLimits({.tokens = 2});
  Make("first", "read");
  const std::string brief = Make("brief", "read", {}, "100ms");
  EXPECT_EQ(Status(brief, "GET", "/v1/status"), 200);
  const auto more = [&] {
    return Send(Node::kToken, "POST", "/v1/tokens", "{\"name\":\"more\",\"rights\":\"read\"}");
  };
  EXPECT_TRUE(Eventually([&] { return Status(brief, "GET", "/v1/status") == 401; }));
  EXPECT_EQ(more().status, 201);
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/brief"), 404);  // it made room
  EXPECT_EQ(node_.Status("DELETE", "/v1/tokens/more"), 204);
  EXPECT_EQ(node_.Status("POST", "/v1/tokens", "{\"name\":\"second\",\"rights\":\"read\"}"), 201);
  const auto refused = more();
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.body, HasSubstr("limits.tokens"));
  node_.app_api->SetLimits({.tokens = 3});
  EXPECT_EQ(more().status, 201);
}

TEST_F(TokensTest, OnlyHashesAreStoredAndTheyAreThereAfterARestart) {
  const std::string group = Group("g");
  const std::string token = Make("t", "write", {group}, "90d");
  ASSERT_TRUE(node_.parts->index
                  ->Read([&](base::ReadTxn& txn) {
                    for (std::size_t table = 0; table < base::kTableCount; ++table) {
                      base::Cursor cursor(txn, static_cast<base::Table>(table));
                      for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
                        EXPECT_EQ(cursor.raw().find(token.substr(4)), std::string::npos);
                      }
                    }
                  })
                  .ok());
  EXPECT_EQ(node_.Call("GET", "/v1/tokens").dump().find(token), std::string::npos);
  TokenStore again(*node_.parts->index, node_.clock);
  ASSERT_TRUE(again.Load().ok());
  const auto caller = again.Find(token);
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller->right, Right::kWrite);
  EXPECT_TRUE(caller->Sees(*base::GroupId::FromHex(group)));
  EXPECT_FALSE(caller->Sees(base::GroupId()));
  EXPECT_EQ(again.Find(token + "0"), nullptr);
}

TEST_F(TokensTest, AWrongTokenIsLoggedOnceAMinuteWithWhereItCameFromAndNeverItself) {
  testing::internal::CaptureStderr();
  const auto first = Send("wpt_guessed_by_somebody", "GET", "/v1/status");
  const auto second = Send("wpt_guessed_by_somebody", "GET", "/v1/status");
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_EQ(first.status, 401);
  ASSERT_EQ(second.status, 401);
  const std::string id(first.Header("waypost-request-id").value_or("none"));
  EXPECT_THAT(log, HasSubstr("warning a wrong token from 127.0.0.1 for GET, request " + id +
                             "; so far 1\n"));
  EXPECT_THAT(log, Not(HasSubstr("so far 2")));
  EXPECT_THAT(log, Not(HasSubstr("guessed")));
}

TEST_F(TokensTest, WrongTokensAreSlowedByAddressAndARightOneNever) {
  const auto began = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - began; };
  for (std::size_t i = 0; i < Auth::kWrongAtOnce; ++i) {
    EXPECT_EQ(Status("wpt_wrong", "GET", "/v1/status"), 401);
  }
  std::thread guesser([&] {
    EXPECT_EQ(Status("wpt_wrong", "GET", "/v1/status"), 401);
    EXPECT_GE(passed(), Auth::kHeldBack);
  });
  EXPECT_EQ(node_.Status("GET", "/v1/status"), 200);
  guesser.join();
  EXPECT_EQ(node_.parts->metrics.Render().find("waypost_wrong_tokens_total 0"), std::string::npos);
}

TEST_F(TokensTest, ThoseThatAreHeldBackAreFewAndTheRestHears429) {
  std::vector<Response> held;
  std::size_t refused = 0;
  for (std::size_t i = 0; i < Auth::kWrongAtOnce + Auth::kHeldBackMax + 20; ++i) {
    Request request{.method = "GET", .path = "/v1/status", .remote_address = "2001:db8::1"};
    // All of one /64.
    request.remote_address += std::to_string(i % 10);
    request.headers = {{"host", node_.app->bound_address()}, {"authorization", "Bearer wrong"}};
    Response response = node_.app_api->Handle(request);
    refused += response.status == 429 ? 1 : 0;
    held.push_back(std::move(response));
  }
  EXPECT_EQ(refused, 20u);
}

// ---- against a model ----

// What a blob's bytes open to whom, after any row of puts and references through this peer's app.
TEST_F(TokensTest, ReadsByTokensAgreeWithTheModel) {
  const uint64_t seed = syncgroup::TestSeed();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  base::SeededRandom random(seed);
  const auto any = [&](uint64_t n) { return random.Next() % n; };
  std::vector<std::string> groups;
  for (const char* name : {"one", "two", "three"}) groups.push_back(Group(name));
  struct Known {
    std::string text;
    std::set<std::string> groups;  // empty: the peer as a whole
    bool writes = false;
  };
  std::vector<Known> tokens;
  for (unsigned mask = 0; mask < 8; ++mask) {
    for (const bool writes : {false, true}) {
      Known token{.writes = writes};
      for (unsigned g = 0; g < 3; ++g) {
        if ((mask >> g & 1) != 0) token.groups.insert(groups[g]);
      }
      token.text = Make(absl::StrCat("t", mask, writes), writes ? "write" : "read",
                        {token.groups.begin(), token.groups.end()});
      tokens.push_back(token);
    }
  }
  std::set<std::string> here;
  std::map<std::string, std::set<std::string>> mentions, holdings;
  uint64_t served = 0, refused = 0;
  for (int step = 0; step < 60; ++step) {
    const std::string content = absl::StrCat("content ", any(8));
    const std::string group = groups[any(groups.size())];
    switch (any(3)) {
      case 0:  // loose
        if (!mentions[content].empty()) break;
        node_.Call("POST", "/v1/blobs", content);
        here.insert(content);
        break;
      case 1:
        node_.Call("POST", "/v1/blobs?group=" + group, content);
        here.insert(content);
        mentions[content].insert(group);
        holdings[content].insert(mentions[content].begin(), mentions[content].end());
        break;
      default:
        node_.Call("PUT", "/v1/groups/" + group + "/refs/" + BlobIdOf(content),
                   "{\"blob\":\"" + BlobIdOf(content) + "\"}");
        mentions[content].insert(group);
        if (here.contains(content)) holdings[content].insert(group);
        break;
    }
    for (int question = 0; question < 40; ++question) {
      const Known& token = tokens[any(tokens.size())];
      const std::string asked = absl::StrCat("content ", any(9));  // one was never put
      bool expected = token.groups.empty() && here.contains(asked);
      for (const std::string& each : token.groups) expected |= holdings[asked].contains(each);
      Request request{.method = any(2) == 0 ? "GET" : "HEAD",
                      .path = "/v1/blobs/" + BlobIdOf(asked),
                      .query = {{"fetch", "never"}}};
      request.headers = {{"host", node_.app->bound_address()},
                         {"authorization", "Bearer " + token.text}};
      ASSERT_EQ(node_.app_api->Handle(request).status, expected ? 200 : 404)
          << asked << " for " << absl::StrJoin(token.groups, ",");
      const auto have =
          node_.Ask(token.text, "POST", "/v1/blobs:have", Json{{"ids", {BlobIdOf(asked)}}}.dump());
      ASSERT_EQ(Json::parse(have.body)["here"].size(), expected ? 1u : 0u)
          << asked << " for " << absl::StrJoin(token.groups, ",");
      ++(expected ? served : refused);
    }
  }
  EXPECT_GT(served, 100u);
  EXPECT_GT(refused, 100u);
}

// ---- audit ----

TEST_F(TokensTest, WhatWasDoneIsWrittenDownWithWhoDidIt) {
  const std::string group = Group("photos");
  const std::string token = Make("robot", "admin");
  EXPECT_EQ(Status(token, "PATCH", "/v1/config", "{\"fetcher.concurrency\":\"7\"}"), 200);
  EXPECT_EQ(Status(token, "POST", "/v1/fetcher/pause", "{\"for\":\"1h\"}"), 204);
  EXPECT_EQ(Status(token, "POST", "/v1/fetcher/resume", "{}"), 204);
  EXPECT_EQ(Status(token, "POST", "/v1/reload", ""), 204);
  EXPECT_EQ(Status(token, "PATCH", "/v1/groups/" + group, "{\"name\":\"pictures\"}"), 200);
  EXPECT_EQ(Status(token, "POST", "/v1/blobs?group=" + group, "bytes"), 201);
  EXPECT_EQ(Status(token, "PATCH", "/v1/config", "{\"no.such\":\"7\"}"), 400);

  const Json all = node_.Call("GET", "/v1/audit")["items"];
  std::vector<std::string> acts;
  for (const Json& item : all) {
    const bool by_token = item["by"].contains("token");
    acts.push_back(absl::StrCat(by_token ? item["by"]["token"].get<std::string>() : "log", " ",
                                item["act"].get<std::string>()));
    EXPECT_EQ(by_token || item["by"]["peer"] == node_.identity->peer_id().ToHex(), true);
  }
  EXPECT_THAT(acts, ::testing::IsSupersetOf({"api group.create", "api token.create",
                                             "robot config.set", "robot fetcher.pause",
                                             "robot fetcher.resume", "robot config.reload",
                                             "robot group.settings", "log group.settings"}));
  EXPECT_EQ(std::count(acts.begin(), acts.end(), "robot config.set"), 1);
  for (const std::string& act : acts) EXPECT_EQ(act.find("blob"), std::string::npos) << act;
  EXPECT_EQ(all.dump().find(token), std::string::npos);
  EXPECT_THAT(all.dump(), HasSubstr("fetcher.concurrency = 7"));

  // Page by page it is the same.
  Json paged = Json::array();
  std::string cursor;
  do {
    const Json page =
        node_.Call("GET", "/v1/audit?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    EXPECT_LE(page["items"].size(), 1u);
    for (const Json& item : page["items"]) paged.push_back(item);
    cursor = page["next"].is_null() ? "" : page["next"].get<std::string>();
  } while (!cursor.empty());
  EXPECT_EQ(paged, all);

  const Json of_group = node_.Call("GET", "/v1/audit?group=" + group);
  for (const Json& item : of_group["items"]) {
    EXPECT_EQ(item.value("group", ""), group);
  }
  EXPECT_EQ(node_.Call("GET", "/v1/audit?since=1h")["items"], all);
  EXPECT_EQ(node_.Call("GET", "/v1/audit?since=2100-01-01T00:00:00Z")["items"].size(), 0u);
  EXPECT_EQ(node_.Status("GET", "/v1/audit?since=yesterday"), 400);
}

TEST(AuditLogTest, KeepsWhatIsNewAndDropsWhatIsOldOrTooMuch) {
  const base::TempDir dir;
  base::FakeClock clock;
  const auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok());
  AuditLog audit(**index, clock);
  audit.Note({.token = "old", .act = "config.set"});
  clock.Advance(AppLimits().audit_age + base::Millis(1));
  audit.Note({.token = "new", .act = "config.set", .what = std::string(10'000, 'x')});
  audit.Note({.token = "new", .act = "config.set"});
  ASSERT_TRUE((*index)
                  ->Read([&](base::ReadTxn& txn) {
                    const auto items = AuditLog::Read(txn, "", std::nullopt, 10);
                    ASSERT_EQ(items.size(), 2u);
                    EXPECT_EQ(items[0].act.token, "new");
                    EXPECT_EQ(items[0].act.what.size(), AuditLog::kWhatBytesMax);
                  })
                  .ok());
  // So many rows, and of those the newest; what is over goes a few at a time.
  audit.SetLimits({.audit_rows = 5});
  for (int i = 0; i < 20; ++i) audit.Note({.token = "new", .act = absl::StrCat("act ", i)});
  ASSERT_TRUE((*index)
                  ->Read([&](base::ReadTxn& txn) {
                    const auto items = AuditLog::Read(txn, "", std::nullopt, 100);
                    ASSERT_EQ(items.size(), 5u);
                    EXPECT_EQ(items.front().act.act, "act 15");
                    EXPECT_EQ(items.back().act.act, "act 19");
                  })
                  .ok());
}

}  // namespace
}  // namespace waypost::http
