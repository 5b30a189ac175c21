#include "fetcher/work/fetcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/status.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/passing_file_system.h"
#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using Kind = BlobReply::Kind;

const std::string kSmall = "a small blob";
std::string Large() {
  std::string bytes(3 << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 131 >> 7);
  return bytes;
}

void AwaitStop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

TEST(Fetcher, FetchesVerifiesAndRecordsWhatAGroupMentions) {
  Rig rig;
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Sends(kSmall));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
  EXPECT_EQ(rig.Content(blob), kSmall);
  const auto record = rig.Record(blob);
  EXPECT_EQ(record.row->fetch_attempts, 1u);
  EXPECT_EQ(record.row->holdings.at(rig.group).via, blobstore::Via::kFetch);
  EXPECT_EQ(record.signpost->wanted_since, base::kNever);
  EXPECT_EQ(rig.DueRows(), 0u);
  EXPECT_EQ(rig.client.calls().at(0).groups, std::vector{rig.group});
}

TEST(Fetcher, FollowsTheSignpostOfAMiss) {
  Rig rig;
  const PeerId holder = rig.AddPeer(2, FakeBlobClient::Sends(kSmall));
  const PeerId first =
      rig.AddPeer(1, FakeBlobClient::Misses({{holder, {.when_seen = rig.clock.WallNow()}}}));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {first});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
  EXPECT_EQ(rig.client.calls().size(), 2u) << "one attempt, two locations";
  EXPECT_EQ(rig.Record(blob).row->fetch_attempts, 1u);
}

TEST(Fetcher, WhatAMissTellsOfIsAMemberOrNothing) {
  Rig rig;
  const PeerId plain = rig.AddPeer(2, FakeBlobClient::Misses());
  const auto as_server = signpost::Location{.when_seen = rig.clock.WallNow(), .is_server = true};
  signpost::Locations lies{{plain, as_server}};
  for (uint8_t i = 0; i < 8; ++i) lies[Peer(static_cast<uint8_t>(100 + i))] = as_server;
  const PeerId liar = rig.AddPeer(1, FakeBlobClient::Misses(lies));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {liar});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Record(blob).signpost->failures == 1; }));
  const signpost::Locations known = rig.Record(blob).signpost->locations;
  EXPECT_EQ(known.size(), 2u);
  EXPECT_TRUE(known.contains(liar));
  ASSERT_TRUE(known.contains(plain));
  EXPECT_FALSE(known.at(plain).is_server) << "which the group says, and nobody else";
}

TEST(Fetcher, AnHonestNoCountsAndTheCountsSurviveARestart) {
  Rig rig;
  rig.options.retry_base = Millis(3600000);
  rig.options.retry_max = Millis(7200000);
  rig.Close();
  rig.Open();
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Misses());
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Record(blob).signpost->failures == 1; }));
  const auto before = *rig.Record(blob).signpost;
  EXPECT_EQ(before.fetch_attempts, 1u);
  EXPECT_EQ(before.last_error.error, signpost::ErrorClass::kNotHere);
  EXPECT_GT(before.next_attempt, rig.clock.WallNow() + Millis(1000000));
  EXPECT_NE(before.locations.at(peer).denied, base::kNever);
  rig.Close();
  rig.Open();
  rig.Start();
  const auto after = *rig.Record(blob).signpost;
  EXPECT_EQ(after, before);
  ASSERT_TRUE(rig.AtOnce([&] { return rig.report->CountStates().waiting == 1; }));
  EXPECT_EQ(rig.client.calls().size(), 1u) << "a restart does not forget a wait";
}

