// Many blobs of one peer in one request.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>

#include "fetcher/work/fetcher.h"
#include "tests/fakes/gate.h"
#include "tests/fetcher/rig.h"
#include "tests/http/engine/allocation_limit.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using Kind = BlobReply::Kind;

std::string Numbered(int i) { return "blob " + std::to_string(i); }

// A peer that has the blobs `Numbered` says, but for what `special` answers.
FakeBlobClient::Behaviour HasNumbered(
    int count, std::function<std::optional<FakeBlobClient::Behaviour>(int)> special = nullptr) {
  std::map<BlobId, int> numbers;
  for (int i = 0; i < count; ++i) numbers[Sha256::Of(Numbered(i))] = i;
  return [=](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
    const auto it = numbers.find(request.blob);
    if (it == numbers.end()) return FakeBlobClient::Misses()(request, sink, stop);
    if (special) {
      if (const auto other = special(it->second)) return (*other)(request, sink, stop);
    }
    return FakeBlobClient::Sends(Numbered(it->second))(request, sink, stop);
  };
}

class FetcherBatch : public testing::Test {
 protected:
  // Mentions the blobs while nothing is fetched yet, so that they are there together.
  void MentionAll(int count, const std::vector<PeerId>& at) {
    for (int i = 0; i < count; ++i) rig_.Mention(Sha256::Of(Numbered(i)), at);
  }
  bool HeldAll(int count) {
    for (int i = 0; i < count; ++i) {
      if (!rig_.Held(Sha256::Of(Numbered(i)))) return false;
    }
    return true;
  }
  std::size_t Requests() { return rig_.client.calls().size() + rig_.client.batches().size(); }
  base::Gate gate_;
  std::atomic<int> asked_{0};
  Rig rig_;
};

TEST_F(FetcherBatch, ManySmallBlobsOfAPeerTravelInFewRequests) {
  const PeerId peer = rig_.AddPeer(1, HasNumbered(500));
  MentionAll(500, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(500); }));
  EXPECT_LT(Requests(), 40u);
  EXPECT_EQ(rig_.DueRows(), 0u);
  for (int i = 0; i < 500; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    ASSERT_EQ(record.row->fetch_attempts, 1u);
    ASSERT_EQ(record.row->holdings.at(rig_.group).via, blobstore::Via::kFetch);
    ASSERT_EQ(rig_.Content(Sha256::Of(Numbered(i))), Numbered(i));
  }
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.report->CountStates().fetching == 0; }));
}

TEST_F(FetcherBatch, WhatDidNotFitIntoAnAnswerIsAskedForAgain) {
  const PeerId peer = rig_.AddPeer(1, HasNumbered(200));
  rig_.client.answer_blobs_max = 30;
  MentionAll(200, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(200); }));
  EXPECT_LT(Requests(), 30u);
}

TEST_F(FetcherBatch, APeerWithoutRoomForAnswersIsAskedForOneByOne) {
  const PeerId peer = rig_.AddPeer(1, HasNumbered(100));
  rig_.client.answer_blobs_max = 0;
  MentionAll(100, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(100); }));
  EXPECT_EQ(rig_.client.calls().size(), 100u);
  EXPECT_LT(rig_.client.batches().size(), 20u);
  EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(0))).row->fetch_attempts, 1u);
}

TEST_F(FetcherBatch, AMissingOneCostsOnlyItself) {
  rig_.options.retry_base = Millis(3600000);
  rig_.options.retry_max = Millis(7200000);
  rig_.Close();
  rig_.Open();
  const PeerId peer =
      rig_.AddPeer(1, HasNumbered(100, [](int i) {
                     return i % 10 == 3 ? std::optional(FakeBlobClient::Misses()) : std::nullopt;
                   }));
  MentionAll(100, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce(
      [&] { return rig_.DueRows() == 10 && rig_.report->CountStates().fetching == 0; }));
  EXPECT_LT(Requests(), 20u);
  for (int i = 0; i < 100; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    ASSERT_EQ(record.row.has_value(), i % 10 != 3) << i;
    if (record.row) continue;
    EXPECT_EQ(record.signpost->fetch_attempts, 1u);
    EXPECT_EQ(record.signpost->failures, 1u);
    EXPECT_NE(record.signpost->locations.at(peer).denied, base::kNever);
  }
}

