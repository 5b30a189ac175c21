#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/recovery.h"

// What two peers say to each other of one group's log with branches. Nothing says it yet.
namespace waypost::syncgroup {

// The way to `head`, of which the caller has what stands before and with `after`.
struct LogWant {
  LogHead head;
  std::optional<LogHead> after;  // nullopt: nothing of the numbering
  friend bool operator==(const LogWant&, const LogWant&) = default;
};
// What stands at these generations on the way to a head?
struct LogProbe {
  LogHead head;
  std::vector<uint64_t> generations;  // ascending
  friend bool operator==(const LogProbe&, const LogProbe&) = default;
};

inline constexpr std::size_t kProbedAtOnce = 16;       // generations of one probe
inline constexpr std::size_t kLogProbesMax = 16;       // of a group in one request
inline constexpr std::size_t kLogWantsMax = 1000;      // ...
inline constexpr std::size_t kLogActsMax = 256;        // ...
inline constexpr std::size_t kLogHeadsMax = 10'000;    // of a group in one answer
inline constexpr std::size_t kRecoveryPapersMax = 16;  // ...

struct LogAsk {
  base::GroupId group;
  // What the caller keeps. Equal to the callee's: there is nothing to say.
  base::EntryHash digest;
  // Heads that were told since are asked for.
  std::optional<LogCursor> heads_since;
  std::vector<LogWant> wants;
  std::vector<LogProbe> probes;
  std::vector<base::EntryHash>
      acts;  // where do these entries stand? Something rests on or names them
  friend bool operator==(const LogAsk&, const LogAsk&) = default;
};

struct LogAnswer {
  base::GroupId group;
  bool member = false;     // the callee knows the caller as one; else nothing but why stands here
  base::EntryHash digest;  // of what the callee keeps
  // Where heads were asked for: those of as many entries as are looked at, and where to go on.
  std::vector<LogHead> heads;
  std::optional<LogCursor> cursor;
  bool from_beginning = false;  // the caller's cursor is not of this log
  bool more_heads = false;
  // In the order in which the callee took them.
  std::vector<SealedEntry> entries;
  bool more = false;            // of what was wanted
  std::vector<LogHead> parted;  // heads whose way does not lead over what the caller has
  std::vector<LogHead> gone;    // heads that are not here
  // Of each probe that was answered, in order; of one that cannot be, nothing.
  std::vector<std::vector<LogHead>> probed;
  std::vector<LogHead> acts;  // those that are here
  std::vector<RecoveryPaper> recovery;
  friend bool operator==(const LogAnswer&, const LogAnswer&) = default;
};

struct LogAsks {
  std::vector<LogAsk> groups;  // each once
  friend bool operator==(const LogAsks&, const LogAsks&) = default;
};
struct LogAnswers {
  std::vector<LogAnswer> groups;
  bool more = false;                  // groups that were asked about found no room
  base::WallTime now = base::kNever;  // of the callee
  friend bool operator==(const LogAnswers&, const LogAnswers&) = default;
};

// Decoders bound the size before they parse, check every field, and answer kInvalidArgument with
// what is wrong; encoders answer kResourceExhausted where it is more than its reader takes.
absl::StatusOr<std::string> EncodeLogAsks(const LogAsks& message);
absl::StatusOr<LogAsks> DecodeLogAsks(std::string_view bytes);
absl::StatusOr<std::string> EncodeLogAnswers(const LogAnswers& message);
absl::StatusOr<LogAnswers> DecodeLogAnswers(std::string_view bytes);

}  // namespace waypost::syncgroup
