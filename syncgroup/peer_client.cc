#include "syncgroup/peer_client.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace waypost::syncgroup {
namespace {

constexpr char kRetryAfterPayload[] = "waypost/retry-after-ms";

}  // namespace

absl::Status WithRetryAfter(absl::Status status, base::Millis retry_after) {
  if (!status.ok()) {
    status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(retry_after.count())));
  }
  return status;
}

std::optional<base::Millis> RetryAfterOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  if (!payload) return std::nullopt;
  int64_t ms = 0;
  if (!absl::SimpleAtoi(std::string(*payload), &ms) || ms < 0) return std::nullopt;
  return base::Millis(ms);
}

}  // namespace waypost::syncgroup
