#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/log/log_reader.h"
#include "syncgroup/log/log_writer.h"
#include "syncgroup/membership/trust_tree.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/recovery.h"

namespace waypost::syncgroup {

// What an entry needs and what is not here: it is taken when all of it is.
struct EntryNeeds {
  std::vector<ActId> acts;     // that it rests on or names
  std::vector<LogHead> heads;  // that it follows on, or pins
  bool empty() const { return acts.empty() && heads.empty(); }
};

// Settings of a group, as the acts that count say.
struct GroupSettings {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<bool> is_public;
  std::optional<Authority> inviters;
  friend bool operator==(const GroupSettings&, const GroupSettings&) = default;
};

// The tree of trust of one group, over its log in the index: who is a member, and what of the log
// counts. In memory, built from the log at the first use and kept up to date entry by entry. It
// follows what is written and writes nothing itself.
//
// A transaction that fails after Took, TookRecovery or Dropped leaves it ahead of the index: it is
// thrown away then, and loaded anew. Threads: none of its own; all calls by the writer of the
// index, or under a lock of its owner.
class LogTrust {
 public:
  // From what the log has. Memory and time as TrustTree::AddAll; every entry of acts is read once,
  // and of references those alone that say something about members. kDataLoss: a row that others
  // stand on cannot be read.
  struct Recovery {
    base::EntryHash identity;
    RecoverySaying saying;
  };
  static absl::StatusOr<std::unique_ptr<LogTrust>> Load(const LogReader& log,
                                                        const GenesisFact& genesis,
                                                        const std::vector<Recovery>& recovery);

  const TrustTree& tree() const { return tree_; }

  // ---- what may be taken ----
  // What of it is not here. O(names and pins).
  EntryNeeds NeedsOf(const LogReader& log, const OpenedEntry& entry) const;
  // Of an entry whose needs are here and which is not: kInvalidArgument, it has no form that
  // anybody may take, now or ever (its stamp is not later than those of what it stands on, it rests
  // on what is no admission of its origin, and all that CheckActEntry says).
  absl::Status CheckForm(const LogReader& log, const OpenedEntry& entry) const;
  // What its author may do there. Nothing that is here pins an entry that is not, so that this is
  // what its basis gives. nullopt: nothing, and nobody takes it, or what follows on it, unless
  // something that is here needs it. With any right it is taken; what of it that right does not
  // allow counts for nothing, as it will where the right was there when it came and is lowered.
  std::optional<EntryRights> RightsToWrite(const LogReader& log, const OpenedEntry& entry) const;
  // What has been taken of one origin, on all its branches.
  MemberUse UseOfOrigin(const base::PeerId& origin) const;

  // ---- what was taken ----
  // CHECK: it was found to have a form, and `at` is what the log made of it.
  void Took(const LogReader& log, const OpenedEntry& entry, const LogWriter::Appended& at);
  // What it pins and is not here yet pins nothing, until it comes. Errors as CheckRecoveryAct.
  absl::Status TookRecovery(const LogReader& log, const base::EntryHash& identity,
                            const RecoverySaying& saying);
  // Heads that recovery pins and that are not here: whatever stands up to them is taken.
  std::vector<LogHead> MissingPins() const;
  // That entries beyond a place left the log, in the order in which they went.
  absl::Status Dropped(const base::EntryHash& hash, const StoredPlace& place);
  // Since this was last asked: about whom an answer may have changed.
  std::vector<base::PeerId> TakeTouched() { return tree_.TakeTouched(); }

  // ---- what counts ----
  BranchNumber BranchOf(BranchId branch) const { return numbers_.at(branch); }
  BranchPlace PlaceOf(const StoredPlace& place) const {
    return {BranchOf(place.branch), place.generation};
  }
  // The last entry of a branch that has any right; `after` of the branch where none has.
  uint64_t CountsUpTo(const LogReader& log, BranchId branch) const;
  // As far as each branch of acts is kept: by what counts, rests, is named and pinned. O(acts).
  // Branches of references are in it only as far as they are pinned.
  std::vector<std::pair<BranchId, uint64_t>> KeptBranches() const;
  // Of each field what the latest act says that counts. O(acts that change settings).
  GroupSettings Settings() const;
  // What an act that is written now about a peer pins: the counting heads as its text has them.
  std::vector<LogHead> PinsFor(const LogReader& log, const base::PeerId& peer) const;

 private:
  explicit LogTrust(const GenesisFact& genesis) : tree_(genesis) {}

  // The entry as the tree takes it, but for its place. Pins that are not here are left out.
  ActEntry ActsOf(const LogReader& log, const OpenedEntry& entry) const;
  std::vector<Pin> PinsOf(const LogReader& log, const std::vector<LogHead>& heads) const;
  std::optional<Pin> PinOf(const LogReader& log, const LogHead& head) const;
  // What it pins and is not here is remembered.
  RecoveryAct RecoveryActOf(const LogReader& log, const base::EntryHash& identity,
                            const RecoverySaying& saying);
  std::optional<ActId> BasisOf(const LogReader& log, const OpenedEntry& entry) const;
  void AddBranch(BranchId branch, const BranchRow& row);
  // What it says that is no act about a member: settings, profiles, closes.
  void NoteFacts(const OpenedEntry& entry, const BranchPlace& place);
  void NotePins(const OpenedEntry& entry, const BranchPlace& place);

  TrustTree tree_;
  absl::flat_hash_map<BranchId, BranchNumber> numbers_;
  std::vector<BranchId> ids_;  // by number
  struct Setting {
    base::EntryHash entry;
    BranchPlace place;
    base::WallTime stamp;
    SettingsOp says;
  };
  std::vector<Setting> settings_;
  absl::flat_hash_map<base::PeerId, MemberUse> used_;
  struct MissingPin {
    base::EntryHash recovery;
    LogHead head;
  };
  std::vector<MissingPin> missing_pins_;
};

}  // namespace waypost::syncgroup
