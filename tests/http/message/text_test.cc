#include "http/message/text.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

TEST(TextTest, DurationsHaveAUnit) {
  EXPECT_EQ(ParseDuration("500ms"), base::Millis(500));
  EXPECT_EQ(ParseDuration("30s"), base::Millis(30000));
  EXPECT_EQ(ParseDuration("10m"), base::Millis(600000));
  EXPECT_EQ(ParseDuration("24h"), base::Millis(86400000));
  EXPECT_EQ(ParseDuration("0s"), base::Millis(0));
  for (const char* bad :
       {"", "5", "s", "-1s", "1.5s", "5 s", "5d", "99999999999999999999h", "1h1m"}) {
    EXPECT_FALSE(ParseDuration(bad)) << bad;
  }
}

TEST(TextTest, NumbersAreDigitsThatFit) {
  EXPECT_EQ(ParseDecimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad :
       {"", "+1", "-1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "100000000000000000000"}) {
    EXPECT_FALSE(ParseDecimal(bad)) << bad;
  }
}

TEST(TextTest, CursorsComeBackAndOthersAreRefused) {
  const std::string position("\0\xFF/k\n", 5);
  EXPECT_EQ(DecodeCursor(EncodeCursor(position)), position);
  EXPECT_EQ(EncodeCursor(position).find_first_of("+/="), std::string::npos);
  for (const char* bad : {"%", "a", "ab==", "a b", "YQ==", "YR"})
    EXPECT_FALSE(DecodeCursor(bad)) << bad;
}

TEST(TextTest, ShortenCutsAtACharacter) {
  EXPECT_EQ(Shorten("abc", 5), "abc");
  EXPECT_EQ(Shorten("abcdef", 3), "abc");
  EXPECT_EQ(Shorten("ab\xC3\xA9", 3), "ab");
}

}  // namespace
}  // namespace waypost::http
