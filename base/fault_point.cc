#include "base/fault_point.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

// The process ends at the point that the environment named, without a destructor or a flush, as by
// SIGKILL. Names are checked against kFaultPoints at the start, so that a test with a name that is
// gone fails instead of testing nothing.

namespace waypost::base {
namespace {

#ifdef WAYPOST_FAULT_POINTS
constexpr bool kCompiledIn = true;
#else
constexpr bool kCompiledIn = false;
#endif

// Process-wide, because what it ends is the process.
struct Armed {
  std::atomic<bool> enabled{false};
  std::string name;  // constant once enabled
  std::atomic<int64_t> remaining{0};
};

Armed& State() {
  static Armed armed;
  return armed;
}

}  // namespace

void FaultPoint(std::string_view name) {
  if (!kCompiledIn) return;
  Armed& armed = State();
  if (!armed.enabled.load(std::memory_order_acquire)) return;
  if (name != armed.name) return;
  if (armed.remaining.fetch_sub(1) == 1) _exit(kFaultPointExit);
}

absl::Status EnableFaultPoints(const std::string& setting) {
  if (setting.empty()) return absl::OkStatus();
  if (!kCompiledIn) {
    return absl::FailedPreconditionError(
        "WAYPOST_FAULT_POINT: this build has no fault points; build with "
        "-DWAYPOST_FAULT_POINTS=ON");
  }
  const std::size_t colon = setting.find(':');
  const std::string name = setting.substr(0, colon);
  if (std::find(std::begin(kFaultPoints), std::end(kFaultPoints), name) == std::end(kFaultPoints)) {
    std::string known;
    for (const std::string_view point : kFaultPoints) absl::StrAppend(&known, " ", Abs(point));
    return absl::InvalidArgumentError(absl::StrCat(
        "WAYPOST_FAULT_POINT: no fault point is named \"", name, "\"; there are", known));
  }
  int64_t nth = 1;
  if (colon != std::string::npos &&
      (!absl::SimpleAtoi(setting.substr(colon + 1), &nth) || nth < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("WAYPOST_FAULT_POINT: \"", setting,
                                                   "\": what follows the colon is a count from 1"));
  }
  Armed& armed = State();
  CHECK(!armed.enabled.load());  // once, before there are threads
  armed.name = name;
  armed.remaining = nth;
  armed.enabled.store(true, std::memory_order_release);
  return absl::OkStatus();
}

}  // namespace waypost::base