TEST(Fetcher, APeerThatIsAwayCostsNoAttemptsAndItsReturnFreesAtOnce) {
  Rig rig;
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.peers->Cooling(peer); }));
  ASSERT_TRUE(
      rig.AtOnce([&] { return rig.fetcher->State(blob).kind == FetchState::Kind::kParked; }));
  EXPECT_EQ(rig.Record(blob).signpost->fetch_attempts, 0u);
  EXPECT_EQ(rig.Record(blob).signpost->failures, 0u);
  rig.client.Set(peer, FakeBlobClient::Sends(kSmall));
  rig.peers->RecordSuccess(peer);  // it answered something of ours
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
  EXPECT_EQ(rig.Record(blob).row->fetch_attempts, 1u);
}

// Each call to it is answered, and no blob comes.
TEST(Fetcher, WhoAnswersCallsAndSendsNothingKeepsNoBlobFromWhoHasIt) {
  Rig rig;
  const PeerId hostile = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  const auto asked = [&] {
    std::size_t calls = 0;
    for (const BlobRequest& call : rig.client.calls()) calls += call.from.peer == hostile;
    return calls;
  };
  const BlobId its = Sha256::Of("a blob that it says it has");
  rig.Start();
  rig.Mention(its, {hostile});
  for (std::size_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(rig.AtOnce([&] { return asked() == i; }));
    ASSERT_TRUE(rig.AtOnce([&] { return rig.peers->Cooling(hostile); }));
    rig.peers->RecordSuccess(hostile);
  }
  EXPECT_TRUE(rig.peers->Cooling(hostile));
  const PeerId honest = rig.AddPeer(2, FakeBlobClient::Sends(kSmall));
  rig.Mention(Sha256::Of(kSmall), {honest});
  rig.clock.Advance(Millis(1));
  rig.Mention(Sha256::Of(kSmall), {hostile}, 0);
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(Sha256::Of(kSmall)); }));
  EXPECT_EQ(asked(), 2u);
}

TEST(Fetcher, ACoolingFirstPeerDoesNotHoldBackABlobThatAnotherHas) {
  Rig rig;
  const PeerId away = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  const PeerId other = rig.AddPeer(2, FakeBlobClient::Sends(kSmall));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Suspect(away);
  rig.Start();
  rig.Mention(blob, {other});
  rig.Mention(blob, {away}, 0);
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
}

TEST(Fetcher, WrongBytesDropTheLocationAndOfThreeBlobsCoolThePeerForAnHour) {
  Rig rig;
  const PeerId liar = rig.AddPeer(1, FakeBlobClient::Sends("something else"));
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  const auto fails = [&](const BlobId& wanted) {
    rig.Mention(wanted, {liar});
    return rig.AtOnce([&] { return rig.Record(wanted).signpost->fetch_attempts == 1; });
  };
  ASSERT_TRUE(fails(blob));
  EXPECT_FALSE(rig.Record(blob).signpost->locations.contains(liar));
  EXPECT_FALSE(rig.peers->Health(liar).Cooling(rig.clock.WallNow())) << "it may be one rotten file";
  ASSERT_TRUE(fails(Sha256::Of("a second blob")));
  ASSERT_TRUE(fails(Sha256::Of("a third blob")));
  EXPECT_TRUE(rig.peers->Health(liar).suspect);
  EXPECT_GT(rig.peers->Health(liar).cool_down_end, rig.clock.WallNow() + Millis(3000000));
  ASSERT_TRUE(rig.fetcher->Retry(blob).ok());
  EXPECT_FALSE(rig.peers->Health(liar).suspect) << "an operator says: again";
  EXPECT_FALSE(rig.Record(blob).row) << "nothing of it is kept";
  EXPECT_TRUE(rig.blobs->Open(Sha256::Of("something else")).status().code() ==
              absl::StatusCode::kNotFound);
}

