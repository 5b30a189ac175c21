#include "fetcher/work/recorder.h"

#include <gtest/gtest.h>

#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;

// A recorder and a board by themselves: no thread of the fetcher runs, and the test says what
// attempts came to.
class RecorderTest : public testing::Test {
 protected:
  static constexpr char kContent[] = "a small blob";

  AttemptResult Brought() {
    AttemptResult result;
    auto writer = rig_.blobs->StartFetch(blob_, sizeof(kContent) - 1);
    CHECK(writer.ok() && (*writer)->Append(kContent).ok());
    auto staged = (*writer)->Finish(blob_);
    CHECK(staged.ok());
    result.staged = *std::move(staged);
    result.source = peer_;
    result.granted = {rig_.group};
    return result;
  }
  AttemptResult Failed(std::vector<Asked> asked) {
    AttemptResult result;
    result.report.asked = std::move(asked);
    result.evidence_at_start = rig_.Record(blob_).signpost->evidence;
    return result;
  }
  // As a worker does it. `recorded`: what became of the transaction.
  Written Succeed(const AttemptResult& result, const absl::Status& recorded = absl::OkStatus()) {
    Written written;
    Write([&](base::WriteTxn& txn) {
      written = recorder_.WriteSuccess(txn, blob_, result, rig_.clock.WallNow());
    });
    recorder_.NoteSuccess(blob_, result, rig_.clock.SteadyNow(), recorded, written);
    return written;
  }
  Failure Fail(const AttemptResult& result) {
    Failure failure = recorder_.BeginFailure(blob_, result);
    if (failure.to_write) {
      Write([&](base::WriteTxn& txn) { recorder_.WriteFailure(txn, blob_, result, failure); });
    }
    recorder_.NoteFailure(blob_, result, absl::OkStatus(), failure.consequences);
    return failure;
  }
  void Write(absl::FunctionRef<void(base::WriteTxn&)> write) {
    CHECK(rig_.index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         write(txn);
                         return absl::OkStatus();
                       })
              .ok());
  }
  // How often attempts ended so, by the metrics.
  bool Counted(const std::string& outcome, int times) {
    return rig_.metrics->Render().find("waypost_fetch_attempts_total{result=\"" + outcome + "\"} " +
                                       std::to_string(times) + "\n") != std::string::npos;
  }

  Rig rig_;
  const BlobId blob_ = Sha256::Of(kContent);
  const PeerId peer_ = rig_.AddPeer(1, FakeBlobClient::Misses());
  Board board_{rig_.options, {.clock = rig_.clock, .peers = *rig_.peers, .blobs = *rig_.blobs}};
  Recorder recorder_{{.blobs = *rig_.blobs,
                      .ledger = *rig_.ledger,
                      .peers = *rig_.peers,
                      .clock = rig_.clock,
                      .random = rig_.random,
                      .events = *rig_.events,
                      .metrics = *rig_.metrics,
                      .board = board_}};
};

TEST_F(RecorderTest, EveryOutcomeIsCountedFromTheStart) {
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    const std::string name = OutcomeName(static_cast<Outcome>(i));
    EXPECT_NE(name, "unknown");
    EXPECT_TRUE(Counted(name, 0)) << name;
  }
}

TEST_F(RecorderTest, WhatCameIsHeldAndCounted) {
  rig_.Mention(blob_, {peer_});
  const Written written = Succeed(Brought());
  EXPECT_TRUE(written.kept);
  EXPECT_TRUE(written.stored);
  EXPECT_TRUE(rig_.Held(blob_));
  EXPECT_TRUE(Counted("ok", 1));
}

TEST_F(RecorderTest, WhatABrokenTransferLeftIsWrittenDown) {
  const std::string content(std::size_t{3} << 20, 'x');
  const BlobId large = Sha256::Of(content);
  rig_.Mention(large, {peer_});
  {
    auto writer = rig_.blobs->StartFetch(large, content.size());
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(std::string_view(content).substr(0, 2 << 20)).ok());
  }
  AttemptResult result;
  result.report.asked = {{.peer = peer_, .answer = Answer::kUnreachable}};
  Failure failure = recorder_.BeginFailure(large, result);
  ASSERT_TRUE(failure.to_write);
  Write([&](base::WriteTxn& txn) { recorder_.WriteFailure(txn, large, result, failure); });
  EXPECT_EQ(rig_.Record(large).signpost->partial_bytes, uint64_t{2} << 20);
}

TEST_F(RecorderTest, WhatNobodyWantsAnyMoreGetsNoRow) {
  rig_.Mention(blob_, {peer_});
  const AttemptResult result = Brought();
  ASSERT_TRUE(rig_.fetcher->Stop(blob_).ok());
  EXPECT_FALSE(Succeed(result).kept);
  EXPECT_FALSE(rig_.Record(blob_).row);
  EXPECT_TRUE(Counted("cancelled", 1));
  EXPECT_TRUE(Counted("ok", 0));
}

TEST_F(RecorderTest, AnIndexThatTakesNothingPausesAndIsNotCountedAsASuccess) {
  rig_.Mention(blob_, {peer_});
  Succeed(Brought(), absl::InternalError("the map is broken"));
  EXPECT_EQ(board_.pause().reason, PauseReason::kIndex);
  EXPECT_EQ(board_.pause().detail, "INTERNAL: the map is broken");
  EXPECT_TRUE(Counted("local_error", 1));
  EXPECT_TRUE(Counted("ok", 0));
}

