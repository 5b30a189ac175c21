#include "fetcher/report/mode.h"

// One word for what stands in the way of everything: the disk that is not there goes before the one
// that takes no writes, and that before the one that is full.

namespace waypost::fetcher {

std::string ModeOf(std::string_view away, const PauseState& pause, std::string_view read_only) {
  if (!away.empty()) return "away: blobs";
  if (!read_only.empty()) return "read-only";
  if (pause.reason == PauseReason::kSpace) return "paused: space";
  return "normal";
}

}  // namespace waypost::fetcher
