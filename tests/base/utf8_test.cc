#include "base/utf8.h"

#include <gtest/gtest.h>

namespace waypost::base {
namespace {

TEST(Utf8Test, TheFirstCharacterIsReadWhateverFollows) {
  struct Case {
    const char* text;
    std::size_t bytes;
    char32_t code;
  };
  for (const Case& c :
       {Case{"a", 1, U'a'}, Case{"\x7f", 1, 0x7f}, Case{"\xC2\x80", 2, 0x80},
        Case{"\xDF\xBF", 2, 0x7ff}, Case{"\xE0\xA0\x80", 3, 0x800}, Case{"\xED\x9F\xBF", 3, 0xd7ff},
        Case{"\xEE\x80\x80", 3, 0xe000}, Case{"\xEF\xBF\xBF", 3, 0xffff},
        Case{"\xF0\x90\x80\x80", 4, 0x10000}, Case{"\xF4\x8F\xBF\xBF", 4, 0x10ffff}}) {
    for (const char* rest : {"", "x", "\xff"}) {
      const auto found = FirstCharacter(std::string(c.text) + rest);
      ASSERT_TRUE(found) << c.text;
      EXPECT_EQ(found->bytes, c.bytes) << c.text;
      EXPECT_EQ(found->code, c.code) << c.text;
    }
  }
}

TEST(Utf8Test, WhatIsMalformedIsNoCharacter) {
  for (const char* text : {"",
                           "\x80",              // no beginning
                           "\xC3",              // no end
                           "\xC3(",             // another one within
                           "\xE2\x82",          //
                           "\xF0\x9F\x98",      //
                           "\xC0\x80",          // longer than needed
                           "\xC1\xBF",          //
                           "\xE0\x9F\xBF",      //
                           "\xF0\x8F\xBF\xBF",  //
                           "\xED\xA0\x80",      // surrogates
                           "\xED\xBF\xBF",      //
                           "\xF4\x90\x80\x80",  // beyond Unicode
                           "\xF8\x88\x80\x80\x80", "\xFE", "\xFF"}) {
    EXPECT_FALSE(FirstCharacter(text)) << testing::PrintToString(std::string(text));
  }
}

TEST(Utf8Test, ControlCharactersAreC0DelAndC1) {
  for (const char32_t code : {0x00, 0x1b, 0x1f, 0x7f, 0x80, 0x9f}) EXPECT_TRUE(IsControl(code));
  for (const char32_t code : {0x20, 0x7e, 0xa0, 0x2028}) EXPECT_FALSE(IsControl(code));
}

TEST(Utf8Test, TextIsCutBetweenCharacters) {
  EXPECT_EQ(CutText("abc", 5), "abc");
  EXPECT_EQ(CutText("abcdef", 3), "abc");
  EXPECT_EQ(CutText("ab\xC3\xA9", 4), "ab\xC3\xA9");
  EXPECT_EQ(CutText("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(CutText("\xF0\x9F\x98\x80x", 3), "");
  EXPECT_EQ(ShortMessage(std::string(199, 'a') + "\xC3\xA9"), std::string(199, 'a'));
}

}  // namespace
}  // namespace waypost::base
