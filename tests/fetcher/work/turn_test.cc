// How long a peer keeps a slot, whatever it answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fetcher/work/fetcher.h"
#include "tests/fakes/gate.h"
#include "tests/fetcher/rig.h"
#include "tests/support/eventually.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using Kind = BlobReply::Kind;

const std::string kQuick = "of another peer";

// Does something between the start of a body and its first piece.
class AfterStart final : public BlobSink {
 public:
  AfterStart(BlobSink& sink, std::function<void()> act) : sink_(sink), act_(std::move(act)) {}
  absl::Status OnStart(uint64_t total_bytes, uint64_t offset,
                       const std::vector<base::GroupId>& granted) override {
    const absl::Status started = sink_.OnStart(total_bytes, offset, granted);
    act_();
    return started;
  }
  absl::Status OnData(std::string_view data) override { return sink_.OnData(data); }

 private:
  BlobSink& sink_;
  const std::function<void()> act_;
};

// One slot for all, so that who is asked says who has it.
class TurnTest : public testing::Test {
 protected:
  TurnTest() {
    rig_.options.concurrency = 1;
    rig_.options.per_peer = 1;
    rig_.Close();
    rig_.Open();
  }
  static BlobId Numbered(int i) { return Sha256::Of("blob " + std::to_string(i)); }
  void MentionAll(int count, uint64_t size_hint_bytes, const std::vector<PeerId>& at) {
    for (int i = 0; i < count; ++i) {
      rig_.Mention(Numbered(i), at);
      CHECK(rig_.index
                ->Update(base::Index::Lane::kForeground,
                         [&](base::WriteTxn& txn) {
                           rig_.ledger->Change(txn, Numbered(i), [&](auto& record) {
                             record.signpost->size_hint_bytes = size_hint_bytes;
                           });
                           return absl::OkStatus();
                         })
                .ok());
    }
  }
  // Another peer's blob, which waits for the slot; what is done when it is asked for.
  void AddQuick(uint8_t n, std::function<void()> asked) {
    const PeerId peer =
        rig_.AddPeer(n, [=](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
          if (request.blob != Sha256::Of(kQuick)) {
            return FakeBlobClient::Misses()(request, sink, stop);
          }
          asked();
          return FakeBlobClient::Sends(kQuick)(request, sink, stop);
        });
    rig_.Mention(Sha256::Of(kQuick), {peer});
  }
  bool QuickHeld() { return rig_.Held(Sha256::Of(kQuick)); }
  std::size_t BatchesOf(const PeerId& peer) {
    const auto batches = rig_.client.batches();
    return static_cast<std::size_t>(
        std::count_if(batches.begin(), batches.end(),
                      [&](const BatchCall& call) { return call.from.peer == peer; }));
  }
  // Says of each blob, half a minute after it was asked for many, that it has it not.
  FakeBlobClient::Behaviour MissesSlowly(std::function<void(std::size_t)> at_batch = nullptr) {
    return [=, this](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
      const std::size_t batches = BatchesOf(request.from.peer);
      if (seen_.exchange(batches) != batches) {
        rig_.clock.Advance(Millis(29'900));
        if (at_batch) at_batch(batches);
      }
      return FakeBlobClient::Misses()(request, sink, stop);
    };
  }
  uint64_t Denied(int count, const PeerId& peer) {
    uint64_t denied = 0;
    for (int i = 0; i < count; ++i) {
      const auto record = rig_.Record(Numbered(i));
      const auto at = record.signpost->locations.find(peer);
      if (at != record.signpost->locations.end() && at->second.denied != base::kNever) ++denied;
    }
    return denied;
  }
  // Sends `content` in pieces, each of which takes `each`.
  FakeBlobClient::Behaviour Drips(std::string content, std::size_t piece, Millis each) {
    return [=, this](const BlobRequest& request, BlobSink& sink, std::stop_token) {
      BlobReply reply{.kind = Kind::kComplete};
      reply.sink_error = sink.OnStart(content.size(), request.offset, request.groups);
      for (std::size_t at = request.offset; reply.sink_error.ok() && at < content.size();
           at += piece) {
        ++pieces_;
        rig_.clock.Advance(each);
        reply.sink_error = sink.OnData(std::string_view(content).substr(at, piece));
      }
      if (!reply.sink_error.ok()) reply.kind = Kind::kSinkError;
      return reply;
    };
  }

  std::atomic<std::size_t> seen_{0}, pieces_{0};
  Rig rig_;
};

TEST_F(TurnTest, ASlowTransferGivesItsSlotToAnotherPeersBlobAndGoesOnByRange) {
  const std::string content(std::size_t{6} << 20, 'x');
  const BlobId blob = Sha256::Of(content);
  const PeerId slow = rig_.AddPeer(1, Drips(content, 256 * 1024, Millis(5000)));
  rig_.Mention(blob, {slow});
  uint64_t pieces = 0, left = 0, charged = 0;
  AddQuick(2, [&] {
    pieces = pieces_;
    left = rig_.blobs->PartialBytes(blob);
    charged = rig_.Record(blob).signpost->partial_bytes;
  });
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return QuickHeld() && rig_.Held(blob); }));
  EXPECT_EQ(rig_.Content(blob), content);
  EXPECT_EQ(pieces, 12u) << "a minute";
  EXPECT_GE(left, uint64_t{2} << 20);
  EXPECT_EQ(charged, left) << "to who mentioned it";
  std::vector<uint64_t> offsets;
  for (const BlobRequest& call : rig_.client.calls()) {
    if (call.from.peer == slow) offsets.push_back(call.offset);
  }
  EXPECT_EQ(offsets, (std::vector<uint64_t>{0, left}));
  EXPECT_EQ(rig_.Record(blob).row->fetch_attempts, 1u);
}

