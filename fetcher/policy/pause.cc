#include "fetcher/policy/pause.h"

#include <algorithm>
#include <utility>

// An operator's word goes before a pause of our own, and only that word or its time ends it. A
// pause of our own ends when the disk takes bytes, and is not begun twice.

namespace waypost::fetcher {
namespace {

// A pause of our own is first looked at after this, and after twice as long for each one more in a
// row, up to a minute; then every 2 s.
constexpr base::Millis kLookEvery{2000};
constexpr uint32_t kDoublingsMax = 5;

}  // namespace

const char* PauseReasonName(PauseReason reason) {
  switch (reason) {
    case PauseReason::kNone:
      return "";
    case PauseReason::kOperator:
      return "operator";
    case PauseReason::kSpace:
      return "space";
    case PauseReason::kDisk:
      return "disk";
    case PauseReason::kIndex:
      return "index";
  }
  return "";
}

void Pause::ByOperator(std::optional<base::WallTime> until) {
  state_ = {.reason = PauseReason::kOperator, .detail = "paused by an operator", .until = until};
}

bool Pause::ByItself(PauseReason reason, std::string detail, base::SteadyTime now) {
  if (state_.paused()) return false;
  state_ = {.reason = reason, .detail = std::move(detail), .until = {}};
  ++in_a_row_;
  next_look_ = now + kLookEvery * (1 << std::min(in_a_row_ - 1, kDoublingsMax));
  return true;
}

Pause::Step Pause::Check(base::WallTime now, base::SteadyTime steady) {
  if (!state_.paused()) return Step::kNothing;
  if (state_.by_operator()) {
    if (!state_.until || *state_.until > now) return Step::kNothing;
    End();
    return Step::kEnded;
  }
  if (steady < next_look_) return Step::kNothing;
  next_look_ = steady + kLookEvery;
  return Step::kLookAtDisk;
}

bool Pause::NoteDisk(const std::string& trouble) {
  if (!state_.paused() || state_.by_operator()) return false;
  if (!trouble.empty()) {
    state_.detail = trouble;
    return false;
  }
  End();
  return true;
}

}  // namespace waypost::fetcher
