#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/key_codec.h"
#include "http/peer/batch_frames.h"
#include "http/peer/peer_api.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/http/node.h"
#include "tests/support/memory_body.h"
#include "tests/support/rounds.h"
#include "tests/syncgroup/neighbours.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// Who may do what: every call by every kind of caller, and reads against a model.
namespace waypost::http {
namespace {

using syncgroup::Authority;
using syncgroup::BlobOf;
using syncgroup::GuessLimits;
using syncgroup::PeerNumber;
using syncgroup::TestNode;

// One peer, and whoever calls it.
class World {
 public:
  explicit World(GuessLimits limits = {.per_minute = 1000000000})
      : here(PeerNumber(1), dir_.path(), clock),
        access({.core = *here.parts.group_core,
                .guesses = limits,
                .told_no =
                    [this](const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                           const std::vector<base::GroupId>& groups) {
                      here.parts.peer_service->ToldNo(caller, blobs, groups);
                    }}),
        api({.blobs = *here.blobs,
             .access = access,
             .service = *here.parts.peer_service,
             .peers = *here.peers}) {}

  base::GroupId Create(const std::string& name, bool is_public = false) {
    return others_.Create(name, is_public);
  }
  void Admit(uint64_t number, const base::GroupId& group, Authority authority) {
    others_.Admit(number, group, authority);
  }
  void Remove(uint64_t number, const base::GroupId& group) { others_.Remove(number, group); }
  void Mention(uint64_t number, const base::GroupId& group, const std::string& content) {
    others_.Mention(number, group, content);
  }

  // `number` 0: nobody.
  Response Call(uint64_t number, const std::string& method, const std::string& path,
                const std::vector<base::GroupId>& groups = {}, const std::string& body = "") {
    Request request{.method = method, .path = path, .remote_address = "127.0.0.1"};
    for (const auto& group : groups) request.query.emplace_back("group", group.ToHex());
    support::MemoryBody source(body);
    if (method == "POST") request.body = &source;
    if (number != 0) request.peer = PeerNumber(number);
    Response response = api.Handle(request);
    // As the loop of the listener does.
    while (auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body)) {
      auto step = (*later)->Step(base::SteadyNow());
      if (step.answer == nullptr) {
        base::WaitUntil(step.next_deadline);
      } else {
        response = Response(std::move(*step.answer));
      }
    }
    return response;
  }
  Response Read(uint64_t number, const base::BlobId& blob,
                const std::vector<base::GroupId>& groups) {
    return Call(number, "GET", "/peer/v1/blobs/" + blob.ToHex(), groups);
  }

  // Many in one request: the frame of each blob.
  struct Answer {
    FrameKind kind;
    uint8_t grants;
    std::string body;
  };
  std::vector<Answer> ReadMany(uint64_t number, const std::vector<base::BlobId>& blobs,
                               const std::vector<base::GroupId>& groups,
                               uint64_t blob_bytes_max = syncgroup::kBatchBlobBytesMax) {
    const std::string body = syncgroup::EncodeBatchRequest(
        {.groups = groups, .blobs = blobs, .blob_bytes_max = blob_bytes_max});
    const Response response = Call(number, "POST", "/peer/v1/blobs:batch", {}, body);
    const auto* bytes = std::get_if<SourcePart>(&response.body);
    CHECK(response.status == 200 && bytes != nullptr);
    CHECK(bytes->offset == 0 && bytes->length == bytes->source->size_bytes());
    std::vector<Answer> answers;
    FrameReader frames(blobs.size(), syncgroup::kBatchBlobBytesMax);
    const absl::Status read = frames.Feed(bytes->source->in_memory(), [&](const Frame& frame) {
      answers.push_back({frame.kind, frame.grants, std::string(frame.body)});
      return absl::OkStatus();
    });
    CHECK(read.ok() && frames.done());
    return answers;
  }

 public:
  base::SystemClock clock;  // outlives all that reads it when it ends

 private:
  syncgroup::TempDir dir_;

 public:
  TestNode here;