TEST_F(TurnTest, ASlowTransferGoesOnWhereNobodyElseWaits) {
  const std::string content(std::size_t{6} << 20, 'x');
  const PeerId slow = rig_.AddPeer(1, Drips(content, 256 * 1024, Millis(25'000)));
  rig_.Mention(Sha256::Of(content), {slow});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(Sha256::Of(content)); }));
  EXPECT_EQ(rig_.client.calls().size(), 1u);
}

TEST_F(TurnTest, ASlowTransferGoesOnAtAnotherHolderOfTheSameBlob) {
  const std::string content(std::size_t{6} << 20, 'x');
  const BlobId blob = Sha256::Of(content);
  const PeerId slow = rig_.AddPeer(1, Drips(content, 256 * 1024, Millis(5000)));
  const PeerId other = rig_.AddPeer(2, FakeBlobClient::Sends(content));
  rig_.Mention(blob, {other});
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {slow}, 0);
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
  EXPECT_EQ(pieces_, 12u) << "a minute";
  const auto calls = rig_.client.calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].from.peer, slow);
  EXPECT_EQ(calls[1].from.peer, other);
  EXPECT_GE(calls[1].offset, uint64_t{2} << 20);
  EXPECT_EQ(rig_.Record(blob).row->fetch_attempts, 1u);
  EXPECT_TRUE(rig_.peers->Health(slow).Poor(rig_.clock.WallNow()));
}

TEST_F(TurnTest, ASlowTransferGoesOnAtAHolderThatHasSentBlobsBeforeOthers) {
  const std::string content(std::size_t{6} << 20, 'x');
  const BlobId blob = Sha256::Of(content);
  const PeerId slow = rig_.AddPeer(1, Drips(content, 256 * 1024, Millis(5000)));
  const PeerId claims = rig_.AddPeer(2, FakeBlobClient::Sends(content));
  const PeerId proven = rig_.AddPeer(3, FakeBlobClient::Sends(content));
  rig_.peers->RecordBlob(proven);
  rig_.Mention(blob, {proven});
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {claims});  // seen later, so that its name comes first
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {slow}, 0);
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
  const auto calls = rig_.client.calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].from.peer, slow);
  EXPECT_EQ(calls[1].from.peer, proven);
}

// Another group's transfer holds the slot of the one that would go on with it.
TEST_F(TurnTest, ASlowTransferGoesOnWhereASlotIsFree) {
  rig_.options.concurrency = 2;
  rig_.Close();
  rig_.Open();
  const std::string content(std::size_t{6} << 20, 'x'), other(2'000'000, 'o');
  const BlobId blob = Sha256::Of(content);
  std::atomic<bool> asked{false}, over{false};
  const auto drips = Drips(content, 256 * 1024, Millis(5000));
  const PeerId slow =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        EXPECT_TRUE(support::Eventually([&] { return asked.load(); }));
        return drips(request, sink, stop);
      });
  const PeerId busy =
      rig_.AddPeer(2, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        if (request.blob != Sha256::Of(other)) {
          return FakeBlobClient::Sends(content)(request, sink, stop);
        }
        asked = true;
        EXPECT_TRUE(support::Eventually([&] { return over.load(); }));
        return FakeBlobClient::Sends(other)(request, sink, stop);
      });
  const PeerId free = rig_.AddPeer(3, FakeBlobClient::Sends(content));
  rig_.Mention(Sha256::Of(other), {busy});
  rig_.Mention(blob, {free});
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {busy});  // seen later, so that its name comes first
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {slow}, 0);
  rig_.Start();
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
  over = true;
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(Sha256::Of(other)); }));
  std::vector<PeerId> of_blob;
  for (const auto& call : rig_.client.calls()) {
    if (call.blob == blob) of_blob.push_back(call.from.peer);
  }
  EXPECT_EQ(of_blob, (std::vector{slow, free}));
}