TEST_F(FetcherBatch, OneWithWrongBytesCostsItsPlaceAndTheRestOfTheAnswerCounts) {
  const PeerId liar = rig_.AddPeer(
      1, HasNumbered(60, [](int i) {
        return i == 30 ? std::optional(FakeBlobClient::Sends("something else")) : std::nullopt;
      }));
  MentionAll(60, {liar});
  rig_.Start();
  ASSERT_TRUE(
      rig_.AtOnce([&] { return rig_.DueRows() == 1 && rig_.report->CountStates().fetching == 0; }));
  EXPECT_EQ(rig_.peers->Find(liar)->health.last_error.error, signpost::ErrorClass::kWrongBytes);
  const auto record = rig_.Record(Sha256::Of(Numbered(30)));
  EXPECT_FALSE(record.row);
  EXPECT_EQ(record.signpost->fetch_attempts, 1u);
  EXPECT_FALSE(record.signpost->locations.contains(liar));
}

TEST_F(FetcherBatch, WhoHasSentSeveralWrongBlobsInAnAnswerIsNotBelievedTheRestOfIt) {
  const PeerId honest = rig_.AddPeer(2, HasNumbered(60));
  const PeerId liar =
      rig_.AddPeer(1, HasNumbered(60, [this](int i) {
                     ++asked_;
                     return i < 50 ? std::optional(FakeBlobClient::Sends("wrong")) : std::nullopt;
                   }));
  MentionAll(60, {liar});
  testing::internal::CaptureStderr();
  rig_.Start();
  EXPECT_TRUE(rig_.AtOnce([&] { return HeldAll(60); }));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_LT(asked_, 10) << "of one answer, up to the third wrong blob";
  EXPECT_NE(rig_.peers->Health(honest).last_success, base::kNever);
  for (int i = 0; i < 60; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    ASSERT_TRUE(record.row) << i;
    EXPECT_EQ(record.row->fetch_attempts, 1u) << i;
  }
}

TEST_F(FetcherBatch, WhatThereIsNoMemoryForComesLaterAndNobodyIsBlamed) {
  const PeerId peer =
      rig_.AddPeer(1, HasNumbered(100, [this](int i) -> std::optional<FakeBlobClient::Behaviour> {
                     if (i % 10 == 7 && asked_++ < 3) throw std::bad_alloc();
                     return std::nullopt;
                   }));
  MentionAll(100, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.Within(Millis(30'000), [&] { return HeldAll(100); }));
  EXPECT_GE(asked_, 3);
  EXPECT_EQ(rig_.peers->Health(peer).consecutive_failures, 0u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(i))).row->fetch_attempts, 1u) << i;
  }
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.report->CountStates().fetching == 0; }));
}

