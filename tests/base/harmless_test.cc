#include "base/harmless.h"

#include <gtest/gtest.h>

namespace waypost::base {
namespace {

TEST(HarmlessTest, WhatATerminalObeysOrNobodySeesIsWrittenOut) {
  struct Case {
    const char* name;
    std::string text, line;
  };
  const Case cases[] = {
      {"plain", "gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich"},
      {"escape sequence", "a\x1b[31mb", "a\\x1b[31mb"},
      {"C1, as one character",
       "a\xc2\x9b"
       "31mb",
       "a\\x9b31mb"},
      {"C1, as one byte", "a\x9b", "a\\x9b"},
      {"a line of its own", "a\nERROR b\r\n", "a\\nERROR b\\x0d\\n"},
      {"another line separator", "a\xe2\x80\xa8z", "a\\u2028z"},
      {"next line",
       "a\xc2\x85"
       "z",
       "a\\x85z"},
      {"right-to-left override",
       "invoice\xe2\x80\xae"
       "fdp.exe",
       "invoice\\u202efdp.exe"},
      {"isolate", "\xe2\x81\xa7x\xe2\x81\xa9", "\\u2067x\\u2069"},
      {"zero width",
       "ad\xe2\x80\x8b"
       "min",
       "ad\\u200bmin"},
      {"tag", "a\xf3\xa0\x81\xa1z", "a\\udb40\\udc61z"},
      {"nothing", "", ""},
  };
  for (const Case& each : cases) EXPECT_EQ(Harmless(each.text), each.line) << each.name;
}

TEST(HarmlessTest, JsonStaysTheSameJson) {
  EXPECT_EQ(HarmlessJson("{\n  \"n\": \"a\xe2\x80\xae\xc2\x9b\x7f\xf3\xa0\x81\xa1\xff\"\n}"),
            "{\n  \"n\": \"a\\u202e\\u009b\\u007f\\udb40\\udc61\\ufffd\"\n}");
}

}  // namespace
}  // namespace waypost::base
