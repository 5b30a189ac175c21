#include "base/events.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace waypost::base {
namespace {

class EventLogTest : public testing::Test {
 protected:
  std::vector<uint64_t> Numbers(uint64_t after, std::size_t limit = 10000) {
    std::vector<uint64_t> numbers;
    for (const Event& event : log_.Read(after, limit).events) numbers.push_back(event.number);
    return numbers;
  }
  FakeClock clock_;
  EventLog log_{clock_, "boot"};
};

TEST(EventKind, IsFoundByItsWord) {
  for (const EventKind kind : kEventKinds) EXPECT_EQ(EventKindNamed(EventKindName(kind)), kind);
  EXPECT_EQ(EventKindNamed("member.left"), EventKind::kMemberLeft);
  EXPECT_EQ(EventKindNamed("blob"), std::nullopt);
}

TEST_F(EventLogTest, EventsAreNumberedFromOneAndReadInOrder) {
  EXPECT_EQ(log_.last_number(), 0u);
  EXPECT_TRUE(log_.Read(0, 10).events.empty());
  log_.Publish(EventKind::kBlobStored, {{"blob", "1"}});
  clock_.Advance(Millis(5));
  log_.Publish(EventKind::kPeerOnline, {});
  const auto page = log_.Read(0, 10);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_FALSE(page.gap);
  EXPECT_EQ(page.events[0].number, 1u);
  EXPECT_EQ(page.events[0].kind, EventKind::kBlobStored);
  EXPECT_EQ(page.events[0].count, 1u);
  EXPECT_EQ(page.events[0].fields[0].second, "1");
  EXPECT_EQ(page.events[1].at - page.events[0].at, Millis(5));
  EXPECT_EQ(Numbers(1), std::vector<uint64_t>{2});
  EXPECT_EQ(Numbers(0, 1), std::vector<uint64_t>{1});
  EXPECT_TRUE(Numbers(2).empty());
  EXPECT_TRUE(Numbers(99).empty()) << "a number of an earlier start";
}

TEST_F(EventLogTest, ABurstOfOneKindFoldsIntoItsTenthEvent) {
  for (int i = 1; i <= 25; ++i) log_.Publish(EventKind::kBlobStored, {{"n", std::to_string(i)}});
  log_.Publish(EventKind::kPeerOnline, {});
  const auto page = log_.Read(0, 100);
  ASSERT_EQ(page.events.size(), 11u);
  EXPECT_EQ(page.events[8].count, 1u);
  EXPECT_EQ(page.events[9].count, 16u);
  EXPECT_EQ(page.events[9].fields[0].second, "25");
  EXPECT_EQ(page.events[10].kind, EventKind::kPeerOnline);
}

TEST_F(EventLogTest, ABurstInOneGroupFoldsNothingOfAnother) {
  for (int i = 0; i < 50; ++i) log_.Publish(EventKind::kRefSet, {{"group", "a"}, {"key", "k"}});
  log_.Publish(EventKind::kRefSet, {{"group", "b"}, {"key", "l"}});
  const auto page = log_.Read(0, 100);
  ASSERT_EQ(page.events.size(), 11u);
  EXPECT_EQ(page.events[9].count, 41u);
  EXPECT_EQ(page.events[10].fields[0].second, "b");
  EXPECT_EQ(page.events[10].count, 1u);
}

TEST_F(EventLogTest, TheNextWindowBeginsAnew) {
  for (int i = 0; i < 15; ++i) log_.Publish(EventKind::kBlobStored, {});
  clock_.Advance(Millis(99));
  log_.Publish(EventKind::kBlobStored, {});
  EXPECT_EQ(log_.last_number(), 10u);
  clock_.Advance(Millis(1));
  log_.Publish(EventKind::kBlobStored, {});
  EXPECT_EQ(log_.last_number(), 11u);
}

TEST_F(EventLogTest, AWallClockThatJumpsFoldsNothing) {
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(Millis(200));
    clock_.SetWall(FromMs(1000));
    log_.Publish(EventKind::kBlobStored, {});
  }
  log_.Publish(EventKind::kBlobStored, {});
  EXPECT_EQ(log_.last_number(), 11u);
}

TEST_F(EventLogTest, AThousandAreKeptAndAGapIsSaid) {
  for (int i = 0; i < 1005; ++i) {
    clock_.Advance(Millis(100));
    log_.Publish(EventKind::kBlobStored, {});
  }
  EXPECT_EQ(Numbers(0).size(), 1000u);
  EXPECT_EQ(Numbers(0).front(), 6u);
  EXPECT_TRUE(log_.Read(0, 10).gap);
  EXPECT_TRUE(log_.Read(4, 10).gap);
  EXPECT_FALSE(log_.Read(5, 10).gap);
  EXPECT_EQ(Numbers(1000), (std::vector<uint64_t>{1001, 1002, 1003, 1004, 1005}));
}

TEST_F(EventLogTest, AFoldedEventThatIsNoLongerKeptIsNotFoldedInto) {
  for (int i = 0; i < 10; ++i) log_.Publish(EventKind::kBlobStored, {});
  for (int i = 0; i < 1001; ++i) log_.Publish(EventKind::kRefSet, {{"group", std::to_string(i)}});
  log_.Publish(EventKind::kBlobStored, {});  // its window is still open, its events are gone
  EXPECT_EQ(log_.Read(1011, 10).events.at(0).kind, EventKind::kBlobStored);
}

TEST_F(EventLogTest, WhoeverWatchesIsCalledWhenThereIsSomethingNewToRead) {
  int calls = 0;
  const auto registration = log_.changed().Register([&] { ++calls; });
  for (int i = 0; i < 25; ++i) log_.Publish(EventKind::kBlobStored, {});
  EXPECT_EQ(calls, 10);
}

}  // namespace
}  // namespace waypost::base
