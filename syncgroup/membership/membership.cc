#include "syncgroup/membership/membership.h"

#include <algorithm>
#include <set>
#include <utility>

#include "syncgroup/membership/membership_verdict.h"

// From the verdict to members, cuts and settings. Which admissions and removals count is decided in
// membership_verdict.cc; here they are turned into what the rest of the service asks: who is a
// member, which entries of an origin count, which of them may change references. docs/membership.md
// explains the words.

namespace waypost::syncgroup {
namespace {

// Is every place that is beyond the lines of `b` also beyond those of `a`? Then an admission with
// the lines `a` holds wherever one with the lines `b` does.
bool Covers(const After& a, const After& b) {
  return std::all_of(a.begin(), a.end(), [&](const auto& item) {
    const auto it = b.find(item.first);
    return it != b.end() && it->second >= item.second;
  });
}

std::map<base::PeerId, OriginCut> CutsOf(const JudgedFacts& verdict) {
  std::map<base::PeerId, std::vector<const Admission*>> by_peer;
  for (const Admission* admission : verdict.admissions) {
    by_peer[admission->peer].push_back(admission);
  }
  std::map<base::PeerId, OriginCut> cuts;
  for (const auto& [peer, admissions] : by_peer) {
    OriginCut& cut = cuts[peer];
    cut.others = kAllGenerations;
    std::set<base::Incarnation> named;
    for (const Removal* removal : verdict.removals) {
      if (removal->target != peer) continue;
      for (const auto& [incarnation, limit] : removal->named) named.insert(incarnation);
    }
    for (const Removal* removal : verdict.removals) {
      if (removal->target != peer) continue;
      for (const base::Incarnation& incarnation : named) {
        const uint64_t limit = LimitUnder(*removal, incarnation, admissions);
        auto [it, fresh] = cut.named.try_emplace(incarnation, limit);
        if (!fresh) it->second = std::min(it->second, limit);
      }
      if (std::none_of(admissions.begin(), admissions.end(),
                       [&](const Admission* a) { return Readmits(*a, *removal); })) {
        cut.others = 0;
      }
    }
    for (const Admission* admission : admissions) {
      const bool writes = admission->authority != Authority::kReader;
      // An inviter's word takes no member's right to write.
      if (admission->as_inviter && !writes && !cut.grants.empty()) continue;
      // One that changes nothing is left out: the one before says the same of all it holds for.
      if (!cut.grants.empty() && cut.grants.back().writes == writes &&
          Covers(cut.grants.back().after, admission->after)) {
        continue;
      }
      cut.grants.push_back({writes, admission->after});
    }
  }
  return cuts;
}

bool PlaceCounts(const std::map<base::PeerId, OriginCut>& cuts, const EntryPlace& place) {
  const auto it = cuts.find(place.origin);
  return it != cuts.end() && EntryCounts(it->second, 0, place);
}

// Does a removal end what the admission says?
bool Ended(const JudgedFacts& verdict, const Admission& admission) {
  return std::any_of(verdict.removals.begin(), verdict.removals.end(), [&](const Removal* removal) {
    if (removal->target != admission.peer) return false;
    if (admission.stamp < removal->stamp || removal->named.contains(admission.incarnation)) {
      return true;
    }
    // An inviter adds to what an admin said since, it brings nobody back.
    return admission.as_inviter &&
           std::none_of(verdict.admissions.begin(), verdict.admissions.end(),
                        [&](const Admission* other) { return Readmits(*other, *removal); });
  });
}

// Who answers for those that came by invites: up from inviter to inviter, also over those that are
// gone, to one that an admin admitted.
void NameSponsors(const Facts& facts, const JudgedFacts& verdict,
                  std::map<base::PeerId, Member>& members) {
  std::map<base::PeerId, base::PeerId> inviters;
  std::set<base::PeerId> by_admin = {facts.founder.peer};
  for (const Admission* a : verdict.admissions) {
    if (a->as_inviter) {
      if (!by_admin.contains(a->peer)) inviters.try_emplace(a->peer, a->author());
    } else if (!a->by_itself()) {
      by_admin.insert(a->peer);
      inviters.erase(a->peer);
    }
  }
  for (auto& [peer, member] : members) {
    auto up = inviters.find(peer);
    // Nobody comes by an invite of one that it brought in; the count only bounds the loop.
    for (std::size_t steps = 0; up != inviters.end() && steps <= inviters.size(); ++steps) {
      member.sponsor = up->second;
      up = inviters.find(member.sponsor);
    }
  }
}

std::map<base::PeerId, Member> MembersOf(const Facts& facts, const JudgedFacts& verdict,
                                         std::map<base::PeerId, Stamp>& admitted_at) {
  std::map<base::PeerId, Member> members;
  for (const Admission* a : verdict.admissions) {  // in the order of stamps
    if (Ended(verdict, *a)) continue;
    auto [it, fresh] = members.try_emplace(a->peer);
    // An admission by oneself changes role and authority of a member, it makes none.
    const bool founds = a == &facts.admissions.front();
    if (fresh && a->by_itself() && !founds) {
      members.erase(it);
      continue;
    }
    Member& member = it->second;
    if (!fresh && a->as_inviter) {
      member.authority = std::min(member.authority, a->authority);  // admin < writer < reader
      member.invites = member.invites || a->invites;
      continue;
    }
    if (fresh) member.admitted = founds ? facts.founder.when : a->stamp.time;
    member.peer = a->peer;
    member.incarnation = a->incarnation;
    member.role = a->role;
    member.authority = a->authority;
    member.invites = a->invites;
    admitted_at[a->peer] = a->stamp;
  }
  NameSponsors(facts, verdict, members);
  return members;
}

void ApplyProfile(const StampedOp& op, const ProfileOp& profile,
                  const std::map<base::PeerId, Stamp>& admitted_at, Membership& to) {
  const auto it = to.members.find(op.stamp.place.origin);
  if (it == to.members.end()) return;
  it->second.name = profile.name;
  it->second.addresses = profile.addresses;
  if (profile.lowered_role && op.stamp > admitted_at.at(it->first)) {
    it->second.role = std::max(it->second.role, *profile.lowered_role);
  }
}

void ApplySettings(const SettingsOp& settings, Membership& to) {
  if (settings.name) to.name = settings.name;
  if (settings.description) to.description = settings.description;
  if (settings.is_public) to.is_public = settings.is_public;
  if (settings.inviters) to.inviters = settings.inviters;
}

// With what authority something was written; nullopt: with none.
std::optional<Authority> AuthorityAt(const JudgedFacts& verdict, const EntryPlace& place) {
  std::optional<Authority> authority;
  for (const Admission* admission : verdict.admissions) {
    // Asked for what an admin alone may do, which no inviter's word gives.
    if (admission->peer == place.origin && admission->HoldsFor(place) && !admission->as_inviter) {
      authority = admission->authority;
    }
  }
  return authority;
}

using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;  // (beyond, up to and with)

// The generations of an incarnation up to `applied` whose references count.
Ranges RefRanges(const OriginCut& cut, const base::Incarnation& incarnation, uint64_t applied) {
  const uint64_t limit = std::min(applied, cut.LimitOf(incarnation));
  std::set<uint64_t> edges = {0, limit};
  for (const OriginCut::Grant& grant : cut.grants) {
    const auto it = grant.after.find(incarnation);
    if (it != grant.after.end() && it->second < limit) edges.insert(it->second);
  }
  Ranges ranges;
  for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
    const uint64_t next = *std::next(edge);
    if (!cut.MayWrite(incarnation, next)) continue;
    if (!ranges.empty() && ranges.back().second == *edge) {
      ranges.back().second = next;
    } else {
      ranges.emplace_back(*edge, next);
    }
  }
  return ranges;
}

}  // namespace

