#include "syncgroup/sync/schedule.h"

#include <gtest/gtest.h>

#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {
namespace {

constexpr base::Millis kTwoSeconds{2000};

TEST(Schedule, DoublesToThirtySecondsWithNothingToSay) {
  base::Millis pause = kTwoSeconds;
  std::vector<int64_t> pauses;
  for (int i = 0; i < 6; ++i) {
    pause = NextPause(pause, kTwoSeconds, /*news=*/false);
    pauses.push_back(pause.count());
  }
  EXPECT_EQ(pauses, (std::vector<int64_t>{4000, 8000, 16000, 30000, 30000, 30000}));
  EXPECT_EQ(NextPause(pause, kTwoSeconds, /*news=*/true), kTwoSeconds);
}

TEST(Schedule, AnIntervalBeyondThirtySecondsIsKept) {
  const base::Millis minute{60000};
  EXPECT_EQ(NextPause(minute, minute, false), minute);
}

TEST(Schedule, JitterStaysWithinAFifth) {
  EXPECT_EQ(WithJitter(base::Millis(1000), 0.0), base::Millis(800));
  EXPECT_EQ(WithJitter(base::Millis(1000), 0.5), base::Millis(1000));
  EXPECT_LT(WithJitter(base::Millis(1000), 0.999999), base::Millis(1200));
}

TEST(Types, NamesGoThereAndBack) {
  for (const Role role : {Role::kServer, Role::kNormal, Role::kLeaf}) {
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  for (const Authority authority : {Authority::kAdmin, Authority::kWriter, Authority::kReader}) {
    EXPECT_EQ(ParseAuthority(AuthorityName(authority)), authority);
  }
  EXPECT_EQ(ParseRole("Server"), std::nullopt);
  EXPECT_EQ(ParseAuthority(""), std::nullopt);
}

TEST(Types, KeysAreUtf8WithoutControlCharacters) {
  struct {
    const char* name;
    std::string key;
    bool good;
  } const cases[] = {
      {"plain", "a/b c+d", true},
      {"dots", "../..", true},
      {"two bytes", "\xc3\xa9", true},
      {"three bytes", "\xe2\x82\xac", true},
      {"four bytes", "\xf0\x9f\x93\xb7", true},
      {"longest", std::string(400, 'x'), true},
      {"empty", "", false},
      {"too long", std::string(401, 'x'), false},
      {"newline", "a\n", false},
      {"nul", std::string(1, '\0'), false},
      {"delete", "\x7f", false},
      {"C1 control", "\xc2\x85", false},
      {"lone continuation", "\x80", false},
      {"cut sequence", "\xe2\x82", false},
      {"overlong slash", "\xc0\xaf", false},
      {"overlong three bytes", "\xe0\x80\xaf", false},
      {"surrogate", "\xed\xa0\x80", false},
      {"beyond Unicode", "\xf4\x90\x80\x80", false},
      {"no such first byte", "\xff", false},
  };
  for (const auto& each : cases) EXPECT_EQ(CheckKey(each.key).ok(), each.good) << each.name;
}

}  // namespace
}  // namespace waypost::syncgroup
