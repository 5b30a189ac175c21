#include "base/status.h"
#include "http/message/json_request.h"
#include "tests/fuzz/fuzz_target.h"

// JSON of apps: it is refused as a bad argument or, said again, parses to the same value; whatever
// the members of an object are, reading them ends in a status.

namespace waypost::fuzz {
namespace {

void RunJson(std::string_view input) {
  const auto value = http::ParseJson(input);
  if (!value.ok()) {
    CHECK(absl::IsInvalidArgument(value.status()));
    return;
  }
  const auto again = http::ParseJson(value->dump());
  CHECK(again.ok() && *again == *value);
  if (!value->is_object()) return;
  http::ObjectReader reader(*value, "the body");
  reader.String("key");
  reader.Bool("public");
  reader.Number("limit", 1, 1000);
  reader.Array("put");
  reader.Require("key");
  const absl::Status done = reader.Done();
  CHECK(done.ok() || absl::IsInvalidArgument(done));
}

std::vector<std::string> JsonSeeds() {
  return {R"({"key":"a/b","public":true,"limit":5,"put":[{"key":"k"},null,1.5e3]})",
          R"({"key":"\u00e9\ud83d\ude00\n"})",
          R"([[[[[[[[[]]]]]]]]])",
          R"({"a":1,"a":2})",
          "{}",
          R"({"key":-0, "limit": 18446744073709551616})"};
}

}  // namespace

const Target kJson = {"json", RunJson, JsonSeeds};

}  // namespace waypost::fuzz
