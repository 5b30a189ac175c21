#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "http/message/json.h"
#include "http/message/message.h"

namespace waypost::http {

inline constexpr std::size_t kJsonBytesMax = std::size_t{1} << 20;
inline constexpr int kJsonDepthMax = 8;
// Of one object. A key is searched for among those before it, so that many would cost their square.
inline constexpr std::size_t kJsonKeysMax = 128;
// Of a text, each object and array counted too. The largest that is asked for is a batch of a
// thousand changes; a mebibyte of empty objects would be 25 MiB in memory.
inline constexpr std::size_t kJsonValuesMax = 16'384;

// Strict: one value, nothing behind it, no deeper than kJsonDepthMax, no more than kJsonValuesMax
// in it, no more than kJsonKeysMax keys in an object and none twice. kInvalidArgument says where it
// went wrong. Never throws.
absl::StatusOr<Json> ParseJson(std::string_view text);

// A request's body as an object: absent or empty counts as {}. kInvalidArgument, or kOutOfRange
// over kJsonBytesMax.
absl::StatusOr<Json> ReadJsonObject(Request& request);

// Reads the members of one object; what nobody asked for is an error that names it. The first
// mistake is kept: look at Done() before using what was read.
class ObjectReader {
 public:
  // `where` names the object in messages: "the body", "put[3]".
  ObjectReader(const Json& object, std::string where);

  std::optional<std::string> String(const char* key);
  std::optional<bool> Bool(const char* key);
  // Whole numbers from `low` to `high`.
  std::optional<uint64_t> Number(const char* key, uint64_t low, uint64_t high);
  // "12h": longer than nothing, at most `max`.
  std::optional<base::Millis> Duration(const char* key, base::Millis max);
  // Null when absent; an error when it is no array.
  const Json* Array(const char* key);
  void Require(const char* key);
  // Something the caller found wrong with a member.
  void Fail(const char* key, const std::string& what);
  absl::Status Done();

 private:
  const Json* Take(const char* key);
  const Json& object_;
  const std::string where_;
  std::vector<std::string> known_;
  absl::Status status_;
};

}  // namespace waypost::http