TEST_F(FetcherBatch, WhereThereIsNoMemoryForABatchItIsTakenLater) {
  if (!http::AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  const PeerId peer = rig_.AddPeer(1, HasNumbered(500));
  MentionAll(500, {peer});
  {
    const http::AllocationLimit limit(8'000);
    rig_.Start();
    rig_.clock.AwaitParked(1 + rig_.options.concurrency);
    EXPECT_EQ(Requests(), 0u);
  }
  ASSERT_TRUE(rig_.Within(Millis(30'000), [&] { return HeldAll(500); }));
  EXPECT_EQ(rig_.DueRows(), 0u);
}

TEST_F(FetcherBatch, WhereMemoryRunsOutInTheMiddleOfAnAnswerItsPeerIsNotToBlame) {
  if (!http::AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  rig_.options.concurrency = 1;
  rig_.Close();
  rig_.Open();
  std::optional<http::AllocationLimit> limit;
  const PeerId peer =
      rig_.AddPeer(1, HasNumbered(50, [&](int) -> std::optional<FakeBlobClient::Behaviour> {
                     // Less than what takes the first blob that comes.
                     if (++asked_ == 1) limit.emplace(150);
                     return std::nullopt;
                   }));
  MentionAll(50, {peer});
  rig_.Start();
  EXPECT_TRUE(rig_.AtOnce([&] { return asked_ > 0; }));
  rig_.clock.AwaitParked(1 + rig_.options.concurrency);
  limit.reset();
  ASSERT_TRUE(rig_.Within(Millis(30'000), [&] { return HeldAll(50); }));
  EXPECT_EQ(rig_.peers->Health(peer).consecutive_failures, 0u);
  EXPECT_EQ(rig_.peers->Health(peer).last_error.error, signpost::ErrorClass::kNone);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(i))).row->fetch_attempts, 1u) << i;
  }
}

TEST_F(FetcherBatch, APeerThatFailsAfterItAnsweredEverythingCoolsAndWhatItSaidStands) {
  const PeerId peer = rig_.AddPeer(1, FakeBlobClient::Misses());
  rig_.client.answer_has_surplus = true;
  rig_.options.concurrency = 1;
  rig_.options.retry_base = Millis(3600000);
  rig_.options.retry_max = Millis(7200000);
  rig_.Close();
  rig_.Open();
  MentionAll(50, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] {
    return rig_.peers->Health(peer).Cooling(rig_.clock.WallNow()) &&
           rig_.report->CountStates().fetching == 0;
  }));
  EXPECT_EQ(Requests(), 1u);
  for (int i = 0; i < 50; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    EXPECT_NE(record.signpost->locations.at(peer).denied, base::kNever) << i;
    EXPECT_EQ(record.signpost->failures, 1u) << i;
  }
}

TEST_F(FetcherBatch, WhatOnePeerMissesIsAskedOfTheNextTogether) {
  const PeerId holder = rig_.AddPeer(2, HasNumbered(200));
  const PeerId first =
      rig_.AddPeer(1, FakeBlobClient::Misses({{holder, {.when_seen = rig_.clock.WallNow()}}}));
  MentionAll(200, {first});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(200); }));
  EXPECT_LT(Requests(), 40u);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(i))).row->fetch_attempts, 1u)
        << "one attempt, two locations";
  }
}

TEST_F(FetcherBatch, ALargeOneComesByItselfWhetherItsSizeIsKnownOrNot) {
  rig_.options.batch_blob_bytes = 1000;
  rig_.Close();
  rig_.Open();
  const std::string large(100000, 'l'), larger(200000, 'm');
  const auto numbered = HasNumbered(50);
  const PeerId peer =
      rig_.AddPeer(1, [=](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        for (const std::string& content : {large, larger}) {
          if (Sha256::Of(content) == request.blob) {
            return FakeBlobClient::Sends(content)(request, sink, stop);
          }
        }
        return numbered(request, sink, stop);
      });
  rig_.Mention(Sha256::Of(large), {peer});
  MentionAll(50, {peer});
  rig_.Mention(Sha256::Of(larger), {peer});
  CHECK(rig_.index
            ->Update(base::Index::Lane::kForeground,
                     [&](base::WriteTxn& txn) {
                       rig_.ledger->Change(txn, Sha256::Of(larger), [&](auto& record) {
                         record.signpost->size_hint_bytes = larger.size();
                       });
                       return absl::OkStatus();
                     })
            .ok());
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] {
    return HeldAll(50) && rig_.Held(Sha256::Of(large)) && rig_.Held(Sha256::Of(larger));
  }));
  std::map<BlobId, int> alone;
  for (const BlobRequest& call : rig_.client.calls()) ++alone[call.blob];
  EXPECT_EQ(alone[Sha256::Of(large)], 1);
  EXPECT_EQ(alone[Sha256::Of(larger)], 1);
  for (const BatchCall& batch : rig_.client.batches()) {
    EXPECT_EQ(std::count(batch.blobs.begin(), batch.blobs.end(), Sha256::Of(larger)), 0);
  }
  EXPECT_EQ(rig_.Record(Sha256::Of(large)).row->fetch_attempts, 1u);
}

