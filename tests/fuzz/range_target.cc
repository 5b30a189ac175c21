#include <algorithm>

#include "base/status.h"
#include "base/units.h"
#include "base/utf8.h"
#include "http/message/range.h"
#include "http/message/text.h"
#include "tests/fuzz/fuzz_target.h"

// Ranges, numbers and ETags: a range that is taken lies within the blob, and what is said of it in
// the answer reads as the same range.

namespace waypost::fuzz {
namespace {

void CheckRange(std::string_view text, uint64_t size) {
  const http::RangeResult range = http::ParseRange(text, size);
  if (range.kind != http::RangeResult::Kind::kPart) return;
  CHECK(range.length > 0 && range.offset < size && range.length <= size - range.offset);
  const auto said = http::ParseContentRange(http::ContentRange(range.offset, range.length, size));
  CHECK(said && said->offset == range.offset && said->length == range.length && said->size == size);
}

void RunRange(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view text = input.substr(0, line);
  const auto number = http::ParseDecimal(input.substr(std::min(line + 1, input.size())));
  CheckRange(text, number.value_or(1000));
  if (const auto said = http::ParseContentRange(text)) {
    CHECK(said->length > 0 && said->offset < said->size &&
          said->length <= said->size - said->offset);
  }
  http::MatchesEtag(text, "\"0123\"");
  if (const auto decimal = http::ParseDecimal(text)) {
    // Leading zeros apart, it is what it says.
    const std::string digits = std::to_string(*decimal);
    CHECK(text.ends_with(digits) || *decimal == 0);
  }
  if (const auto duration = base::ParseDuration(text); duration.ok()) CHECK(duration->count() >= 0);
  if (const auto bytes = http::FromBase64Url(text)) {
    CHECK(http::FromBase64Url(http::Base64Url(*bytes)) == bytes);
  }
  CHECK(base::CutText(text, 10).size() <= 10);
}

std::vector<std::string> RangeSeeds() {
  return {"bytes=0-99\n1000",
          "bytes=-5\n1",
          "bytes=5-\n18446744073709551615",
          "bytes 0-99/1000\n0",
          "W/\"0123\", \"x\" , *\n5",
          "bytes=0-0,1-2\n9",
          "30s\n",
          "AAECAwQ\n",
          "9223372036854775807ms\n7"};
}

}  // namespace

const Target kRange = {"range", RunRange, RangeSeeds};

}  // namespace waypost::fuzz
