#pragma once

#include <string>
#include <string_view>

#include "fetcher/policy/pause.h"

namespace waypost::fetcher {

// What the service does not do at present, where that is no matter of one blob; the words of `mode`
// in GET /v1/status.
inline constexpr std::string_view kModes[] = {"normal", "paused: space", "away: blobs"};

// `away`: why the blobs are not there, or nothing. Pure.
std::string ModeOf(std::string_view away, const PauseState& pause);

}  // namespace waypost::fetcher
