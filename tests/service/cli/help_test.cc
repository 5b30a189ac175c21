#include "service/cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "service/settings_table.h"

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

TEST(ExamplesOf, NameSettingsThatThereAre) {
  int settings = 0;
  for (const char* command : {"config get", "config set", "config unset"}) {
    for (const std::string& line : ExamplesOf(command)) {
      std::istringstream words(line);
      std::string config, what, key;
      words >> config >> what >> key;
      EXPECT_NE(FindSetting(key), nullptr) << line;
      ++settings;
    }
  }
  EXPECT_EQ(settings, 6);
  EXPECT_THAT(ExamplesOf("frobnicate"), IsEmpty());
}

}  // namespace
}  // namespace waypost::service
