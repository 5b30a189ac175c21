#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "http/message/later_answer.h"
#include "tests/fakes/gate.h"
#include "tests/http/engine/peer_listener_fixture.h"
#include "tests/http/engine/raw_client.h"

// What strangers may have of the peer listener, and that members have the rest.
namespace waypost::http {
namespace {

class StrangersTest : public PeerListenerTest {
 protected:
  StrangersTest() {
    options_.max_waiting = 8;
    options_.workers = 8;
    options_.payer_of = [this](const base::PeerId& peer) {
      return IsMember(peer) ? std::optional(base::PayerOf(peer.bytes())) : std::nullopt;
    };
  }
  void TearDown() override {
    loop_.Open();
    PeerListenerTest::TearDown();
  }
  Response Handle(Request& request) override {
    Response response;
    if (request.path == "/hold") {
      ++held_;
      gate_.Pass();
    }
    if (request.path == "/later") {
      ++later_;
      return AnswerAt(base::SteadyNow() + base::Millis(20'000), std::move(response));
    }
    if (request.path == "/soon") {
      return AnswerAt(base::SteadyNow() + base::Millis(300), std::move(response));
    }
    if (request.path == "/held-loop") loop_.Pass();
    response.body = std::string("hello");
    return response;
  }
  // Each client has a key of its own, and is what it was when it came first.
  bool IsMember(const base::PeerId& peer) {
    base::MutexLock lock(mutex_);
    if (seen_.insert(peer).second && members_come_) members_.insert(peer);
    return members_.contains(peer);
  }
  std::unique_ptr<RawClient> Come(bool member) {
    members_come_ = member;
    auto client = std::make_unique<RawClient>("peer://" + engine_->bound_address());
    EXPECT_TRUE(client->connected());
    // It is looked at when its handshake is done here.
    const std::size_t before = seen_before_;
    EXPECT_TRUE(Eventually([&] {
      base::MutexLock lock(mutex_);
      return seen_.size() > before;
    }));
    seen_before_ = before + 1;
    return client;
  }
  static void Ask(RawClient& client, const std::string& path) {
    client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  double HandshakeSteps(const std::string& by) {
    return metrics_
        .AddCounter("waypost_http_handshake_steps_total", "", {{"listener", "peer"}, {"by", by}})
        .value();
  }

  base::Gate loop_;
  std::atomic<int> held_{0}, later_{0};
  std::atomic<bool> members_come_{false};
  std::size_t seen_before_ = 0;
  base::Mutex mutex_;
  std::set<base::PeerId> seen_ GUARDED_BY(mutex_), members_ GUARDED_BY(mutex_);
};

TEST_F(StrangersTest, TheyHoldAQuarterOfTheWorkersAndMembersHaveTheRest) {
  Listen();
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 12; ++i) {
    strangers.push_back(Come(false));
    Ask(*strangers.back(), "/hold");
  }
  ASSERT_TRUE(Eventually([&] { return held_ == 2; }));
  const auto member = Come(true);
  std::vector<std::unique_ptr<RawClient>> members;
  for (int i = 0; i < 5; ++i) {
    members.push_back(Come(true));
    Ask(*members.back(), "/hold");
  }
  ASSERT_TRUE(Eventually([&] { return held_ == 7; }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(member->Get("/").body, "hello");
  EXPECT_EQ(held_, 7);
  gate_.Open();
  for (const auto& client : strangers) EXPECT_EQ(client->ReadAnswer().status, 200);
  for (const auto& client : members) EXPECT_EQ(client->ReadAnswer().status, 200);
}

TEST_F(StrangersTest, OfBodiesTheyHaveOneWorkerAndMembersHaveOthers) {
  Listen();
  // Too large for the loop: a worker receives it, and is held here.
  const auto send = [](RawClient& client) {
    client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
  };
  std::vector<std::unique_ptr<RawClient>> strangers, members;
  for (int i = 0; i < 3; ++i) {
    strangers.push_back(Come(false));
    send(*strangers.back());
  }
  ASSERT_TRUE(Eventually([&] { return held_ == 1; }));
  for (int i = 0; i < 2; ++i) {
    members.push_back(Come(true));
    send(*members.back());
  }
  ASSERT_TRUE(Eventually([&] { return held_ == 3; }));
  // Those that wait hold up nothing else of theirs.
  EXPECT_EQ(Come(false)->Get("/").body, "hello");
  EXPECT_EQ(held_, 3);
  gate_.Open();
  EXPECT_TRUE(Eventually([&] { return held_ == 5; })) << held_;
}

TEST_F(StrangersTest, OfWaitsTheyHaveAQuarterAndAreRefusedBeyondItAtOnce) {
  Listen();
  const auto first = Come(false), second = Come(false), third = Come(false);
  Ask(*first, "/later");
  Ask(*second, "/later");
  ASSERT_TRUE(Eventually([&] { return later_ == 2; }));
  const auto began = std::chrono::steady_clock::now();
  const auto refused = third->Get("/later");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(third->Get("/").body, "hello");
  EXPECT_EQ(Come(true)->Get("/soon").status, 200);
}

TEST_F(StrangersTest, AnAnswerThatWaitsHoldsNoWorker) {
  options_.workers = 1;
  options_.max_waiting = 100;
  Listen();
  std::vector<std::unique_ptr<RawClient>> waiting;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(Come(true));
    Ask(*waiting.back(), "/soon");
  }
  const auto member = Come(true);
  EXPECT_EQ(member->Get("/").body, "hello");
  for (const auto& client : waiting) EXPECT_EQ(client->ReadAnswer().status, 200);
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::milliseconds(20 * 300)) << "one after the other";
}

TEST_F(StrangersTest, TheyHaveTwoThirdsOfTheConnectionsAndTheIdleOnesGoFirst) {
  options_.max_connections = 9;
  Listen();
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 6; ++i) strangers.push_back(Come(false));
  EXPECT_EQ(strangers[0]->Get("/").body, "hello");  // the second is idle longest now
  strangers.push_back(Come(false));
  EXPECT_TRUE(strangers[1]->Closed());
  EXPECT_EQ(strangers[6]->Get("/").body, "hello");
  std::vector<std::unique_ptr<RawClient>> members;
  for (int i = 0; i < 3; ++i) members.push_back(Come(true));
  // Full: a stranger goes for each newcomer, a member never.
  for (int i = 0; i < 6; ++i) members.push_back(Come(true));
  for (const auto& member : members) EXPECT_EQ(member->Get("/").body, "hello");
  for (const auto& stranger : strangers) EXPECT_TRUE(stranger->Closed());
  EXPECT_EQ(Rejected("stranger"), 7);
  RawClient late("peer://" + engine_->bound_address());
  EXPECT_EQ(late.Get("/").status, 0);
}

TEST_F(StrangersTest, TheirPartOfTheConnectionsIsWhatIsConfigured) {
  options_.max_connections = 10;
  options_.stranger_connections_percent = 20;
  Listen();
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 3; ++i) strangers.push_back(Come(false));
  EXPECT_TRUE(strangers[0]->Closed());
  for (int i = 1; i < 3; ++i) EXPECT_EQ(strangers[i]->Get("/").body, "hello");
  EXPECT_EQ(Rejected("stranger"), 1);
}

TEST_F(StrangersTest, OneThatIsAnsweredIsNotIdle) {
  options_.max_connections = 1;
  Listen();
  const auto stranger = Come(false);
  Ask(*stranger, "/hold");
  ASSERT_TRUE(Eventually([&] { return held_ == 1; }));
  RawClient late("peer://" + engine_->bound_address());
  EXPECT_EQ(late.Get("/").status, 0);
  gate_.Open();
  EXPECT_EQ(stranger->ReadAnswer().status, 200);
}

TEST_F(StrangersTest, HandshakesBeyondTheLoopsRateAreDoneByWorkers) {
  constexpr int kDiallers = 100;  // fewer than may be under way
  options_.express = {"/held-loop"};
  Listen();
  const auto member = Come(true);
  // All say hello while the loop is held up, and stand in front of it when it goes on.
  Ask(*member, "/held-loop");
  loop_.AwaitArrivals(1);
  std::atomic<int> done{0};
  std::vector<base::Thread> dialling;
  for (int i = 0; i < kDiallers; ++i) {
    dialling.emplace_back("dial", [&] {
      RawClient client("peer://" + engine_->bound_address());
      if (client.Get("/").status == 200) ++done;
    });
  }
  base::WaitUntil(base::SteadyNow() + base::Millis(200));
  const auto began = std::chrono::steady_clock::now();
  loop_.Open();
  for (auto& thread : dialling) thread.Join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(done, kDiallers);
  EXPECT_EQ(Rejected("tls"), 0);
  // A step or two each; of these 30 at once are the loop's, and 300 a second, besides those of
  // the member before.
  const double by_loop = HandshakeSteps("loop"), by_workers = HandshakeSteps("worker");
  EXPECT_GE(by_loop + by_workers, kDiallers);
  EXPECT_LE(by_loop, 2 + 30 + 300 * took.count()) << "workers: " << by_workers;
}

TEST_F(StrangersTest, WhoBecomesAMemberIsNoStrangerFromItsNextRequestOn) {
  Listen();
  const auto one = Come(false), two = Come(false), joiner = Come(false);
  EXPECT_EQ(joiner->Get("/").body, "hello");
  Ask(*one, "/hold");
  Ask(*two, "/hold");
  ASSERT_TRUE(Eventually([&] { return held_ == 2; }));
  {
    base::MutexLock lock(mutex_);
    members_ = seen_;
  }
  EXPECT_EQ(joiner->Get("/").body, "hello");
}

}  // namespace
}  // namespace waypost::http