 private:
  syncgroup::Neighbours others_{here};

 public:
  syncgroup::Access access;
  PeerApi api;
};

std::string BodyOf(const Response& response) {
  const auto* bytes = std::get_if<std::string>(&response.body);
  return bytes == nullptr ? "" : *bytes;
}

// ---- bytes that came wrong ----

TEST(Access, WhoMayReadABlobSaysOnceADayThatItCameWrong) {
  World world;
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

// ---- every call, every kind of caller ----

constexpr uint64_t kNobody = 0, kStranger = 10, kRemoved = 11, kReader = 12, kWriter = 13,
                   kAdmin = 14, kElsewhere = 15;

TEST(Access, EveryPeerCallByEveryKindOfCaller) {
  World world;
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
  World world;
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
  World world;
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
  World world;
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

// ---- reads against a model ----

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {
    for (const char* name : {"one", "two", "open"}) {
      groups_.push_back(world_.Create(name, std::string(name) == "open"));
    }
  }
  uint64_t Any(uint64_t n) { return random_() % n; }

  // Something happens.
  void Step() {
    const base::GroupId group = groups_[Any(groups_.size())];
    const uint64_t peer = 2 + Any(kPeers);
    const std::string content = Content();
    auto& members = members_[group];
    switch (Any(6)) {
      case 0:
        if (members.contains(peer)) return;
        members[peer] = static_cast<Authority>(1 + Any(3));
        world_.Admit(peer, group, members[peer]);
        return;
      case 1:
        if (!members.contains(peer)) return;
        members.erase(peer);
        world_.Remove(peer, group);
        return;
      case 2:  // from elsewhere: makes it wanted, and opens nothing
        if (!members.contains(peer)) return;
        world_.Mention(peer, group, content);
        if (members[peer] != Authority::kReader) mentions_[content].insert(group);
        return;
      case 3:  // a put, for every group where this peer's own app set a reference
        CHECK(world_.here.Put(content).ok());
        here_.insert(content);
        holdings_[content].insert(set_here_[content].begin(), set_here_[content].end());
        return;
      case 4:  // a put with a reference
        CHECK(world_.here.Put(content, syncgroup::Refs::Target{group, content}).ok());
        here_.insert(content);
        mentions_[content].insert(group);
        set_here_[content].insert(group);
        holdings_[content].insert(set_here_[content].begin(), set_here_[content].end());
        return;
      default:  // a reference by this peer's own app
        CHECK(world_.here.refs->Change(group, {{content, BlobOf(content)}}).ok());
        mentions_[content].insert(group);
        set_here_[content].insert(group);
        if (here_.contains(content)) holdings_[content].insert(group);
        return;
    }
  }

  // Each blob of a batch is answered as it would be by itself.
  void AskMany() {
    const uint64_t caller = 2 + Any(kPeers + 2);
    const std::vector<base::GroupId> asked = SomeGroups();
    std::vector<base::BlobId> blobs;
    for (uint64_t i = 0; i < 1 + Any(8); ++i) blobs.push_back(BlobOf(Content()));
    const auto answers = world_.ReadMany(caller, blobs, asked);
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      const Response alone = world_.Read(caller, blobs[i], asked);
      if (alone.status == 404) {
        ASSERT_EQ(answers[i].kind, FrameKind::kMiss);
        ASSERT_EQ(answers[i].body, BodyOf(alone));
        continue;
      }
      ASSERT_EQ(answers[i].kind, FrameKind::kBlob);
      std::string names;
      for (std::size_t g = 0; g < asked.size(); ++g) {
        if ((answers[i].grants >> g & 1) == 0) continue;
        names += (names.empty() ? "" : ",") + asked[g].ToHex();
      }
      ASSERT_TRUE(std::any_of(alone.headers.begin(), alone.headers.end(), [&](const auto& header) {
        return header.first == "Waypost-Groups" && header.second == names;
      })) << names;
      ASSERT_EQ(BlobOf(answers[i].body), blobs[i]);
      ++together;
    }
  }

  void Ask() {
    const uint64_t caller = 2 + Any(kPeers + 2);  // two are never members
    const std::string content = Content();
    const std::vector<base::GroupId> asked = SomeGroups();
    std::set<std::string> granted;
    bool known = false;
    for (const base::GroupId& group : asked) {
      const bool may = group == groups_[2] || members_[group].contains(caller);
      if (may && holdings_[content].contains(group)) granted.insert(group.ToHex());
    }
    for (const base::GroupId& group : groups_) {
      known |= mentions_[content].contains(group) &&
               (group == groups_[2] || members_[group].contains(caller));
    }
    const Response response = world_.Read(caller, BlobOf(content), asked);
    ASSERT_EQ(response.status, granted.empty() ? 404 : 200);
    ++(granted.empty() ? refused : served);
    if (!granted.empty()) {
      std::set<std::string> names;
      for (const auto& [name, value] : response.headers) {
        if (name != "Waypost-Groups") continue;
        for (std::size_t at = 0; at < value.size(); at += 65) names.insert(value.substr(at, 64));
      }
      ASSERT_EQ(names, granted);
      return;
    }
    if (known) return;  // a group of the caller's mentions it: the answer may say where it is
    const Response nothing = world_.Read(caller, BlobOf("never heard of"), asked);
    ASSERT_EQ(response.status, nothing.status);
    ASSERT_EQ(response.headers, nothing.headers);
    ASSERT_EQ(BodyOf(response), BodyOf(nothing));
    ++alike;
  }

  uint64_t served = 0, refused = 0, alike = 0, together = 0;

 private:
  static constexpr uint64_t kPeers = 5;
  std::vector<base::GroupId> SomeGroups() {
    std::vector<base::GroupId> some;
    for (const base::GroupId& group : groups_) {
      if (Any(2) == 0) some.push_back(group);
    }
    if (some.empty()) some.push_back(groups_[Any(groups_.size())]);
    return some;
  }
  std::string Content() { return "content " + std::to_string(Any(40)); }

  // Answers that take their time say no more than others.
  World world_{{.per_minute = 1000000000, .takes = std::chrono::microseconds(0)}};
  std::mt19937_64 random_;
  std::vector<base::GroupId> groups_;
  std::map<base::GroupId, std::map<uint64_t, Authority>> members_;
  std::map<std::string, std::set<base::GroupId>> mentions_, set_here_, holdings_;
  std::set<std::string> here_;
};

TEST(Access, ReadsAgreeWithTheModel) {
  const char* more = std::getenv("ACCESS_QUESTIONS");
  const uint64_t questions =
      more != nullptr ? std::strtoull(more, nullptr, 10) : support::Rounds(50000);
  const uint64_t seed = syncgroup::TestSeed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  uint64_t asked = 0, served = 0, alike = 0, together = 0;
  for (uint64_t round = 0; asked < questions; ++round) {
    Model model(seed + round);
    for (int i = 0; i < 10000 && asked < questions; ++i, ++asked) {
      if (i % 20 == 0) model.Step();
      model.Ask();
      if (i % 10 == 0) model.AskMany();
      if (testing::Test::HasFatalFailure()) return;
    }
    served += model.served;
    alike += model.alike;
    together += model.together;
  }
  EXPECT_GT(together, asked / 20);
  EXPECT_GT(served, asked / 20);
  EXPECT_GT(alike, asked / 20);
}

// ---- what guessing tells ----

TEST(Access, WhoGuessesIsSlowedDownAndWhoAsksForWhatItsGroupMentionsIsNot) {
  World world(GuessLimits{});
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  world.Admit(3, group, Authority::kReader);
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  ASSERT_TRUE(world.here.refs->Change(group, {{"l", BlobOf("wanted")}}).ok());
  for (int i = 0; i < 150; ++i) {
    ASSERT_EQ(world.Read(2, BlobOf("wanted"), {group}).status, 404) << i;
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(world.Read(2, BlobOf(std::to_string(i)), {group}).status, 404) << i;
  }
  const Response late = world.Read(2, BlobOf("another"), {group});
  EXPECT_EQ(late.status, 429);
  EXPECT_TRUE(std::any_of(late.headers.begin(), late.headers.end(),
                          [](const auto& header) { return header.first == "Retry-After"; }));
  EXPECT_EQ(world.Read(2, BlobOf("here"), {group}).status, 200);
  EXPECT_EQ(world.Read(2, BlobOf("wanted"), {group}).status, 404);
  EXPECT_EQ(world.Read(3, BlobOf("another"), {group}).status, 404);
}

TEST(Access, WhoMayReadNothingThatItNamesIsRefusedAtOnceOverTheLimit) {
  World world(GuessLimits{.takes = std::chrono::milliseconds(20)});
  const base::GroupId group = world.Create("one");
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  std::vector<base::BlobId> blobs = {BlobOf("here")};
  for (int i = 0; i < 100; ++i) blobs.push_back(BlobOf(std::to_string(i)));
  const auto answers = world.ReadMany(9, blobs, {group});
  EXPECT_EQ(answers.at(99).kind, FrameKind::kMiss);
  EXPECT_EQ(answers.at(100).kind, FrameKind::kLeftOut);
  const std::string body = syncgroup::EncodeBatchRequest(
      {.groups = {group}, .blobs = blobs, .blob_bytes_max = syncgroup::kBatchBlobBytesMax});
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(world.Call(9, "POST", "/peer/v1/blobs:batch", {}, body).status, 429);
  EXPECT_EQ(world.Read(9, BlobOf("here"), {group}).status, 429);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

TEST(Access, ABatchOfGuessesIsSlowedDownAsManyGuessesAre) {
  World world(GuessLimits{.takes = std::chrono::microseconds(500)});
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  std::vector<base::BlobId> blobs = {BlobOf("here")};
  for (int i = 0; i < 150; ++i) blobs.push_back(BlobOf(std::to_string(i)));
  const auto began = std::chrono::steady_clock::now();
  const auto answers = world.ReadMany(2, blobs, {group});
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(50));
  EXPECT_EQ(answers.at(0).kind, FrameKind::kBlob);
  for (std::size_t i = 1; i < blobs.size(); ++i) {
    ASSERT_EQ(answers.at(i).kind, i <= 100 ? FrameKind::kMiss : FrameKind::kLeftOut) << i;
  }
  EXPECT_EQ(world.Read(2, BlobOf("another"), {group}).status, 429);
  EXPECT_EQ(world.ReadMany(2, {BlobOf("here")}, {group}).at(0).kind, FrameKind::kBlob);
}

TEST(Access, ABatchLeavesOutWhatIsTooLargeOrFitsNoMore) {
  World world;
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  std::vector<base::BlobId> blobs;
  const auto put = [&](const std::string& content) {
    ASSERT_TRUE(world.here.Put(content, syncgroup::Refs::Target{group, content.substr(0, 9)}).ok());
    blobs.push_back(BlobOf(content));
  };
  put("small");
  put(std::string(1001, 'l'));
  const auto answers = world.ReadMany(2, blobs, {group}, 1000);
  EXPECT_EQ(answers.at(0).kind, FrameKind::kBlob);
  EXPECT_EQ(answers.at(1).kind, FrameKind::kLeftOut);
  EXPECT_EQ(base::ReadU64(answers.at(1).body), 1001u);
  EXPECT_EQ(world.ReadMany(2, blobs, {group}, 1001).at(1).kind, FrameKind::kBlob);
  // More than one answer carries.
  blobs.clear();
  for (char c = 'a'; c < 'k'; ++c) put(std::string(std::size_t{1} << 20, c));
  const auto large = world.ReadMany(2, blobs, {group});
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    EXPECT_EQ(large.at(i).kind, i < 8 ? FrameKind::kBlob : FrameKind::kLeftOut) << i;
  }
  // Answers that are not read leave room for others, of their own peer too as long as it lasts.
  std::vector<Response> unread;
  const std::string body = syncgroup::EncodeBatchRequest(
      {.groups = {group}, .blobs = blobs, .blob_bytes_max = syncgroup::kBatchBlobBytesMax});
  for (int i = 0; i < 4; ++i) {
    unread.push_back(world.Call(2, "POST", "/peer/v1/blobs:batch", {}, body));
  }
  EXPECT_EQ(world.ReadMany(2, blobs, {group}).at(0).kind, FrameKind::kLeftOut);
  world.Admit(3, group, Authority::kReader);
  EXPECT_EQ(world.ReadMany(3, blobs, {group}).at(0).kind, FrameKind::kBlob);
  unread.clear();
  EXPECT_EQ(world.ReadMany(2, blobs, {group}).at(0).kind, FrameKind::kBlob);
}

