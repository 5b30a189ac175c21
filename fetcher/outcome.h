#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "fetcher/retry_policy.h"
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
};
struct Asked {
  base::PeerId peer;
  Answer answer = Answer::kUnreachable;
  std::string message;
};

// Why the attempt stopped for a reason of our own, if it did.
enum class LocalEnd {
  kNone,
  kCancelled,  // shutdown, stop, no longer wanted
  kYielded,    // too slow: the slot goes to another blob
  kNoSpace,
  kDisk,
  kTooLarge,  // over store.max_blob: costs this blob alone
};

struct AttemptReport {
  std::vector<Asked> asked;
  LocalEnd local = LocalEnd::kNone;
  std::string local_message;
  // Cool-down ends of locations that were not asked because they cool, or that failed now.
  std::optional<base::WallTime> first_cool_down_end;
  bool evidence_moved = false;  // the signpost's evidence or a peer's returns, since the start
};

// What is written down of an attempt that did not bring the blob.
struct Verdict {
  bool count_attempt = false;
  bool count_failure = false;
  // nullopt: the wait stays as it is.
  std::optional<base::WallTime> next_attempt;
  // Somebody who may have the blob could not be heard: it waits for the end of a cool-down or a
  // return. Nothing is written for that when the peer asked first cools (its whole run waits); when
  // it does not, the blob is tried again at UnparkAt.
  bool parked = false;
  signpost::LastError error;          // kNone: none worth keeping
  std::vector<base::PeerId> denied;   // said no
  std::vector<base::PeerId> dropped;  // sent wrong bytes
  // The fetcher pauses: "space" or "disk".
  std::string pause_reason;
  const char* metric = "failed";  // label of waypost_fetch_attempts_total
};

// When a parked blob whose first peer does not cool is tried again: at the end of the first
// cool-down, but within 2 s, for a return of a peer that is not asked first frees no run.
base::WallTime UnparkAt(const AttemptReport& report, base::WallTime now);

// `failures` as in the signpost before; `unit_random` in [0, 1).
Verdict JudgeFailure(const AttemptReport& report, uint32_t failures, const RetryPolicy& policy,
                     base::WallTime now, double unit_random);

}  // namespace waypost::fetcher
