// A peer that says whatever it likes, over real connections, to a whole service.
#include "tests/support/hostile_peer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "http/client/app_client.h"
#include "http/engine/listen.h"
#include "http/message/json.h"
#include "service/data_dir.h"
#include "service/service.h"
#include "syncgroup/protocol/seal.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fakes/temp_dir.h"
#include "tests/support/eventually.h"

namespace waypost::service {
namespace {

using http::Json;
using support::Eventually;
using Liar = support::HostilePeer;
using namespace waypost::syncgroup;  // NOLINT: the liar speaks its language throughout

class HostilePeerTest : public testing::Test {
 protected:
  HostilePeerTest() {
    signal(SIGPIPE, SIG_IGN);  // as the program does
    CHECK(base::InitCrypto());
    data_ = folder_ / "victim";
    const auto fs = base::NewPosixFileSystem();
    CHECK(DataDir::Init(*fs, data_, "").ok());
    CHECK(Run().ok());
    group_ = *base::GroupId::FromHex(
        Call("POST", "/v1/groups", "{\"name\":\"photos\",\"role\":\"server\"}")["id"]
            .get<std::string>());
  }
  ~HostilePeerTest() override { victim_->Shutdown(); }

  absl::Status Run() {
    ServiceOptions options{.data_dir = data_};
    Layer& layer = options.command_line;
    const auto set = [&](const char* key, const char* value) {
      layer[key] = RawValue{.items = {value}, .where = "the test"};
    };
    set("http.listen", "127.0.0.1:0");
    set("peer.listen", "127.0.0.1:0");
    set("peer.allow_cidr", "127.0.0.1/32");
    set("sync.interval", "100ms");
    set("store.min_free", "0");
    for (const auto& [key, value] : limits_) set(key.c_str(), value.c_str());
    ASSIGN_OR_RETURN(victim_, Service::Create(options));
    RETURN_IF_ERROR(victim_->Start());
    ASSIGN_OR_RETURN(token_, ReadToken(data_, "api.token"));
    return absl::OkStatus();
  }
  absl::StatusOr<http::AppClient::Reply> Send(const std::string& method, const std::string& target,
                                              const std::string& body = "") {
    http::AppClient client({.address = victim_->http_address(), .token = token_});
    http::AppClient::Call call{.method = method, .target = target};
    if (!body.empty() || method != "GET") call.body = body;
    return client.Send(call);
  }
  Json Call(const std::string& method, const std::string& target, const std::string& body = "") {
    const auto reply = Send(method, target, body);
    if (!reply.ok()) return nullptr;
    return Json::parse(reply->body, nullptr, false);
  }
  int StatusOf(const std::string& target) {
    const auto reply = Send("GET", target);
    return reply.ok() ? reply->status : 0;
  }
  std::string GroupPath(const std::string& rest) {
    return absl::StrCat("/v1/groups/", group_.ToHex(), rest);
  }
  Invite MakeInvite(const std::string& authority = "writer") {
    const Json made = Call("POST", GroupPath("/invites"), "{\"authority\":\"" + authority + "\"}");
    return *ParseInvite(made["invite"].get<std::string>());
  }
  Liar& AddLiar() {
    return *liars_.emplace_back(
        std::make_unique<Liar>(clock_, folder_ / absl::StrCat("liar", liars_.size())));
  }
  bool Referenced(const std::string& key) { return StatusOf(GroupPath("/refs/" + key)) == 200; }
  // The liar answers each round with these entries.
  void Serve(Liar& liar, const std::vector<SealedEntry>& entries) {
    SyncGroupReply answer{.group = group_, .member = true, .entries = entries};
    answer.cursor = {.log = liar.numbering.incarnation, .sequence = 1};
    SyncReply reply;
    reply.groups = {answer};
    liar.OnSync([reply](const SyncRequest&) { return reply; });
    const int before = liar.syncs;
    static_cast<void>(liar.client->Poke(
        {.peer = victim_peer(), .addresses = {victim_->peer_address()}}, {.groups = {group_}}, {}));
    // The one under way and a whole one after it.
    ASSERT_TRUE(Eventually([&] { return liar.syncs >= before + 2; }));
  }
  base::PeerId victim_peer() {
    return *base::PeerId::FromHex(Call("GET", "/v1/status")["peer"].get<std::string>());
  }
  PutRefOp Ref(const std::string& key) { return {key, base::Sha256::Of(key), 1}; }

