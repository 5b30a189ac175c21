#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "fetcher/policy/pause.h"
#include "fetcher/policy/retry_policy.h"
#include "signpost/signpost.h"

// Whose fault decides what an outcome costs: the table of outcomes, as a pure function.
namespace waypost::fetcher {

// How one asked location ended.
enum class Answer {
  kSent,         // the verified blob
  kNotHere,      // an honest no
  kNotGreeted,   // a no from a peer that does not know us as a member yet: drops and denies nothing
  kUnreachable,  // refused, reset, timeout, stalled
  kBusy,         // 5xx, 429
  kWrongBytes,   // did not hash to the id, or not as long as it said
  kNoRoom,       // what it announced does not fit here, though there is room for others
  kTooLarge,     // what it announced is over store.max_blob or limits.member_bytes
};
struct Asked {
  base::PeerId peer;
  Answer answer = Answer::kUnreachable;
  std::string message;
  base::WallTime at = {};  // when it was heard
};

// Why the attempt stopped for a reason of our own, if it did.
enum class LocalEnd {
  kNone,
  kCancelled,  // shutdown, stop, no longer wanted
  kYielded,    // too slow: the slot goes to another blob
  kNoSlot,     // the peers left to ask have no slot free: goes on when one of them has
  kOverLimit,  // limits.member_bytes: nobody was asked
  kNoSpace,
  kDisk,
  kThisBlob,  // the disk would not take this one, and takes others
};

struct AttemptReport {
  std::vector<Asked> asked;
  LocalEnd local = LocalEnd::kNone;
  std::string local_message;
  // The first end of a cool-down among the peers that were not asked because they cool, or that
  // failed now, and whose it is.
  std::optional<base::WallTime> first_cool_down_end;
  base::PeerId first_to_end;
  base::PeerId no_slot_at;  // one whose slot it waits for: of most kNoSlot, and of some kYielded
  bool evidence_moved = false;  // the signpost's evidence or a peer's returns, since the start
};

// What an attempt came to, as it is counted.
enum class Outcome {
  kOk,
  kNotHere,
  kUnreachable,
  kWrongBytes,
  kNobody,
  kYielded,
  kNoSlot,
  kCancelled,
  kLocalError,
  kTooLarge,
  kNoRoom,
  kOverLimit,
};
inline constexpr std::size_t kOutcomes = 12;
const char* OutcomeName(Outcome outcome);  // label of waypost_fetch_attempts_total: "ok", ...

// What is written down of an attempt that did not bring the blob.
struct Consequences {
  bool count_attempt = false;
  bool count_failure = false;
  // nullopt: the wait stays as it is.
  std::optional<base::WallTime> next_attempt;
  // Somebody who may have the blob could not be heard: it waits for the end of a cool-down or a
  // return, in the queue alone. Nothing is written for that.
  bool parked = false;
  signpost::LastError error;  // kNone: none worth keeping
  // Said no, and when that was heard.
  std::vector<std::pair<base::PeerId, base::WallTime>> denied;
  std::vector<base::PeerId> dropped;       // sent wrong bytes
  PauseReason pause = PauseReason::kNone;  // the fetcher pauses
  Outcome outcome = Outcome::kCancelled;
};

// A blob for which there is no room, while others still fit, is tried again this often.
inline constexpr base::Millis kNoRoomWait{30 * 1000};

// A blob that only peers might have yet that send badly and have no slot free is asked for again
// after so long, of everybody: none of them keeps it from who gets it meanwhile.
inline constexpr base::Millis kPoorSlotWait{30 * 1000};

// A blob whose every answer came from peers that do not know us as a member yet waits this long at
// most: right after a start that is usual, whatever the blob's failures were before.
inline constexpr base::Millis kGreetingWait{10 * 1000};

// `failures` as in the signpost before; `unit_random` in [0, 1).
Consequences JudgeFailure(const AttemptReport& report, uint32_t failures, const RetryPolicy& policy,
                          base::WallTime now, double unit_random);

}  // namespace waypost::fetcher
