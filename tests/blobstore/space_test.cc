#include "blobstore/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "base/status.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_file_system.h"

namespace waypost::blobstore {
namespace {

using base::FakeFileSystem;

TEST(FloorBytes, IsBytesOrAShareOfTheDisk) {
  EXPECT_EQ(FloorBytes({.bytes = 5, .percent = 0}, 1000), 5u);
  EXPECT_EQ(FloorBytes({.bytes = 5, .percent = 7}, 1000), 70u);
  EXPECT_EQ(FloorBytes({.bytes = 5, .percent = 100}, 1000), 1000u);
  EXPECT_EQ(FloorBytes({.bytes = 5, .percent = 200}, 1000), 1000u);
  EXPECT_EQ(FloorBytes({.percent = 50}, UINT64_MAX), UINT64_MAX / 100 * 50);
}

class SpaceKeeperTest : public testing::Test {
 protected:
  SpaceKeeperTest() { fs_.SetFreeSpace(10'000); }
  uint64_t looks() const { return fs_.calls(FakeFileSystem::Op::kFreeSpace); }

  FakeFileSystem fs_;
  base::FakeClock clock_;
  SpaceKeeper keeper_{fs_, clock_, "/", {.bytes = 4000}};
};

TEST_F(SpaceKeeperTest, AllowsDownToTheFloorAndNotBelow) {
  EXPECT_TRUE(keeper_.Check(6000).ok());
  EXPECT_TRUE(base::IsNoSpace(keeper_.Check(6001)));
  keeper_.SetFloor({.bytes = 10'000});
  EXPECT_TRUE(keeper_.Check(0).ok());
  keeper_.SetFloor({.bytes = 10'001});
  EXPECT_TRUE(base::IsNoSpace(keeper_.Check(0)));
}

TEST_F(SpaceKeeperTest, WhatATransferWroteIsNotCountedTwice) {
  const auto transfer = keeper_.Reserve(3000);
  ASSERT_TRUE(transfer.ok());
  EXPECT_TRUE(keeper_.Check(3000).ok());
  EXPECT_FALSE(keeper_.Check(3001).ok());
  // 2,000 of it are on the disk, which was looked at before that.
  EXPECT_TRUE((*transfer)->Written(2000).ok());
  EXPECT_TRUE(keeper_.Check(3000).ok());
  EXPECT_FALSE(keeper_.Check(3001).ok());
  // Now it is looked at again.
  fs_.SetFreeSpace(8000);
  clock_.Advance(base::Millis(1000));
  EXPECT_TRUE(keeper_.Check(3000).ok());
  EXPECT_FALSE(keeper_.Check(3001).ok());
}

TEST_F(SpaceKeeperTest, ATransferThatEndsGivesBackWhatItDidNotWrite) {
  {
    const auto transfer = keeper_.Reserve(6000);
    ASSERT_TRUE(transfer.ok());
    EXPECT_FALSE(keeper_.Check(1).ok());
    EXPECT_TRUE((*transfer)->Written(1000).ok());
  }
  EXPECT_TRUE(keeper_.Check(5000).ok());
  EXPECT_FALSE(keeper_.Check(5001).ok());
}

TEST_F(SpaceKeeperTest, WritingMoreThanAnnouncedTakesNothingFromOthers) {
  const auto one = keeper_.Reserve(1000);
  const auto other = keeper_.Reserve(1000);
  EXPECT_TRUE((*one)->Written(1500).ok());
  EXPECT_TRUE(keeper_.Check(3500).ok());
  EXPECT_FALSE(keeper_.Check(3501).ok());
}

// Whoever announces the whole disk and sends a byte a minute leaves it to the others.
TEST_F(SpaceKeeperTest, WhatIsAnnouncedIsKeptFreeOnlyALittleAheadOfWhatArrived) {
  constexpr uint64_t kAhead = SpaceKeeper::kReservedAhead;
  fs_.SetFreeSpace(4000 + 10 * kAhead);
  const auto drip = keeper_.Reserve(10 * kAhead);
  ASSERT_TRUE(drip.ok());
  EXPECT_TRUE(base::IsNoSpace(keeper_.Reserve(10 * kAhead).status()))
      << "for this there is no room";
  const auto honest = keeper_.Reserve(9 * kAhead);
  ASSERT_TRUE(honest.ok()) << honest.status();
  for (int i = 0; i < 9; ++i) EXPECT_TRUE((*honest)->Written(kAhead).ok()) << i;
  // The rest of what was announced first was never kept for it.
  EXPECT_TRUE(base::IsNoSpace((*drip)->Written(kAhead)));
}

TEST_F(SpaceKeeperTest, ATransferAloneGetsAllThatItAnnounced) {
  constexpr uint64_t kAhead = SpaceKeeper::kReservedAhead;
  fs_.SetFreeSpace(4000 + 3 * kAhead + 1);
  const auto transfer = keeper_.Reserve(3 * kAhead + 1);
  ASSERT_TRUE(transfer.ok());
  for (uint64_t done = 0; done < 3 * kAhead; done += kAhead / 16) {
    ASSERT_TRUE((*transfer)->Written(kAhead / 16).ok()) << done;
  }
  EXPECT_TRUE((*transfer)->Written(1).ok());
  EXPECT_TRUE(keeper_.Check(0).ok());
  EXPECT_FALSE(keeper_.Check(1).ok());
}

// Little is kept from others until much has come.
TEST_F(SpaceKeeperTest, ATransferOfUnknownSizeTakesRoomAsItGrows) {
  constexpr uint64_t kStep = SpaceKeeper::kFirstStep;
  fs_.SetFreeSpace(4000 + 100 * kStep);
  const auto transfer = keeper_.ReserveAsItGrows(1000 * kStep);
  ASSERT_TRUE(transfer.ok()) << transfer.status();
  EXPECT_TRUE(keeper_.Check(99 * kStep).ok());
  EXPECT_FALSE(keeper_.Check(99 * kStep + 1).ok());
  uint64_t written = 0;
  absl::Status status;
  while (status.ok() && written < 200 * kStep) {
    status = (*transfer)->Written(kStep / 4);
    written += kStep / 4;
  }
  EXPECT_TRUE(base::IsNoSpace(status)) << status;
  EXPECT_GE(written, 40 * kStep);
  EXPECT_LE(written, 100 * kStep);
}

TEST_F(SpaceKeeperTest, ARefusalSaysWhatIsMissingAndWhatWouldHelp) {
  const auto said = [&](uint64_t bytes) {
    return std::string(base::Std(keeper_.Check(bytes).message()));
  };
  fs_.SetFreeSpace(10'000);  // of which 4,000 are to stay
  const auto other = keeper_.Reserve(1000);
  EXPECT_THAT(said(7000), testing::AllOf(testing::HasSubstr("disk of the data folder"),
                                         testing::HasSubstr(": 2000 bytes are missing"),
                                         testing::HasSubstr("1000 of them promised"),
                                         testing::HasSubstr("lower store.min_free to 2000")));
  EXPECT_THAT(said(9500), testing::AllOf(testing::HasSubstr(": 4500 bytes are missing"),
                                         testing::HasSubstr("alone would not do")));
  keeper_.SetFloor({.bytes = UINT64_MAX});
  EXPECT_THAT(said(1), testing::HasSubstr("lower store.min_free to 8999"));
}

TEST_F(SpaceKeeperTest, LooksAtTheDiskAtMostOnceASecond) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(keeper_.Check(1).ok());
  EXPECT_EQ(looks(), 1u);
  clock_.Advance(base::Millis(999));
  EXPECT_TRUE(keeper_.Space().ok());
  EXPECT_EQ(looks(), 1u);
  clock_.Advance(base::Millis(1));
  fs_.SetFreeSpace(5);
  EXPECT_TRUE(base::IsNoSpace(keeper_.Check(1)));
  EXPECT_EQ(keeper_.Space()->free_bytes, 5u);
  EXPECT_EQ(looks(), 2u);
}

TEST_F(SpaceKeeperTest, ADiskThatCannotBeAskedIsAnErrorAndNoFullDisk) {
  fs_.FailNth(FakeFileSystem::Op::kFreeSpace, 1, EIO);
  const absl::Status refused = keeper_.Check(1);
  EXPECT_FALSE(refused.ok());
  EXPECT_FALSE(base::IsNoSpace(refused));
  EXPECT_TRUE(keeper_.Check(1).ok());
}

}  // namespace
}  // namespace waypost::blobstore
