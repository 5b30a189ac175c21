#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

// When fetching stands still, and when it goes on. Pure.
namespace waypost::fetcher {

enum class PauseReason {
  kNone,
  kOperator,  // somebody said so; ends when told, or at the time they gave
  kSpace,     // our own side, from here on: ends by itself when the disk takes bytes again
  kDisk,
  kIndex,
};
const char* PauseReasonName(PauseReason reason);  // "operator", ...; "" for kNone

struct PauseState {
  PauseReason reason = PauseReason::kNone;
  std::string detail;                   // for people
  std::optional<base::WallTime> until;  // kOperator: when it ends by itself

  bool paused() const { return reason != PauseReason::kNone; }
  bool by_operator() const { return reason == PauseReason::kOperator; }
};

// The pause of one fetcher. Told the time, knows no clock; not thread-safe.
class Pause {
 public:
  const PauseState& state() const { return state_; }

  // nullopt: until told otherwise. Takes the place of a pause of our own.
  void ByOperator(std::optional<base::WallTime> until);
  // False, and nothing changed, where it is paused already. The more pauses came in a row without a
  // blob between, the longer until the first look whether it may go on.
  bool ByItself(PauseReason reason, std::string detail, base::SteadyTime now);
  void End() { state_ = {}; }

  // A blob arrived: the next pause of our own begins a new row.
  void NoteArrival() { in_a_row_ = 0; }
  uint32_t in_a_row() const { return in_a_row_; }

  enum class Step {
    kNothing,
    kEnded,      // an operator's time is over: it has ended
    kLookAtDisk  // whether it takes bytes again: then comes NoteDisk
  };
  Step Check(base::WallTime now, base::SteadyTime steady);
  // `trouble` empty: the disk takes bytes. True where that ended a pause of our own.
  bool NoteDisk(const std::string& trouble);

 private:
  PauseState state_;
  uint32_t in_a_row_ = 0;
  base::SteadyTime next_look_{};
};

}  // namespace waypost::fetcher