  base::TempDir folder_;
  base::SystemClock clock_;
  std::string data_, token_;
  std::map<std::string, std::string> limits_;
  std::unique_ptr<Service> victim_;
  base::GroupId group_;
  std::vector<std::unique_ptr<Liar>> liars_;
};

TEST_F(HostilePeerTest, EntriesThatAreNotWhatTheySayChangeNothing) {
  Liar& liar = AddLiar();
  Liar& other = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  ASSERT_TRUE(other.Join(MakeInvite("reader")).ok());

  // In the name of the founder, of a reader who did sign it, and of nobody.
  const auto fresh = liar.numbering;
  Entry forged = *DecodeEntry(liar.Say(group_, {Ref("forged")}).bytes);
  forged.place.origin = victim_peer();
  const std::string bytes = EncodeEntry(forged);
  Serve(liar, {{bytes, liar.identity->Sign(kEntryTag, bytes)}, {bytes, ""}});
  Serve(liar, {other.Say(group_, {Ref("by-a-reader")})});
  // Of another group, cut short, changed after signing, in the wrong order, with a gap.
  const base::GroupId foreign(base::Hash256("foreign"));
  liar.numbering = fresh;
  Serve(liar, {liar.Say(foreign, {Ref("foreign")})});
  liar.numbering = fresh;
  SealedEntry first = liar.Say(group_, {Ref("first")});
  const SealedEntry second = liar.Say(group_, {Ref("second")});
  SealedEntry cut = first;
  cut.bytes.resize(cut.bytes.size() / 2);
  SealedEntry bent = first;
  bent.bytes.back() = static_cast<char>(bent.bytes.back() ^ 1);
  Serve(liar, {cut, bent, second});
  // Far ahead of the clock.
  Serve(liar, {liar.member.Sign({.group = group_,
                                 .place = {{}, fresh.incarnation, 1},
                                 .previous = {},
                                 .time = clock_.WallNow() + base::Millis(3600 * 1000),
                                 .ops = {Ref("ahead")}})});
  for (const char* key : {"forged", "by-a-reader", "foreign", "first", "second", "ahead"}) {
    EXPECT_FALSE(Referenced(key)) << key;
  }
  // And then the truth.
  Serve(liar, {first, second});
  EXPECT_TRUE(Eventually([&] { return Referenced("first") && Referenced("second"); }));
  // Said again it changes nothing; said otherwise it is a proof against the liar.
  Serve(liar, {first, second, first});
  Entry twice = *DecodeEntry(second.bytes);
  twice.ops = {Ref("twice")};
  liar.OnSync([first, reply = liar.member.Sign(twice), group = group_,
               log = liar.numbering.incarnation](const SyncRequest&) {
    SyncReply answer;
    SyncGroupReply& of_group = answer.groups.emplace_back();
    of_group = {.group = group, .member = true, .entries = {reply}};
    of_group.cursor = {.log = log, .sequence = 2};
    of_group.probed = {first, reply};
    return answer;
  });
  EXPECT_TRUE(Eventually([&] { return !Referenced("second"); }));
  EXPECT_FALSE(Referenced("twice"));
  EXPECT_EQ(Call("GET", GroupPath("/members"))["items"].size(), 3u);
}

TEST_F(HostilePeerTest, ARequestThatNamesAGroupAThousandTimesIsNone) {
  Liar& liar = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite("reader")).ok());
  SyncGroupRequest asked{.group = group_};
  for (std::size_t i = 0; i < kProbesMax; ++i) {
    asked.probes.push_back({{victim_peer(), liar.numbering.incarnation}, 1});
  }
  SyncRequest request;
  for (int i = 0; i < 150; ++i) request.groups.push_back(asked);
  const Endpoint victim{.peer = victim_peer(), .addresses = {victim_->peer_address()}};
  const auto answer = liar.client->Sync(victim, request, {});
  EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << answer.status();
  request.groups.resize(1);
  EXPECT_TRUE(liar.client->Sync(victim, request, {}).ok());
  EXPECT_EQ(StatusOf("/readyz"), 200);
}

