#include "syncgroup/membership/trust_member.h"

#include <algorithm>

#include "base/status.h"
#include "syncgroup/membership/trust_rights.h"

// Under which of several bases a member writes: by what they give, then by which of them is the
// newest word, then by seniority. An admin's basis is superseded by one whose author is senior to
// it alone, or a junior admin could choose the role of a senior one. For that the candidates are
// walked once in the order of seniority, with the names of all whose authors are senior gathered on
// the way: a puppet with ten thousand bases costs no more than their closures.

namespace waypost::syncgroup {
namespace {

SlotSet LeavingsOf(const ActStore& store, ActPeerNumber peer) {
  SlotSet leavings;
  for (const ActNumber act : store.peer(peer).slots) {
    if (act == kNoNumber) continue;
    const ActRecord& record = store.act(act);
    if (record.kind == ActKind::kLeave && record.counts) leavings.Add(record.slot);
  }
  return leavings;
}

// The most senior that no other supersedes. `bases` is not empty.
ActNumber ChooseBasis(const ActStore& store, std::vector<ActNumber> bases) {
  SlotSet named_by_any;
  std::vector<ActNumber> naming;
  for (const ActNumber basis : bases) {
    named_by_any.AddAll(store.act(basis).closure);
    if (!store.act(basis).names.empty()) naming.push_back(basis);
  }
  std::sort(bases.begin(), bases.end(),
            [&](ActNumber a, ActNumber b) { return store.IsSenior(a, b); });
  std::sort(naming.begin(), naming.end(), [&](ActNumber a, ActNumber b) {
    return store.IsSenior(store.AuthorBasis(a), store.AuthorBasis(b));
  });
  SlotSet named_by_seniors;
  auto next = naming.begin();
  for (const ActNumber basis : bases) {
    for (; next != naming.end() && store.IsSenior(store.AuthorBasis(*next), basis); ++next) {
      named_by_seniors.AddAll(store.act(*next).closure);
    }
    const ActRecord& record = store.act(basis);
    const SlotSet& named = record.gives_admin() ? named_by_seniors : named_by_any;
    if (!named.Has(record.slot)) return basis;
  }
  CHECK(false);  // naming has no circles
  return bases.front();
}

Role RoleOf(const ActStore& store, ActPeerNumber peer, ActNumber basis) {
  Role role = store.act(basis).role;
  const base::WallTime since = store.StampOf(basis);
  for (const ProfileFact& profile : store.peer(peer).profiles) {
    if (profile.stamp <= since || Lesser(role, profile.role) == role) continue;
    const auto rests_on = store.FindAct(store.branches().BasisOf(profile.place.branch));
    if (!rests_on || store.act(*rests_on).peer != peer) continue;
    const BranchRights rights(store, *rests_on, profile.place.branch);
    if (rights.At(profile.place.generation)) role = Lesser(role, profile.role);
  }
  return role;
}

}  // namespace

std::vector<StandingBasis> StandingBases(const ActStore& store, ActPeerNumber peer) {
  const SlotSet leavings = LeavingsOf(store, peer);
  std::vector<StandingBasis> standing;
  for (const ActNumber act : store.peer(peer).slots) {
    if (act == kNoNumber || !store.act(act).is_basis() || !store.act(act).counts) continue;
    if (!leavings.IsWithin(store.act(act).closure)) continue;
    if (const auto rights = UnpinnedRights(store, act)) standing.push_back({act, *rights});
  }
  return standing;
}

std::optional<TrustMember> MemberOf(const ActStore& store, ActPeerNumber peer) {
  const std::vector<StandingBasis> standing = StandingBases(store, peer);
  if (standing.empty()) return std::nullopt;
  EntryRights most = standing.front().rights;
  for (const StandingBasis& each : standing) {
    if (GivesMore(each.rights, most)) most = each.rights;
  }
  std::vector<ActNumber> bases;
  for (const StandingBasis& each : standing) {
    if (each.rights == most) bases.push_back(each.basis);
  }
  const ActNumber basis = ChooseBasis(store, std::move(bases));
  return TrustMember{.peer = store.peer(peer).id,
                     .authority = most.authority,
                     .invites = most.invites,
                     .role = RoleOf(store, peer, basis),
                     .basis = store.IdOf(basis),
                     .admitted = store.StampOf(basis)};
}

}  // namespace waypost::syncgroup
