#include "http/message/answer_room.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace waypost::http {
namespace {

TEST(AnswerRoom, GivesEachItsShareAndNoneMoreThanItLeavesTheOthers) {
  AnswerRoom room(100, 40);
  auto first = room.Take(1, 30);
  EXPECT_EQ(first->bytes(), 30u);
  const auto second = room.Take(1, 30);
  EXPECT_EQ(second->bytes(), 10u) << "what is left of its share";
  EXPECT_EQ(room.Take(1, 30)->bytes(), 0u);
  const auto third = room.Take(2, 40);
  EXPECT_EQ(third->bytes(), 30u) << "as much as is left";
  EXPECT_EQ(room.Take(2, 40)->bytes(), 0u) << "it has what is left";
  first.reset();
  EXPECT_EQ(room.Take(1, 99)->bytes(), 25u) << "what was given back, with what it has: half";
}

TEST(AnswerRoom, HoweverManyKeepTheirAnswersWhoComesNextFindsRoom) {
  constexpr uint64_t kMiB = 1 << 20;
  AnswerRoom room(128 * kMiB, 32 * kMiB);
  std::vector<std::shared_ptr<AnswerRoom::Lease>> unread;
  for (Payer payer = 1; payer <= 4; ++payer) {
    for (int i = 0; i < 8; ++i) unread.push_back(room.Take(payer, 8 * kMiB));
  }
  EXPECT_EQ(room.Take(5, 8 * kMiB)->bytes(), 8 * kMiB);
}

TEST(AnswerRoom, AllOrNothing) {
  AnswerRoom room(100, 40);
  const auto all = room.TakeAll(1, 40);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(all->bytes(), 40u);
  EXPECT_EQ(room.TakeAll(1, 1), nullptr);
  EXPECT_EQ(room.TakeAll(2, 31), nullptr);
  EXPECT_NE(room.TakeAll(2, 30), nullptr) << "what was not enough was given back";
}

TEST(AnswerRoom, OutlivedByWhatItGave) {
  auto room = std::make_unique<AnswerRoom>(100, 40);
  const auto lease = room->Take(1, 30);
  room.reset();
  EXPECT_EQ(lease->bytes(), 30u);
}

}  // namespace
}  // namespace waypost::http
