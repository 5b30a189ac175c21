#include "syncgroup/group/access.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/test_node.h"

// Who may read, what a miss says and how guesses are slowed, on a clock that stands still.

namespace waypost::syncgroup {
namespace {

using Kind = Access::Verdict::Kind;

constexpr std::size_t kPerMinute = 3;
constexpr std::chrono::microseconds kTakes{300};

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() {
    mine_ = Create("mine");
    theirs_ = Create("theirs");
    open_ = Create("open", /*is_public=*/true);
    const auto request = member_.invites->PrepareJoin(*node_.invites->Create(mine_, {}), {});
    CHECK(node_.invites->AcceptJoin(member_.self, *request).ok());
    CHECK(node_.Put("mine", Refs::Target{mine_, "k"}).ok());
    CHECK(node_.Put("theirs", Refs::Target{theirs_, "k"}).ok());
    CHECK(node_.Put("open", Refs::Target{open_, "k"}).ok());
    CHECK(node_.refs->Change(mine_, {{"awaited", BlobOf("awaited")}}).ok());
    CHECK(node_.refs->Change(theirs_, {{"secret", BlobOf("secret")}}).ok());
  }
  base::GroupId Create(const std::string& name, bool is_public = false) {
    return node_.groups->Create({.name = name, .is_public = is_public})->id;
  }
  Access::Judgement JudgeAll(const base::PeerId& caller, const std::vector<std::string>& contents,
                             const std::vector<base::GroupId>& groups) {
    std::vector<base::BlobId> blobs;
    for (const std::string& content : contents) blobs.push_back(BlobOf(content));
    auto judged = access_.Judge(caller, blobs, groups);
    CHECK(judged.ok());
    CHECK(judged->verdicts.size() == blobs.size());
    return *std::move(judged);
  }
  Access::Verdict Judge(const base::PeerId& caller, const std::string& content,
                        const base::GroupId& group) {
    return JudgeAll(caller, {content}, {group}).verdicts.front();
  }
  std::vector<base::BlobId> TakeToldNo() { return std::exchange(told_no_, {}); }

  base::TempDir dir_, member_dir_;
  base::FakeClock clock_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_};
  TestNode member_{PeerNumber(2), member_dir_.path(), clock_};
  const base::PeerId stranger_ = PeerNumber(3);
  base::GroupId mine_, theirs_, open_;
  std::vector<base::BlobId> told_no_;
  Access access_{{.core = *node_.parts.group_core,
                  .guesses = {.per_minute = kPerMinute, .takes = kTakes},
                  .told_no = [this](const base::PeerId&, const std::vector<base::BlobId>& blobs,
                                    const std::vector<base::GroupId>&) {
                    told_no_.insert(told_no_.end(), blobs.begin(), blobs.end());
                  }}};
};

TEST_F(AccessTest, AMemberReadsWhatIsHeldForItsGroupAndOnlyUnderThat) {
  const auto judged = JudgeAll(member_.self, {"mine"}, {theirs_, mine_, open_});
  EXPECT_EQ(judged.verdicts[0].kind, Kind::kGranted);
  EXPECT_EQ(judged.verdicts[0].granted, std::vector<base::GroupId>{mine_});
  EXPECT_EQ(judged.verdicts[0].size_bytes, 4u);
  EXPECT_EQ(judged.answer_after.count(), 0);
  EXPECT_EQ(Judge(member_.self, "mine", theirs_).kind, Kind::kElsewhere);
}

TEST_F(AccessTest, AnybodyReadsWhatIsHeldForAPublicGroupAndNothingElse) {
  EXPECT_EQ(Judge(stranger_, "open", open_).kind, Kind::kGranted);
  EXPECT_EQ(Judge(stranger_, "mine", mine_).kind, Kind::kElsewhere);
}

TEST_F(AccessTest, WhoWasRemovedReadsNothingFromThenOn) {
  ASSERT_TRUE(node_.groups->RemoveMember(mine_, member_.self).ok());
  EXPECT_EQ(Judge(member_.self, "mine", mine_).kind, Kind::kElsewhere);
}

TEST_F(AccessTest, AGroupThatIsLeftServesNobody) {
  const base::GroupId closing = Create("closing", /*is_public=*/true);
  ASSERT_TRUE(node_.Put("closing", Refs::Target{closing, "k"}).ok());
  ASSERT_EQ(Judge(stranger_, "closing", closing).kind, Kind::kGranted);
  ASSERT_TRUE(node_.index
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             auto row = LoadGroupRow(txn, closing);
                             row->state = GroupRow::State::kLeaving;
                             StoreGroupRow(txn, closing, *row);
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(Judge(stranger_, "closing", closing).kind, Kind::kElsewhere);
}

TEST_F(AccessTest, MissingForbiddenMentionedElsewhereAndUnheardOfGetTheSame) {
  const auto judged = JudgeAll(member_.self, {"theirs", "secret", "unheard of"}, {mine_, theirs_});
  for (const Access::Verdict& verdict : judged.verdicts) {
    EXPECT_EQ(verdict.kind, Kind::kElsewhere);
    EXPECT_TRUE(verdict.granted.empty());
    EXPECT_TRUE(verdict.elsewhere.locations.empty());
    EXPECT_TRUE(verdict.elsewhere.groups.empty());
    EXPECT_FALSE(verdict.elsewhere.size_hint_bytes.has_value());
    EXPECT_EQ(verdict.size_bytes, 0u);
  }
  EXPECT_EQ(judged.answer_after, 3 * kTakes);
  EXPECT_TRUE(TakeToldNo().empty());
}

TEST_F(AccessTest, AMissOfWhatTheCallerMayKnowSaysWhereElseAndIsRemembered) {
  ASSERT_TRUE(
      node_.index
          ->Update(base::Index::Lane::kForeground,
                   [&](base::WriteTxn& txn) {
                     node_.ledger->Change(txn, BlobOf("awaited"), [&](BlobRecord& record) {
                       record.signpost->locations[member_.self] = {.when_seen = clock_.WallNow()};
                       record.signpost->locations[stranger_] = {.when_seen = clock_.WallNow()};
                     });
                     return absl::OkStatus();
                   })
          .ok());
  // Asks under a group of its own as well as one that it may not know.
  const auto judged = JudgeAll(member_.self, {"awaited"}, {theirs_, mine_});
  EXPECT_EQ(judged.verdicts[0].kind, Kind::kElsewhere);
  EXPECT_FALSE(judged.verdicts[0].elsewhere.locations.contains(stranger_));
  EXPECT_EQ(judged.answer_after.count(), 0);
  EXPECT_EQ(TakeToldNo(), std::vector<base::BlobId>{BlobOf("awaited")});
}

TEST_F(AccessTest, WhoGuessesTooOftenIsRefusedUntilAMinuteHasPassed) {
  for (std::size_t i = 0; i < kPerMinute; ++i) {
    ASSERT_EQ(Judge(member_.self, std::to_string(i), mine_).kind, Kind::kElsewhere);
    clock_.Advance(base::Millis(1000));
  }
  const Access::Verdict refused = Judge(member_.self, "another", mine_);
  EXPECT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(refused.retry_after, base::Millis(60000 - 3000));
  // No guesses, and no guess of another.
  EXPECT_EQ(Judge(member_.self, "mine", mine_).kind, Kind::kGranted);
  EXPECT_EQ(Judge(member_.self, "awaited", mine_).kind, Kind::kElsewhere);
  EXPECT_EQ(Judge(stranger_, "another", mine_).kind, Kind::kElsewhere);
  clock_.Advance(refused.retry_after);
  EXPECT_EQ(Judge(member_.self, "another", mine_).kind, Kind::kElsewhere);
  EXPECT_EQ(Judge(member_.self, "one more", mine_).kind, Kind::kRefused);
}

TEST_F(AccessTest, ManyAtOnceAreJudgedAsOneByOne) {
  const std::vector<std::string> contents = {"1", "mine", "2", "awaited", "3", "4", "open"};
  const auto together = JudgeAll(member_.self, contents, {mine_});
  EXPECT_EQ(together.verdicts[5].kind, Kind::kRefused);
  EXPECT_EQ(together.answer_after, 5 * kTakes);  // a refusal takes as long
  clock_.Advance(base::Millis(60000));
  base::SteadyTime::duration held{0};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto alone = JudgeAll(member_.self, {contents[i]}, {mine_});
    EXPECT_EQ(alone.verdicts[0].kind, together.verdicts[i].kind) << contents[i];
    EXPECT_EQ(alone.verdicts[0].granted, together.verdicts[i].granted) << contents[i];
    EXPECT_EQ(alone.verdicts[0].retry_after, together.verdicts[i].retry_after) << contents[i];
    held += alone.answer_after;
  }
  EXPECT_EQ(held, together.answer_after);
}

TEST_F(AccessTest, WhoseBytesAreGoneIsAMissOfWhichNobodyIsToHear) {
  const auto judged = access_.JudgeLost(member_.self, BlobOf("mine"), {mine_});
  ASSERT_TRUE(judged.ok());
  EXPECT_EQ(judged->verdicts.at(0).kind, Kind::kElsewhere);
  EXPECT_EQ(judged->answer_after.count(), 0);
  EXPECT_TRUE(TakeToldNo().empty());
}

}  // namespace
}  // namespace waypost::syncgroup