TEST(Fetcher, ABrokenTransferGoesOnWhereItWasFromAnotherPeer) {
  Rig rig;
  const std::string content = Large();
  const BlobId blob = Sha256::Of(content);
  const PeerId breaks =
      rig.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token) {
        const absl::Status begun = sink.OnStart(content.size(), request.offset, request.groups);
        EXPECT_TRUE(begun.ok()) << begun;
        if (!begun.ok()) return BlobReply{.kind = Kind::kSinkError, .sink_error = begun};
        CHECK(sink.OnData(std::string_view(content).substr(0, 2 << 20)).ok());
        return BlobReply{.kind = Kind::kUnreachable, .message = "reset"};
      });
  const PeerId holder = rig.AddPeer(2, FakeBlobClient::Sends(content));
  rig.Mention(blob, {holder});
  rig.Mention(blob, {breaks}, 0);
  rig.Start();
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
  EXPECT_EQ(rig.Content(blob), content);
  for (const BlobRequest& call : rig.client.calls()) {
    if (call.from.peer == holder && rig.client.calls().size() > 1) {
      EXPECT_EQ(call.offset, uint64_t{2} << 20);
    }
  }
}

// Whoever is asked could else throw away what others have sent.
TEST(Fetcher, ALiarsWordOfItsSizeDropsNothingThatLiesHere) {
  Rig rig;
  const std::string content = Large();
  const BlobId blob = Sha256::Of(content);
  {
    auto writer = rig.blobs->StartFetch(blob, content.size());
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(std::string_view(content).substr(0, 2 << 20)).ok());
  }
  const PeerId liar =
      rig.AddPeer(1, [](const BlobRequest& request, BlobSink& sink, std::stop_token) {
        return BlobReply{.kind = Kind::kSinkError,
                         .sink_error = sink.OnStart(uint64_t{1} << 62, 0, request.groups)};
      });
  rig.Mention(blob, {liar});
  rig.Start();
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Record(blob).signpost->fetch_attempts == 1; }));
  EXPECT_EQ(rig.blobs->PartialBytes(blob), uint64_t{2} << 20);
}

