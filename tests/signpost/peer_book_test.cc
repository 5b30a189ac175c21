#include "signpost/peer_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/metrics.h"
#include "base/thread.h"
#include "signpost/peer_row.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/signpost/samples.h"

namespace waypost::signpost {
namespace {

using base::Millis;
using testing::ElementsAre;
using testing::Pair;

const LastError kRefused = {.error = ErrorClass::kUnreachable, .message = "refused"};

class PeerBookTest : public testing::Test {
 protected:
  PeerBookTest() { OpenIndex(); }

  void OpenIndex() {
    auto index = base::Index::Open({.dir = dir_.path(), .metrics = &metrics_});
    CHECK(index.ok());
    index_ = *std::move(index);
  }
  std::unique_ptr<PeerBook> NewBook() {
    auto book = std::make_unique<PeerBook>(*index_, clock_, random_);
    EXPECT_TRUE(book->Load().ok());
    return book;
  }
  // What the table says now. Also waits for what was submitted before.
  std::optional<PeerBook::KnownPeer> Stored(const base::PeerId& peer) {
    std::optional<PeerBook::KnownPeer> entry;
    EXPECT_TRUE(index_
                    ->Update(base::Index::Lane::kBulk,
                             [&](base::WriteTxn& txn) {
                               const auto payload = txn.Get(base::Table::kPeers, peer.bytes());
                               if (payload) entry = DecodePeerRow(peer, *payload);
                               return absl::OkStatus();
                             })
                    .ok());
    return entry;
  }

  uint64_t Commits() {
    const std::string name = "waypost_index_commit_seconds_count ";
    const std::string all = metrics_.Render();
    const auto at = all.find(name);
    CHECK(at != std::string::npos);
    return std::stoull(all.substr(at + name.size()));
  }

