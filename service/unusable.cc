#include "service/unusable.h"

#include "absl/strings/cord.h"

// The mark is a payload of the status, so that it comes through whatever is said about the error on
// its way up, and its code and message stay what they are.

namespace waypost::service {
namespace {

constexpr char kPayload[] = "waypost.unusable";

}  // namespace

absl::Status Unusable(absl::Status status) {
  if (!status.ok()) status.SetPayload(kPayload, absl::Cord("1"));
  return status;
}

bool IsUnusable(const absl::Status& status) { return status.GetPayload(kPayload).has_value(); }

}  // namespace waypost::service
