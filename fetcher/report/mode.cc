#include "fetcher/report/mode.h"

// What stands in the way of everything: the disk that is not there goes before the one
// that takes no writes, and that before the one that is full.

namespace waypost::fetcher {

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kNormal:
      return "normal";
    case Mode::kNoSpace:
      return "paused: space";
    case Mode::kReadOnly:
      return "read-only";
    case Mode::kAway:
      return "away: blobs";
  }
  return "unknown";
}

Mode ModeOf(std::string_view away, const PauseState& pause, std::string_view read_only) {
  if (!away.empty()) return Mode::kAway;
  if (!read_only.empty()) return Mode::kReadOnly;
  if (pause.reason == PauseReason::kSpace) return Mode::kNoSpace;
  return Mode::kNormal;
}

}  // namespace waypost::fetcher