// It would keep the room of what might come, for nothing more of it may.
TEST(Fetcher, WhatItsMemberMayBringNoMoreOfIsDroppedForWhatItMay) {
  Rig rig;
  rig.limits.bytes = uint64_t{4} << 20;
  rig.Close();
  rig.Open();
  const std::string half(std::size_t{3} << 20, 'a'), second(std::size_t{2} << 20, 'b'),
      third(std::size_t{2} << 20, 'c');
  const PeerId breaks =
      rig.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token) {
        const absl::Status begun = sink.OnStart(half.size(), request.offset, request.groups);
        if (!begun.ok()) return BlobReply{.kind = Kind::kSinkError, .sink_error = begun};
        if (request.offset == 0) CHECK(sink.OnData(std::string_view(half).substr(0, 2 << 20)).ok());
        return BlobReply{.kind = Kind::kUnreachable, .message = "reset"};
      });
  const PeerId holder =
      rig.AddPeer(2, [&](const BlobRequest& request, BlobSink& sink, const std::stop_token& stop) {
        if (request.blob == Sha256::Of(half)) return BlobReply{.kind = Kind::kMiss};
        const std::string& content = request.blob == Sha256::Of(second) ? second : third;
        return FakeBlobClient::SendFrom(content, request.offset, 64 * 1024, request, sink, stop);
      });
  // All of them first by the same member.
  const auto mention = [&](const std::string& content, const PeerId& at) {
    CHECK(rig.index
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         rig.ledger->ApplyMention(txn, Sha256::Of(content),
                                                  {.group = rig.group,
                                                   .keys = 1,
                                                   .origin = breaks,
                                                   .locations = {at},
                                                   .when_seen = rig.clock.WallNow()});
                         return absl::OkStatus();
                       })
              .ok());
  };
  const auto lies_here = [&] { return rig.blobs->PartialBytes(Sha256::Of(half)); };
  mention(half, breaks);
  rig.Start();
  ASSERT_TRUE(rig.AtOnce(
      [&] { return rig.Record(Sha256::Of(half)).signpost->partial_bytes == uint64_t{2} << 20; }));
  // It overtakes the half: nothing is left for the rest of that.
  mention(second, holder);
  ASSERT_TRUE(rig.Within(Millis(600'000), [&] { return rig.Held(Sha256::Of(second)); }));
  ASSERT_TRUE(rig.Within(Millis(3'600'000), [&] { return lies_here() == 0; }));
  mention(third, holder);
  EXPECT_TRUE(rig.Within(Millis(600'000), [&] { return rig.Held(Sha256::Of(third)); }));
}

TEST(Fetcher, AResumedFileThatDoesNotMatchIsFetchedFromZeroAndNobodyIsBlamed) {
  Rig rig;
  const std::string content = Large();
  const BlobId blob = Sha256::Of(content);
  {
    auto writer = rig.blobs->StartFetch(blob, content.size());
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(std::string(2 << 20, 'x')).ok());
  }
  ASSERT_EQ(rig.blobs->PartialBytes(blob), uint64_t{2} << 20);
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Sends(content));
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
  EXPECT_EQ(rig.Content(blob), content);
  EXPECT_FALSE(rig.peers->Health(peer).suspect);
  ASSERT_EQ(rig.client.calls().size(), 2u);
  EXPECT_EQ(rig.client.calls()[1].offset, 0u);
}

TEST(Fetcher, ManyCallersShareOneFetch) {
  base::Gate gate;
  Rig rig;
  const PeerId peer =
      rig.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        gate.Pass();
        return FakeBlobClient::Sends(kSmall)(request, sink, stop);
      });
  const BlobId blob = Sha256::Of(kSmall);
  rig.Start();
  rig.Mention(blob, {peer});
  std::vector<std::unique_ptr<Interest>> callers;
  for (int i = 0; i < 8; ++i) {
    auto interest = rig.fetcher->Ask(blob);
    ASSERT_TRUE(interest.ok()) << interest.status();
    callers.push_back(*std::move(interest));
  }
  std::atomic<int> called{0};
  const auto registration = callers[0]->OnChange([&] { ++called; });
  callers.resize(3);  // a caller that leaves does not end it
  gate.Open();
  ASSERT_TRUE(rig.AtOnce([&] { return callers[1]->State().kind == FetchState::Kind::kDone; }));
  EXPECT_EQ(rig.client.calls().size(), 1u);
  EXPECT_TRUE(rig.AtOnce([&] { return called > 0; }));
}

TEST(Fetcher, AskingForAnUnknownBlobIsNotFound) {
  Rig rig;
  rig.Start();
  EXPECT_EQ(rig.fetcher->Ask(Sha256::Of("never heard of")).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(Fetcher, StopIsRememberedUntilARetry) {
  Rig rig;
  const BlobId blob = Sha256::Of(kSmall);
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Fails(Kind::kUnreachable));
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.fetcher->Stop(blob).ok());
  EXPECT_EQ(rig.DueRows(), 0u);
  rig.Close();
  rig.Open();
  rig.AddPeer(1, FakeBlobClient::Sends(kSmall));
  rig.Start();
  EXPECT_EQ(rig.fetcher->State(blob).kind, FetchState::Kind::kStopped);
  const auto page = rig.report->Wanted({}, "", 100);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(page->items[0].state, WaitState::kStopped);
  EXPECT_TRUE(rig.client.calls().empty());
  EXPECT_EQ(*rig.fetcher->Retry(blob), 1u);
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
}

TEST(Fetcher, APauseSurvivesARestartAndEndsWithResume) {
  Rig rig;
  const BlobId blob = Sha256::Of(kSmall);
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Sends(kSmall));
  rig.Start();
  ASSERT_TRUE(rig.fetcher->Pause(std::nullopt).ok());
  rig.Close();
  rig.Open();
  rig.Start();
  ASSERT_TRUE(rig.AtOnce([&] { return rig.fetcher->Paused().paused(); }));
  rig.Mention(blob, {peer});
  EXPECT_EQ(rig.fetcher->State(blob).blocked_by, Obstacle::kPaused);
  EXPECT_TRUE(rig.client.calls().empty());
  ASSERT_TRUE(rig.fetcher->Resume().ok());
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); }));
}

