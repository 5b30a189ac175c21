#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/peer/batch_frames.h"
#include "http/peer/peer_api.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/http/node.h"
#include "tests/http/peer/access_world.h"
#include "tests/support/memory_body.h"
#include "tests/syncgroup/test_node.h"

// Who may do what: every call by every kind of caller.
namespace waypost::http {
namespace {

using syncgroup::Authority;
using syncgroup::BlobOf;
using syncgroup::PeerNumber;

TEST(Access, WhoMayReadABlobSaysOnceADayThatItCameWrong) {
  AccessWorld world;
  const base::GroupId mine = world.Create("mine"), open = world.Create("open", /*is_public=*/true);
  world.Admit(2, mine, Authority::kReader);
  for (const char* content : {"a", "b", "c"}) {
    ASSERT_TRUE(world.here.Put(content, syncgroup::Refs::Target{mine, content}).ok());
  }
  ASSERT_TRUE(world.here.Put("for all", syncgroup::Refs::Target{open, "k"}).ok());
  const auto wrong = [&](uint64_t number, const base::GroupId& group, const std::string& content) {
    return world
        .Call(number, "POST", "/peer/v1/wrong", {},
              syncgroup::EncodeWrongRequest({.group = group, .blob = BlobOf(content)}))
        .status;
  };
  EXPECT_EQ(wrong(2, mine, "a"), 204);
  EXPECT_EQ(wrong(2, mine, "a"), 429);
  EXPECT_EQ(wrong(2, mine, "b"), 204);
  EXPECT_EQ(wrong(2, mine, "c"), 429) << "two of a member wait";
  EXPECT_EQ(wrong(2, mine, "not here"), 404);
  EXPECT_EQ(wrong(3, mine, "c"), 404) << "a stranger";
  EXPECT_EQ(wrong(3, open, "for all"), 403) << "it may read, and is no member";
  EXPECT_EQ(world.Call(2, "POST", "/peer/v1/wrong", {}, "no message").status, 400);
}

constexpr uint64_t kNobody = 0, kStranger = 10, kRemoved = 11, kReader = 12, kWriter = 13,
                   kAdmin = 14, kElsewhere = 15;

TEST(Access, EveryPeerCallByEveryKindOfCaller) {
  AccessWorld world;
  const base::GroupId group = world.Create("one");
  const base::GroupId other = world.Create("two");
  world.Admit(kReader, group, Authority::kReader);
  world.Admit(kWriter, group, Authority::kWriter);
  world.Admit(kAdmin, group, Authority::kAdmin);
  world.Admit(kElsewhere, other, Authority::kAdmin);
  world.Admit(kRemoved, group, Authority::kAdmin);
  world.Remove(kRemoved, group);
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  const std::string blob = "/peer/v1/blobs/" + BlobOf("here").ToHex();

  syncgroup::SyncRequest sync;
  sync.groups.push_back({.group = group});
  const auto hello = [&] {
    syncgroup::HelloRequest request{.name = "x"};
    request.papers.push_back({.group = group});
    return *EncodeHelloRequest(request);
  };
  struct {
    uint64_t caller;
    int hello, sync, poke, join, held, blob;
    bool member;
  } const cases[] = {
      {kNobody, 401, 401, 401, 401, 401, 401, false},
      {kStranger, 200, 200, 403, 403, 404, 404, false},
      {kRemoved, 200, 200, 403, 403, 404, 404, false},
      {kElsewhere, 200, 200, 204, 403, 404, 404, false},
      {kReader, 200, 200, 204, 403, 200, 200, true},
      {kWriter, 200, 200, 204, 403, 200, 200, true},
      {kAdmin, 200, 200, 204, 403, 200, 200, true},
  };
  uint64_t joins = 0;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.caller);
    const auto post = [&](const std::string& what, const std::string& body) {
      return world.Call(c.caller, "POST", "/peer/v1/" + what, {}, body);
    };
    const Response said = post("hello", hello());
    EXPECT_EQ(said.status, c.hello);
    if (said.status == 200) {
      EXPECT_EQ(syncgroup::DecodeHelloReply(BodyOf(said))->papers.size(), c.member ? 1u : 0u);
    }
    const Response synced = post("sync", *EncodeSyncRequest(sync));
    EXPECT_EQ(synced.status, c.sync);
    if (synced.status == 200) {
      const auto reply = syncgroup::DecodeSyncReply(BodyOf(synced));
      ASSERT_TRUE(reply.ok());
      EXPECT_EQ(reply->groups.at(0).member, c.member);
      // One who was removed is shown what says so, and nothing else.
      EXPECT_EQ(reply->groups.at(0).entries.size(), c.member ? 7u : c.caller == kRemoved ? 1u : 0u);
      EXPECT_EQ(reply->groups.at(0).cursor.sequence != 0, c.member);
      EXPECT_TRUE(reply->groups.at(0).forks.empty());
    }
    EXPECT_EQ(post("poke", syncgroup::EncodePokeRequest({.groups = {group}})).status, c.poke);
    EXPECT_EQ(
        post("held", syncgroup::EncodeHeldRequest({.group = group, .blobs = {BlobOf("here")}}))
            .status,
        c.held);
    const Response joined =
        post("join", syncgroup::EncodeJoinRequest(
                         {.group = group,
                          .invite_id = std::string(16, 'i'),
                          .proof = std::string(32, 'p'),
                          .incarnation = *base::Incarnation::FromBytes(std::string(16, 'n'))}));
    // Five refused joins of an address, whoever calls, then it waits.
    if (c.caller != kNobody && ++joins > 5) {
      EXPECT_EQ(joined.status, 429);
    } else {
      EXPECT_EQ(joined.status, c.join);
    }
    for (const char* method : {"GET", "HEAD"}) {
      EXPECT_EQ(world.Call(c.caller, method, blob, {group}).status, c.blob) << method;
    }
    EXPECT_EQ(world.Call(c.caller, "GET", blob, {other}).status, c.caller == kNobody ? 401 : 404);
    // No group named: nothing is opened by it.
    EXPECT_EQ(world.Call(c.caller, "GET", blob, {}).status, c.caller == kNobody ? 401 : 400);
    EXPECT_EQ(post("blobs:batch", "").status, c.caller == kNobody ? 401 : 400);
    if (c.caller == kNobody) continue;
    const auto answers =
        world.ReadMany(c.caller, {BlobOf("here"), BlobOf("not here")}, {other, group});
    EXPECT_EQ(answers.at(0).kind, c.member ? FrameKind::kBlob : FrameKind::kMiss);
    EXPECT_EQ(answers.at(0).grants, c.member ? 0b10 : 0);
    EXPECT_EQ(answers.at(0).body, c.member ? "here" : answers.at(1).body);
    EXPECT_EQ(answers.at(1).kind, FrameKind::kMiss);
  }
}

