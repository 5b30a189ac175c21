#include "service/parts/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <thread>

#include "base/log.h"
#include "tests/fakes/fake_clock.h"
#include "tests/support/member_row.h"
#include "tests/syncgroup/test_node.h"

// What is told of a peer as it runs, in events and in the log.
namespace waypost::service {
namespace {

using syncgroup::BlobOf;
using syncgroup::Groups;
using syncgroup::PeerNumber;
using syncgroup::Refs;
using syncgroup::Role;
using syncgroup::TestNode;
using testing::HasSubstr;
using testing::Not;

class WatchTest : public testing::Test {
 protected:
  std::size_t Events(base::EventKind kind) {
    std::size_t count = 0;
    for (const base::Event& event : node_.events.Read(0, 1000).events) count += event.kind == kind;
    return count;
  }

  // A second at a time, with a moment for whoever looks once a second to run.
  void Pass(base::Millis time) {
    const base::SteadyTime end = clock_.SteadyNow() + time;
    while (clock_.SteadyNow() < end) {
      const base::SteadyTime next = clock_.SteadyNow() + base::Millis(1000);
      ASSERT_TRUE(clock_.AdvanceUntil([&] { return clock_.SteadyNow() >= next; }));
      std::this_thread::sleep_for(base::Millis(10));
    }
  }

