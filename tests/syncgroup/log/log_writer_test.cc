#include "syncgroup/log/log_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/syncgroup/log/log_rig.h"

namespace waypost::syncgroup {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using Kind = LogWriter::Appended::Kind;

class LogWriterTest : public testing::Test {
 protected:
  // Of one numbering, one after the other.
  std::vector<OpenedEntry> Chain(OpenedEntry first, std::size_t more, int64_t from_ms) {
    std::vector<OpenedEntry> chain = {std::move(first)};
    for (std::size_t i = 0; i < more; ++i) {
      chain.push_back(After(Author(0), chain.back(), from_ms + static_cast<int64_t>(i)));
    }
    return chain;
  }
  absl::Status Drop(BranchId branch, uint64_t generation, std::size_t limit = 1000) {
    absl::Status status;
    rig_.Write([&](LogWriter& log) { status = log.DropBeyond(branch, generation, limit, done_); });
    return status;
  }
  std::size_t BranchCount() {
    std::size_t count = 0;
    rig_.Read([&](const LogReader& log) { count = log.Branches().size(); });
    return count;
  }

  LogRig rig_;
  bool done_ = false;
};

TEST_F(LogWriterTest, AnEntryGoesBehindTheOneThatItNames) {
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 3, 2);
  EXPECT_EQ(rig_.Take(chain[1]).kind, Kind::kMissing);
  for (const OpenedEntry& entry : chain) EXPECT_EQ(rig_.Take(entry).kind, Kind::kNew);
  for (const OpenedEntry& entry : chain) EXPECT_EQ(rig_.Take(entry).kind, Kind::kHere);
  EXPECT_THAT(rig_.Heads(), ElementsAre(HeadOf(chain[3])));
  EXPECT_EQ(BranchCount(), 1u);
  rig_.Read([&](const LogReader& log) {
    EXPECT_EQ(log.EntryAt({1, 2})->sealed, chain[1].sealed);
    EXPECT_EQ(log.State().last_sequence, 4u);
    EXPECT_EQ(log.Branch(1)->head_time, base::FromMs(4));
  });
}

TEST_F(LogWriterTest, WhatGoesOnInTwoWaysHasTwoBranches) {
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 4, 2);
  for (const OpenedEntry& entry : chain) rig_.Take(entry);
  const OpenedEntry other = After(Author(0), chain[1], 50), later = After(Author(0), other, 51);
  const auto split = rig_.Take(other);
  EXPECT_EQ(split.kind, Kind::kNew);
  EXPECT_TRUE(split.split);
  EXPECT_FALSE(rig_.Take(later).split);
  EXPECT_EQ(rig_.Take(other).kind, Kind::kHere);
  // And a third at the same place, which is one more branch of the same parent.
  const OpenedEntry third = After(Author(0), chain[1], 60);
  EXPECT_TRUE(rig_.Take(third).split);
  EXPECT_THAT(rig_.Heads(), UnorderedElementsAre(HeadOf(chain[4]), HeadOf(later), HeadOf(third)));
  rig_.Read([&](const LogReader& log) {
    const auto place = log.Find(HeadOf(later));
    ASSERT_TRUE(place);
    // What it shares with the others is found there.
    EXPECT_EQ(log.EntryAt({place->branch, 2})->sealed, chain[1].sealed);
    EXPECT_EQ(log.EntryAt({place->branch, 3})->sealed, other.sealed);
    EXPECT_EQ(log.Owner({place->branch, 2}), (StoredPlace{1, 2}));
    EXPECT_TRUE(log.IsAncestorOrSelf({1, 2}, *place));
    EXPECT_FALSE(log.IsAncestorOrSelf({1, 3}, *place));
    EXPECT_TRUE(log.IsAncestorOrSelf(*place, *place));
    EXPECT_FALSE(log.Find({chain[0].hash, 3, HeadOf(third).numbering}));
  });
}

TEST_F(LogWriterTest, NobodyGoesOnWithANumberingOfAnother) {
  const OpenedEntry first = First(Author(0), Holds::kReferences, 1);
  rig_.Take(first);
  EXPECT_EQ(rig_.Take(After(Author(1), first, 2)).kind, Kind::kMissing);
  LogEntry acts = After(Author(0), first, 2).entry;
  acts.place.holds = Holds::kActs;
  EXPECT_EQ(rig_.Take(Seal(Author(0), acts)).kind, Kind::kMissing) << "nor mixes acts in";
  LogEntry skips = After(Author(0), first, 2).entry;
  skips.place.generation = 3;
  EXPECT_EQ(rig_.Take(Seal(Author(0), skips)).kind, Kind::kMissing);
}