// Whether the group that it names is here or not, and whatever it asks.
TEST(Access, WhoIsNoMemberIsAnsweredAfterATimeThatTellsNothing) {
  AccessWorld world;
  const base::GroupId here = world.Create("one");
  const base::GroupId nowhere = *base::GroupId::FromHex(std::string(64, 'a'));
  world.Admit(kReader, here, Authority::kReader);
  const auto ask = [&](uint64_t caller, const std::string& what, const std::string& body) {
    support::MemoryBody source(body);
    Request request{.method = "POST", .path = "/peer/v1/" + what, .remote_address = "127.0.0.1"};
    request.body = &source;
    request.peer = PeerNumber(caller);
    return world.api.Handle(request);
  };
  for (const base::GroupId& group : {here, nowhere}) {
    syncgroup::HelloRequest hello{.name = "x"};
    hello.papers.push_back({.group = group});
    syncgroup::SyncRequest sync;
    sync.groups.push_back({.group = group});
    const std::pair<const char*, std::string> calls[] = {
        {"hello", *EncodeHelloRequest(hello)},
        {"sync", *EncodeSyncRequest(sync)},
        {"held", syncgroup::EncodeHeldRequest({.group = group, .blobs = {BlobOf("here")}})}};
    for (const auto& [what, body] : calls) {
      SCOPED_TRACE(what);
      const base::SteadyTime asked = base::SteadyNow();
      const Response response = ask(kStranger, what, body);
      const auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body);
      ASSERT_NE(later, nullptr) << "answered at once";
      const auto step = (*later)->Step(asked);
      EXPECT_EQ(step.answer, nullptr);
      EXPECT_GE(step.next_deadline, asked + base::Millis(100));
      const Response member = ask(kReader, what, body);
      EXPECT_EQ(std::holds_alternative<std::shared_ptr<Subscription>>(member.body), group != here);
    }
  }
}

