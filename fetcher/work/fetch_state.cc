#include "fetcher/work/fetch_state.h"

// The words for states, as clients read them. They are part of the API: docs/openapi.yaml lists
// them.

namespace waypost::fetcher {

const char* ObstacleName(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::kNone:
      return "";
    case Obstacle::kSlot:
      return "slot";
    case Obstacle::kPeerSlot:
      return "peer_slot";
    case Obstacle::kPeerCoolDown:
      return "peer_cool_down";
    case Obstacle::kSpace:
      return "space";
    case Obstacle::kDisk:
      return "disk";
    case Obstacle::kPaused:
      return "paused";
    case Obstacle::kNotDue:
      return "not_due";
    case Obstacle::kNobody:
      return "nobody";
    case Obstacle::kStopped:
      return "stopped";
  }
  return "";
}

const char* FetchStateName(FetchState::Kind kind) {
  switch (kind) {
    case FetchState::Kind::kPending:
      return "pending";
    case FetchState::Kind::kLocating:
      return "locating";
    case FetchState::Kind::kFetching:
      return "fetching";
    case FetchState::Kind::kParked:
      return "parked";
    case FetchState::Kind::kDone:
      return "done";
    case FetchState::Kind::kFailed:
      return "failed";
    case FetchState::Kind::kStopped:
      return "stopped";
  }
  return "unknown";
}

const char* WaitStateName(WaitState state) {
  switch (state) {
    case WaitState::kDue:
      return "due";
    case WaitState::kWaiting:
      return "waiting";
    case WaitState::kFetching:
      return "fetching";
    case WaitState::kParked:
      return "parked";
    case WaitState::kStopped:
      return "stopped";
  }
  return "unknown";
}

std::optional<WaitState> WaitStateNamed(std::string_view name) {
  for (const WaitState state : {WaitState::kDue, WaitState::kWaiting, WaitState::kFetching,
                                WaitState::kParked, WaitState::kStopped}) {
    if (name == WaitStateName(state)) return state;
  }
  return std::nullopt;
}

}  // namespace waypost::fetcher