TEST_F(FetcherBatch, SmallOnesComeWhileLargeOnesHoldAllSlotsThatTheyMayHave) {
  rig_.options.batch_blob_bytes = 1000;
  rig_.options.batch_blobs = 1;
  rig_.Close();
  rig_.Open();
  const std::string large[] = {std::string(5000, 'a'), std::string(5000, 'b'),
                               std::string(5000, 'c'), std::string(5000, 'd')};
  const auto numbered = HasNumbered(20);
  const auto sends = [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
    for (const std::string& content : large) {
      if (Sha256::Of(content) != request.blob) continue;
      BlobReply reply{.kind = BlobReply::Kind::kSinkError};
      reply.sink_error = sink.OnStart(content.size(), 0, request.groups);
      if (!reply.sink_error.ok()) return reply;
      ++asked_;
      gate_.Pass();
      reply.sink_error = sink.OnData(content);
      if (reply.sink_error.ok()) reply.kind = BlobReply::Kind::kComplete;
      return reply;
    }
    return numbered(request, sink, stop);
  };
  const PeerId peer = rig_.AddPeer(1, sends);
  rig_.Start();
  // What the table held at the start has been read: from now on each row is in memory, and with it
  // what is known of its size.
  MentionAll(1, {peer});
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(1); }));
  // Nobody has said how large they are: each is found out by asking for it.
  for (const std::string& content : large) rig_.Mention(Sha256::Of(content), {peer});
  ASSERT_TRUE(rig_.AtOnce([&] { return asked_ == 2 && rig_.client.calls().size() >= 5; }));
  MentionAll(20, {peer});
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(20); }));
  EXPECT_EQ(asked_, 2);
  for (const std::string& content : large) {
    ASSERT_TRUE(rig_.Record(Sha256::Of(content)).signpost);
    EXPECT_EQ(rig_.Record(Sha256::Of(content)).signpost->failures, 0u);
  }
  EXPECT_LE(rig_.client.calls().size(), 24u) << "each large one was turned away once at most";
  gate_.Open();
  ASSERT_TRUE(rig_.AtOnce([&] {
    return std::all_of(std::begin(large), std::end(large),
                       [&](const std::string& content) { return rig_.Held(Sha256::Of(content)); });
  }));
}

TEST_F(FetcherBatch, WhatWasTakenWithALargeOneDoesNotWaitForIt) {
  const std::string large(3'000'000, 'l');
  const auto numbered = HasNumbered(50);
  const PeerId peer =
      rig_.AddPeer(1, [=, this](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        if (request.blob != Sha256::Of(large)) return numbered(request, sink, stop);
        gate_.Pass();
        return FakeBlobClient::Sends(large)(request, sink, stop);
      });
  rig_.Mention(Sha256::Of(large), {peer});
  CHECK(rig_.index
            ->Update(base::Index::Lane::kForeground,
                     [&](base::WriteTxn& txn) {
                       rig_.ledger->Change(txn, Sha256::Of(large), [&](auto& record) {
                         record.signpost->size_hint_bytes = uint64_t{1} << 30;
                       });
                       return absl::OkStatus();
                     })
            .ok());
  MentionAll(50, {peer});
  rig_.Start();
  gate_.AwaitArrivals(1);
  EXPECT_TRUE(rig_.AtOnce([&] { return HeldAll(50); }));
  EXPECT_FALSE(rig_.Held(Sha256::Of(large)));
  gate_.Open();
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.Held(Sha256::Of(large)); }));
}