TEST_F(HostilePeerTest, AReaderWhoSaysItIsAnAdminIsNone) {
  Liar& liar = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite("reader")).ok());
  const base::PeerId victim = victim_peer();
  Serve(
      liar,
      {liar.Say(group_,
                {AdmitOp{liar.peer(), liar.numbering.incarnation, Role::kServer, Authority::kAdmin},
                 RemoveOp{victim, liar.numbering.incarnation, 0}, SettingsOp{"stolen", {}, true}}),
       liar.Say(group_, {Ref("mine")})});
  const Json group = Call("GET", GroupPath(""));
  EXPECT_EQ(group["name"], "photos");
  EXPECT_EQ(group["public"], false);
  EXPECT_EQ(group["authority"], "admin");
  EXPECT_FALSE(Referenced("mine"));
  const Json members = Call("GET", GroupPath("/members"));
  for (const Json& member : members["items"]) {
    const bool is_liar = member["peer"] == liar.peer().ToHex();
    EXPECT_EQ(member["authority"], is_liar ? "reader" : "admin");
  }
}

TEST_F(HostilePeerTest, AProfileSendsNobodyToADoorOfSomeoneElse) {
  // A door that only this machine should reach, and another one that may be dialled.
  const auto trap = http::Listen("127.0.0.2:0", "the trap");
  const auto control = http::Listen("127.0.0.1:0", "the control");
  ASSERT_TRUE(trap.ok() && control.ok());
  Liar& liar = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  Serve(liar,
        {liar.Say(group_, {ProfileOp{"liar", {trap->bound_address, control->bound_address}, {}}})});
  liar.StopListening();
  const auto knocked = [](int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd >= 0) close(fd);
    return fd >= 0;
  };
  EXPECT_TRUE(Eventually([&] { return knocked(control->fd); }));
  EXPECT_FALSE(knocked(trap->fd));
  close(trap->fd);
  close(control->fd);
}

TEST_F(HostilePeerTest, AForgedOrSpentInviteOpensNothingAndGuessingIsStopped) {
  Liar& liar = AddLiar();
  Liar& second = AddLiar();
  const Invite invite = MakeInvite();
  ASSERT_TRUE(liar.Join(invite).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(second.Join(invite)));
  Invite forged = MakeInvite();
  forged.secret = base::RandomBytes(32);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(absl::IsPermissionDenied(second.Join(forged)));
  EXPECT_TRUE(absl::IsResourceExhausted(second.Join(forged)));
  EXPECT_EQ(Call("GET", GroupPath("/members"))["items"].size(), 2u);
}

TEST_F(HostilePeerTest, ALogThatNeverEndsIsLeftAndHonestWorkGoesOn) {
  Liar& liar = AddLiar();
  Liar& honest = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  ASSERT_TRUE(honest.Join(MakeInvite()).ok());
  // What is served outlives this body.
  const auto sequence = std::make_shared<std::atomic<uint64_t>>(1);
  liar.OnSync([sequence, group = group_, log = liar.numbering.incarnation](const SyncRequest&) {
    SyncReply reply;
    reply.more = true;
    SyncGroupReply& answer = reply.groups.emplace_back();
    answer = {.group = group, .member = true};
    answer.cursor = {.log = log, .sequence = ++*sequence};
    answer.more = true;
    return reply;
  });
  static_cast<void>(liar.client->Poke(
      {.peer = victim_peer(), .addresses = {victim_->peer_address()}}, {.groups = {group_}}, {}));
  ASSERT_TRUE(Eventually([&] { return liar.syncs > 20; }));
  Serve(honest, {honest.Say(group_, {Ref("honest")})});
  EXPECT_TRUE(Eventually([&] { return Referenced("honest"); }));
  EXPECT_TRUE(Eventually([&] { return liar.syncs > 1000; })) << liar.syncs;
  EXPECT_EQ(StatusOf("/readyz"), 200);
}