bool OriginCut::MayWrite(const base::Incarnation& incarnation, uint64_t generation) const {
  bool writes = false;
  for (const Grant& grant : grants) {
    const auto it = grant.after.find(incarnation);
    if (it == grant.after.end() || generation > it->second) writes = grant.writes;
  }
  return writes;
}

bool OriginCut::SameRefs(const OriginCut& a, const OriginCut& b,
                         const base::Incarnation& incarnation, uint64_t applied) {
  return RefRanges(a, incarnation, applied) == RefRanges(b, incarnation, applied);
}

bool OriginCut::AnyRefs(const OriginCut& cut, const base::Incarnation& incarnation, uint64_t from,
                        uint64_t applied) {
  const Ranges ranges = RefRanges(cut, incarnation, applied);
  return !ranges.empty() && ranges.back().second >= from;
}

bool DecidesMembership(const Op& op) {
  return !std::holds_alternative<PutRefOp>(op) && !std::holds_alternative<DeleteRefOp>(op);
}

bool DecidesAboutMembers(const Entry& entry) {
  return std::any_of(entry.ops.begin(), entry.ops.end(), [](const Op& op) {
    return DecidesMembership(op) && !std::holds_alternative<ProfileOp>(op);
  });
}

bool AuthorityAllows(Authority authority, const Op& op) {
  if (std::holds_alternative<ProfileOp>(op)) return true;
  if (!DecidesMembership(op)) return authority != Authority::kReader;
  return authority == Authority::kAdmin;
}

