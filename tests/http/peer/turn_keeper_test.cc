#include "http/peer/turn_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "base/clock.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/client/scripted_server.h"
#include "tests/support/eventually.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::http {
namespace {

TEST(TurnKeeper, OneMoreThanIsInUseUpToFour) {
  EXPECT_EQ(TurnedWanted({}), 1u);
  EXPECT_EQ(TurnedWanted({.open = 1, .busy = 0}), 1u);
  EXPECT_EQ(TurnedWanted({.open = 1, .busy = 1}), 2u);
  EXPECT_EQ(TurnedWanted({.open = 3, .busy = 3}), 4u);
  EXPECT_EQ(TurnedWanted({.open = 9, .busy = 9}), 4u);
}

TEST(TurnKeeper, PausesDoubleUpToAMinute) {
  EXPECT_EQ(TurnPause(0), base::Millis(0));
  EXPECT_EQ(TurnPause(1), base::Millis(2000));
  EXPECT_EQ(TurnPause(2), base::Millis(4000));
  EXPECT_EQ(TurnPause(5), base::Millis(32000));
  EXPECT_EQ(TurnPause(6), base::Millis(60000));
  EXPECT_EQ(TurnPause(4000000000u), base::Millis(60000));
}

TEST(TurnKeeper, AServerThatDoesNotAnswerKeepsNoOtherWaiting) {
  base::SystemClock clock;
  base::TempDir dir;
  syncgroup::TestNode node(syncgroup::PeerNumber(1), dir.path(), clock);
  const base::GroupId group = node.groups->Create({.name = "g"})->id;
  for (uint64_t number = 2; number < 5; ++number) {
    base::TempDir other;
    syncgroup::TestNode joiner(syncgroup::PeerNumber(number), other.path(), clock);
    const auto request =
        joiner.invites->PrepareJoin(*node.invites->Create(group, {}), syncgroup::Role::kServer);
    ASSERT_TRUE(node.invites->AcceptJoin(joiner.self, *request).ok());
  }
  const auto contacts = *node.replication().Contacts();
  ASSERT_EQ(contacts.size(), 3u);
  ScriptedServer silent({[](ScriptedServer::Talk& talk) {
    talk.ReadHead();
    talk.WaitForTheOtherEnd();
  }});
  ScriptedServer good("HTTP/1.1 204 No Content\r\n\r\n");
  // The last one answers.
  for (std::size_t i = 0; i < contacts.size(); ++i) {
    node.peers->SetProfile(contacts[i].peer, "n", {i < 2 ? silent.address() : good.address()});
  }
  PeerHttpClient client({.self = node.self, .plain_for_tests = true}, *node.peers);
  std::atomic<bool> served{false};
  TurnKeeper keeper({.replication = node.replication(),
                     .client = client,
                     .peers = *node.peers,
                     .clock = clock,
                     .lines_of = [](const base::PeerId&) { return TurnedLines(); },
                     .serve =
                         [&](std::unique_ptr<TurnedConnection>) {
                           served = true;
                           return absl::OkStatus();
                         }});
  const auto began = std::chrono::steady_clock::now();
  keeper.Start();
  EXPECT_TRUE(support::Eventually([&] { return served.load(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  keeper.Shutdown();
}

}  // namespace
}  // namespace waypost::http