TEST_F(TurnTest, ASlowTransferEndsWhereTheOtherHolderHasNothing) {
  const std::string content(std::size_t{6} << 20, 'x');
  const BlobId blob = Sha256::Of(content);
  const PeerId slow = rig_.AddPeer(1, Drips(content, 256 * 1024, Millis(5000)));
  const PeerId claims = rig_.AddPeer(2, FakeBlobClient::Misses());
  rig_.Mention(blob, {claims});
  rig_.clock.Advance(Millis(1000));
  rig_.Mention(blob, {slow}, 0);
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(blob); }));
  EXPECT_EQ(pieces_, 24u) << "each piece once";
  EXPECT_EQ(rig_.client.calls().size(), 3u);
}

// The last slot is for small ones: a worker that is free helps a large one nothing.
TEST_F(TurnTest, ASlowLargeOneGivesWayToALargeOneAlsoWhereAWorkerIsFree) {
  rig_.options.concurrency = 2;
  rig_.options.per_peer = 2;
  rig_.Close();
  rig_.Open();
  const std::string content(std::size_t{6} << 20, 'x'), other(3'000'000, 'o');
  const BlobId waits = Sha256::Of(other);
  std::atomic<std::size_t> asked{0};
  const PeerId slow =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        if (request.blob == waits) return FakeBlobClient::Misses()(request, sink, stop);
        AfterStart hooked(sink, [&] {
          if (request.offset > 0) return;
          rig_.Mention(waits, {Peer(2)});
          // It was found to be large, and waits.
          EXPECT_TRUE(support::Eventually([&] {
            const auto kind = rig_.fetcher->State(waits).kind;
            return asked > 0 && kind != FetchState::Kind::kFetching &&
                   kind != FetchState::Kind::kLocating;
          }));
        });
        return Drips(content, 256 * 1024, Millis(5000))(request, hooked, stop);
      });
  std::size_t pieces = 0;
  rig_.AddPeer(2, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
    if (request.blob != waits) return FakeBlobClient::Misses()(request, sink, stop);
    if (++asked == 2) pieces = pieces_;
    return FakeBlobClient::Sends(other)(request, sink, stop);
  });
  rig_.Mention(Sha256::Of(content), {slow});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return rig_.Held(waits) && rig_.Held(Sha256::Of(content)); }));
  EXPECT_EQ(pieces, 12u) << "a minute";
  EXPECT_EQ(asked, 2u);
}

TEST_F(TurnTest, ManySlowNoesOfABatchGiveItsSlotToAnotherPeersBlob) {
  const PeerId slow = rig_.AddPeer(1, MissesSlowly());
  MentionAll(100, uint64_t{1} << 20, {slow});
  std::size_t batches = 0;
  AddQuick(2, [&] { batches = BatchesOf(slow); });
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return QuickHeld(); }));
  EXPECT_GE(batches, 2u);
  EXPECT_LE(batches, 5u) << "not one for each eight of them";
}

TEST_F(TurnTest, WhatABatchHeardBeforeItGaveWayIsKeptAndTheRestIsAsItWas) {
  MentionAll(100, uint64_t{1} << 20, {Peer(1)});
  std::atomic<uint64_t> denied{0}, failures{0};
  const PeerId slow = rig_.AddPeer(1, MissesSlowly());
  AddQuick(2, [&, slow] {
    denied = Denied(100, slow);
    for (int i = 0; i < 100; ++i) failures += rig_.Record(Numbered(i)).signpost->failures;
  });
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return QuickHeld(); }));
  EXPECT_GE(denied, 16u);
  EXPECT_LE(denied, 24u);
  EXPECT_EQ(failures, 0u);
}

