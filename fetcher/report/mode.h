#pragma once

#include <string>
#include <string_view>

#include "fetcher/policy/pause.h"

namespace waypost::fetcher {

// What the service does not do at present, where that is no matter of one blob; the words of `mode`
// in GET /v1/status.
inline constexpr std::string_view kModes[] = {"normal", "paused: space", "read-only",
                                              "away: blobs"};

// `away`: why the blobs are not there, or nothing; `read_only`: why the disk takes no writes, or
// nothing. Pure.
std::string ModeOf(std::string_view away, const PauseState& pause, std::string_view read_only = {});

}  // namespace waypost::fetcher
