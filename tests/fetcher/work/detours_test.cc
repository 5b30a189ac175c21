#include "fetcher/work/detours.h"

#include <gtest/gtest.h>

#include "signpost/due.h"
#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::BlobId;
using base::Millis;
using base::PeerId;
using base::Sha256;
using signpost::DueKey;
using syncgroup::Role;

// Detours by themselves: the test plays the workers and tells the board what the index has. Peer 1
// is the home of the blob and cools; no time passes.
class DetoursTest : public testing::Test {
 protected:
  DetoursTest() { board_.AddStoredRuns({}); }

  PeerId AddMember(uint8_t n, Role role = Role::kNormal) {
    rig_.AddMember(rig_.group, Peer(n), role);
    return Peer(n);
  }
  void Cool(const PeerId& peer) {
    rig_.peers->RecordFailure(peer, rig_.peers->Health(peer).returns,
                              {.error = signpost::ErrorClass::kUnreachable});
    board_.OnPeerHealth(peer);
  }
  void Return(const PeerId& peer) {
    rig_.peers->RecordSuccess(peer);
    board_.OnPeerHealth(peer);
  }
  void Mention(const std::vector<PeerId>& locations) {
    rig_.Mention(blob_, locations);
    const DueKey key = signpost::DueKeyOf(blob_, *rig_.Record(blob_).signpost);
    ASSERT_EQ(key.first_peer, home_);
    board_.OnBlobChange({.blob = blob_, .due_after = key, .wanted = true});
  }
  void GoAround() {
    detours_.LookAround();
    detours_.WalkAround();
  }
  // Where a worker would ask for it now; nullopt: it waits.
  std::optional<PeerId> AskedAt() {
    signpost::Signpost signpost = *rig_.Record(blob_).signpost;
    if (board_.WaitOf(blob_, signpost) == WaitState::kParked) return std::nullopt;
    const std::vector<Taken> all = board_.Take(0);
    CHECK(all.size() == 1);
    return all[0].picked.at;
  }

  Rig rig_;
  const BlobId blob_ = Sha256::Of("a small blob");
  const PeerId home_ = AddMember(1);
  Board board_{rig_.options, {.clock = rig_.clock, .peers = *rig_.peers, .blobs = *rig_.blobs}};
  Detours detours_{{.index = *rig_.index,
                    .ledger = *rig_.ledger,
                    .groups = *rig_.groups,
                    .peers = *rig_.peers,
                    .clock = rig_.clock,
                    .board = board_}};
};

TEST_F(DetoursTest, ABlobOfACoolingPeerIsAskedOfAnotherThatHasIt) {
  const PeerId other = AddMember(2);
  Cool(home_);
  Mention({home_, other});
  GoAround();
  EXPECT_EQ(AskedAt(), other);
}

TEST_F(DetoursTest, NobodyIsAskedWhoIsNoMember) {
  Cool(home_);
  Mention({home_, Peer(9)});
  rig_.peers->SetProfile(Peer(9), "stranger", {"127.0.0.1:1"});
  GoAround();
  signpost::Signpost without = *rig_.Record(blob_).signpost;
  without.locations.erase(Peer(9));
  EXPECT_EQ(board_.WaitOf(blob_, without), WaitState::kParked) << "it waits at home";
}

TEST_F(DetoursTest, AServerThatIsBackIsAskedForWhatWaitsAtPeersThatAreStillAway) {
  const PeerId server = AddMember(2, Role::kServer);
  Cool(server);
  Cool(home_);
  Mention({home_});
  GoAround();
  EXPECT_EQ(AskedAt(), std::nullopt);
  Return(server);
  GoAround();
  EXPECT_EQ(AskedAt(), server) << "it collects, and may have got it while it could not be asked";
}

TEST_F(DetoursTest, AMemberThatDoesNotCollectIsNotAskedOnlyBecauseItIsBack) {
  const PeerId member = AddMember(2);
  Cool(member);
  Cool(home_);
  Mention({home_});
  GoAround();
  Return(member);
  GoAround();
  EXPECT_EQ(AskedAt(), std::nullopt);
}

TEST_F(DetoursTest, AServerThatIsAwayAgainIsPassedOverForOneThatIsNot) {
  const PeerId first = AddMember(2, Role::kServer);
  const PeerId second = AddMember(3, Role::kServer);
  for (const PeerId& peer : {first, second, home_}) Cool(peer);
  Mention({home_});
  GoAround();
  Return(first);
  Return(second);
  Cool(first);
  GoAround();
  EXPECT_EQ(AskedAt(), second);
}

TEST_F(DetoursTest, AWalkRestsBeforeItBeginsAnewAndThenTellsOfEverybodyWhoCameBackMeanwhile) {
  const PeerId server = AddMember(2, Role::kServer);
  Cool(server);
  Cool(home_);
  Mention({home_});
  // The first walk over this peer's rows ends when somebody else is back: it must begin anew.
  const auto walk = board_.BeginWalk(rig_.clock.WallNow(), true);
  ASSERT_TRUE(walk);
  Return(server);
  board_.EndWalk(walk->peer, {}, std::nullopt);
  EXPECT_EQ(AskedAt(), std::nullopt);
  GoAround();
  EXPECT_EQ(AskedAt(), server);
}

}  // namespace
}  // namespace waypost::fetcher
