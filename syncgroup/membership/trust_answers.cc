#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "syncgroup/membership/trust_rights.h"
#include "syncgroup/membership/trust_tree.h"

// What the tree of trust answers (what changes it is in trust_tree.cc). Nothing here decides
// anything: each answer is read from what the last sweep left, and walks that follow what rests on
// what have a list of what is still to be looked at, never calls of themselves.

namespace waypost::syncgroup {

std::optional<EntryRights> TrustTree::RightsOf(const BranchPlace& place) const {
  const BranchPlace owner = branches().Owner(place);
  const auto basis = store_.FindAct(branches().BasisOf(owner.branch));
  if (!basis || *basis == kRecoveryBasis) return std::nullopt;
  const ActRecord& act = store_.act(*basis);
  // A numbering that names somebody else's admission gives nothing.
  if (!act.is_basis() || store_.peer(act.peer).id != branches().OriginOf(owner.branch)) {
    return std::nullopt;
  }
  return BranchRights(store_, *basis, owner.branch).At(owner.generation);
}

std::optional<EntryRights> TrustTree::RightsUnder(const ActId& basis) const {
  const auto act = store_.FindAct(basis);
  if (!act || !store_.act(*act).is_basis()) return std::nullopt;
  return UnpinnedRights(store_, *act);
}

uint64_t TrustTree::CountsUpTo(BranchNumber branch) const {
  const auto after = branches().LeavesAfter(branch);
  const uint64_t own = after ? after->generation : 0;
  if (!RightsOf({branch, own + 1})) return own;
  const auto basis = store_.FindAct(branches().BasisOf(branch));
  return BranchRights(store_, *basis, branch).LastWithAny();
}

bool TrustTree::Counts(const ActId& act) const {
  const auto number = store_.FindAct(act);
  return number && store_.act(*number).counts;
}

bool TrustTree::ReferencesCount(const BranchPlace& place, base::WallTime stamp) const {
  const auto rights = RightsOf(place);
  if (!rights || rights->authority > Authority::kWriter) return false;
  const auto closed = ClosedAfter(branches().HashOf(place.branch));
  return !closed || stamp <= *closed;
}

std::optional<base::WallTime> TrustTree::ClosedAfter(const base::EntryHash& numbering) const {
  std::optional<base::WallTime> closed;
  const auto it = closes_.find(numbering);
  const auto target = branches().FirstOf(numbering);
  if (it == closes_.end() || !target) return closed;
  for (const CloseFact& close : it->second) {
    if (closed && *closed <= close.stamp) continue;
    if (branches().OriginOf(close.place.branch) != branches().OriginOf(*target)) continue;
    if (branches().HashOf(close.place.branch) == numbering) continue;
    const auto rights = RightsOf(close.place);
    if (rights && rights->authority <= Authority::kWriter) closed = close.stamp;
  }
  return closed;
}

std::optional<TrustMember> TrustTree::FindMember(const base::PeerId& peer) const {
  const auto number = store_.FindPeer(peer);
  if (!number || *number >= members_.size()) return std::nullopt;
  return members_[*number];
}

std::vector<TrustMember> TrustTree::Members() const {
  std::vector<TrustMember> members;
  for (const std::optional<TrustMember>& member : members_) {
    if (member) members.push_back(*member);
  }
  std::sort(members.begin(), members.end(),
            [](const TrustMember& a, const TrustMember& b) { return a.peer < b.peer; });
  return members;
}

std::optional<TrustTree::Writing> TrustTree::WritingOf(const base::PeerId& peer,
                                                       std::optional<BranchPlace> last) const {
  const auto member = FindMember(peer);
  if (!member) return std::nullopt;
  const Writing begin{.basis = member->basis, .begins = true};
  if (!last) return begin;
  const ActId& used = branches().BasisOf(last->branch);
  if (!branches().IsNewest(*last)) return begin;
  if (ClosedAfter(branches().HashOf(last->branch))) return begin;
  const auto basis = store_.FindAct(used);
  const auto chosen = store_.FindAct(member->basis);
  const auto standing = StandingBases(store_, *store_.FindPeer(peer));
  const auto in_use = std::find_if(standing.begin(), standing.end(),
                                   [&](const auto& each) { return each.basis == basis; });
  if (in_use == standing.end()) return begin;
  if (GivesMore({member->authority, member->invites}, in_use->rights)) return begin;
  if (store_.act(*chosen).closure.Has(store_.act(*basis).slot)) return begin;
  return Writing{.basis = used, .begins = false};
}

bool TrustTree::IsSenior(const ActId& basis, const ActId& than) const {
  const auto a = store_.FindAct(basis);
  const auto b = store_.FindAct(than);
  return a && b && store_.act(*a).is_basis() && store_.act(*b).is_basis() &&
         store_.IsSenior(*a, *b);
}

bool TrustTree::ActsOn(const base::PeerId& author, const base::PeerId& peer) const {
  const auto member = FindMember(author);
  if (!member || member->authority != Authority::kAdmin || author == peer) return false;
  const ActNumber basis = *store_.FindAct(member->basis);
  const auto number = store_.FindPeer(peer);
  if (!number) return true;
  const std::vector<ActNumber>& about = store_.peer(*number).slots;
  return std::none_of(about.begin(), about.end(), [&](ActNumber act) {
    if (act == kNoNumber || !store_.act(act).gives_admin()) return false;
    const auto rights = UnpinnedRights(store_, act);
    return rights && rights->authority == Authority::kAdmin && !store_.IsSenior(basis, act);
  });
}

std::vector<ActId> TrustTree::NewestAbout(const base::PeerId& peer, AboutPeer which) const {
  const auto number = store_.FindPeer(peer);
  if (!number) return {};
  const bool void_too = !FindMember(peer);
  std::vector<ActNumber> about;
  SlotSet named;
  for (const ActNumber act : store_.peer(*number).slots) {
    if (act == kNoNumber || (!void_too && !store_.act(act).counts)) continue;
    if (which == AboutPeer::kLeavings && store_.act(act).kind != ActKind::kLeave) continue;
    about.push_back(act);
    named.AddAll(store_.act(act).closure);
  }
  std::erase_if(about, [&](ActNumber act) { return named.Has(store_.act(act).slot); });
  const auto key = [&](ActNumber act) {
    return std::tuple(!store_.act(act).counts, -base::ToMs(store_.StampOf(act)), store_.IdOf(act));
  };
  std::sort(about.begin(), about.end(), [&](ActNumber a, ActNumber b) { return key(a) < key(b); });
  if (about.size() > kNamesPerActMax) about.resize(kNamesPerActMax);
  std::vector<ActId> newest;
  newest.reserve(about.size());
  for (const ActNumber act : about) newest.push_back(store_.IdOf(act));
  return newest;
}

std::vector<BranchPlace> TrustTree::CountingHeads(const base::PeerId& peer) const {
  std::vector<BranchPlace> heads;
  absl::flat_hash_map<BranchNumber, uint64_t> left_after;  // by branches with something that counts
  for (const BranchNumber branch : branches().BranchesOf(peer)) {
    const auto after = branches().LeavesAfter(branch);
    const uint64_t last = std::min(branches().NewestOf(branch), CountsUpTo(branch));
    if (last <= (after ? after->generation : 0)) continue;
    heads.push_back({branch, last});
    if (!after) continue;
    uint64_t& left = left_after[after->branch];
    left = std::max(left, after->generation);
  }
  std::erase_if(heads, [&](const BranchPlace& head) {
    const auto left = left_after.find(head.branch);
    return left != left_after.end() && left->second >= head.generation;
  });
  return heads;
}

std::vector<ActId> TrustTree::WhyNoMember(const base::PeerId& peer) const {
  const auto number = store_.FindPeer(peer);
  if (!number || FindMember(peer)) return {};
  // Bases that give nothing, or less than an act needed, and to which entry; kNoNumber: to any.
  std::vector<std::pair<ActNumber, ActEntryNumber>> open;
  absl::flat_hash_set<std::pair<ActNumber, ActEntryNumber>> seen;
  absl::flat_hash_set<ActNumber> why;
  for (const ActNumber act : store_.peer(*number).slots) {
    if (act == kNoNumber) continue;
    const ActRecord& record = store_.act(act);
    if (record.is_basis()) open.emplace_back(act, kNoNumber);
    if (record.kind == ActKind::kLeave && record.counts) why.insert(act);
  }
  while (!open.empty()) {
    const auto [basis, to] = open.back();
    open.pop_back();
    if (basis == kRecoveryBasis || !seen.emplace(basis, to).second) continue;
    const ActRecord& record = store_.act(basis);
    if (!record.counts) {
      open.emplace_back(store_.AuthorBasis(basis), record.entry);
      continue;
    }
    for (const ActNumber by : store_.peer(record.peer).slots) {
      if (by == kNoNumber || !store_.act(by).counts || !store_.Lowers(by, basis)) continue;
      if (to != kNoNumber && store_.IsPinned(store_.act(by), store_.entry(to).place)) continue;
      why.insert(by);
    }
  }
  std::vector<ActId> acts;
  for (const ActNumber act : why) acts.push_back(store_.IdOf(act));
  std::sort(acts.begin(), acts.end());
  return acts;
}

TrustTree::Kept TrustTree::KeptEntries() const {
  Kept kept;
  std::vector<ActEntryNumber> open;
  absl::flat_hash_set<ActEntryNumber> seen;
  const auto open_basis = [&](BranchNumber branch) {
    const auto basis = store_.FindAct(branches().BasisOf(branch));
    if (basis && *basis > kGenesisBasis) open.push_back(store_.act(*basis).entry);
  };
  // Everything up to a place, on its branch and before it left its parent.
  const auto keep = [&](BranchPlace place) {
    open_basis(place.branch);
    for (std::optional<BranchPlace> at = place; at; at = branches().LeavesAfter(at->branch)) {
      uint64_t& up_to = kept[at->branch];
      if (up_to >= at->generation) return;
      const auto& by_place = store_.by_place();
      for (auto it = by_place.lower_bound({at->branch, up_to + 1});
           it != by_place.end() && it->first <= *at; ++it) {
        open.push_back(it->second);
      }
      up_to = at->generation;
    }
  };
  for (const auto& [hash, number] : store_.by_hash()) {
    const EntryRecord& entry = store_.entry(number);
    if (entry.place.branch == kNoBranch || RightsOf(entry.place)) open.push_back(number);
  }
  while (!open.empty()) {
    const ActEntryNumber number = open.back();
    open.pop_back();
    if (!seen.insert(number).second) continue;
    const EntryRecord& entry = store_.entry(number);
    if (entry.place.branch != kNoBranch) keep(entry.place);
    for (const ActNumber act : entry.acts) {
      for (const ActNumber named : store_.act(act).names) {
        if (named > kGenesisBasis) open.push_back(store_.act(named).entry);
      }
      for (const BranchPlace& head : store_.act(act).pins) keep(head);
    }
  }
  return kept;
}

}  // namespace waypost::syncgroup
