#include "syncgroup/sync/told_no.h"

#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "tests/support/filled_ids.h"

namespace waypost::syncgroup {
namespace {

using base::Millis;

using support::Group;
using support::Peer;

// A limit of thousands is reached: more than one byte tells apart.
base::BlobId Numbered(int n) { return base::Sha256::Of("blob " + std::to_string(n)); }
constexpr base::SteadyTime kNow{std::chrono::hours(1000)};
using Peers = std::vector<base::PeerId>;

TEST(ToldNo, WhoeverAskedUnderAGroupThatMayReadNowHearsOfItOnce) {
  ToldNo told;
  told.Note(Peer(1), Numbered(1), {Group(1), Group(2)}, kNow);
  told.Note(Peer(2), Numbered(1), {Group(3)}, kNow);
  EXPECT_EQ(told.Take(Numbered(2), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Numbered(1), {Group(2)}, kNow), Peers({Peer(1)}));
  EXPECT_EQ(told.Take(Numbered(1), {Group(2)}, kNow), Peers());
  EXPECT_EQ(told.Take(Numbered(1), {Group(2), Group(3)}, kNow), Peers({Peer(2)}));
  EXPECT_EQ(told.size(), 0u);
}

TEST(ToldNo, WhoMayKnowOfItUnderNoGroupIsNotRemembered) {
  ToldNo told;
  told.Note(Peer(1), Numbered(1), {}, kNow);
  EXPECT_EQ(told.size(), 0u);
}

TEST(ToldNo, IsForgottenAfterAnHourUnlessItAskedAgain) {
  ToldNo told;
  told.Note(Peer(1), Numbered(1), {Group(1)}, kNow);
  told.Note(Peer(2), Numbered(1), {Group(1)}, kNow);
  told.Note(Peer(2), Numbered(1), {Group(1)}, kNow + Millis(1));
  EXPECT_EQ(told.size(), 2u);
  EXPECT_EQ(told.Take(Numbered(1), {Group(1)}, kNow + std::chrono::hours(1)), Peers({Peer(2)}));
  told.Note(Peer(1), Numbered(1), {Group(1)}, kNow);
  told.Note(Peer(1), Numbered(2), {Group(1)}, kNow + std::chrono::hours(1));
  EXPECT_EQ(told.size(), 1u);
}

TEST(ToldNo, OnePeerTakesNoRoomFromAnother) {
  ToldNo told(/*of_peer_max=*/3, /*all_max=*/5);
  told.Note(Peer(1), Numbered(0), {Group(1)}, kNow);
  for (int n = 1; n <= 10; ++n) told.Note(Peer(2), Numbered(n), {Group(1)}, kNow);
  EXPECT_EQ(told.size(), 4u);
  EXPECT_EQ(told.Take(Numbered(0), {Group(1)}, kNow), Peers({Peer(1)}));
  EXPECT_EQ(told.Take(Numbered(7), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Numbered(8), {Group(1)}, kNow), Peers({Peer(2)}));
}

TEST(ToldNo, OfAllTheOldestGoes) {
  ToldNo told(/*of_peer_max=*/3, /*all_max=*/5);
  for (uint8_t n = 1; n <= 10; ++n) told.Note(Peer(n), Numbered(n), {Group(1)}, kNow);
  EXPECT_EQ(told.size(), 5u);
  EXPECT_EQ(told.Take(Numbered(5), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Numbered(6), {Group(1)}, kNow), Peers({Peer(6)}));
}

TEST(ToldNo, OfAPeerTenThousandAreRememberedAndOfAllAHundredThousand) {
  ToldNo told;
  for (int n = 0; n <= 10'000; ++n) told.Note(Peer(1), Numbered(n), {Group(1)}, kNow);
  EXPECT_EQ(told.size(), 10'000u);
  for (uint8_t peer = 2; peer <= 11; ++peer) {
    for (int n = 0; n < 10'000; ++n) told.Note(Peer(peer), Numbered(n), {Group(1)}, kNow);
  }
  EXPECT_EQ(told.size(), 100'000u);
}

}  // namespace
}  // namespace waypost::syncgroup
