#include "http/peer/peer_batch.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::http {
namespace {

using syncgroup::PeerNumber;

TEST(AnswerRoom, GivesEachPeerItsShareAndAllOfThemTheWhole) {
  AnswerRoom room(100, 40);
  auto first = room.Take(PeerNumber(1), 30);
  EXPECT_EQ(first->bytes(), 30u);
  const auto second = room.Take(PeerNumber(1), 30);
  EXPECT_EQ(second->bytes(), 10u) << "what is left of its share";
  EXPECT_EQ(room.Take(PeerNumber(1), 30)->bytes(), 0u);
  const auto third = room.Take(PeerNumber(2), 40);
  EXPECT_EQ(third->bytes(), 40u);
  const auto fourth = room.Take(PeerNumber(3), 40);
  EXPECT_EQ(fourth->bytes(), 20u) << "what is left of the whole";
  first.reset();
  EXPECT_EQ(room.Take(PeerNumber(1), 99)->bytes(), 30u) << "and given back";
}

TEST(AnswerRoom, OutlivedByWhatItGave) {
  auto room = std::make_unique<AnswerRoom>(100, 40);
  const auto lease = room->Take(PeerNumber(1), 30);
  room.reset();
  EXPECT_EQ(lease->bytes(), 30u);
}

}  // namespace
}  // namespace waypost::http
