#include "base/fault_point.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace waypost::base {
namespace {

// Written once, by EnableFaultPoints, before threads start.
std::atomic<bool> enabled{false};
std::string wanted_name;
std::atomic<int64_t> passes_left{0};

}  // namespace

void FaultPoint(std::string_view name) {
  if (!enabled.load(std::memory_order_acquire)) return;
  if (name != wanted_name) return;
  if (passes_left.fetch_sub(1) == 1) _exit(kFaultPointExit);
}

absl::Status EnableFaultPoints(const std::string& setting) {
  const std::size_t colon = setting.find(':');
  const std::string name = setting.substr(0, colon);
  int64_t passes = 1;
  if (colon != std::string::npos &&
      (!absl::SimpleAtoi(setting.substr(colon + 1), &passes) || passes < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("WAYPOST_FAULT_POINT=", setting, ": after the colon a number from 1 is wanted"));
  }
  if (std::find(std::begin(kFaultPoints), std::end(kFaultPoints), name) == std::end(kFaultPoints)) {
    std::string names;
    for (const std::string_view known : kFaultPoints) absl::StrAppend(&names, " ", Abs(known));
    return absl::InvalidArgumentError(
        absl::StrCat("WAYPOST_FAULT_POINT=", setting, ": no such point; there are", names));
  }
  wanted_name = name;
  passes_left = passes;
  enabled.store(true, std::memory_order_release);
  return absl::OkStatus();
}

}  // namespace waypost::base