TEST_F(RecorderTest, MemoryThatRanOutIsCountedAndPausesNothing) {
  rig_.Mention(blob_, {peer_});
  Succeed(Brought(), base::NoMemoryError());
  EXPECT_FALSE(board_.pause().paused());
  EXPECT_TRUE(Counted("local_error", 1));
  EXPECT_TRUE(Counted("ok", 0));
}

TEST_F(RecorderTest, ABlobThatArrivesEndsTheRowOfPauses) {
  rig_.Mention(blob_, {peer_});
  AttemptResult full = Failed({});
  full.report.local = LocalEnd::kNoSpace;
  full.report.local_message = "0 bytes are free";
  for (uint32_t i = 1; i <= 3; ++i) {
    Fail(full);
    EXPECT_EQ(board_.pause().reason, PauseReason::kSpace);
    EXPECT_EQ(board_.pause().detail, "0 bytes are free");
    board_.Resume();
    EXPECT_EQ(board_.PauseByItself(PauseReason::kSpace, "full"), 2 * i);
    board_.Resume();
  }
  EXPECT_TRUE(Counted("local_error", 3));
  Succeed(Brought());
  EXPECT_EQ(board_.PauseByItself(PauseReason::kSpace, "full"), 1u);
}

TEST_F(RecorderTest, AnHonestNoIsWrittenDownAgainstTheBlobAndThePlace) {
  rig_.Mention(blob_, {peer_});
  Fail(Failed({{peer_, Answer::kNotHere, "not here", rig_.clock.WallNow()}}));
  const auto signpost = *rig_.Record(blob_).signpost;
  EXPECT_EQ(signpost.fetch_attempts, 1u);
  EXPECT_EQ(signpost.failures, 1u);
  EXPECT_EQ(signpost.locations.at(peer_).denied, rig_.clock.WallNow());
  EXPECT_GT(signpost.next_attempt, rig_.clock.WallNow());
  EXPECT_TRUE(Counted("not_here", 1));
}

TEST_F(RecorderTest, WhoGotTheBlobAfterItsNoWhileOthersWereAskedIsNotDenied) {
  rig_.Mention(blob_, {peer_});
  const base::WallTime said = rig_.clock.WallNow();
  const auto fail = [&] {
    AttemptResult result = Failed({{peer_, Answer::kNotHere, "not here", said}});
    // Another one names it, who knows no better.
    result.learned[peer_] = {.when_seen = rig_.clock.WallNow()};
    Fail(result);
    const signpost::Location at = rig_.Record(blob_).signpost->locations.at(peer_);
    return at.denied >= at.when_seen;
  };
  rig_.clock.Advance(Millis(60'000));
  EXPECT_TRUE(fail());
  rig_.Mention(blob_, {peer_}, 0);
  rig_.clock.Advance(Millis(1000));
  EXPECT_FALSE(fail());
}

TEST_F(RecorderTest, NewsDuringTheAttemptMakesTheBlobDueAtOnce) {
  rig_.Mention(blob_, {peer_});
  const AttemptResult result = Failed({{peer_, Answer::kNotHere, "not here"}});
  ASSERT_TRUE(rig_.fetcher->Retry(blob_).ok());
  Fail(result);
  EXPECT_EQ(rig_.Record(blob_).signpost->next_attempt, rig_.clock.WallNow());
}

TEST_F(RecorderTest, AReturnDuringTheAttemptMakesTheBlobDueAtOnce) {
  rig_.Mention(blob_, {peer_});
  const auto returns = [&] { return rig_.peers->Health(peer_).returns; };
  AttemptResult result = Failed({{peer_, Answer::kUnreachable, "reset"}});
  result.silent[peer_] = returns();
  rig_.peers->RecordFailure(peer_, returns(), {.error = signpost::ErrorClass::kUnreachable});
  rig_.peers->RecordSuccess(peer_);
  const Failure failure = Fail(result);
  EXPECT_FALSE(failure.consequences.parked) << "whoever could not be heard is back";
  EXPECT_EQ(rig_.Record(blob_).signpost->next_attempt, rig_.clock.WallNow());
}

TEST_F(RecorderTest, WhoIsParkedOnceMoreWithoutHavingAskedAnybodyLeavesNothing) {
  rig_.Mention(blob_, {peer_});
  const auto before = *rig_.Record(blob_).signpost;
  AttemptResult result = Failed({});
  result.report.first_cool_down_end = rig_.clock.WallNow() + Millis(9000);
  const Failure failure = Fail(result);
  EXPECT_TRUE(failure.consequences.parked);
  EXPECT_FALSE(failure.to_write);
  EXPECT_EQ(*rig_.Record(blob_).signpost, before);
  EXPECT_TRUE(Counted("unreachable", 1));
}

TEST_F(RecorderTest, WhereTheWindowIsFullAParkedBlobWaitsInTheTable) {
  rig_.Mention(blob_, {peer_});
  board_.AddStoredRuns({});
  for (uint32_t i = 0; i < RunQueue::kWindow; ++i) {
    const signpost::DueKey key{.first_peer = Peer(2),
                               .lane = signpost::DueLane::kNew,
                               .due = rig_.clock.WallNow(),
                               .blob = Sha256::Of(std::to_string(i))};
    board_.OnBlobChange({.blob = key.blob, .due_after = key, .wanted = true});
  }
  ASSERT_TRUE(board_.WindowFull());
  AttemptResult result = Failed({});
  const base::WallTime end = rig_.clock.WallNow() + Millis(9000);
  result.report.first_cool_down_end = end;
  EXPECT_TRUE(Fail(result).to_write);
  EXPECT_EQ(rig_.Record(blob_).signpost->next_attempt, end);
}

}  // namespace
}  // namespace waypost::fetcher
