#include "http/message/answer_room.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace waypost::http {
namespace {

using base::Payer;

TEST(AnswerRoom, GivesEachItsShareAndNoneMoreThanItLeavesTheOthers) {
  AnswerRoom room(100, 40);
  auto first = room.Take({1}, 30);
  EXPECT_EQ(first->bytes(), 30u);
  const auto second = room.Take({1}, 30);
  EXPECT_EQ(second->bytes(), 10u) << "what is left of its share";
  EXPECT_EQ(room.Take({1}, 30)->bytes(), 0u);
  const auto third = room.Take({2}, 40);
  EXPECT_EQ(third->bytes(), 30u) << "as much as is left";
  EXPECT_EQ(room.Take({2}, 40)->bytes(), 0u) << "it has what is left";
  first.reset();
  EXPECT_EQ(room.Take({1}, 99)->bytes(), 25u) << "what was given back, with what it has: half";
}

TEST(AnswerRoom, HoweverManyKeepTheirAnswersWhoComesNextFindsRoom) {
  constexpr uint64_t kMiB = 1 << 20;
  AnswerRoom room(128 * kMiB, 32 * kMiB);
  std::vector<std::shared_ptr<AnswerRoom::Lease>> unread;
  for (Payer payer = 1; payer <= 4; ++payer) {
    for (int i = 0; i < 8; ++i) unread.push_back(room.Take({payer}, 8 * kMiB));
  }
  EXPECT_EQ(room.Take({5}, 8 * kMiB)->bytes(), 8 * kMiB);
}

// One of them that read nothing held the room of all of them.
TEST(AnswerRoom, StrangersHaveTheirShareTogetherAndOfItANetworkHalf) {
  AnswerRoom room(1000, 80);
  std::vector<std::shared_ptr<AnswerRoom::Lease>> unread;
  for (int i = 0; i < 10; ++i) unread.push_back(room.Take({1, true}, 10));
  uint64_t of_one = 0;
  for (const auto& lease : unread) of_one += lease->bytes();
  EXPECT_EQ(of_one, 40u);
  for (Payer network = 2; network <= 3; ++network) unread.push_back(room.Take({network, true}, 20));
  EXPECT_EQ(unread.back()->bytes(), 20u);
  EXPECT_EQ(room.Take({5, true}, 20)->bytes(), 0u) << "all of them together";
  EXPECT_EQ(room.Take({6}, 80)->bytes(), 80u) << "and a member has its own";
  unread.clear();
  const auto first = room.TakeAll({1, true}, 20), second = room.TakeAll({1, true}, 20);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr) << "two of one network may be under way";
  EXPECT_EQ(room.TakeAll({1, true}, 1), nullptr);
}

TEST(AnswerRoom, AllOrNothing) {
  AnswerRoom room(100, 40);
  const auto all = room.TakeAll({1}, 40);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(all->bytes(), 40u);
  EXPECT_EQ(room.TakeAll({1}, 1), nullptr);
  EXPECT_EQ(room.TakeAll({2}, 31), nullptr);
  EXPECT_NE(room.TakeAll({2}, 30), nullptr) << "what was not enough was given back";
}

TEST(AnswerRoom, OutlivedByWhatItGave) {
  auto room = std::make_unique<AnswerRoom>(100, 40);
  const auto lease = room->Take({1}, 30);
  room.reset();
  EXPECT_EQ(lease->bytes(), 30u);
}

}  // namespace
}  // namespace waypost::http