TEST(Access, RefusedJoinsAreCountedByNetworkAndNobodyElseIsTurnedAway) {
  AccessWorld world;
  const base::GroupId group = world.Create("one");
  const std::string body = syncgroup::EncodeJoinRequest(
      {.group = group,
       .invite_id = std::string(16, 'i'),
       .proof = std::string(32, 'p'),
       .incarnation = *base::Incarnation::FromBytes(std::string(16, 'n'))});
  const auto join = [&](uint64_t number, const std::string& from) {
    support::MemoryBody source(body);
    Request request{.method = "POST", .path = "/peer/v1/join", .remote_address = from};
    request.body = &source;
    request.peer = PeerNumber(number);
    return world.api.Handle(request);
  };
  // Whoever calls, from whichever address of the network.
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(join(20 + i, "2001:db8::" + std::to_string(i)).status, 403);
  }
  const Response late = join(30, "2001:db8::ffff");
  EXPECT_EQ(late.status, 429);
  EXPECT_TRUE(std::any_of(late.headers.begin(), late.headers.end(),
                          [](const auto& header) { return header.first == "Retry-After"; }));
  EXPECT_EQ(join(20, "2001:db8:0:1::1").status, 403);
  EXPECT_EQ(join(20, "192.0.2.1").status, 403);
}

TEST(Access, APeerThatIsRefusedIsNamedInTheLogOnceAMinute) {
  AccessWorld world;
  world.Create("one");
  const auto turn = [&](uint64_t number) {
    Request request{.method = "POST", .path = "/peer/v1/turn", .remote_address = "192.0.2.7"};
    request.peer = PeerNumber(number);
    return world.api.Handle(request).status;
  };
  testing::internal::CaptureStderr();
  for (const uint64_t number : {40, 40, 40, 41}) EXPECT_EQ(turn(number), 403);
  const std::string log = testing::internal::GetCapturedStderr();
  for (const uint64_t number : {40, 41}) {
    const std::string line = "warning peer " + PeerNumber(number).ToHex() +
                             " at 192.0.2.7 was refused with 403: /peer/v1/turn\n";
    const std::size_t at = log.find(line);
    ASSERT_NE(at, std::string::npos) << log;
    EXPECT_EQ(log.find(line, at + 1), std::string::npos) << log;
  }
}

TEST(Access, EveryAppCallWithEachToken) {
  Node node;
  std::size_t asked = 0;
  for (const Route* of : node.app_api->Routes()) {
    const std::string method(of->method);
    std::string path(of->pattern);
    const std::string route = method + " " + path;
    // A thing of every kind, and none of them exists.
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) {
      path.replace(at, path.find('}') - at + 1, std::string(64, 'a'));
    }
    // A link is opened by its secret, a proof is for who holds the token, and the description tells
    // nothing of this peer.
    const bool open = std::set<std::string_view>{"/healthz", "/readyz", "/v1/openapi.yaml",
                                                 "/v1/proof", "/s/{secret}"}
                          .contains(of->pattern);
    const auto status = [&](const char* authorization) {
      // Wrong tokens of one address are answered later and later.
      Request request{.method = method, .path = path, .remote_address = std::to_string(asked)};
      request.headers.emplace_back("host", node.app->bound_address());
      if (authorization[0] != '\0') request.headers.emplace_back("authorization", authorization);
      support::MemoryBody nothing("");
      if (method != "GET" && method != "DELETE") request.body = &nothing;
      ++asked;
      return node.app_api->Handle(request).status;
    };
    const std::string read = std::string("Bearer ") + Node::kReadToken;
    for (const char* none :
         {"", "Bearer ", "Bearer x", "Basic 0123456789abcdef",
          "Bearer 0123456789abcdef0123456789abcdeF", "Bearer 0123456789abcdef0123456789abcdef0"}) {
      EXPECT_EQ(status(none) != 401, open) << route << " with \"" << none << "\"";
    }
    // The read token opens what changes nothing.
    const int reading = status(read.c_str());
    EXPECT_NE(reading, 401) << route;
    EXPECT_EQ(reading == 403, of->right > Right::kRead) << route << ": " << reading;
    const bool asks = method == "GET" || of->pattern == "/v1/blobs:have";
    EXPECT_TRUE(of->right > Right::kRead || asks) << route;
    // All is open to the other one; it is not tried on what would stop this node's work.
    if (method == "GET") {
      EXPECT_NE(status("Bearer 0123456789abcdef0123456789abcdef"), 403) << route;
    }
  }
  EXPECT_GT(asked, 250u);
}

}  // namespace
}  // namespace waypost::http
