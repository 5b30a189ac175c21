#include <algorithm>
#include <tuple>

#include "syncgroup/membership/trust_needs.h"
#include "syncgroup/membership/trust_rights.h"
#include "syncgroup/membership/trust_tree.h"
#include "syncgroup/membership/trust_why.h"

// What the tree of trust answers (what changes it is in trust_tree.cc). Nothing here decides
// anything: each answer is read from what the last sweep left, or found by a walk over what rests
// on what (trust_needs.h), which never calls itself.

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

uint64_t TrustTree::LastWith(BranchNumber branch, Authority least) const {
  const auto after = branches().LeavesAfter(branch);
  const uint64_t own = after ? after->generation : 0;
  const auto rights = RightsOf({branch, own + 1});
  if (!rights || rights->authority > least) return own;
  const auto basis = store_.FindAct(branches().BasisOf(branch));
  return BranchRights(store_, *basis, branch).LastWith(least);
}

uint64_t TrustTree::CountsUpTo(BranchNumber branch) const {
  return LastWith(branch, Authority::kReader);
}

uint64_t TrustTree::WritesUpTo(BranchNumber branch) const {
  return LastWith(branch, Authority::kWriter);
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
  std::vector<ActId> acts;
  for (const ActNumber act : WhyNoMemberActs(store_, *number)) acts.push_back(store_.IdOf(act));
  std::sort(acts.begin(), acts.end());
  return acts;
}

TrustTree::Kept TrustTree::KeptEntries() const {
  TrustNeeds needs(store_);
  for (const auto& [hash, number] : store_.by_hash()) {
    const EntryRecord& entry = store_.entry(number);
    if (entry.place.branch == kNoBranch || RightsOf(entry.place)) needs.Open(number);
  }
  while (needs.Next()) continue;
  return needs.up_to();
}

}  // namespace waypost::syncgroup
