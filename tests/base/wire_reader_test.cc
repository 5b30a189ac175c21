#include "base/wire_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "base/ids.h"

namespace waypost::base {
namespace {

// What the reader makes of a message given in hexadecimal: "field:value" of each, and "!" where it
// gave up. The bytes stand alone in memory, so that a sanitizer sees a read beyond their end.
std::string Fields(const std::string& hex) {
  const std::string message = FromHex(hex).value();
  const auto exact = std::make_unique<char[]>(message.size());
  std::memcpy(exact.get(), message.data(), message.size());
  WireReader reader({exact.get(), message.size()});
  std::string seen;
  while (reader.Next()) {
    for (uint32_t field = 1; field <= 20; ++field) {
      if (reader.Is(field, WireReader::kBytes)) {
        seen += std::to_string(field) + ":" + std::string(reader.bytes()) + " ";
      }
      for (const auto type : {WireReader::kVarint, WireReader::kFixed64, WireReader::kFixed32}) {
        if (reader.Is(field, type)) {
          seen += std::to_string(field) + ":" + std::to_string(reader.number()) + " ";
        }
      }
    }
  }
  return reader.ok() ? seen : seen + "!";
}

struct Case {
  const char* name;
  const char* hex;
  const char* expected;
};

class WireReaderTest : public testing::TestWithParam<Case> {};

TEST_P(WireReaderTest, ReadsWhatIsThereAndNoMore) {
  EXPECT_EQ(Fields(GetParam().hex), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, WireReaderTest,
    testing::Values(
        Case{"Empty", "", ""},
        // The example of Protobuf's own documentation: field 1 is 150.
        Case{"Varint", "089601", "1:150 "}, Case{"Bytes", "120774657374696e67", "2:testing "},
        Case{"EmptyBytes", "1200", "2: "}, Case{"Fixed32", "1d01020304", "3:67305985 "},
        Case{"Fixed64", "210100000000000080", "4:9223372036854775809 "},
        Case{"FieldOverFifteen", "800105", "16:5 "},
        Case{"LargestVarint", "08ffffffffffffffffff01", "1:18446744073709551615 "},
        Case{"SeveralAndRepeated", "08011202616208021d00000000", "1:1 2:ab 1:2 3:0 "},
        Case{"VarintOfElevenBytes", "08ffffffffffffffffffff01", "!"},
        Case{"VarintWithoutEnd", "0896", "!"},
        Case{"TagWithoutValue",
             "0801"
             "10",
             "1:1 !"},
        Case{"BytesBeyondTheEnd",
             "1203"
             "6162",
             "!"},
        Case{"LengthThatWouldWrapRound",
             "12ffffffffffffffffff01"
             "61",
             "!"},
        Case{"Fixed32CutShort", "1d010203", "!"}, Case{"Fixed64CutShort", "2101020304050607", "!"},
        Case{"FieldZero", "0005", "!"}, Case{"Group", "0b0c", "!"}, Case{"UnknownType", "0f", "!"},
        Case{"TagTooLarge",
             "88808080"
             "8001"
             "00",
             "!"}),
    [](const testing::TestParamInfo<Case>& i) { return std::string(i.param.name); });

TEST(WireReader, StaysDamagedOnceItIs) {
  const std::string message = FromHex("0b0801").value();
  WireReader reader(message);
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace waypost::base
