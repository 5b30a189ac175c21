#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "base/notifier.h"
#include "base/time.h"
#include "signpost/signpost.h"

// How one blob stands on its way here, for those who wait and for people.
namespace waypost::fetcher {

// Why nothing runs for a wanted blob just now.
enum class Obstacle {
  kNone,          // it runs, or starts at once
  kSlot,          // all slots are taken
  kPeerSlot,      // the slots of its peer are
  kPeerCoolDown,  // every peer that may have it cools
  kSpace,         // the fetcher is paused by itself: there is no room
  kDisk,          // ... the disk or the index reports an error
  kPaused,        // ... by an operator
  kNotDue,        // it waits after failures
  kNobody,        // no peer that may have it is known
  kStopped,       // an operator stopped it
};
const char* ObstacleName(Obstacle obstacle);  // "slot", ...; "" for kNone

struct FetchState {
  enum class Kind { kPending, kLocating, kFetching, kParked, kDone, kFailed, kStopped };
  Kind kind = Kind::kPending;
  uint64_t received_bytes = 0;
  std::optional<uint64_t> total_bytes;
  base::PeerId source;          // while fetching
  base::WallTime parked_until;  // while parked: the first end of a cool-down
  signpost::LastError error;    // when failed
  bool will_retry = false;
  base::WallTime next_attempt;
  Obstacle blocked_by = Obstacle::kNone;
  // Whole attempts that ended since this service started: a waiter compares with what it saw first.
  uint64_t attempts_ended = 0;
};
const char* FetchStateName(FetchState::Kind kind);  // "pending", ...

// How a wanted blob waits, as it is listed and counted.
enum class WaitState {
  kDue,       // may start
  kWaiting,   // for its time
  kFetching,  // an attempt is under way
  kParked,    // for the end of a cool-down
  kStopped,   // by an operator
};
const char* WaitStateName(WaitState state);  // "due", ...
std::optional<WaitState> WaitStateNamed(std::string_view name);

// One caller who waits for a blob. While it exists the blob goes before others at its peer; when
// the last one leaves, what was only asked for stays due until FetcherOptions::expiry later. Ends
// before the fetcher. Any thread.
class Interest {
 public:
  virtual ~Interest() = default;
  virtual FetchState State() const = 0;
  // `callback` runs after each change of the state; quick, any thread.
  virtual base::Notifier::Registration OnChange(std::function<void()> callback) = 0;
};

}  // namespace waypost::fetcher
