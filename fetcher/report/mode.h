#pragma once

#include <array>
#include <string_view>

#include "fetcher/policy/pause.h"

namespace waypost::fetcher {

// What the service does not do at present, where that is no matter of one blob.
enum class Mode {
  kNormal,
  kNoSpace,   // nothing is fetched: the disk is full
  kReadOnly,  // the disk takes no writes
  kAway,      // the disk of the blobs is not there
};
const char* ModeName(Mode mode);  // as in `mode` of GET /v1/status: "normal", "away: blobs", ...
inline constexpr std::array kModes = {Mode::kNormal, Mode::kNoSpace, Mode::kReadOnly, Mode::kAway};

// `away`: why the blobs are not there, or nothing; `read_only`: why the disk takes no writes, or
// nothing. Pure.
Mode ModeOf(std::string_view away, const PauseState& pause, std::string_view read_only = {});

}  // namespace waypost::fetcher
