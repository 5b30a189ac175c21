#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waypost::base {

// Wall time is what is stored and shown; it may jump. Steady time is what is waited on.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;
using Millis = std::chrono::milliseconds;

// Milliseconds since 1970 UTC, the form in which times are stored. Zero stands for "never".
inline constexpr int64_t ToMs(WallTime t) { return t.time_since_epoch().count(); }
inline constexpr WallTime FromMs(int64_t ms) { return WallTime(Millis(ms)); }
inline constexpr WallTime kNever{};

// RFC 3339 in UTC with milliseconds: "2026-01-02T03:04:05.678Z".
std::string FormatTime(WallTime t);
std::optional<WallTime> ParseTime(std::string_view text);

}  // namespace waypost::base
