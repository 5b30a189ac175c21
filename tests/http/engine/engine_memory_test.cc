#include <gtest/gtest.h>

#include "base/status.h"
#include "http/client/exchange.h"
#include "http/engine/engine.h"
#include "tests/http/engine/allocation_limit.h"
#include "tests/http/engine/engine_fixture.h"
#include "tests/http/engine/raw_client.h"

// Memory that runs out ends what has no room, and nothing else.
namespace waypost::http {
namespace {

TEST_P(EngineTest, MemoryThatRunsOutEndsOneConnectionAndNotTheService) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  RawClient other(address_), client(address_);
  EXPECT_EQ(other.Get("/hello").body, "hello");
  const std::string body(200'000, 'x');
  client.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
  {
    // The loop gathers it.
    const AllocationLimit limit(100'000);
    client.Send(body);
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_EQ(Rejected("memory"), 1);
  EXPECT_EQ(other.Get("/hello").body, "hello");
}

TEST(WithinMemory, SaysThatMemoryRanOutWithoutAny) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  absl::Status status;
  {
    const AllocationLimit limit(0);
    status = base::WithinMemory([] {
      throw std::bad_alloc();
      return absl::OkStatus();
    });
  }
  EXPECT_EQ(status.message(), "memory ran out");
}

TEST_P(EngineTest, MemoryThatRunsOutInTheQueueEndsThoseItHadNoRoomFor) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<RawClient>(address_));
    EXPECT_EQ(clients.back()->Get("/hello").body, "hello");
  }
  const std::string request = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
  {
    // A queue takes memory for some jobs at a time; an answer's head has none either.
    const AllocationLimit limit(400);
    for (const auto& client : clients) client->Send(request);
    for (const auto& client : clients) EXPECT_TRUE(client->Closed());
  }
  EXPECT_GE(Rejected("memory"), 10);
  EXPECT_EQ(RawClient(address_).Get("/hello").body, "hello");
}

TEST_P(EngineTest, MemoryThatRunsOutForATurnedConnectionEndsThatOne) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  RawClient other(address_);
  EXPECT_EQ(other.Get("/hello").body, "hello");
  std::stop_source stop;
  const Interrupt interrupt(stop.get_token());
  const Exchange exchange = DialAndTurn(interrupt);
  std::unique_ptr<TurnedConnection> turned;
  ASSERT_TRUE(Eventually([&] { return (turned = TakeTurned()) != nullptr; }));
  {
    const AllocationLimit limit(400);
    EXPECT_TRUE(engine_->Serve(std::move(turned)).ok());
    EXPECT_TRUE(Eventually([&] { return Rejected("memory") == 1; }));
  }
  EXPECT_EQ(other.Get("/hello").body, "hello");
}

}  // namespace
}  // namespace waypost::http