TEST_F(HostilePeerTest, AMemberThatMentionsTooMuchIsHeldBackAndNamed) {
  limits_ = {{"limits.mention_burst", "1500"}, {"limits.mention_rate", "0"}};
  victim_->Shutdown();
  victim_.reset();
  ASSERT_TRUE(Run().ok());
  Liar& liar = AddLiar();
  Liar& honest = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  ASSERT_TRUE(honest.Join(MakeInvite()).ok());
  std::vector<SealedEntry> flood;
  for (int i = 0; i < 3; ++i) {
    std::vector<Op> ops;
    for (int j = 0; j < 700; ++j) ops.push_back(Ref(absl::StrCat("flood", i, "-", j)));
    flood.push_back(liar.Say(group_, std::move(ops)));
  }
  Serve(liar, flood);
  EXPECT_TRUE(Referenced("flood1-0"));
  EXPECT_FALSE(Referenced("flood2-0"));
  EXPECT_EQ(Call("GET", GroupPath(""))["refs"], 1400);
  const Json members = Call("GET", GroupPath("/members"));
  EXPECT_NE(members.dump().find("limits.mention_burst"), std::string::npos) << members;
  Serve(honest, {honest.Say(group_, {Ref("honest")})});
  EXPECT_TRUE(Eventually([&] { return Referenced("honest"); }));
  // With more room it goes on where it was.
  limits_ = {};
  victim_->Shutdown();
  victim_.reset();
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(Eventually([&] { return Referenced("flood2-699"); }));
}