// Files, too large to be rows of the index.
struct Files {
  Files(int count, std::size_t bytes_each) : bytes(bytes_each) {
    for (int i = 0; i < count; ++i) numbers[Sha256::Of(Content(i))] = i;
  }
  std::string Content(int i) const { return std::string(bytes, static_cast<char>(i)); }
  FakeBlobClient::Behaviour Send() const {
    return [this](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
      return FakeBlobClient::Sends(Content(numbers.at(request.blob)))(request, sink, stop);
    };
  }

  const std::size_t bytes;
  std::map<BlobId, int> numbers;
};

TEST_F(FetcherBatch, FilesWithWrongBytesComeFromTheNextPeerAtOnce) {
  rig_.options.retry_base = Millis(3600000);
  rig_.options.retry_max = Millis(7200000);
  rig_.Close();
  rig_.Open();
  const Files files(40, 200'000);
  const PeerId honest = rig_.AddPeer(2, files.Send());
  const PeerId liar =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        const int i = files.numbers.at(request.blob);
        return FakeBlobClient::Sends(files.Content(i % 8 == 5 ? 255 : i))(request, sink, stop);
      });
  for (const auto& [blob, i] : files.numbers) rig_.Mention(blob, {liar});
  rig_.Start();
  for (const auto& [blob, i] : files.numbers) {
    const BlobId& id = blob;
    ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(id); })) << i;
    EXPECT_EQ(rig_.Content(blob), files.Content(i));
  }
  EXPECT_EQ(rig_.peers->Find(liar)->health.last_error.error, signpost::ErrorClass::kWrongBytes);
  EXPECT_NE(rig_.peers->Find(honest)->health.last_error.error, signpost::ErrorClass::kWrongBytes);
}

// 40 MB of files, so that the worker gives its turn to others on the way.
TEST_F(FetcherBatch, FilesOfABatchBecomeDurableTogether) {
  const Files files(160, 250'000);
  const PeerId peer =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        const bool missing = files.numbers.at(request.blob) == 77;
        return missing ? FakeBlobClient::Misses()(request, sink, stop)
                       : files.Send()(request, sink, stop);
      });
  for (const auto& [blob, i] : files.numbers) rig_.Mention(blob, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.DueRows() == 1; }));
  EXPECT_LT(Requests(), 30u);
  for (const auto& [blob, i] : files.numbers) {
    const auto record = rig_.Record(blob);
    ASSERT_EQ(record.row.has_value(), i != 77) << i;
    if (!record.row) continue;
    EXPECT_EQ(record.row->placement, blobstore::Placement::kFile);
    EXPECT_EQ(record.row->fetch_attempts, 1u);
    ASSERT_EQ(rig_.Content(blob), files.Content(i));
  }
}

TEST_F(FetcherBatch, APeerThatFailsInTheMiddleCostsNoAttemptsAndTheRestComesOnItsReturn) {
  auto fails = std::make_shared<std::atomic<bool>>(true);
  const PeerId peer = rig_.AddPeer(
      1, HasNumbered(100, [this, fails](int) -> std::optional<FakeBlobClient::Behaviour> {
        if (!*fails || ++asked_ <= 20) return std::nullopt;
        return FakeBlobClient::Fails(Kind::kUnreachable);
      }));
  MentionAll(100, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] {
    return rig_.DueRows() <= 80 && rig_.peers->Find(peer)->health.Cooling(rig_.clock.WallNow()) &&
           rig_.report->CountStates().fetching == 0;
  }));
  const std::size_t before = Requests();
  EXPECT_LT(before, 10u) << "nobody hammers a peer that cools";
  for (int i = 0; i < 100; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    if (!record.row) {
      EXPECT_EQ(record.signpost->fetch_attempts, 0u) << i;
    }
  }
  *fails = false;
  rig_.peers->RecordSuccess(peer);
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(100); }));
}