  // The log, which is captured, from now until `text` is in it, or of a time in which it should be:
  // a look comes the later, the longer one took by a clock that somebody else moves.
  std::string LogUntil(const std::string& text) {
    std::string log;
    for (int round = 0; round < 50 && log.find(text) == std::string::npos; ++round) {
      Pass(base::Millis(30'000));
      log += testing::internal::GetCapturedStderr();
      testing::internal::CaptureStderr();
    }
    return log;
  }

  base::TempDir dir_;
  base::FakeClock clock_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_};
};

TEST_F(WatchTest, AGroupThatBecomesCompleteIsToldOnce) {
  const auto group = node_.groups->Create({.name = "photos", .role = Role::kServer});
  ASSERT_TRUE(group.ok());
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  EXPECT_TRUE(clock_.AdvanceUntil([&] { return Events(base::EventKind::kGroupComplete) == 1; }));
  // Something is wanted, and then it is here.
  ASSERT_TRUE(node_.refs->Change(group->id, {{"a", BlobOf("a")}}).ok());
  std::string log = LogUntil("(photos) is not complete");
  EXPECT_EQ(Events(base::EventKind::kGroupComplete), 1u);
  ASSERT_TRUE(node_.Put("a", Refs::Target{group->id, "a"}).ok());
  EXPECT_TRUE(clock_.AdvanceUntil([&] { return Events(base::EventKind::kGroupComplete) == 2; }));
  log += LogUntil("(photos) is complete");
  node_.parts.Shutdown();
  testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("group " + group->id.ToHex() + " (photos) is complete"));
  EXPECT_THAT(log, HasSubstr("(photos) is not complete"));
}

TEST_F(WatchTest, MembersAreNamedAndAFloodOfThemIsCounted) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  for (int i = 0; i < 60; ++i) {
    node_.events.Publish(base::EventKind::kMemberJoined, {{"group", "g" + std::to_string(i)},
                                                          {"peer", PeerNumber(2).ToHex()},
                                                          {"role", "server"},
                                                          {"authority", "writer"}});
  }
  node_.events.Publish(
      base::EventKind::kMemberRemoved,
      {{"group", "ours"}, {"peer", PeerNumber(1).ToHex()}, {"by", PeerNumber(2).ToHex()}});
  // Told once or, where the flood was met in two looks, in parts; and the later, the longer a look
  // took by a clock that somebody else moves.
  std::string log;
  std::size_t left_out = 0;
  const std::regex more("([0-9]+) more changes of members");
  for (int round = 0; round < 50 && left_out < 30; ++round) {
    Pass(base::Millis(130'000));
    log += testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    left_out = 0;
    for (std::sregex_iterator at(log.begin(), log.end(), more), end; at != end; ++at) {
      left_out += std::stoul((*at)[1]);
    }
  }
  node_.parts.Shutdown();
  log += testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("peer " + PeerNumber(2).ToHex() +
                             " is a member of group g0 as server, writer"));
  EXPECT_THAT(log, Not(HasSubstr("group g40 ")));
  EXPECT_EQ(left_out, 30U) << log;
  EXPECT_THAT(log, HasSubstr("warning this peer was removed from group ours by peer " +
                             PeerNumber(2).ToHex()));
}

TEST_F(WatchTest, PeersThatGoAndComeBackAreNamed) {
  const std::string peer = PeerNumber(2).ToHex(), named = "peer " + peer + " (nas) is ";
  node_.peers->SetProfile(PeerNumber(2), "nas", {});
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  node_.events.Publish(base::EventKind::kPeerOffline, {{"peer", peer}});
  EXPECT_THAT(LogUntil(named), HasSubstr(named + "offline"));
  node_.events.Publish(base::EventKind::kPeerOnline, {{"peer", peer}});
  EXPECT_THAT(LogUntil(named), HasSubstr(named + "online"));
  node_.parts.Shutdown();
  testing::internal::GetCapturedStderr();
}

TEST_F(WatchTest, OfManyPeersThatGoThirtyAMinuteAreNamed) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  for (uint64_t i = 2; i < 62; ++i) {
    node_.events.Publish(base::EventKind::kPeerOffline, {{"peer", PeerNumber(i).ToHex()}});
    // Of more within a moment one event would tell.
    if (i % 6 == 0) Pass(base::Millis(1000));
  }
  const std::string log = LogUntil("more peers came or went");
  node_.parts.Shutdown();
  testing::internal::GetCapturedStderr();
  std::size_t named = 0;
  for (auto at = log.find(" is offline"); at != std::string::npos;
       at = log.find(" is offline", at + 1)) {
    ++named;
  }
  EXPECT_GE(named, 30u) << log;
  EXPECT_LT(named, 60u) << log;
}

TEST_F(WatchTest, WhatAnOperatorPausesAndResumesIsTold) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  ASSERT_TRUE(node_.parts.fetcher->Pause(std::nullopt).ok());
  ASSERT_TRUE(node_.parts.scanner->Pause(std::nullopt).ok());
  std::string log = LogUntil("scanning is paused");
  ASSERT_TRUE(node_.parts.fetcher->Resume().ok());
  ASSERT_TRUE(node_.parts.scanner->Resume().ok());
  log += LogUntil("scanning goes on");
  node_.parts.Shutdown();
  testing::internal::GetCapturedStderr();
  for (const char* line : {"fetching is paused by an operator", "scanning is paused by an operator",
                           "fetching goes on", "scanning goes on"}) {
    EXPECT_THAT(log, HasSubstr(line));
  }
}

TEST_F(WatchTest, WhatWasFetchedInAMinuteIsOneLine) {
  const auto group = node_.groups->Create({.name = "photos", .role = Role::kServer});
  ASSERT_TRUE(group.ok());
  // A member that nobody reaches: each attempt fails.
  support::AddMemberRow(*node_.index, group->id, PeerNumber(2), Role::kServer);
  node_.peers->SetProfile(PeerNumber(2), "nas", {"127.0.0.1:1"});
  ASSERT_TRUE(node_.refs->Change(group->id, {{"a", BlobOf("a")}}).ok());
  testing::internal::CaptureStderr();
  ASSERT_TRUE(node_.parts.Start().ok());
  EXPECT_TRUE(clock_.AdvanceUntil([&] { return node_.parts.fetcher->totals().failures != 0; }));
  EXPECT_THAT(LogUntil("fetching: "), testing::ContainsRegex("fetching: in the last minute 0 "
                                                             "blobs, 0 B, [1-9][0-9]* attempts "
                                                             "failed"));
  node_.parts.Shutdown();
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace waypost::service
