#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/core.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/entry.h"

namespace waypost::syncgroup {

// An entry decoded and hashed before the transaction that applies it.
struct PreparedEntry {
  SealedEntry sealed;
  Entry entry;
  base::EntryHash hash;
};
// How many servers the group has in this transaction.
ServerCounts::News ServersOf(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
                             const GroupRow& row);
// Decodes, checks who wrote it and that it belongs to the group.
absl::StatusOr<PreparedEntry> PrepareEntry(const base::GroupId& group, SealedEntry sealed);

// Changes one group inside one write transaction: the only code that appends to a log and that
// applies operations to the group's state. One a group and transaction; Finish() before the
// transaction ends.
class GroupWriter {
 public:
  // A group that is here.
  static std::optional<GroupWriter> Open(const Core& core, base::WriteTxn& txn, Effects& effects,
                                         const base::GroupId& group);
  // A group begun or joined now.
  GroupWriter(const Core& core, base::WriteTxn& txn, Effects& effects, const base::GroupId& group,
              GroupRow row);
  GroupWriter(GroupWriter&&) = default;

  GroupRow& row() { return row_; }
  // Was everything that others sent before made to be asked for again?
  bool cursors_reset() const { return cursors_reset_; }
  // Was this origin ever admitted by what counts now?
  bool Admitted(const base::PeerId& origin) const;
  base::WriteTxn& txn() { return txn_; }
  const base::GroupId& group() const { return group_; }

  // An own entry under the numbering of now. `time`: of an entry that is written again; else the
  // hybrid clock's.
  void Write(std::vector<Op> ops, std::optional<base::WallTime> time = std::nullopt);
  // An own entry that admits `peer` under `incarnation`, or changes its role and authority: it
  // names all numberings of the peer that are known here. By the right of `self`, an admin's or an
  // inviter's; whether the peer may invite follows from the group's setting.
  void Admit(const Member& self, const base::PeerId& peer, const base::Incarnation& incarnation,
             Role role, Authority authority);
  // What such an entry says: for one that says more.
  std::vector<Op> AdmissionOf(const Member& self, const base::PeerId& peer,
                              const base::Incarnation& incarnation, Role role, Authority authority,
                              bool invites) const;
  // An entry from `via` that is next in its numbering; it outlives the writer. Where it or one
  // before it decides about members, it has its effect with Settle.
  void Append(const PreparedEntry& entry, const base::PeerId& via);
  // An entry of the log is applied again while references are folded again.
  void Refold(const Entry& entry);
  // Membership operations of an entry shown in papers, which will enter the log when its turn
  // comes. The members are folded with Settle.
  void LearnPaper(const PreparedEntry& entry);
  // Does an entry that has not had its effect admit this origin, if it counts?
  bool MayAdmit(const base::PeerId& origin) const { return pending_admissions_.contains(origin); }
  // Folds the members once for all that was appended, then applies its references.
  void Settle();
  // A proof that a numbering has two entries at `generation`. True if it was news. Of a numbering
  // of which nothing is here nothing is learned unless its origin is admitted: it is shown again.
  // The members are folded with Settle.
  bool LearnFork(const OriginKey& numbering, uint64_t generation, const ForkProof& proof);
  // The numbering of now is written no more: another one begins.
  void Retire();
  // Own entries from `generation` on, all in the log, leave it and will be written again.
  void StartRewrite(RetiredNumbering& retired, uint64_t generation, bool drop);

  // Members, cuts and settings from the membership operations.
  void FoldMembers();
  void StartRefold();
  // Settles, and stores the group's row.
  void Finish();

  // What is kept of a numbering's profiles with one more; the same: nothing of that one.
  static ProfilesRow WithProfile(const ProfilesRow& before, const Stamp& stamp,
                                 const ProfileOp& profile);

 private:
  enum class Source { kLocal, kReceived, kRefold };
  void AppendToLog(const SealedEntry& sealed, const Entry& entry, const base::EntryHash& hash);
  void Apply(const Entry& entry, Source source, const base::PeerId& via);
  void ApplyRefs(const Entry& entry, Source source, const base::PeerId& via);
  // Are there operations that were not known? Asks for a fold where one of them needs it.
  bool LearnMembership(const Entry& entry);
  // Beyond the first of a numbering a profile is kept while it is the newest, or the newest that
  // lowers the role to what it says. It needs no fold but where it lowers the role.
  bool LearnProfile(const Stamp& stamp, const ProfileOp& profile);
  void ShowProfile(const Stamp& stamp, const ProfileOp& profile);
  // Another entry at the same place is known: a proof against its origin. False if it is the same.
  bool LearnDouble(const SealedEntry& here, const PreparedEntry& entry);
  bool HasForked(const base::PeerId& origin) const;  // in any of its numberings
  void ApplyRef(const Stamp& stamp, const std::string& key, const std::optional<base::BlobId>& blob,
                std::optional<uint64_t> size_bytes, Source source, const base::PeerId& via);
  bool RefsCountHere(const EntryPlace& place);
  void StoreCuts(const std::map<base::PeerId, OriginCut>& cuts, const Knowledge& knowledge);
  void StoreMembers(const std::map<base::PeerId, Member>& members);

  const Core& core_;
  base::WriteTxn& txn_;
  Effects& effects_;
  const base::GroupId group_;
  GroupRow row_;
  int64_t refs_delta_ = 0;
  bool cursors_reset_ = false;
  bool members_changed_ = false;
  // What waits for Settle, in the order in which it was appended.
  struct Pending {
    const Entry* entry = nullptr;
    Source source = Source::kReceived;
    base::PeerId via;
  };
  std::vector<Pending> pending_;
  std::set<base::PeerId> pending_admissions_;
  bool fold_pending_ = false;
  std::map<base::PeerId, OriginCut> cuts_;  // as looked up; emptied when members change
};

}  // namespace waypost::syncgroup