TEST(Fetcher, AFullDiskPausesAndItGoesOnByItself) {
  Rig rig;
  const BlobId blob = Sha256::Of(kSmall);
  const PeerId peer = rig.AddPeer(1, FakeBlobClient::Sends(kSmall));
  rig.blobs->SetMinFree({.bytes = uint64_t{1} << 60});
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.fetcher->Paused().reason == PauseReason::kSpace; }));
  EXPECT_EQ(rig.Record(blob).signpost->fetch_attempts, 0u);
  EXPECT_EQ(rig.Record(blob).signpost->failures, 0u);
  rig.blobs->SetMinFree({.bytes = 0});
  ASSERT_TRUE(rig.Within(Millis(5000), [&] { return rig.Held(blob); }));
  EXPECT_FALSE(rig.fetcher->Paused().paused());
}

// An ill place on the disk: the name of one blob cannot be made.
class NoNameFor final : public base::PassingFileSystem {
 public:
  NoNameFor(std::unique_ptr<base::FileSystem> below, std::string name, int error)
      : PassingFileSystem(std::move(below)), name_(std::move(name)), error_(error) {}
  absl::Status Link(base::File& unnamed, const std::string& path) override {
    if (ill && path.ends_with(name_)) return base::ErrnoStatus(error_, path);
    return PassingFileSystem::Link(unnamed, path);
  }
  std::atomic<bool> ill{true};

 private:
  const std::string name_;
  const int error_;
};