TEST_F(HostilePeerTest, AMemberMakesThisPeerFetchNoMoreThanItMay) {
  limits_ = {{"limits.member_bytes", "1MiB"}, {"fetcher.retry_base", "100ms"}};
  victim_->Shutdown();
  victim_.reset();
  ASSERT_TRUE(Run().ok());
  Liar& liar = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  const auto held = [&](const std::string& content) {
    return StatusOf("/v1/blobs/" + base::Sha256::Of(content).ToHex() + "?fetch=never") == 200;
  };
  const auto mention = [&](const std::string& key, const std::string& content,
                           std::optional<uint64_t> said) {
    liar.Give(content);
    return liar.Say(group_, {PutRefOp{key, base::Sha256::Of(content), said}});
  };
  // Says less than it is, or nothing: found out when it comes.
  const std::string fits(700'000, 'f'), small(400'000, 's'), silent(400'000, 'n');
  const SealedEntry one = mention("fits", fits, 1);
  Serve(liar, {one});
  ASSERT_TRUE(Eventually([&] { return held(fits); }));
  const SealedEntry two = mention("small", small, 1), three = mention("silent", silent, {});
  Serve(liar, {one, two, three});
  const std::string why = absl::StrCat("/v1/blobs/", base::Sha256::Of(small).ToHex(), "/why");
  EXPECT_TRUE(Eventually([&] {
    return Call("GET", why).dump().find("limits.member_bytes") != std::string::npos;
  })) << Call("GET", why);
  // What is left can be used; then nobody is even asked.
  const std::string rest((1 << 20) - fits.size(), 'r');
  const SealedEntry four = mention("rest", rest, {});
  Serve(liar, {one, two, three, four});
  EXPECT_TRUE(Eventually([&] { return held(rest); }));
  const SealedEntry five = mention("more", "more", {});
  Serve(liar, {one, two, three, four, five});
  EXPECT_TRUE(Eventually([&] {
    return Call("GET", why).dump().find("leaves nothing") != std::string::npos;
  })) << Call("GET", why);
  EXPECT_TRUE(Referenced("more"));
  EXPECT_FALSE(held("more"));
  const Json members = Call("GET", GroupPath("/members"));
  EXPECT_NE(members.dump().find("\"bytes_fetched_for\":1048576"), std::string::npos) << members;
  EXPECT_FALSE(held(small));
  EXPECT_FALSE(held(silent));
  // What the app of this peer asks for is its own affair.
  EXPECT_TRUE(Eventually([&] {
    return StatusOf("/v1/blobs/" + base::Sha256::Of(small).ToHex() + "?timeout=1s") == 200;
  }));
  limits_ = {};
  victim_->Shutdown();
  victim_.reset();
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(Eventually([&] { return held(silent) && held("more"); }));
}

TEST_F(HostilePeerTest, AGroupMadePrivateCutsWhoIsNoMemberInTheMiddleOfADownload) {
  ASSERT_EQ(Send("PATCH", GroupPath(""), R"({"public":true})")->status, 200);
  const std::string much(std::size_t{48} << 20, 'x');
  ASSERT_EQ(Send("POST", "/v1/blobs?group=" + group_.ToHex(), much)->status, 201);
  Liar& reader = AddLiar();
  class Sink final : public fetcher::BlobSink {
   public:
    explicit Sink(std::function<void()> on_start) : on_start_(std::move(on_start)) {}
    absl::Status OnStart(uint64_t, uint64_t, const std::vector<base::GroupId>&) override {
      on_start_();
      return absl::OkStatus();
    }
    absl::Status OnData(std::string_view data) override {
      bytes += data.size();
      return absl::OkStatus();
    }
    uint64_t bytes = 0;

   private:
    const std::function<void()> on_start_;
  };
  const fetcher::BlobRequest request{
      .from = {.peer = victim_peer(), .addresses = {victim_->peer_address()}},
      .blob = base::Sha256::Of(much),
      .groups = {group_}};
  Sink whole([] {});
  EXPECT_EQ(reader.client->Get(request, whole, {}).kind, fetcher::BlobReply::Kind::kComplete);
  Sink cut([&] {
    EXPECT_EQ(Send("PATCH", GroupPath(""), R"({"public":false})")->status, 200);
    // The engine closes the connection on a thread of its own.
    EXPECT_TRUE(Eventually([&] {
      return Send("GET", "/metrics")
                 ->body.find(
                     "waypost_http_rejected_total{listener=\"peer\",reason=\"peer_left\"} 1") !=
             std::string::npos;
    }));
  });
  EXPECT_NE(reader.client->Get(request, cut, {}).kind, fetcher::BlobReply::Kind::kComplete);
  EXPECT_LT(cut.bytes, much.size());
}

TEST_F(HostilePeerTest, FortyThousandMentionsAtOnceDelayNobody) {
  Liar& liar = AddLiar();
  Liar& honest = AddLiar();
  ASSERT_TRUE(liar.Join(MakeInvite()).ok());
  ASSERT_TRUE(honest.Join(MakeInvite()).ok());
  std::vector<SealedEntry> flood;
  for (int i = 0; i < 40; ++i) {
    std::vector<Op> ops;
    for (int j = 0; j < 1000; ++j) ops.push_back(Ref(absl::StrCat("flood ", i, " ", j)));
    flood.push_back(liar.Say(group_, std::move(ops)));
  }
  Serve(liar, flood);
  Serve(honest, {honest.Say(group_, {Ref("honest")})});
  EXPECT_TRUE(Eventually([&] { return Referenced("honest"); }));
  EXPECT_EQ(StatusOf("/readyz"), 200);
}

}  // namespace
}  // namespace waypost::service
