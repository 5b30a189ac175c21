#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "syncgroup/membership/trust_acts.h"

// Histories of a group in small numbers: what tests of the tree of trust are told in. An entry is
// its index; whatever it follows, rests on, names or pins has a lesser one.
namespace waypost::syncgroup {

inline constexpr int kNone = -1;
inline constexpr int kGenesisEntry = -2;
inline constexpr int kRecoveryEntry = -3;

struct ActAt {
  int entry = kGenesisEntry;
  int position = 0;
  friend auto operator<=>(const ActAt&, const ActAt&) = default;
};
inline constexpr ActAt kByGenesis{};
inline constexpr ActAt kByRecovery{kRecoveryEntry, 0};

struct HistoryAct {
  ActKind kind = ActKind::kAdmit;
  int peer = 0;
  Authority authority = Authority::kReader;
  Role role = Role::kServer;
  bool invites = false;
  bool as_inviter = false;
  bool only_named = false;
  std::vector<ActAt> names;
  std::vector<int> pins;
};

struct HistoryEntry {
  int origin = 0;  // kRecoveryEntry: the recovery keys
  int previous = kNone;
  ActAt basis;  // of the numbering
  int64_t stamp = 0;
  uint64_t hash = 0;
  std::vector<HistoryAct> acts;  // none: an entry of references
  int closes = kNone;            // the first entry of a numbering
  Role profile = Role::kServer;  // lowered to this
};

struct History {
  // Peer 0 is the founder, stamp 0 the genesis.
  std::vector<HistoryEntry> entries;
  // The first entry of an entry's numbering.
  int FirstOf(int entry) const;
  std::vector<int> WithAllBefore(int entry) const;  // it and what it follows in its numbering
  // What must be here before it: what it follows, rests on, names and pins (a recovery act's pins
  // aside where `pins` is false).
  std::vector<int> Needs(int entry, bool pins = true) const;
  std::string ToText() const;  // for a failure
};

// At most 64 acts. Honest peers, restored backups, thieves that date back, inviters, recovery.
History RandomHistory(std::mt19937_64& random, int entries_max);

}  // namespace waypost::syncgroup