// `error` meets one of ten blobs, and the others come all the same.
void ExpectOnlyOneIsHeldUpBy(int error) {
  Rig rig;
  std::map<BlobId, std::string> contents;
  for (char fill = 'a'; fill < 'k'; ++fill) {
    const std::string content(20'000, fill);
    contents[Sha256::Of(content)] = content;
  }
  const BlobId ill = contents.begin()->first;
  rig.Close();
  NoNameFor* disk = nullptr;
  rig.before_disk = [&](std::unique_ptr<base::FileSystem> below) {
    auto between = std::make_unique<NoNameFor>(std::move(below), ill.ToHex(), error);
    disk = between.get();
    return between;
  };
  rig.Open();
  const PeerId peer =
      rig.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        return FakeBlobClient::SendFrom(contents.at(request.blob), request.offset, 64 * 1024,
                                        request, sink, stop);
      });
  for (const auto& [blob, content] : contents) rig.Mention(blob, {peer});
  rig.Start();
  const auto others_held = [&] {
    return std::all_of(contents.begin(), contents.end(),
                       [&](const auto& item) { return item.first == ill || rig.Held(item.first); });
  };
  EXPECT_TRUE(rig.Within(Millis(60'000),
                         [&] { return others_held() && rig.Record(ill).signpost->failures > 0; }));
  for (const base::Event& event : rig.events->Read(0, 1000).events) {
    EXPECT_NE(event.kind, base::EventKind::kFetcherPaused);
  }
  EXPECT_EQ(rig.Record(ill).signpost->last_error.error, signpost::ErrorClass::kDisk);
  disk->ill = false;
  EXPECT_TRUE(rig.Within(Millis(600'000), [&] { return rig.Held(ill); }));
}

TEST(Fetcher, AnErrorOfTheDiskAtOneBlobPausesNoOther) { ExpectOnlyOneIsHeldUpBy(EIO); }

// There is room, only not for so large a file.
TEST(Fetcher, ALimitOnTheSizeOfFilesPausesNoOther) { ExpectOnlyOneIsHeldUpBy(EFBIG); }

TEST(Fetcher, DeletingTheLastMentionCancelsTheRunningFetch) {
  Rig rig;
  const BlobId blob = Sha256::Of(kSmall);
  std::atomic<bool> running{false};
  std::atomic<bool> cancelled{false};
  const PeerId peer = rig.AddPeer(1, [&](const BlobRequest&, BlobSink&, std::stop_token stop) {
    running = true;
    AwaitStop(stop);
    cancelled = true;
    return BlobReply{.kind = Kind::kCancelled};
  });
  rig.Start();
  rig.Mention(blob, {peer});
  rig.Mention(blob, {peer});  // a second key
  ASSERT_TRUE(rig.AtOnce([&] { return running.load(); }));
  rig.Mention(blob, {}, -1);
  EXPECT_EQ(rig.Record(blob).signpost->groups.at(rig.group).keys, 1u);
  EXPECT_NE(rig.Record(blob).signpost->wanted_since, base::kNever) << "one key is left";
  EXPECT_FALSE(cancelled);
  rig.Mention(blob, {}, -1);
  ASSERT_TRUE(rig.AtOnce([&] { return cancelled.load(); }));
  ASSERT_TRUE(rig.AtOnce([&] { return rig.report->InFlight().empty(); }));
  EXPECT_EQ(rig.DueRows(), 0u);
}

TEST(Fetcher, NewEvidenceDuringAnAttemptMakesTheBlobDueAgain) {
  Rig rig;
  rig.options.retry_base = Millis(3600000);
  rig.options.retry_max = Millis(7200000);
  rig.Close();
  rig.Open();
  const BlobId blob = Sha256::Of(kSmall);
  std::atomic<int> asked{0};
  const PeerId peer =
      rig.AddPeer(1, [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
        if (asked++ > 0) return FakeBlobClient::Sends(kSmall)(request, sink, stop);
        CHECK(rig.fetcher->Retry(blob).ok());  // an operator, meanwhile
        return FakeBlobClient::Misses()(request, sink, stop);
      });
  rig.Start();
  rig.Mention(blob, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.Held(blob); })) << "it must not wait for an hour";
}

TEST(Fetcher, AnotherPeersGroupsMakeNothingWanted) {
  Rig rig;
  const BlobId blob = Sha256::Of(kSmall);
  const PeerId holder = rig.AddPeer(2, FakeBlobClient::Sends(kSmall));
  const PeerId peer =
      rig.AddPeer(1, FakeBlobClient::Misses({{holder, {.when_seen = rig.clock.WallNow()}}}));
  rig.Start();
  const BlobId wanted = Sha256::Of("wanted");
  rig.Mention(wanted, {peer});
  ASSERT_TRUE(rig.AtOnce([&] { return rig.client.calls().size() >= 2; }));
  EXPECT_FALSE(rig.Record(blob).signpost);
}

TEST(Fetcher, ManySmallBlobsAllArriveUnderEveryLimit) {
  Rig rig;
  rig.options.concurrency = 8;
  rig.options.per_peer = 3;
  rig.Close();
  rig.Open();
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  const auto serve = [&](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
    const int now = ++running;
    int seen = most.load();
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    BlobReply reply = FakeBlobClient::Misses()(request, sink, stop);
    for (int i = 0; i < 300; ++i) {
      const std::string content = "blob " + std::to_string(i);
      if (Sha256::Of(content) == request.blob)
        reply = FakeBlobClient::Sends(content)(request, sink, stop);
    }
    --running;
    return reply;
  };
  const PeerId one = rig.AddPeer(1, serve);
  const PeerId two = rig.AddPeer(2, serve);
  rig.Start();
  for (int i = 0; i < 300; ++i) {
    rig.Mention(Sha256::Of("blob " + std::to_string(i)), {i % 2 == 0 ? one : two});
  }
  ASSERT_TRUE(rig.AtOnce([&] { return rig.DueRows() == 0; }));
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(rig.Held(Sha256::Of("blob " + std::to_string(i)))) << i;
  }
  EXPECT_LE(most.load(), 6) << "per_peer is 3 and there are two peers";
}

}  // namespace
}  // namespace waypost::fetcher