bool MayInvite(Authority authority, bool invites, Authority given) {
  if (authority == Authority::kAdmin) return true;
  return invites && given >= authority;  // admin < writer < reader
}

bool InvitesUnder(Authority inviters, Authority authority) {
  return authority != Authority::kAdmin && authority <= inviters;
}

bool EntryCounts(const OriginCut& cut, uint64_t forked, const EntryPlace& place) {
  if (forked != 0 && place.generation >= forked) return false;
  return place.generation <= cut.LimitOf(place.incarnation);
}

bool RefsCount(const OriginCut& cut, uint64_t forked, const EntryPlace& place) {
  return EntryCounts(cut, forked, place) && cut.MayWrite(place.incarnation, place.generation);
}

Membership FoldMembership(const Founder& founder, const std::vector<StampedOp>& ops,
                          const Forks& forks) {
  const Facts facts = CollectFacts(founder, ops, forks);
  const JudgedFacts verdict = JudgeFacts(facts);
  Membership result;
  std::map<base::PeerId, Stamp> admitted_at;
  result.members = MembersOf(facts, verdict, admitted_at);
  result.cuts = CutsOf(verdict);
  for (const Admission* admission : verdict.admissions) {
    result.admissions.push_back({.stamp = admission->stamp,
                                 .peer = admission->peer,
                                 .authority = admission->authority,
                                 .invites = admission->invites,
                                 .as_inviter = admission->as_inviter,
                                 .after = admission->after});
  }

  std::vector<const StampedOp*> in_order;
  for (const StampedOp& op : ops) {
    const EntryPlace& place = op.stamp.place;
    if (Forked(forks, place) || !PlaceCounts(result.cuts, place)) continue;
    // Admissions and removals have been judged.
    if (std::holds_alternative<SettingsOp>(op.op)) {
      const auto authority = AuthorityAt(verdict, place);
      if (!authority || !AuthorityAllows(*authority, op.op)) continue;
    }
    in_order.push_back(&op);
  }
  std::sort(in_order.begin(), in_order.end(),
            [](const StampedOp* a, const StampedOp* b) { return a->stamp < b->stamp; });
  for (const StampedOp* op : in_order) {
    if (const auto* profile = std::get_if<ProfileOp>(&op->op)) {
      ApplyProfile(*op, *profile, admitted_at, result);
    } else if (const auto* settings = std::get_if<SettingsOp>(&op->op)) {
      ApplySettings(*settings, result);
    }
  }
  return result;
}

}  // namespace waypost::syncgroup
