#include "base/clock.h"

#include "absl/time/time.h"
#include "base/status.h"

namespace waypost::base {

WallTime SystemClock::WallNow() const {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::SteadyNow() const { return std::chrono::steady_clock::now(); }

std::string FormatTime(WallTime t) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(ToMs(t)),
                          absl::UTCTimeZone());
}

std::optional<WallTime> ParseTime(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, Abs(text), &time, &error)) return std::nullopt;
  return FromMs(absl::ToUnixMillis(time));
}

}  // namespace waypost::base
