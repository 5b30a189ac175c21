#include "http/message/json_request.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/memory_body.h"

namespace waypost::http {
namespace {

std::string ObjectOf(std::size_t keys) {
  std::string text = "{";
  for (std::size_t i = 0; i < keys; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", "\"k", i, "\":1");
  }
  return text + "}";
}

TEST(JsonRequest, AnObjectHasSoManyKeysAndNoMore) {
  EXPECT_TRUE(ParseJson(ObjectOf(kJsonKeysMax)).ok());
  const auto refused = ParseJson(ObjectOf(kJsonKeysMax + 1));
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_NE(refused.status().message().find("128 keys"), std::string::npos) << refused.status();
  // Each by itself.
  const std::string full = ObjectOf(kJsonKeysMax);
  EXPECT_TRUE(ParseJson(absl::StrCat("[", full, ",", full, "]")).ok());
}

TEST(JsonRequest, ItIsNoDeeperThanSo) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + "1" + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseJson(nested(kJsonDepthMax)).ok());
  const auto refused = ParseJson(nested(kJsonDepthMax + 1));
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  // Depth without end is not followed.
  EXPECT_FALSE(ParseJson(std::string(kJsonBytesMax, '[')).ok());
}

TEST(JsonRequest, ABodyHasSoManyBytesAndNoMore) {
  const auto read = [](std::size_t bytes) {
    support::MemoryBody body("{\"k\":\"" + std::string(bytes - 8, 'x') + "\"}");
    Request request;
    request.body = &body;
    return ReadJsonObject(request).status();
  };
  EXPECT_TRUE(read(kJsonBytesMax).ok());
  EXPECT_TRUE(absl::IsOutOfRange(read(kJsonBytesMax + 1))) << read(kJsonBytesMax + 1);
}

TEST(JsonRequest, ATextHasSoManyValuesAndNoMore) {
  const auto empty_objects = [](std::size_t count) {
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i) absl::StrAppend(&text, i == 0 ? "" : ",", "{}");
    return text + "]";
  };
  // The array is one of them.
  EXPECT_TRUE(ParseJson(empty_objects(kJsonValuesMax - 1)).ok());
  const auto refused = ParseJson(empty_objects(kJsonValuesMax));
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_NE(refused.status().message().find("16384 values"), std::string::npos) << refused.status();
  for (const std::string value : {"null", "true", "-1", "1", "1.5", "\"s\"", "[]"}) {
    std::string text = "[" + value;
    for (std::size_t i = 0; i < kJsonValuesMax; ++i) absl::StrAppend(&text, ",", value);
    EXPECT_FALSE(ParseJson(text + "]").ok()) << value;
  }
}

TEST(JsonRequest, AsManyObjectsAsItTakesAreReadAtOnce) {
  const std::string full = ObjectOf(kJsonKeysMax);
  std::string text = "[" + full;
  for (std::size_t i = 2; i * (kJsonKeysMax + 1) < kJsonValuesMax; ++i) {
    absl::StrAppend(&text, ",", full);
  }
  text += "]";
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(ParseJson(text).ok());
  EXPECT_FALSE(ParseJson(ObjectOf(100'000)).ok());
  // Searched linearly, it is tens of seconds without a sanitizer.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15));
}

}  // namespace
}  // namespace waypost::http
