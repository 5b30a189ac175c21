#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/sha256.h"
#include "base/sim_scheduler.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"
#include "tests/sim/network.h"
#include "tests/sim/peer.h"

namespace waypost::sim {
namespace {

using base::Millis;

// Peer 0 puts; peers 1 and 2 are servers, and peer 2 hears of peer 0 only through peer 1.
class ToldNo : public testing::Test {
 protected:
  ToldNo() {
    CHECK(base::InitCrypto());
    for (PeerNumber number = 0; number < 3; ++number) {
      peers_.push_back(std::make_unique<Peer>(network_, number, /*seed=*/1,
                                              folder_ / absl::StrCat("peer-", number)));
      peers_.back()->Start();
    }
    group_ = peers_[0]->groups().Create({.name = "g", .role = syncgroup::Role::kNormal})->id;
    Join(1);
    Join(2);
    sim_.Sleep(Millis(10'000));
    network_.Cut(0, 2);
    network_.Cut(2, 0);
  }
  ~ToldNo() override {
    for (const auto& peer : peers_) peer->Stop();
  }

  void Join(PeerNumber joiner) {
    const auto invite = peers_[0]->invites().Create(group_, {});
    bool in = false;
    peers_[joiner]->parts().syncer->Join(*invite, syncgroup::Role::kServer,
                                         [&](const auto& info) { in = info.ok(); });
    for (int i = 0; i < 100 && !in; ++i) sim_.Sleep(Millis(100));
    CHECK(in);
  }
  std::vector<std::string> Contents(int count, std::size_t bytes) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back(std::string(bytes, static_cast<char>('a' + i)));
    return all;
  }
  void Refer(const std::vector<std::string>& contents) {
    for (const std::string& content : contents) {
      const base::BlobId blob = base::Sha256::Of(content);
      ASSERT_TRUE(peers_[0]->refs().Change(group_, {{blob.ToHex(), blob}}).ok());
    }
  }
  void Put(const std::vector<std::string>& contents) {
    for (const std::string& content : contents) {
      const auto staged = peers_[0]->Stage(content);
      ASSERT_TRUE(staged.ok());
      ASSERT_TRUE(peers_[0]->refs().Put(*staged, std::nullopt).ok());
    }
  }
  bool HoldsAll(PeerNumber number) {
    return peers_[number]->groups().Find(group_)->counts.wanted == 0;
  }
  // How long it takes until the peer holds everything; at most a minute.
  Millis UntilHeld(PeerNumber number) {
    Millis took{0};
    while (!HoldsAll(number) && took < Millis(60'000)) {
      sim_.Sleep(Millis(100));
      took += Millis(100);
    }
    return took;
  }

  base::SimScheduler sim_{{.seed = 1}};
  base::TempDir folder_;
  Network network_{1};
  std::vector<std::unique_ptr<Peer>> peers_;
  base::GroupId group_;
};

TEST_F(ToldNo, WhoeverWasToldNoHasTheBlobSoonAfterItArrived) {
  const auto contents = Contents(24, std::size_t{1} << 20);
  Refer(contents);
  // Long enough that nobody tries again by itself soon.
  sim_.Sleep(Millis(300'000));
  ASSERT_FALSE(HoldsAll(1));
  ASSERT_FALSE(HoldsAll(2));
  Put(contents);
  EXPECT_LT(UntilHeld(1), Millis(10'000));
  EXPECT_LE(UntilHeld(2), Millis(2'000));
}

TEST_F(ToldNo, SmallBlobsThatAreAskedForTogetherToo) {
  const auto contents = Contents(24, 500);
  Refer(contents);
  sim_.Sleep(Millis(300'000));
  Put(contents);
  EXPECT_LT(UntilHeld(1), Millis(10'000));
  EXPECT_LE(UntilHeld(2), Millis(2'000));
}

TEST_F(ToldNo, WhoCouldNotBeReachedHearsOfItWhenItIsBack) {
  const auto contents = Contents(3, 500);
  Refer(contents);
  sim_.Sleep(Millis(300'000));
  network_.Cut(1, 2);
  Put(contents);
  sim_.Sleep(Millis(60'000));
  ASSERT_TRUE(HoldsAll(1));
  network_.Heal(1, 2);
  EXPECT_LT(UntilHeld(2), Millis(30'000));
}

}  // namespace
}  // namespace waypost::sim