TEST_F(FetcherBatch, BlobsOfDifferentGroupsAreAskedForUnderTheirOwn) {
  auto info = rig_.groups->Create({.name = "music", .role = syncgroup::Role::kServer});
  ASSERT_TRUE(info.ok());
  const PeerId peer = rig_.AddPeer(1, HasNumbered(40));
  rig_.AddMember(info->id, peer);
  for (int i = 0; i < 40; ++i) {
    const base::GroupId& group = i % 2 == 0 ? rig_.group : info->id;
    CHECK(rig_.index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         rig_.ledger->ApplyMention(txn, Sha256::Of(Numbered(i)),
                                                   {.group = group,
                                                    .keys = 1,
                                                    .locations = {peer},
                                                    .when_seen = rig_.clock.WallNow()});
                         return absl::OkStatus();
                       })
              .ok());
  }
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.DueRows() == 0; }));
  for (const BatchCall& batch : rig_.client.batches()) {
    ASSERT_EQ(batch.groups.size(), 1u);
    for (const BlobId& blob : batch.blobs) {
      EXPECT_TRUE(rig_.Record(blob).row->holdings.contains(batch.groups[0]));
      EXPECT_EQ(rig_.Record(blob).row->holdings.size(), 1u);
    }
  }
}

TEST_F(FetcherBatch, WhatIsNoLongerWantedWhenItComesIsNotKept) {
  const PeerId peer =
      rig_.AddPeer(1, HasNumbered(10, [&](int i) -> std::optional<FakeBlobClient::Behaviour> {
                     if (i == 0) gate_.Pass();
                     return std::nullopt;
                   }));
  MentionAll(10, {peer});
  rig_.Start();
  gate_.AwaitArrivals(1);
  rig_.Mention(Sha256::Of(Numbered(7)), {}, -1);
  gate_.Open();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.DueRows() == 0; }));
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.report->CountStates().fetching == 0; }));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(i))).row.has_value(), i != 7) << i;
  }
}

TEST_F(FetcherBatch, AFullDiskPausesOnceAndEverythingComesLater) {
  const PeerId peer = rig_.AddPeer(1, HasNumbered(100));
  MentionAll(100, {peer});
  rig_.blobs->SetMinFree({.bytes = uint64_t{1} << 60});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] {
    return rig_.fetcher->Paused().reason == PauseReason::kSpace &&
           rig_.report->CountStates().fetching == 0;
  }));
  EXPECT_LT(Requests(), 10u) << "the first refusal of our own disk ends an answer";
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(rig_.Record(Sha256::Of(Numbered(i))).signpost->fetch_attempts, 0u);
  }
  rig_.blobs->SetMinFree({.bytes = 0});
  ASSERT_TRUE(rig_.Within(Millis(5000), [&] { return HeldAll(100); }));
}

TEST_F(FetcherBatch, AStopInTheMiddleLosesNothingThatCame) {
  const PeerId peer =
      rig_.AddPeer(1, HasNumbered(30, [&](int) -> std::optional<FakeBlobClient::Behaviour> {
                     if (++asked_ == 20) gate_.Pass();
                     return std::nullopt;
                   }));
  MentionAll(30, {peer});
  rig_.Start();
  gate_.AwaitArrivals(1);
  std::thread stop([&] { rig_.fetcher->Shutdown(); });
  gate_.Open();
  stop.join();
  for (int i = 0; i < 30; ++i) {
    const auto record = rig_.Record(Sha256::Of(Numbered(i)));
    if (!record.row) {
      EXPECT_EQ(record.signpost->fetch_attempts, 0u);
    }
  }
  rig_.Close();
  rig_.Open();
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return HeldAll(30); }));
}

}  // namespace
}  // namespace waypost::fetcher
