#include "fetcher/attempt/attempt.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

using base::Millis;
using base::PeerId;
using base::Sha256;

// Two clocks stand for two looks at the health of a peer, between which another attempt failed
// there: by that of the peer book its cool-down is over, by that of the attempt it is not.
TEST(Attempt, WhoBeganToCoolSinceItWasRankedKeepsNobodyElseFromBeingAsked) {
  Rig rig;
  base::FakeClock behind;
  RateLimiter rate(behind);
  base::LogBound lines;
  const PeerId failed = rig.AddPeer(1, FakeBlobClient::Misses());
  const PeerId other = rig.AddPeer(2, FakeBlobClient::Misses());
  const base::BlobId blob = Sha256::Of("a blob");
  rig.Mention(blob, {failed, other});
  rig.peers->RecordFailure(failed, rig.peers->Health(failed).returns,
                           {.error = signpost::ErrorClass::kUnreachable, .peer = failed}, {});
  rig.clock.Advance(Millis(3600 * 1000));
  ASSERT_FALSE(rig.peers->Cooling(failed));
  ASSERT_TRUE(rig.peers->Health(failed).Cooling(behind.WallNow()));
  const AttemptParts parts{.index = *rig.index,
                           .blobs = *rig.blobs,
                           .ledger = *rig.ledger,
                           .groups = *rig.groups,
                           .peers = *rig.peers,
                           .client = rig.client,
                           .clock = behind,
                           .rate = rate,
                           .lines = lines,
                           .knows_us = nullptr,
                           .came_wrong = nullptr};
  AttemptOptions options;
  options.prefer = failed;
  AttemptProgress progress;
  Attempt attempt(parts, blob, options, progress, {});
  ASSERT_TRUE(rig.index
                  ->Read([&](base::ReadTxn& txn) {
                    MembersOfGroups members(*rig.groups, rig.self);
                    attempt.Load(txn, members);
                  })
                  .ok());
  EXPECT_EQ(attempt.Next(), other);
  attempt.SkipFull(other);
  EXPECT_EQ(attempt.Next(), std::nullopt);
}

}  // namespace
}  // namespace waypost::fetcher
