#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/act_id.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/types.h"

// An entry of a log with branches, as it is signed, hashed, sent and stored. Nothing writes such
// logs yet: the log of now is made of the entries of entry.h.
//
// Words. A NUMBERING is a chain of entries of one origin; its name is the hash of the first, which
// names the BASIS: the admission that gives the origin what it may do there. A numbering holds
// either acts or changes of references, never both, so that who shows acts shows no references. An
// entry names the one before it by hash, so the same numbering may go on in two ways: BRANCHES.
namespace waypost::syncgroup {

// What a numbering holds. Stored numbers: never renumbered.
enum class Holds : uint8_t { kActs = 1, kReferences = 2 };

// An entry with all that stands before it on its branch, by numbering, place and hash.
struct LogHead {
  base::EntryHash numbering;
  uint64_t generation = 0;
  base::EntryHash hash;
  friend auto operator<=>(const LogHead&, const LogHead&) = default;
};

inline constexpr std::size_t kNamesPerActMax = 64;
inline constexpr std::size_t kPinsPerActMax = 256;

// Makes `peer` a member, or gives one another authority. It names the newest acts about the peer
// that count for its author, and pins what it keeps of what the peer wrote.
struct AdmitAct {
  base::PeerId peer;
  Role role = Role::kServer;  // the most that it may do for the group
  Authority authority = Authority::kWriter;
  bool invites = false;     // may it admit others, though it is no admin?
  bool as_inviter = false;  // written by that right: only ever adds
  std::vector<ActId> names;
  std::vector<LogHead> pins;
  friend bool operator==(const AdmitAct&, const AdmitAct&) = default;
};
struct RemoveAct {
  base::PeerId peer;
  bool only_named = false;  // acts on the bases that it names alone: of one that left
  std::vector<ActId> names;
  std::vector<LogHead> pins;
  friend bool operator==(const RemoveAct&, const RemoveAct&) = default;
};
// Its author leaves, and pins its own heads.
struct LeaveAct {
  std::vector<LogHead> pins;
  friend bool operator==(const LeaveAct&, const LeaveAct&) = default;
};
// Ends another numbering of references of the same origin: what is stamped there later than the
// entry that says so counts for nothing. Of a peer whose clock was ahead.
struct CloseOp {
  base::EntryHash numbering;
  friend bool operator==(const CloseOp&, const CloseOp&) = default;
};
// First what numberings of references hold, then acts. Settings are an act: an admin's.
using LogOp = std::variant<PutRefOp, DeleteRefOp, ProfileOp, CloseOp, AdmitAct, RemoveAct, LeaveAct,
                           SettingsOp>;
Holds HoldsOp(const LogOp& op);

// Where an entry stands. The first of a numbering has generation 1 and does not name its numbering,
// which is its own hash.
struct LogPlace {
  base::PeerId origin;
  Holds holds = Holds::kReferences;
  base::EntryHash numbering;  // zero: it is the first
  uint64_t generation = 1;    // 1, 2, 3, ... on each branch
  base::EntryHash previous;   // the entry before it; zero: it is the first
  friend bool operator==(const LogPlace&, const LogPlace&) = default;
};

struct LogEntry {
  base::GroupId group;
  LogPlace place;
  base::WallTime time;  // hybrid clock: later than all that it follows, rests on, names, pins
  std::optional<ActId> basis;  // of the first of a numbering, and only of it
  std::vector<LogOp> ops;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

// Who wins where two values stand under one key: the later time, then the greater hash, then the
// later in the entry. Of equal times nobody knows which was first; the hash is as good as any order
// that is the same everywhere, and a writer cannot choose it without work.
struct ValueStamp {
  base::WallTime time;
  base::EntryHash entry;
  uint32_t position = 0;
  friend auto operator<=>(const ValueStamp&, const ValueStamp&) = default;
};

// ---- bytes ----

// Ed25519 by the origin over this tag, a zero byte and EncodeLogEntry's bytes.
inline constexpr std::string_view kLogEntryTag = "waypost-entry-2";

// Deterministic: the same entry has the same bytes for ever.
std::string EncodeLogEntry(const LogEntry& entry);
// kInvalidArgument says what is wrong: also a place that contradicts itself, and operations that
// do not belong into such a numbering.
absl::StatusOr<LogEntry> DecodeLogEntry(std::string_view bytes);
// The place of an entry without decoding the rest, for those who skip what they know; nullopt when
// the bytes are no entry that DecodeLogEntry takes.
std::optional<LogPlace> PeekLogPlace(std::string_view bytes);

// `identity`: of the entry's origin.
SealedEntry SealLogEntry(const base::Identity& identity, const LogEntry& entry);

// An entry decoded, checked and hashed, before anything is decided about it.
struct OpenedEntry {
  SealedEntry sealed;
  LogEntry entry;
  base::EntryHash hash;
  // The numbering's name: of its first entry the hash.
  const base::EntryHash& numbering() const {
    return entry.place.generation == 1 ? hash : entry.place.numbering;
  }
};
// kInvalidArgument unless it parses, belongs to the group and is signed by its origin. At least
// 10,000 a second and core.
absl::StatusOr<OpenedEntry> OpenLogEntry(const base::GroupId& group, SealedEntry sealed);

}  // namespace waypost::syncgroup