TEST_F(TurnTest, AFrameThatDripsGivesTheSlotOfItsBatchToAnotherPeersBlob) {
  const std::string one(600'000, 'a'), two(600'000, 'b');
  const PeerId slow =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        return Drips(request.blob == Sha256::Of(one) ? one : two, 60'000, Millis(50'000))(
            request, sink, stop);
      });
  rig_.Mention(Sha256::Of(one), {slow});
  rig_.Mention(Sha256::Of(two), {slow});
  std::size_t pieces = 0;
  AddQuick(2, [&] { pieces = pieces_; });
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return QuickHeld(); }));
  EXPECT_EQ(pieces, 2u);
  // Nothing can be kept of so small a blob: each comes by itself, while nobody else waits.
  ASSERT_TRUE(
      rig_.AtOnce([&] { return rig_.Held(Sha256::Of(one)) && rig_.Held(Sha256::Of(two)); }));
  EXPECT_EQ(rig_.peers->Health(slow).consecutive_failures, 0u);
}

TEST_F(TurnTest, TheTurnOfABatchEndsAlsoWhereNobodyElseWaits) {
  uint64_t denied = 0;
  const PeerId slow = rig_.AddPeer(1, MissesSlowly([&](std::size_t batches) {
                                     if (batches == 7) denied = Denied(100, Peer(1));
                                   }));
  MentionAll(100, uint64_t{1} << 20, {slow});
  rig_.Start();
  ASSERT_TRUE(rig_.AtOnce([&] { return BatchesOf(slow) >= 8; }));
  EXPECT_GE(denied, 32u) << "the first ones have landed";
}

TEST_F(TurnTest, OurOwnRateLimitIsNoReasonToCutAnAnswer) {
  rig_.options.stall_timeout = Millis(1000);
  rig_.options.rate_limit_bytes_per_s = 10'000;
  rig_.Close();
  rig_.Open();
  std::map<BlobId, std::string> contents;
  for (int i = 0; i < 20; ++i) {
    const std::string content(10'000, static_cast<char>('a' + i));
    contents[Sha256::Of(content)] = content;
  }
  const PeerId peer =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        return FakeBlobClient::Sends(contents.at(request.blob))(request, sink, stop);
      });
  for (const auto& item : contents) rig_.Mention(item.first, {peer});
  rig_.Start();
  ASSERT_TRUE(rig_.Within(Millis(60'000), [&] {
    return std::all_of(contents.begin(), contents.end(),
                       [&](const auto& item) { return rig_.Held(item.first); });
  }));
  EXPECT_EQ(BatchesOf(peer), 1u);
}

TEST_F(TurnTest, NothingThatWasTakenWithALargeOneWaitsForItHoweverItTurnedOutLarge) {
  rig_.options.concurrency = 2;
  rig_.options.per_peer = 2;
  rig_.Close();
  rig_.Open();
  auto music = rig_.groups->Create({.name = "music", .role = syncgroup::Role::kServer});
  ASSERT_TRUE(music.ok());
  const std::string large(3'000'000, 'l');
  base::Gate gate;
  std::map<BlobId, std::string> small;
  for (int i = 0; i < 20; ++i) small[Numbered(i)] = "blob " + std::to_string(i);
  const PeerId peer =
      rig_.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        if (request.blob != Sha256::Of(large)) {
          return FakeBlobClient::Sends(small.at(request.blob))(request, sink, stop);
        }
        BlobReply reply{.kind = Kind::kSinkError};
        reply.sink_error = sink.OnStart(large.size(), 0, request.groups);
        if (!reply.sink_error.ok()) return reply;
        gate.Pass();
        reply.sink_error = sink.OnData(large);
        if (reply.sink_error.ok()) reply.kind = Kind::kComplete;
        return reply;
      });
  rig_.AddMember(music->id, peer);
  // In a group of its own, so that it is asked for by itself, and the others after it.
  rig_.MentionIn(music->id, Sha256::Of(large), {peer});
  rig_.clock.Advance(Millis(1));
  for (const auto& item : small) rig_.Mention(item.first, {peer});
  rig_.Start();
  gate.AwaitArrivals(1);
  EXPECT_TRUE(rig_.AtOnce([&] {
    return std::all_of(small.begin(), small.end(),
                       [&](const auto& item) { return rig_.Held(item.first); });
  }));
  gate.Open();
  EXPECT_TRUE(rig_.AtOnce([&] { return rig_.Record(Sha256::Of(large)).row.has_value(); }));
  rig_.fetcher->Shutdown();
}

}  // namespace
}  // namespace waypost::fetcher