// Sanitizers have times of their own.
#ifndef WAYPOST_SANITIZED
TEST(Access, MissingAndForbiddenTakeTheSameTime) {
  World world;
  const base::GroupId mine = world.Create("mine");
  const base::GroupId theirs = world.Create("theirs");
  world.Admit(2, mine, Authority::kWriter);
  std::vector<base::BlobId> forbidden, missing;
  for (int i = 0; i < 64; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(world.here.Put(name, syncgroup::Refs::Target{theirs, name}).ok());
    forbidden.push_back(BlobOf(name));
    missing.push_back(BlobOf("not " + name));
  }
  std::mt19937_64 random(syncgroup::TestSeed());
  struct Sample {
    double us;
    bool forbidden;
  };
  // At best of three: another program's turn in the middle of one run says nothing of this one.
  double apart = 0, right = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::vector<Sample> samples;
    for (int i = 0; i < 12000; ++i) {
      const bool is_forbidden = random() % 2 == 0;
      const base::BlobId& blob = (is_forbidden ? forbidden : missing)[random() % 64];
      const auto begin = std::chrono::steady_clock::now();
      ASSERT_EQ(world.Read(2, blob, {mine}).status, 404);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      samples.push_back({took.count(), is_forbidden});
    }
    const auto half = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    const auto median = [&](bool which) {
      std::vector<double> times;
      for (const Sample& sample : samples) {
        if (sample.forbidden == which) times.push_back(sample.us);
      }
      std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                       times.end());
      return times[times.size() / 2];
    };
    apart = std::abs(median(true) - median(false));
    // The best threshold, and which side of it, on the first half.
    std::vector<Sample> learned(samples.begin(), half);
    std::sort(learned.begin(), learned.end(),
              [](const Sample& a, const Sample& b) { return a.us < b.us; });
    const auto all = std::count_if(learned.begin(), learned.end(),
                                   [](const Sample& sample) { return sample.forbidden; });
    double threshold = 0;
    std::ptrdiff_t best = -1, below = 0, seen = 0;
    bool forbidden_above = true;
    for (const Sample& sample : learned) {
      ++seen;
      below += sample.forbidden ? 1 : 0;
      const std::ptrdiff_t above_right = (all - below) + (seen - below);
      const std::ptrdiff_t below_right = static_cast<std::ptrdiff_t>(learned.size()) - above_right;
      if (std::max(above_right, below_right) <= best) continue;
      best = std::max(above_right, below_right);
      threshold = sample.us;
      forbidden_above = above_right >= below_right;
    }
    right = static_cast<double>(std::count_if(half, samples.end(),
                                              [&](const Sample& sample) {
                                                return (sample.us > threshold) ==
                                                       (sample.forbidden == forbidden_above);
                                              })) /
            static_cast<double>(samples.end() - half);
    RecordProperty("median_apart_us", std::to_string(apart));
    RecordProperty("threshold_right", std::to_string(right));
    if (apart < 2 && right < 0.52) break;
  }
  EXPECT_LT(apart, 2) << "microseconds between the medians";
  EXPECT_LT(right, 0.52) << "of the answers are told apart";
}
#endif

}  // namespace
}  // namespace waypost::http
