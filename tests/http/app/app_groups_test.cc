#include <gtest/gtest.h>

#include "tests/http/app/app_fixture.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"
#include "tests/support/eventually.h"

// Groups, references and invites, and two peers that share them.
namespace waypost::http {
namespace {

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
