#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace waypost::syncgroup {

// What a repeated field of a message may hold. An empty item takes two bytes on the wire and fifty
// times that as an object, so items are counted, and those that are too small to be right refused,
// before Protobuf makes objects of them. What is not named becomes no object for each item: fields
// that are not repeated, and those of newer peers.
struct RepeatedField {
  uint32_t number = 0;
  std::size_t count_max = 0;  // in one message
  std::size_t bytes_min = 0;  // of one item, without its tag and length
  // Of the items, where those are messages. A message that is no repeated field itself has a line
  // too if something in it is repeated.
  std::span<const RepeatedField> inside = {};
};
using WireShape = std::span<const RepeatedField>;

// kInvalidArgument names the field. Bytes that are no message are refused, and groups, which
// nothing here ever wrote: what stands behind them could not be counted. Pure.
absl::Status CheckShape(std::string_view message, WireShape shape);

}  // namespace waypost::syncgroup
