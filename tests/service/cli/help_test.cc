#include "service/cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waypost::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NearestWords, AreThoseThatSomebodyMayHaveMeant) {
  const std::vector<std::string> words = {"put", "get", "ls", "list", "status", "group", "members"};
  EXPECT_THAT(NearestWords("stauts", words), ElementsAre("status"));
  EXPECT_THAT(NearestWords("gruop", words), ElementsAre("group"));
  EXPECT_THAT(NearestWords("mem", words), ElementsAre("members"));
  EXPECT_THAT(NearestWords("pet", words), ElementsAre("put", "get"));
  EXPECT_THAT(NearestWords("frobnicate", words), IsEmpty());
  EXPECT_THAT(NearestWords("", words), IsEmpty());
  EXPECT_THAT(NearestWords(std::string(100'000, 'x'), words), IsEmpty());
}

}  // namespace
}  // namespace waypost::service
