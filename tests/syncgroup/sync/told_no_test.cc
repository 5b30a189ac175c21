#include "syncgroup/sync/told_no.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/sha256.h"

namespace waypost::syncgroup {
namespace {

using base::Millis;

base::PeerId Peer(uint8_t n) { return base::PeerId(std::array<uint8_t, 32>{n}); }
base::GroupId Group(uint8_t n) { return base::GroupId(std::array<uint8_t, 32>{n}); }
base::BlobId Blob(int n) { return base::Sha256::Of("blob " + std::to_string(n)); }
constexpr base::SteadyTime kNow{std::chrono::hours(1000)};
using Peers = std::vector<base::PeerId>;

TEST(ToldNo, WhoeverAskedUnderAGroupThatMayReadNowHearsOfItOnce) {
  ToldNo told;
  told.Note(Peer(1), Blob(1), {Group(1), Group(2)}, kNow);
  told.Note(Peer(2), Blob(1), {Group(3)}, kNow);
  EXPECT_EQ(told.Take(Blob(2), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Blob(1), {Group(2)}, kNow), Peers({Peer(1)}));
  EXPECT_EQ(told.Take(Blob(1), {Group(2)}, kNow), Peers());
  EXPECT_EQ(told.Take(Blob(1), {Group(2), Group(3)}, kNow), Peers({Peer(2)}));
  EXPECT_EQ(told.size(), 0u);
}

TEST(ToldNo, WhoMayKnowOfItUnderNoGroupIsNotRemembered) {
  ToldNo told;
  told.Note(Peer(1), Blob(1), {}, kNow);
  EXPECT_EQ(told.size(), 0u);
}

TEST(ToldNo, IsForgottenAfterAnHourUnlessItAskedAgain) {
  ToldNo told;
  told.Note(Peer(1), Blob(1), {Group(1)}, kNow);
  told.Note(Peer(2), Blob(1), {Group(1)}, kNow);
  told.Note(Peer(2), Blob(1), {Group(1)}, kNow + Millis(1));
  EXPECT_EQ(told.size(), 2u);
  EXPECT_EQ(told.Take(Blob(1), {Group(1)}, kNow + ToldNo::kKept), Peers({Peer(2)}));
  told.Note(Peer(1), Blob(1), {Group(1)}, kNow);
  told.Note(Peer(1), Blob(2), {Group(1)}, kNow + ToldNo::kKept);
  EXPECT_EQ(told.size(), 1u);
}

TEST(ToldNo, OnePeerTakesNoRoomFromAnother) {
  ToldNo told(/*of_peer_max=*/3, /*all_max=*/5);
  told.Note(Peer(1), Blob(0), {Group(1)}, kNow);
  for (int n = 1; n <= 10; ++n) told.Note(Peer(2), Blob(n), {Group(1)}, kNow);
  EXPECT_EQ(told.size(), 4u);
  EXPECT_EQ(told.Take(Blob(0), {Group(1)}, kNow), Peers({Peer(1)}));
  EXPECT_EQ(told.Take(Blob(7), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Blob(8), {Group(1)}, kNow), Peers({Peer(2)}));
}

TEST(ToldNo, OfAllTheOldestGoes) {
  ToldNo told(/*of_peer_max=*/3, /*all_max=*/5);
  for (uint8_t n = 1; n <= 10; ++n) told.Note(Peer(n), Blob(n), {Group(1)}, kNow);
  EXPECT_EQ(told.size(), 5u);
  EXPECT_EQ(told.Take(Blob(5), {Group(1)}, kNow), Peers());
  EXPECT_EQ(told.Take(Blob(6), {Group(1)}, kNow), Peers({Peer(6)}));
}

}  // namespace
}  // namespace waypost::syncgroup