TEST_F(LogWriterTest, ActsAreFoundByTheirHash) {
  const OpenedEntry acts = First(Author(0), Holds::kActs, 1);
  const OpenedEntry references = First(Author(0), Holds::kReferences, 1);
  const auto at = rig_.Take(acts);
  rig_.Take(references);
  rig_.Read([&](const LogReader& log) {
    EXPECT_EQ(log.FindActs(acts.hash), at.place);
    EXPECT_FALSE(log.FindActs(references.hash));
  });
}

TEST_F(LogWriterTest, WhatIsNotKeptIsNotTold) {
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 4, 2);
  for (const OpenedEntry& entry : chain) rig_.Write([&](LogWriter& log) { log.Append(entry); });
  EXPECT_TRUE(rig_.Heads().empty());
  const auto keep = [&](BranchId branch, uint64_t generation) {
    bool changed = false;
    rig_.Write([&](LogWriter& log) { changed = log.Keep(branch, generation); });
    return changed;
  };
  EXPECT_TRUE(keep(1, 3));
  EXPECT_FALSE(keep(1, 3));
  EXPECT_THAT(rig_.Heads(), ElementsAre(HeadOf(chain[2])));
  // A branch that leaves there: its head stands after that one.
  const OpenedEntry other = After(Author(0), chain[2], 50);
  rig_.Write([&](LogWriter& log) { log.Append(other); });
  EXPECT_THAT(rig_.Heads(), ElementsAre(HeadOf(chain[2])));
  EXPECT_TRUE(keep(2, 4));
  EXPECT_THAT(rig_.Heads(), ElementsAre(HeadOf(other)));
  EXPECT_TRUE(keep(1, 5));
  EXPECT_THAT(rig_.Heads(), UnorderedElementsAre(HeadOf(other), HeadOf(chain[4])));
  // Another log, which has only what is kept, and took the branch for the way straight on.
  LogRig straight;
  EXPECT_TRUE(keep(1, 3));
  for (const OpenedEntry* entry : {&chain[0], &chain[1], &chain[2], &other}) straight.Take(*entry);
  EXPECT_EQ(DigestOf(straight.Heads()), DigestOf(rig_.Heads()));
}

TEST_F(LogWriterTest, WhatIsNotKeptCanBeDropped) {
  const auto chain = Chain(First(Author(0), Holds::kActs, 1), 5, 2);
  for (const OpenedEntry& entry : chain) rig_.Write([&](LogWriter& log) { log.Append(entry); });
  const OpenedEntry other = After(Author(0), chain[3], 50);
  rig_.Write([&](LogWriter& log) {
    log.Append(other);
    log.Keep(1, 2);
  });
  EXPECT_TRUE(absl::IsFailedPrecondition(Drop(1, 1))) << "kept";
  EXPECT_TRUE(absl::IsFailedPrecondition(Drop(1, 3))) << "the other leaves behind it";
  EXPECT_TRUE(rig_.Has(chain[5]));
  EXPECT_TRUE(Drop(2, 0).ok());
  EXPECT_EQ(BranchCount(), 1u);
  EXPECT_FALSE(rig_.Has(other));
  EXPECT_TRUE(Drop(1, 2, 3).ok());
  EXPECT_FALSE(done_) << "one is left";
  EXPECT_TRUE(rig_.Has(chain[2]));
  EXPECT_FALSE(rig_.Has(chain[3]));
  EXPECT_TRUE(Drop(1, 2).ok());
  EXPECT_TRUE(done_);
  EXPECT_FALSE(rig_.Has(chain[2]));
  rig_.Read([&](const LogReader& log) {
    EXPECT_EQ(log.Branch(1)->head_hash, chain[1].hash);
    EXPECT_EQ(log.Branch(1)->head_time, base::FromMs(2));
    EXPECT_FALSE(log.FindActs(chain[4].hash));
    EXPECT_FALSE(log.EntryAt({1, 3}));
  });
  // It may come again.
  EXPECT_EQ(rig_.Take(chain[2]).kind, Kind::kNew);
  EXPECT_THAT(rig_.Heads(), ElementsAre(HeadOf(chain[2])));
}

TEST_F(LogWriterTest, ABranchOfWhichNothingIsLeftIsNoBranch) {
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 2, 2);
  for (const OpenedEntry& entry : chain) rig_.Write([&](LogWriter& log) { log.Append(entry); });
  EXPECT_TRUE(Drop(1, 0).ok());
  EXPECT_EQ(BranchCount(), 0u);
  EXPECT_EQ(rig_.Take(chain[0]).kind, Kind::kNew);
  rig_.Read([&](const LogReader& log) {
    EXPECT_EQ(log.Branches().front().first, 2u) << "numbers are not given again";
  });
}

}  // namespace
}  // namespace waypost::syncgroup
