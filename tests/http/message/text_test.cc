#include "http/message/text.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

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

TEST(TextTest, DatesAreThoseOfHttp) {
  EXPECT_EQ(HttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(HttpDate(4102444799), "Thu, 31 Dec 2099 23:59:59 GMT");
}

}  // namespace
}  // namespace waypost::http