  base::TempDir dir_;
  base::FakeClock clock_;
  base::Metrics metrics_;
  base::SeededRandom random_{7};
  std::unique_ptr<base::Index> index_;
};

TEST_F(PeerBookTest, KnowsNothingOfAStranger) {
  const auto book = NewBook();
  EXPECT_FALSE(book->Find(Peer(1)));
  EXPECT_EQ(book->Health(Peer(1)), PeerHealth());
  EXPECT_FALSE(book->Cooling(Peer(1)));
  EXPECT_FALSE(book->NoteInbound(Peer(1)));
  book->NoteTraffic(Peer(1), 5, 6);
  EXPECT_TRUE(book->All().empty()) << "strangers cannot fill the book";
}

TEST_F(PeerBookTest, AProfileIsKeptAcrossAReopen) {
  {
    const auto book = NewBook();
    book->SetProfile(Peer(1), "camera", {"10.0.0.1:7441", "camera.local:7441"});
    book->NoteGoodAddress(Peer(1), "camera.local:7441");
    Stored(Peer(1));
  }
  index_ = nullptr;
  OpenIndex();
  const auto entry = NewBook()->Find(Peer(1));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->peer, Peer(1));
  EXPECT_EQ(entry->name, "camera");
  EXPECT_THAT(entry->addresses, ElementsAre("10.0.0.1:7441", "camera.local:7441"));
  EXPECT_EQ(entry->last_good_address, "camera.local:7441");
}

TEST_F(PeerBookTest, WhoSaysSomethingNewAtEveryCallFillsNoQueue) {
  const auto book = NewBook();
  book->SetProfile(Peer(1), "camera", {"10.0.0.1:7441"});
  EXPECT_EQ(Stored(Peer(1))->name, "camera") << "who is new is written at once";
  // Nothing is written meanwhile: the writer is held in a transaction.
  base::Gate gate;
  index_->Submit(base::Index::Lane::kBulk,
                 [&](base::WriteTxn&) {
                   gate.Pass();
                   return absl::OkStatus();
                 },
                 {});
  const uint64_t before = Commits();
  for (int i = 0; i < 1000; ++i) {
    clock_.Advance(Millis(31'000));  // each time a flush is due
    book->SetProfile(Peer(1), "camera " + std::to_string(i), {"10.0.0.1:7441"});
  }
  gate.Open();
  EXPECT_EQ(Stored(Peer(1))->name, "camera 999");
  EXPECT_LE(Commits() - before, 4u) << "the gate's, that of the book, Stored's";
  // Within the half minute it waits.
  book->SetProfile(Peer(1), "later", {"10.0.0.1:7441"});
  EXPECT_EQ(Stored(Peer(1))->name, "camera 999");
  ASSERT_TRUE(book->Flush().ok());
  EXPECT_EQ(Stored(Peer(1))->name, "later");
}

TEST_F(PeerBookTest, AFailureCoolsForItsTime) {
  const auto book = NewBook();
  book->RecordFailure(Peer(1), 0, kRefused);
  EXPECT_TRUE(book->Cooling(Peer(1)));
  const Millis left = book->Health(Peer(1)).cool_down_end - clock_.WallNow();
  EXPECT_GE(left, Millis(1000));
  EXPECT_LT(left, Millis(10'000));
  clock_.Advance(left - Millis(1));
  EXPECT_TRUE(book->Cooling(Peer(1)));
  clock_.Advance(Millis(1));
  EXPECT_FALSE(book->Cooling(Peer(1)));
}

TEST_F(PeerBookTest, ACoolDownSurvivesARestartAndIsNeitherForgottenNorProlonged) {
  const auto book = NewBook();
  book->RecordFailure(Peer(1), 0, kRefused);
  const PeerHealth before = book->Health(Peer(1));
  Stored(Peer(1));
  EXPECT_EQ(NewBook()->Health(Peer(1)), before);
  // The clock was an hour and a half ahead when the row was written.
  clock_.SetWall(clock_.WallNow() - Millis(5'400'000));
  EXPECT_EQ(NewBook()->Health(Peer(1)).cool_down_end, clock_.WallNow() + kCoolDownMax);
}

TEST_F(PeerBookTest, TheListenerHearsBeginningsAndReturns) {
  const auto book = NewBook();
  std::vector<std::pair<base::PeerId, bool>> heard;
  book->SetListener([&](const base::PeerId& peer, const PeerHealth& health) {
    EXPECT_EQ(book->Health(peer), health) << "no lock is held";
    heard.emplace_back(peer, health.cool_down_end != base::kNever);
  });
  book->RecordSuccess(Peer(1));
  EXPECT_TRUE(heard.empty());
  book->RecordFailure(Peer(1), 0, kRefused);
  book->RecordFailure(Peer(1), 0, kRefused);  // the same cool-down
  book->RecordSuccess(Peer(1));
  book->RecordSuccess(Peer(1));
  for (uint8_t i = 1; i <= 3; ++i) book->RecordWrongBytes(Peer(2), Blob(i), kRefused);
  EXPECT_THAT(heard, ElementsAre(Pair(Peer(1), true), Pair(Peer(1), false), Pair(Peer(2), true)));
  EXPECT_EQ(book->Health(Peer(1)).returns, 1u);
  EXPECT_EQ(book->Health(Peer(2)).cool_down_end, clock_.WallNow() + Millis(3'600'000));
  heard.clear();
  book->ForgiveWrongBytes();
  EXPECT_THAT(heard, ElementsAre(Pair(Peer(2), false)));
}

TEST_F(PeerBookTest, AFailureFromBeforeTheReturnBeginsNoCoolDown) {
  const auto book = NewBook();
  book->RecordFailure(Peer(1), 0, kRefused);
  const uint64_t at_start = book->Health(Peer(1)).returns;
  book->RecordSuccess(Peer(1));
  book->RecordFailure(Peer(1), at_start, kRefused);
  EXPECT_FALSE(book->Cooling(Peer(1)));
  book->RecordFailure(Peer(1), book->Health(Peer(1)).returns, kRefused);
  EXPECT_TRUE(book->Cooling(Peer(1)));
}

TEST_F(PeerBookTest, AnInboundRequestFromACoolingPeerAsksForOneHelloInFiveSeconds) {
  const auto book = NewBook();
  book->RecordSuccess(Peer(1));
  EXPECT_FALSE(book->NoteInbound(Peer(1))) << "it is not cooling";
  for (int i = 0; i < 9; ++i) {  // a cool-down of minutes
    book->RecordFailure(Peer(1), book->Health(Peer(1)).returns, kRefused);
    clock_.Advance(book->Health(Peer(1)).cool_down_end - clock_.WallNow());
  }
  book->RecordFailure(Peer(1), book->Health(Peer(1)).returns, kRefused);
  EXPECT_TRUE(book->NoteInbound(Peer(1)));
  EXPECT_FALSE(book->NoteInbound(Peer(1)));
  clock_.Advance(Millis(4999));
  EXPECT_FALSE(book->NoteInbound(Peer(1)));
  clock_.Advance(Millis(1));
  EXPECT_TRUE(book->NoteInbound(Peer(1)));
  EXPECT_EQ(book->Find(Peer(1))->last_seen, clock_.WallNow());
}

TEST_F(PeerBookTest, TrafficIsWrittenEveryThirtySecondsOrOnFlush) {
  const auto book = NewBook();
  book->RecordSuccess(Peer(1));
  ASSERT_TRUE(Stored(Peer(1)));
  book->NoteTraffic(Peer(1), 10, 20);
  EXPECT_EQ(Stored(Peer(1))->bytes_in, 0u);
  clock_.Advance(Millis(29'999));
  book->NoteTraffic(Peer(1), 1, 2);
  EXPECT_EQ(Stored(Peer(1))->bytes_in, 0u);
  clock_.Advance(Millis(1));
  book->NoteTraffic(Peer(1), 1, 2);
  EXPECT_EQ(Stored(Peer(1))->bytes_in, 12u);
  EXPECT_EQ(Stored(Peer(1))->bytes_out, 24u);
  book->NoteTraffic(Peer(1), 100, 200);
  EXPECT_EQ(Stored(Peer(1))->bytes_in, 12u);
  EXPECT_TRUE(book->Flush().ok());
  EXPECT_EQ(Stored(Peer(1))->bytes_in, 112u);
}

TEST_F(PeerBookTest, WhatDidNotChangeIsNotWrittenAgain) {
  const auto book = NewBook();
  book->SetProfile(Peer(1), "one", {});
  EXPECT_TRUE(book->Flush().ok());
  ASSERT_TRUE(index_
                  ->Update(base::Index::Lane::kBulk,
                           [&](base::WriteTxn& txn) {
                             txn.Put(base::Table::kPeers, Peer(1).bytes(),
                                     EncodePeerRow({.name = "written by the test"}));
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_TRUE(book->Flush().ok());
  EXPECT_EQ(Stored(Peer(1))->name, "written by the test");
}

TEST_F(PeerBookTest, WhatCouldNotBeWrittenIsWrittenLater) {
  const auto book = NewBook();
  index_->Shutdown();
  book->RecordFailure(Peer(1), 0, kRefused);
  EXPECT_TRUE(absl::IsUnavailable(book->Flush()));
  EXPECT_TRUE(book->Cooling(Peer(1)));
}

TEST_F(PeerBookTest, ADamagedRowIsSkipped) {
  {
    const auto book = NewBook();
    book->SetProfile(Peer(1), "one", {});
    book->SetProfile(Peer(2), "two", {});
    ASSERT_TRUE(index_
                    ->Update(base::Index::Lane::kBulk,
                             [&](base::WriteTxn& txn) {
                               txn.Put(base::Table::kPeers, Peer(1).bytes(), "\x0a\x7f");
                               txn.Put(base::Table::kPeers, "short key", "");
                               return absl::OkStatus();
                             })
                    .ok());
  }
  const auto book = NewBook();
  EXPECT_FALSE(book->Find(Peer(1)));
  EXPECT_EQ(book->Find(Peer(2))->name, "two");
  EXPECT_EQ(book->All().size(), 1u);
}

TEST_F(PeerBookTest, TellsWatchersWhatPeopleSee) {
  const auto book = NewBook();
  int calls = 0;
  const auto registration = book->changed().Register([&] { ++calls; });
  book->RecordSuccess(Peer(1));
  EXPECT_EQ(calls, 1) << "first answer";
  book->RecordSuccess(Peer(1));
  EXPECT_EQ(calls, 1) << "nothing new";
  book->RecordFailure(Peer(1), 0, kRefused);
  EXPECT_EQ(calls, 2);
  book->SetProfile(Peer(1), "x", {});
  EXPECT_EQ(calls, 3);
  book->SetProfile(Peer(1), "x", {});
  EXPECT_EQ(calls, 3);
}

TEST_F(PeerBookTest, ManyThreadsAgreeInTheEnd) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  const auto book = NewBook();
  for (uint8_t n = 1; n <= 3; ++n) book->RecordSuccess(Peer(n));
  std::atomic<uint64_t> heard{0};
  book->SetListener([&](const base::PeerId&, const PeerHealth&) { ++heard; });
  {
    std::vector<base::Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("book-" + std::to_string(t), [&, t] {
        for (int i = 0; i < kRounds; ++i) {
          const base::PeerId peer = Peer(static_cast<uint8_t>(1 + (i + t) % 3));
          book->NoteTraffic(peer, 1, 2);
          if (i % 10 == 0) book->RecordFailure(peer, book->Health(peer).returns, kRefused);
          if (i % 10 == 5) book->RecordSuccess(peer);
          book->NoteInbound(peer);
        }
      });
    }
  }
  EXPECT_TRUE(book->Flush().ok());
  uint64_t bytes_in = 0;
  for (uint8_t n = 1; n <= 3; ++n) {
    const auto stored = Stored(Peer(n));
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->health.cool_down_end, book->Health(Peer(n)).cool_down_end);
    bytes_in += stored->bytes_in;
  }
  EXPECT_EQ(bytes_in, uint64_t{kThreads} * kRounds);
  EXPECT_GT(heard, 0u);
}

}  // namespace
}  // namespace waypost::signpost
