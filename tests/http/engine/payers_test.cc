#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "http/engine/engine_connection.h"
#include "http/message/errors.h"
#include "tests/http/engine/allocation_limit.h"
#include "tests/http/engine/peer_listener_fixture.h"
#include "tests/http/engine/raw_client.h"

// That one member, with as many connections from as many networks as it likes and with all whom it
// brings in, keeps nothing of the peer listener from another.
namespace waypost::http {
namespace {

constexpr std::size_t kLargeBytes = 6 << 20;

class PayersTest : public PeerListenerTest {
 protected:
  PayersTest() {
    options_.workers = 4;
    options_.writers = 4;
    options_.changes = [](std::string_view method, std::string_view) { return method == "POST"; };
    options_.min_rate_bytes_per_s = 0;  // who drips is never cut
    options_.payer_of = [this](const base::PeerId& peer) { return PayerOf(peer); };
  }
  Response Handle(Request& request) override {
    Response response;
    ++asked_;
    if (request.body != nullptr) {
      std::size_t bytes = 0;
      const absl::Status read = request.body->Read([&](std::string_view piece) {
        bytes += piece.size();
        return absl::OkStatus();
      });
      if (absl::IsUnavailable(read)) return ErrorResponse(read);
      if (!read.ok()) return ErrorResponse(absl::InvalidArgumentError(read.message()));
    }
    if (request.path == "/hold") {
      ++held_;
      gate_.Pass();
    }
    if (request.path.starts_with("/note")) {
      base::MutexLock lock(mutex_);
      order_ += request.path.back();
    }
    if (request.path == "/refused") {
      return ErrorResponse(absl::ResourceExhaustedError("asked too often"));
    }
    response.body = request.path == "/large" ? std::string(kLargeBytes, 'x') : "hello";
    return response;
  }
  base::Payer PayerOf(const base::PeerId& peer) {
    base::MutexLock lock(mutex_);
    const auto found = sponsors_.find(peer);
    return base::PayerOf(peer, found == sponsors_.end() ? base::PeerId() : found->second);
  }
  double Connections() {
    return metrics_.AddGauge("waypost_http_connections", "", {{"listener", "peer"}}).value();
  }
  static base::PeerId IdOf(const RawClient::Key& key) {
    std::string bytes(32, '\0');
    std::size_t size = bytes.size();
    CHECK(EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                      &size) == 1);
    return *base::PeerId::FromBytes(bytes);
  }
  // A key that came by an invite of the greedy one.
  RawClient::Key Puppet() {
    const RawClient::Key key = RawClient::DrawKey();
    base::MutexLock lock(mutex_);
    sponsors_[IdOf(key)] = IdOf(greedy_);
    return key;
  }
  std::string Order() {
    base::MutexLock lock(mutex_);
    return order_;
  }
  std::unique_ptr<RawClient> Come(const RawClient::Key& key, const std::string& from = "",
                                  int receive_buffer_bytes = 0) {
    auto client = std::make_unique<RawClient>("peer://" + engine_->bound_address(),
                                              receive_buffer_bytes, RawClient::As{key, from});
    EXPECT_TRUE(client->connected());
    return client;
  }
  // That it was served at least once: its handshake is done here too.
  std::unique_ptr<RawClient> ComeAndAsk(const RawClient::Key& key, const std::string& from = "") {
    auto client = Come(key, from);
    EXPECT_EQ(client->Get("/").body, "hello") << from;
    return client;
  }
  static void Ask(RawClient& client, const std::string& method, const std::string& path,
                  std::size_t body_bytes = 0) {
    client.Send(absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n"));
    if (method == "POST") client.Send(absl::StrCat("Content-Length: ", body_bytes, "\r\n"));
    client.Send("\r\n");
  }

  const RawClient::Key greedy_ = RawClient::DrawKey(), other_ = RawClient::DrawKey();
  std::atomic<int> held_{0}, asked_{0};
  base::Mutex mutex_;
  std::string order_ GUARDED_BY(mutex_);
  std::map<base::PeerId, base::PeerId> sponsors_ GUARDED_BY(mutex_);
};

TEST_F(PayersTest, OneKeyWithManyRequestsLeavesThreadsToOthers) {
  Listen();
  std::vector<std::unique_ptr<RawClient>> many;
  for (int i = 0; i < 32; ++i) {
    many.push_back(Come(greedy_));
    Ask(*many.back(), i % 2 == 0 ? "POST" : "GET", "/hold");
  }
  // Three of the four writers, three of the four workers.
  ASSERT_TRUE(Eventually([&] { return held_ == 6; })) << held_;
  const auto other = Come(other_);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(other->Get("/").body, "hello");
    Ask(*other, "POST", "/");
    EXPECT_EQ(other->ReadAnswer().body, "hello");
  }
  EXPECT_EQ(held_, 6);
  gate_.Open();
  for (const auto& client : many) EXPECT_EQ(client->ReadAnswer().status, 200);
}

TEST_F(PayersTest, WhomOneBroughtInHaveTogetherWhatOneHas) {
  options_.max_connections_per_payer = 20;
  options_.writers = 8;  // four bodies at a time
  Listen();
  // Bodies: one of those that drip is received.
  std::vector<std::unique_ptr<RawClient>> drips;
  for (int i = 0; i < 4; ++i) {
    drips.push_back(ComeAndAsk(Puppet()));
    // Quick enough for the first window, so that none is asked to give way meanwhile.
    Ask(*drips.back(), "POST", "/", 1'000'000);
    drips.back()->Send(std::string(999'999, 'x'));
  }
  ASSERT_TRUE(Eventually([&] { return asked_ == 5; })) << "one of them is received";
  const auto other = ComeAndAsk(other_);
  Ask(*other, "POST", "/", 300'000);
  other->Send(std::string(300'000, 'x'));
  EXPECT_EQ(other->ReadAnswer().status, 200);
  EXPECT_EQ(asked_, 7);
  for (const auto& drip : drips) drip->Send("x");
  for (const auto& drip : drips) EXPECT_EQ(drip->ReadAnswer().status, 200);
  // Unread answers: of 16 MiB two have room, and not the third.
  std::vector<std::unique_ptr<RawClient>> unread;
  for (int i = 0; i < 8; ++i) {
    unread.push_back(Come(Puppet(), "", 4096));
    Ask(*unread.back(), "GET", "/large");
  }
  ASSERT_TRUE(Eventually([&] { return Rejected("answer_room") == 6; })) << Rejected("answer_room");
  // Threads: three of the four.
  std::vector<std::unique_ptr<RawClient>> holding;
  for (int i = 0; i < 8; ++i) {
    holding.push_back(Come(Puppet()));
    Ask(*holding.back(), "GET", "/hold");
  }
  ASSERT_TRUE(Eventually([&] { return held_ == 3; })) << held_;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other->Get("/").body, "hello");
  EXPECT_EQ(held_, 3);
  // Connections: these were all that they have, and ten of them are idle.
  std::vector<std::unique_ptr<RawClient>> more;
  for (int i = 0; i < 8; ++i) more.push_back(Come(Puppet()));
  EXPECT_TRUE(Eventually([&] { return Rejected("key") == 8; })) << Rejected("key");
  EXPECT_EQ(other->Get("/").body, "hello");
  EXPECT_EQ(ComeAndAsk(greedy_)->Get("/").body, "hello") << "nor from whoever brought them in";
}

TEST_F(PayersTest, WhoAsksForLittleIsServedBeforeWhoWaitsWithMuch) {
  options_.writers = 1;
  Listen();
  const auto first = Come(greedy_);
  Ask(*first, "POST", "/hold");
  gate_.AwaitArrivals(1);
  std::vector<std::unique_ptr<RawClient>> many;
  for (int i = 0; i < 8; ++i) {
    many.push_back(ComeAndAsk(greedy_));
    Ask(*many.back(), "POST", "/note-g");
  }
  const auto other = ComeAndAsk(other_);
  Ask(*other, "POST", "/note-o");
  // A round trip later on the same loop, all of them are queued.
  EXPECT_EQ(ComeAndAsk(other_)->Get("/").body, "hello");
  gate_.Open();
  EXPECT_EQ(other->ReadAnswer().status, 200);
  for (const auto& client : many) EXPECT_EQ(client->ReadAnswer().status, 200);
  // The one that held the writer has used much; what comes after has used nothing yet.
  EXPECT_EQ(Order(), "ogggggggg");
}

TEST_F(PayersTest, BodiesThatDripHoldUpTheirOwnKeyOnly) {
  options_.writers = 8;  // four bodies at a time
  Listen();
  std::vector<std::unique_ptr<RawClient>> drips;
  for (int i = 0; i < 4; ++i) {
    drips.push_back(ComeAndAsk(greedy_));
    Ask(*drips.back(), "POST", "/", 300'000);
    drips.back()->Send(std::string(1000, 'x'));
  }
  ASSERT_TRUE(Eventually([&] { return asked_ >= 5; })) << "one of them is received";
  const auto began = base::SteadyNow();
  for (int i = 0; i < 3; ++i) {
    const auto other = Come(other_);
    Ask(*other, "POST", "/", 300'000);
    other->Send(std::string(300'000, 'x'));
    EXPECT_EQ(other->ReadAnswer().status, 200);
  }
  EXPECT_LT(base::SteadyNow() - began, base::Millis(20'000)) << "of the 30 s that a body waits";
  EXPECT_EQ(Rejected("upload_slots"), 0);
  // When the first is whole, the next of the same key has its turn.
  for (const auto& drip : drips) drip->Send(std::string(299'000, 'x'));
  for (const auto& drip : drips) EXPECT_EQ(drip->ReadAnswer().status, 200);
}

// Four of them held all threads that receive bodies, for as long as they liked.
TEST_F(PayersTest, ABodyThatDripsGivesWayToAnotherPayerThatWaits) {
  options_.writers = 8;  // four bodies at a time
  Listen();
  std::vector<std::unique_ptr<RawClient>> drips;
  for (int i = 0; i < 4; ++i) {
    drips.push_back(ComeAndAsk(RawClient::DrawKey()));
    Ask(*drips.back(), "POST", "/", 300'000);
    drips.back()->Send(std::string(1000, 'x'));
  }
  ASSERT_TRUE(Eventually([&] { return asked_ == 8; })) << "all of them are received";
  const auto other = Come(other_);
  Ask(*other, "POST", "/", 300'000);
  other->Send(std::string(300'000, 'x'));
  EXPECT_EQ(other->ReadAnswer().status, 200);
  EXPECT_EQ(Rejected("slow_body_for_others"), 1) << "one makes room, and nobody else waits";
  for (const auto& drip : drips) drip->Send(std::string(299'000, 'x'));
  int cut = 0;
  for (const auto& drip : drips) {
    const auto answer = drip->ReadAnswer();
    if (answer.status == 200) continue;
    ++cut;
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.at("retry-after"), "5");
  }
  EXPECT_EQ(cut, 1);
}

// One that came by an invite kept the bodies of all others that did waiting, for as long as it
// liked.
TEST_F(PayersTest, ABodyThatDripsGivesWayToAnotherMemberOfItsPayer) {
  options_.writers = 8;  // four bodies at a time
  Listen();
  const auto drip = ComeAndAsk(Puppet());
  Ask(*drip, "POST", "/", 300'000);
  drip->Send(std::string(1000, 'x'));
  ASSERT_TRUE(Eventually([&] { return asked_ == 2; })) << "it is received";
  const auto other = Come(Puppet());
  Ask(*other, "POST", "/", 300'000);
  other->Send(std::string(300'000, 'x'));
  EXPECT_EQ(other->ReadAnswer().status, 200);
  EXPECT_EQ(drip->ReadAnswer().status, 503);
  // Their sponsor waits for neither.
  const auto sponsor = Come(greedy_);
  Ask(*sponsor, "POST", "/", 300'000);
  sponsor->Send(std::string(300'000, 'x'));
  EXPECT_EQ(sponsor->ReadAnswer().status, 200);
}

TEST_F(PayersTest, OfBodiesThatWaitWhoHadAThreadLongestAgoGoesFirst) {
  options_.writers = 2;  // one body at a time
  Listen();
  const auto first = ComeAndAsk(greedy_);
  const std::string body(300'000, 'x');
  Ask(*first, "POST", "/hold", body.size());
  first->Send(body);
  gate_.AwaitArrivals(1);
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(ComeAndAsk(i < 3 ? greedy_ : other_));
    Ask(*waiting.back(), "POST", i < 3 ? "/note-g" : "/note-o", body.size());
  }
  // A round trip later on the same loop, all of them wait.
  EXPECT_EQ(ComeAndAsk(other_)->Get("/").body, "hello");
  gate_.Open();
  for (const std::size_t i : {3, 0, 1, 2}) {
    waiting[i]->Send(body);
    EXPECT_EQ(waiting[i]->ReadAnswer().status, 200);
  }
  EXPECT_EQ(Order(), "oggg");
}

TEST_F(PayersTest, OneKeyHasSoManyConnectionsFromWhereverItComes) {
  options_.max_connections_per_payer = 3;
  Listen();
  std::vector<std::unique_ptr<RawClient>> many;
  for (int i = 0; i < 3; ++i) many.push_back(ComeAndAsk(greedy_, absl::StrCat("127.0.0.", 10 + i)));
  const auto other = ComeAndAsk(other_);
  // One more closes the one that is idle longest.
  many.push_back(ComeAndAsk(greedy_, "127.0.0.20"));
  EXPECT_TRUE(many[0]->Closed());
  EXPECT_EQ(Rejected("key"), 1);
  // Where all are at work it is the newcomer.
  for (int i = 1; i < 4; ++i) Ask(*many[static_cast<std::size_t>(i)], "GET", "/hold");
  ASSERT_TRUE(Eventually([&] { return held_ == 3; }));
  EXPECT_TRUE(Come(greedy_, "127.0.0.21")->Closed());
  EXPECT_EQ(Rejected("key"), 2);
  EXPECT_EQ(other->Get("/").body, "hello");
  gate_.Open();
  for (int i = 1; i < 4; ++i)
    EXPECT_EQ(many[static_cast<std::size_t>(i)]->ReadAnswer().status, 200);
}

TEST_F(PayersTest, WhenItIsFullAnIdleConnectionOfWhoHasMostGoesForANewcomer) {
  options_.max_connections = 36;
  options_.max_per_address = 4;
  Listen();
  std::vector<std::unique_ptr<RawClient>> few, many;
  for (int i = 0; i < 4; ++i) few.push_back(ComeAndAsk(i < 2 ? other_ : RawClient::DrawKey()));
  for (int i = 0; i < 32; ++i) many.push_back(ComeAndAsk(greedy_, absl::StrCat("127.0.1.", 1 + i)));
  // Full, and nobody is a stranger.
  for (int i = 0; i < 8; ++i) {
    few.push_back(ComeAndAsk(RawClient::DrawKey(), absl::StrCat("127.0.2.", 1 + i)));
  }
  EXPECT_EQ(Rejected("idle"), 8);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_TRUE(many[i]->Closed()) << i;
  for (const auto& client : few) EXPECT_EQ(client->Get("/").body, "hello");
  EXPECT_EQ(many.back()->Get("/").body, "hello");
}

TEST_F(PayersTest, AMembersOnlyConnectionGoesForNobody) {
  options_.max_connections = 3;
  Listen();
  std::vector<std::unique_ptr<RawClient>> members;
  for (int i = 0; i < 3; ++i) members.push_back(ComeAndAsk(RawClient::DrawKey()));
  RawClient late("peer://" + engine_->bound_address());
  EXPECT_EQ(late.Get("/").status, 0);
  for (const auto& member : members) EXPECT_EQ(member->Get("/").body, "hello");
  EXPECT_EQ(Rejected("connections"), 1);
}

TEST_F(PayersTest, AnswersThatAreNotReadHaveAShareOfTheMemory) {
  Listen();
  std::vector<std::unique_ptr<RawClient>> many;
  // Of 16 MiB two have room, and not the third.
  for (int i = 0; i < 8; ++i) {
    many.push_back(Come(greedy_, "", 4096));
    Ask(*many.back(), "GET", "/large");
  }
  ASSERT_TRUE(Eventually([&] { return Rejected("answer_room") == 6; })) << Rejected("answer_room");
  const auto large = Come(other_);
  for (int i = 0; i < 3; ++i) {
    const auto answer = large->Get("/large");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body.size(), kLargeBytes);
  }
  int refused = 0;
  for (const auto& client : many) {
    const auto answer = client->ReadAnswer();
    EXPECT_TRUE(answer.complete);
    if (answer.status == 200) continue;
    ++refused;
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
  }
  EXPECT_EQ(refused, 6);
  // What was read leaves room, and small ones need none.
  EXPECT_EQ(many[0]->Get("/large").body.size(), kLargeBytes);
  EXPECT_EQ(many[1]->Get("/").body, "hello");
}

// Who was removed is cut also where memory has run out.
TEST_F(PayersTest, WhoWasRefusedIsAnsweredAtOnceAndReadAgainAfterARest) {
  Listen();
  const auto client = ComeAndAsk(greedy_), other = ComeAndAsk(greedy_);
  const base::SteadyTime began = base::SteadyNow();
  Ask(*client, "GET", "/refused");
  EXPECT_EQ(client->ReadAnswer().status, 429);
  const base::SteadyTime refused = base::SteadyNow();
  Ask(*client, "GET", "/refused");
  EXPECT_EQ(client->ReadAnswer().status, 429);
  EXPECT_EQ(client->Get("/").body, "hello");
  const base::SteadyTime ended = base::SteadyNow();
  EXPECT_GE(ended - refused, 2 * kRefusedRest - base::Millis(10)) << "two rests";
  EXPECT_LT(refused - began, ended - refused) << "the first answer did not wait for one";
  // It is that connection which rests: who was not refused is answered.
  Ask(*client, "GET", "/refused");
  EXPECT_EQ(client->ReadAnswer().status, 429);
  EXPECT_EQ(other->Get("/").body, "hello");
  // Who goes away while it rests is let go.
  client->Close();
  EXPECT_TRUE(Eventually([&] { return Connections() == 1; })) << Connections();
}

TEST_F(PayersTest, CuttingPeersTakesNoMemory) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  Listen();
  std::vector<std::unique_ptr<RawClient>> removed;
  for (int i = 0; i < 8; ++i) removed.push_back(ComeAndAsk(greedy_));
  {
    std::optional<AllocationLimit> limit;  // from when the loop looks for them
    engine_->CutPeers([&limit](const base::PeerId&) {
      if (!limit) limit.emplace(std::size_t{0});
      return true;
    });
    for (const auto& client : removed) EXPECT_TRUE(client->Closed());
  }
  EXPECT_EQ(Rejected("peer_left"), 8);
  EXPECT_EQ(ComeAndAsk(other_)->Get("/").body, "hello");
}

}  // namespace
}  // namespace waypost::http
