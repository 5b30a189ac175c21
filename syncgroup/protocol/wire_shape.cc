#include "syncgroup/protocol/wire_shape.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wire_reader.h"

// One walk over the bytes of a message, without an object for anything. What it lets through costs
// a small multiple of its bytes as objects.

namespace waypost::syncgroup {
namespace {

// Of one message; the largest has five.
constexpr std::size_t kFieldsMax = 8;

}  // namespace

absl::Status CheckShape(std::string_view message, WireShape shape) {
  CHECK(shape.size() <= kFieldsMax);
  std::array<std::size_t, kFieldsMax> counts{};
  base::WireReader field(message);
  while (field.Next()) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const RepeatedField& rule = shape[i];
      if (!field.Is(rule.number, base::WireReader::kBytes)) continue;
      if (++counts[i] > rule.count_max) {
        return absl::InvalidArgumentError(
            absl::StrCat("more than ", rule.count_max, " of field ", rule.number));
      }
      if (field.bytes().size() < rule.bytes_min) {
        return absl::InvalidArgumentError(absl::StrCat("field ", rule.number, " has ",
                                                       field.bytes().size(), " bytes, at least ",
                                                       rule.bytes_min));
      }
      if (!rule.inside.empty()) RETURN_IF_ERROR(CheckShape(field.bytes(), rule.inside));
    }
  }
  // Protobuf reads on behind what ends this walk, a group for one: nothing there was counted.
  if (!field.ok()) return absl::InvalidArgumentError("not the fields of a message");
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup
