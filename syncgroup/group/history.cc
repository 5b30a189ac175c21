#include "syncgroup/group/history.h"

#include <map>
#include <set>
#include <utility>

#include "syncgroup/group/membership_fold.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/genesis.h"

// The operations that the membership is folded from, told in order. Whether one counts is decided
// as the fold does: its entry by the cut of its author, an admission by being among those that
// count, the rest by the authority that its author had when it wrote.

namespace waypost::syncgroup {
namespace {

class Teller {
 public:
  Teller(const base::GroupId& group, const Founder& founder, Membership membership,
         Knowledge knowledge)
      : group_(group), membership_(std::move(membership)), knowledge_(std::move(knowledge)) {
    authority_[founder.peer] = Authority::kAdmin;
    for (const auto& admission : membership_.admissions) counting_.insert(StampOf(admission.stamp));
  }

  void Tell(const StampedOp& op) {
    if (!Counts(op)) return;
    HistoryItem item{.stamp = op.stamp,
                     .place = MembershipOpKey(group_, op.stamp).substr(GroupKey(group_).size()),
                     .op = op.op};
    if (const auto* admit = std::get_if<AdmitOp>(&op.op)) {
      item.changes_member = !authority_.emplace(admit->peer, admit->authority).second;
      authority_[admit->peer] = admit->authority;
      if (SameAct(op, admit->peer)) {
        item.changes_member = told_.back().changes_member;
        told_.pop_back();
      }
    } else if (const auto* remove = std::get_if<RemoveOp>(&op.op)) {
      authority_.erase(remove->peer);
      if (SameAct(op, remove->peer)) told_.pop_back();
    } else if (const auto* profile = std::get_if<ProfileOp>(&op.op)) {
      if (!profile->lowered_role) return;
    }
    told_.push_back(std::move(item));
  }
  std::vector<HistoryItem> Take() { return std::move(told_); }

 private:
  // The entry, whichever of its operations it is.
  static std::pair<base::WallTime, EntryPlace> StampOf(const Stamp& stamp) {
    return {stamp.time, stamp.place};
  }
  static const base::PeerId* PeerOf(const Op& op) {
    if (const auto* admit = std::get_if<AdmitOp>(&op)) return &admit->peer;
    if (const auto* remove = std::get_if<RemoveOp>(&op)) return &remove->peer;
    return nullptr;
  }
  // Another numbering of what the last one is about.
  bool SameAct(const StampedOp& op, const base::PeerId& peer) const {
    if (told_.empty()) return false;
    const HistoryItem& last = told_.back();
    const base::PeerId* const about = PeerOf(last.op);
    return about != nullptr && *about == peer && last.op.index() == op.op.index() &&
           StampOf(last.stamp) == StampOf(op.stamp);
  }
  bool Counts(const StampedOp& op) const {
    const EntryPlace& place = op.stamp.place;
    const auto cut = membership_.cuts.find(place.origin);
    if (cut == membership_.cuts.end()) return false;
    const auto known = knowledge_.find({place.origin, place.incarnation});
    const uint64_t forked = known == knowledge_.end() ? 0 : known->second.forked;
    if (!EntryCounts(cut->second, forked, place)) return false;
    if (std::holds_alternative<AdmitOp>(op.op)) return counting_.contains(StampOf(op.stamp));
    const base::PeerId* const about = PeerOf(op.op);
    if (about != nullptr && *about == place.origin) return true;
    const auto authority = authority_.find(place.origin);
    return authority != authority_.end() && AuthorityAllows(authority->second, op.op);
  }

  const base::GroupId group_;
  const Membership membership_;
  const Knowledge knowledge_;
  std::set<std::pair<base::WallTime, EntryPlace>> counting_;
  std::map<base::PeerId, Authority> authority_;  // of members, as far as it was told
  std::vector<HistoryItem> told_;
};

}  // namespace

std::vector<HistoryItem> ReadHistory(base::ReadTxn& txn, const base::GroupId& group) {
  const auto row = LoadGroupRow(txn, group);
  if (!row || !IsActive(txn, group)) return {};
  const auto genesis = ReadGenesis(row->genesis);
  const std::vector<StampedOp> ops = LoadMembershipOps(txn, group);
  Knowledge knowledge = LoadAllKnowledge(txn, group);
  auto membership = FoldedMembership(row->genesis, knowledge, ops);
  if (!genesis.ok() || !membership) return {};
  Teller teller(group, genesis->founder, *std::move(membership), std::move(knowledge));
  for (const StampedOp& op : ops) teller.Tell(op);
  return teller.Take();
}

}  // namespace waypost::syncgroup
