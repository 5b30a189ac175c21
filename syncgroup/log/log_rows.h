#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/membership/member_limits.h"
#include "syncgroup/protocol/log_entry.h"

// The rows of a log with branches, their keys and stored forms. Not for other rooms.
//
//   log        group, 'e', branch, generation -> StoredEntry
//              group, 's', sequence           -> TakenEntry: the order in which they were taken
//              group, 'a', hash               -> TakenEntry: where an entry of acts stands
//              group, 'f', branch, generation -> nothing: a change of references that says
//              something
//                                                of members too (a lowered role, a Close)
//   knowledge  group, 'l'                     -> LogState
//              group, 'b', branch             -> BranchRow
//              group, 'n', numbering, branch  -> nothing: the branches of a numbering
//
// Numbers have 8 bytes, big-endian. Stored bytes: the layouts never change.
namespace waypost::syncgroup {

// A branch in this index: 1, 2, 3, ... in the order in which they were found, so that a branch has
// a greater number than the one it leaves. Another peer gives other numbers.
using BranchId = uint64_t;
inline constexpr BranchId kNoBranchId = 0;

// An entry by the branch that has it as its own.
struct StoredPlace {
  BranchId branch = kNoBranchId;
  uint64_t generation = 0;
  friend auto operator<=>(const StoredPlace&, const StoredPlace&) = default;
};

// Where the log of a group stands in this index.
struct LogState {
  base::Incarnation log;    // drawn when the log in this index was begun
  base::Incarnation token;  // stands for the log up to last_sequence
  uint64_t last_sequence = 0;
  BranchId last_branch = kNoBranchId;
  friend bool operator==(const LogState&, const LogState&) = default;
};

struct BranchRow {
  base::PeerId origin;
  base::EntryHash numbering;
  Holds holds = Holds::kReferences;
  ActId basis;
  BranchId parent = kNoBranchId;  // none: it begins its numbering
  uint64_t after = 0;             // the generation of the parent that it leaves after
  uint64_t head = 0;              // the last entry that is here
  base::EntryHash head_hash;
  base::WallTime head_time;
  // The last entry that is kept for good and told to others; `after` where none is, and of a branch
  // that begins its numbering 0. What stands beyond counts for nothing and will be dropped.
  uint64_t kept = 0;
  base::EntryHash kept_hash;  // zero where none is
  MemberUse used;             // by the entries of its own
  friend bool operator==(const BranchRow&, const BranchRow&) = default;
};

struct StoredEntry {
  SealedEntry sealed;
  uint64_t sequence = 0;
  friend bool operator==(const StoredEntry&, const StoredEntry&) = default;
};

struct TakenEntry {
  StoredPlace place;
  base::Incarnation token;  // stands for the log up to here; zero in the index of acts
  friend bool operator==(const TakenEntry&, const TakenEntry&) = default;
};

// ---- keys ----

std::string StoredEntryKey(const base::GroupId& group, const StoredPlace& place);
std::string TakenPrefix(const base::GroupId& group);
std::string TakenKey(const base::GroupId& group, uint64_t sequence);
std::optional<uint64_t> SequenceOfTakenKey(std::string_view key);
std::string ActEntryKey(const base::GroupId& group, const base::EntryHash& hash);
std::string FactPrefix(const base::GroupId& group);
std::string FactKey(const base::GroupId& group, const StoredPlace& place);
std::optional<StoredPlace> PlaceOfFactKey(std::string_view key);
std::string LogStateKey(const base::GroupId& group);
std::string BranchPrefix(const base::GroupId& group);
std::string BranchKey(const base::GroupId& group, BranchId branch);
std::optional<BranchId> BranchOfKey(std::string_view key);
std::string NumberingPrefix(const base::GroupId& group, const base::EntryHash& numbering);
std::string NumberingKey(const base::GroupId& group, const base::EntryHash& numbering,
                         BranchId branch);
std::optional<BranchId> BranchOfNumberingKey(std::string_view key);

// ---- payloads: what does not parse is nullopt ----

std::string EncodeLogState(const LogState& row);
std::optional<LogState> DecodeLogState(std::string_view payload);
std::string EncodeBranch(const BranchRow& row);
std::optional<BranchRow> DecodeBranch(std::string_view payload);
std::string EncodeStoredEntry(const StoredEntry& row);
std::optional<StoredEntry> DecodeStoredEntry(std::string_view payload);
std::string EncodeTakenEntry(const TakenEntry& row);
std::optional<TakenEntry> DecodeTakenEntry(std::string_view payload);

}  // namespace waypost::syncgroup
