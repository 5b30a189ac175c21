#include "syncgroup/membership/trust_tree.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/membership/trust_form.h"

// What changes the tree. An act is first put where it belongs, counting for nothing; then one sweep
// decides about it and about all that hangs on it; then those whom that touched are looked at anew,
// so that questions only read. Dropping is the same with the act taken for void before it goes. The
// answers are in trust_answers.cc.

namespace waypost::syncgroup {

TrustTree::TrustTree(const GenesisFact& genesis) : store_(genesis) {
  Refresh(store_.act(kGenesisBasis).peer);
}

absl::Status TrustTree::Add(const ActEntry& entry) {
  RETURN_IF_ERROR(CheckActEntry(store_, entry));
  TrustSweep sweep(store_);
  sweep.Touch(store_.Insert(entry.hash, entry.place, entry.stamp,
                            branches().BasisOf(entry.place.branch), entry.acts));
  branches().Extend(entry.place);
  Settle(sweep);
  return absl::OkStatus();
}

absl::Status TrustTree::CheckSays(const base::PeerId& origin, const ActId& basis,
                                  const ActEntry& entry) const {
  return CheckWhatItSays(store_, origin, basis, entry);
}

absl::Status TrustTree::AddRecovery(const RecoveryAct& act) {
  RETURN_IF_ERROR(CheckRecoveryAct(store_, act));
  TrustSweep sweep(store_);
  sweep.Touch(store_.Insert(act.identity, {}, act.stamp, ActId::Recovery(), {act.act}));
  Settle(sweep);
  return absl::OkStatus();
}

absl::Status TrustTree::AddAll(std::vector<ActEntry> entries, std::vector<RecoveryAct> recovery) {
  const auto before = [](const auto& a, const auto& b) { return a.stamp < b.stamp; };
  std::stable_sort(entries.begin(), entries.end(), before);
  std::stable_sort(recovery.begin(), recovery.end(), before);
  TrustSweep sweep(store_);
  absl::Status first;
  auto act = recovery.begin();
  const auto add_recovery_until = [&](std::optional<base::WallTime> stamp) {
    for (; act != recovery.end() && (!stamp || act->stamp < *stamp); ++act) {
      const absl::Status form = CheckRecoveryAct(store_, *act);
      first.Update(form);
      if (!form.ok()) continue;
      sweep.Touch(store_.Insert(act->identity, {}, act->stamp, ActId::Recovery(), {act->act}));
    }
  };
  for (const ActEntry& entry : entries) {
    add_recovery_until(entry.stamp);
    const absl::Status form = CheckActEntry(store_, entry);
    first.Update(form);
    if (!form.ok()) continue;
    sweep.Touch(store_.Insert(entry.hash, entry.place, entry.stamp,
                              branches().BasisOf(entry.place.branch), entry.acts));
    branches().Extend(entry.place);
  }
  add_recovery_until(std::nullopt);
  Settle(sweep);
  return first;
}

absl::Status TrustTree::AddPins(const base::EntryHash& recovery,
                                const std::vector<BranchPlace>& heads) {
  const auto entry = store_.FindEntry(recovery);
  if (!entry || store_.entry(*entry).basis != kRecoveryBasis) {
    return absl::NotFoundError(absl::StrCat("no recovery act ", recovery.ToHex(), " is here"));
  }
  const ActNumber number = store_.entry(*entry).acts.front();
  ActRecord& act = store_.act(number);
  for (const BranchPlace& head : heads) {
    if (!branches().Contains(head.branch) ||
        branches().OriginOf(head.branch) != store_.peer(act.peer).id) {
      return absl::InvalidArgumentError("pins a head that is not of its peer");
    }
  }
  for (const BranchPlace& head : heads) {
    const BranchPlace owner = branches().Owner(head);
    if (std::find(act.pins.begin(), act.pins.end(), owner) == act.pins.end()) {
      act.pins.push_back(owner);
    }
  }
  TrustSweep sweep(store_);
  sweep.PinsChanged(number);
  Settle(sweep);
  return absl::OkStatus();
}

bool TrustTree::FollowedOnItsBranch(const EntryRecord& entry) const {
  if (entry.place.branch == kNoBranch) return false;
  const auto next = store_.by_place().upper_bound(entry.place);
  if (next != store_.by_place().end() && next->first.branch == entry.place.branch) return true;
  for (const BranchNumber other : branches().Siblings(entry.place.branch)) {
    const auto after = branches().LeavesAfter(other);
    if (!after || after->branch != entry.place.branch) continue;
    if (after->generation < entry.place.generation) continue;
    const auto first = store_.by_place().lower_bound({other, 0});
    if (first != store_.by_place().end() && first->first.branch == other) return true;
  }
  return false;
}

absl::Status TrustTree::Drop(const base::EntryHash& hash) {
  const auto number = store_.FindEntry(hash);
  if (!number) return absl::NotFoundError(absl::StrCat("entry ", hash.ToHex(), " is not here"));
  const auto stays = [&](const char* why) {
    return absl::FailedPreconditionError(
        absl::StrCat("entry ", hash.ToHex(), " stays: ", why, ", drop that first"));
  };
  EntryRecord& entry = store_.entry(*number);
  if (FollowedOnItsBranch(entry)) return stays("another follows it on its branch");
  for (const ActNumber act : entry.acts) {
    if (!store_.act(act).entries.empty()) return stays("something rests on it");
    if (store_.act(act).named_by != 0) return stays("an act names it");
  }
  TrustSweep sweep(store_);
  entry.dropped = true;
  sweep.Touch(*number);
  sweep.Run();
  store_.Erase(*number);
  Settle(sweep);
  return absl::OkStatus();
}

void TrustTree::AddClose(const CloseFact& close) {
  std::vector<CloseFact>& all = closes_[close.numbering];
  if (std::find(all.begin(), all.end(), close) == all.end()) all.push_back(close);
}

void TrustTree::AddProfile(const ProfileFact& profile) {
  const ActPeerNumber number = store_.PeerNumberOf(branches().OriginOf(profile.place.branch));
  std::vector<ProfileFact>& all = store_.peer(number).profiles;
  if (std::find(all.begin(), all.end(), profile) == all.end()) all.push_back(profile);
  Refresh(number);
}

void TrustTree::DropFacts(const BranchPlace& place) {
  for (auto& [numbering, all] : closes_) {
    std::erase_if(all, [&](const CloseFact& close) { return close.place == place; });
  }
  absl::erase_if(closes_, [](const auto& item) { return item.second.empty(); });
  const auto number = store_.FindPeer(branches().OriginOf(place.branch));
  if (!number) return;
  std::erase_if(store_.peer(*number).profiles,
                [&](const ProfileFact& profile) { return profile.place == place; });
  Refresh(*number);
}

void TrustTree::Settle(TrustSweep& sweep) {
  sweep.Run();
  for (const ActPeerNumber peer : sweep.touched()) Refresh(peer);
}

void TrustTree::Refresh(ActPeerNumber peer) {
  if (members_.size() < store_.peers()) members_.resize(store_.peers());
  members_[peer] = MemberOf(store_, peer);
  touched_.insert(peer);
}

std::vector<base::PeerId> TrustTree::TakeTouched() {
  std::vector<base::PeerId> peers;
  peers.reserve(touched_.size());
  for (const ActPeerNumber peer : touched_) peers.push_back(store_.peer(peer).id);
  touched_.clear();
  return peers;
}

}  // namespace waypost::syncgroup
