#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/time.h"

// The units that people write: in settings, on the command line, in requests. Pure.
namespace waypost::base {

// "250ms", "10s", "1.5h", "0": a number and ms, s, m, h, d or w; from 0 to a hundred years, so that
// it can be added to any time of day. kInvalidArgument says what is allowed.
absl::StatusOr<Millis> ParseDuration(std::string_view text);
// The largest unit that gives a whole number: "90s", "1h", "0s".
std::string FormatDuration(Millis duration);

// "4096", "16KiB", "1.5GiB", "20GB": bytes, or a number and B, KiB to TiB, or KB to TB (1000s).
absl::StatusOr<uint64_t> ParseSize(std::string_view text);
// The largest unit that gives a whole number: "16KiB", "1000B", "0".
std::string FormatSize(uint64_t bytes);

// "5%": 0-99. kInvalidArgument for anything else.
absl::StatusOr<uint32_t> ParsePercent(std::string_view text);

// For people: "1.4 GiB", "312 B".
std::string HumanSize(uint64_t bytes);
// For people: "3.2 s", "5 min 12 s".
std::string HumanDuration(Millis duration);

}  // namespace waypost::base
