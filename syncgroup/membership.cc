#include "syncgroup/membership.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/crypto.h"

namespace waypost::syncgroup {
namespace {

struct Admission {
  Stamp stamp;
  AdmitOp op;
  bool by_itself() const { return stamp.place.origin == op.peer; }
};

// What one entry says against one peer.
struct Removal {
  Stamp stamp;
  base::PeerId target;
  std::map<base::Incarnation, uint64_t> named;
  const base::PeerId& author() const { return stamp.place.origin; }
};

// What does not change while the fold looks for its fixed point.
struct Facts {
  base::GroupId group;
  std::vector<Admission> admissions;
  std::vector<Removal> removals;
  std::map<base::PeerId, Stamp> first_admitted;
  std::optional<Admission> founding;
};

bool Founds(const base::GroupId& group, const Admission& admission) {
  return admission.by_itself() && admission.stamp.place.generation == 1 &&
         GroupIdOf(admission.op.peer, admission.stamp.place.incarnation) == group;
}

bool Forked(const Forks& forks, const EntryPlace& place) {
  const auto it = forks.find({place.origin, place.incarnation});
  return it != forks.end() && it->second != 0 && place.generation >= it->second;
}

Facts Collect(const base::GroupId& group, const std::vector<StampedOp>& ops, const Forks& forks) {
  Facts facts;
  facts.group = group;
  std::map<std::pair<EntryPlace, base::PeerId>, Removal> removals;
  for (const StampedOp& op : ops) {
    if (Forked(forks, op.stamp.place)) continue;
    if (const auto* admit = std::get_if<AdmitOp>(&op.op)) {
      facts.admissions.push_back({op.stamp, *admit});
    } else if (const auto* remove = std::get_if<RemoveOp>(&op.op)) {
      auto [it, fresh] = removals.try_emplace({op.stamp.place, remove->peer});
      Removal& removal = it->second;
      if (fresh) removal.stamp = op.stamp;
      removal.stamp = std::min(removal.stamp, op.stamp);
      removal.target = remove->peer;
      auto [named, first] = removal.named.try_emplace(remove->incarnation, remove->generation);
      if (!first) named->second = std::min(named->second, remove->generation);
    }
  }
  for (auto& [key, removal] : removals) facts.removals.push_back(std::move(removal));
  // The order of arrival must not matter anywhere below.
  const auto by_stamp = [](const auto& a, const auto& b) { return a.stamp < b.stamp; };
  std::sort(facts.admissions.begin(), facts.admissions.end(), by_stamp);
  std::sort(facts.removals.begin(), facts.removals.end(), [](const Removal& a, const Removal& b) {
    return std::tie(a.stamp, a.target) < std::tie(b.stamp, b.target);
  });
  for (const Admission& admission : facts.admissions) {
    facts.first_admitted.try_emplace(admission.op.peer, admission.stamp);
    if (!facts.founding && Founds(group, admission)) facts.founding = admission;
  }
  return facts;
}

using Admissions = std::vector<const Admission*>;

// Does an admission end what the removal says of incarnations it does not name?
bool Readmits(const Admission& admission, const Removal& removal) {
  return admission.op.peer == removal.target && !admission.by_itself() &&
         admission.stamp > removal.stamp && !removal.named.contains(admission.op.incarnation);
}

uint64_t LimitUnder(const Removal& removal, const base::Incarnation& incarnation,
                    const Admissions& admissions) {
  const auto named = removal.named.find(incarnation);
  if (named != removal.named.end()) return named->second;
  const bool readmitted = std::any_of(admissions.begin(), admissions.end(),
                                      [&](const Admission* a) { return Readmits(*a, removal); });
  return readmitted ? kAllGenerations : 0;
}

// Which of the removals stand, as positions in `removals`. Whoever nobody beats stands, and what it
// beats falls; where all that is left beat each other, the one whose author was admitted first
// stands.
class RemovalContest {
 public:
  RemovalContest(const Facts& facts, const std::vector<const Removal*>& removals,
                 const Admissions& admissions)
      : facts_(facts), removals_(removals) {
    const std::size_t n = removals.size();
    beats_.resize(n);
    state_.assign(n, State::kOpen);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j || removals[i]->target != removals[j]->author()) continue;
        const EntryPlace& place = removals[j]->stamp.place;
        if (place.generation > LimitUnder(*removals[i], place.incarnation, admissions)) {
          beats_[i].push_back(j);
        }
      }
    }
  }

  std::vector<const Removal*> Decide() {
    while (true) {
      std::vector<bool> beaten(removals_.size(), false);
      for (std::size_t i = 0; i < removals_.size(); ++i) {
        if (state_[i] != State::kOpen) continue;
        for (const std::size_t j : beats_[i]) beaten[j] = true;
      }
      bool any_open = false;
      bool any_free = false;
      for (std::size_t i = 0; i < removals_.size(); ++i) {
        if (state_[i] != State::kOpen) continue;
        any_open = true;
        if (beaten[i]) continue;
        any_free = true;
        Stand(i);
      }
      if (!any_open) break;
      if (!any_free) {
        // What would have voided the one that stands falls with the decision.
        const std::size_t senior = MostSeniorOfAFirstCycle();
        Stand(senior);
        for (std::size_t i = 0; i < removals_.size(); ++i) {
          if (state_[i] != State::kOpen) continue;
          if (std::find(beats_[i].begin(), beats_[i].end(), senior) != beats_[i].end()) {
            state_[i] = State::kFalls;
          }
        }
      }
    }
    std::vector<const Removal*> standing;
    for (std::size_t i = 0; i < removals_.size(); ++i) {
      if (state_[i] == State::kStands) standing.push_back(removals_[i]);
    }
    return standing;
  }

 private:
  enum class State { kOpen, kStands, kFalls };

  void Stand(std::size_t i) {
    if (state_[i] != State::kOpen) return;
    state_[i] = State::kStands;
    for (const std::size_t j : beats_[i]) {
      if (state_[j] == State::kOpen) state_[j] = State::kFalls;
    }
  }

  std::set<std::size_t> ReachedFrom(std::size_t start) const {
    std::set<std::size_t> reached;
    std::vector<std::size_t> stack = {start};
    while (!stack.empty()) {
      const std::size_t i = stack.back();
      stack.pop_back();
      for (const std::size_t j : beats_[i]) {
        if (state_[j] == State::kOpen && reached.insert(j).second) stack.push_back(j);
      }
    }
    return reached;
  }

  // A cycle that nobody outside it beats: only among those the seniority decides, so that one who
  // is merely beaten by a member of the cycle does not overtake it.
  std::size_t MostSeniorOfAFirstCycle() const {
    std::map<std::size_t, std::set<std::size_t>> reached;
    for (std::size_t i = 0; i < removals_.size(); ++i) {
      if (state_[i] == State::kOpen) reached[i] = ReachedFrom(i);
    }
    std::optional<std::size_t> best;
    for (const auto& [i, from_i] : reached) {
      bool first = true;
      for (const auto& [j, from_j] : reached) {
        if (from_j.contains(i) && !from_i.contains(j) && i != j) first = false;
      }
      if (first && (!best || Seniority(i) < Seniority(*best))) best = i;
    }
    return *best;
  }

  std::tuple<bool, Stamp, Stamp, base::PeerId> Seniority(std::size_t i) const {
    const Removal& removal = *removals_[i];
    const auto it = facts_.first_admitted.find(removal.author());
    const bool unknown = it == facts_.first_admitted.end();
    return {unknown, unknown ? Stamp() : it->second, removal.stamp, removal.target};
  }

  const Facts& facts_;
  const std::vector<const Removal*>& removals_;
  std::vector<std::vector<std::size_t>> beats_;
  std::vector<State> state_;
};

struct Verdict {
  std::vector<const Removal*> removals;  // effective
  Admissions admissions;                 // by entries that count
  std::set<base::PeerId> admitted;       // ever
  std::map<base::PeerId, OriginCut> cuts;
};

std::map<base::PeerId, OriginCut> CutsOf(const std::set<base::PeerId>& admitted,
                                         const std::vector<const Removal*>& removals,
                                         const Admissions& admissions) {
  std::map<base::PeerId, OriginCut> cuts;
  for (const base::PeerId& peer : admitted) {
    OriginCut& cut = cuts[peer];
    cut.others = kAllGenerations;
    std::set<base::Incarnation> named;
    for (const Removal* removal : removals) {
      if (removal->target != peer) continue;
      for (const auto& [incarnation, limit] : removal->named) named.insert(incarnation);
    }
    for (const Removal* removal : removals) {
      if (removal->target != peer) continue;
      for (const base::Incarnation& incarnation : named) {
        const uint64_t limit = LimitUnder(*removal, incarnation, admissions);
        auto [it, fresh] = cut.named.try_emplace(incarnation, limit);
        if (!fresh) it->second = std::min(it->second, limit);
      }
      const bool readmitted =
          std::any_of(admissions.begin(), admissions.end(),
                      [&](const Admission* a) { return Readmits(*a, *removal); });
      if (!readmitted) cut.others = 0;
    }
  }
  return cuts;
}

bool PlaceCounts(const std::map<base::PeerId, OriginCut>& cuts, const EntryPlace& place) {
  const auto it = cuts.find(place.origin);
  return it != cuts.end() && EntryCounts(it->second, 0, place);
}

// One round: `known` says which admissions and whose removals the round before let count.
Verdict Judge(const Facts& facts, const Verdict& known) {
  Verdict next;
  std::vector<const Removal*> candidates;
  for (const Removal& removal : facts.removals) {
    if (known.admitted.contains(removal.author())) candidates.push_back(&removal);
  }
  next.removals = RemovalContest(facts, candidates, known.admissions).Decide();

  std::set<base::PeerId> everyone;
  for (const Admission& admission : facts.admissions) {
    everyone.insert(admission.op.peer);
    everyone.insert(admission.stamp.place.origin);
  }
  const auto cuts = CutsOf(everyone, next.removals, known.admissions);
  // From the founder outwards. Before the founder's entry is here (a joiner has only papers),
  // everyone who admits is taken for admitted.
  if (facts.founding) {
    next.admitted.insert(facts.founding->op.peer);
  } else {
    for (const Admission& a : facts.admissions) next.admitted.insert(a.stamp.place.origin);
  }
  for (bool grew = true; grew;) {
    grew = false;
    for (const Admission& a : facts.admissions) {
      if (a.by_itself() || !next.admitted.contains(a.stamp.place.origin)) continue;
      if (!PlaceCounts(cuts, a.stamp.place)) continue;
      grew |= next.admitted.insert(a.op.peer).second;
    }
  }
  for (const Admission& a : facts.admissions) {
    const bool founds = facts.founding && facts.founding->stamp == a.stamp;
    if (founds ||
        (next.admitted.contains(a.stamp.place.origin) && PlaceCounts(cuts, a.stamp.place))) {
      next.admissions.push_back(&a);
    }
  }
  next.cuts = CutsOf(next.admitted, next.removals, next.admissions);
  return next;
}

Verdict FindVerdict(const Facts& facts) {
  Verdict verdict;
  for (const Admission& admission : facts.admissions) {
    verdict.admissions.push_back(&admission);
    verdict.admitted.insert(admission.op.peer);
    verdict.admitted.insert(admission.stamp.place.origin);
  }
  // Each round but odd ones only takes away; odd ones (who admits depends on who was removed, and
  // the other way round) are cut off at a fixed count, which is still a pure function of the set.
  for (int round = 0; round < 16; ++round) {
    Verdict next = Judge(facts, verdict);
    const bool same = next.admissions == verdict.admissions && next.admitted == verdict.admitted &&
                      next.removals == verdict.removals;
    verdict = std::move(next);
    if (same) break;
  }
  return verdict;
}

std::map<base::PeerId, Member> MembersOf(const Facts& facts, const Verdict& verdict,
                                         std::map<base::PeerId, Stamp>& admitted_at) {
  std::map<base::PeerId, Member> members;
  for (const Admission* a : verdict.admissions) {  // in the order of stamps
    const bool ended =
        std::any_of(verdict.removals.begin(), verdict.removals.end(), [&](const Removal* removal) {
          return removal->target == a->op.peer &&
                 (a->stamp < removal->stamp || removal->named.contains(a->op.incarnation));
        });
    if (ended) continue;
    auto [it, fresh] = members.try_emplace(a->op.peer);
    // An admission by oneself changes role and authority of a member, it makes none.
    const bool founds = facts.founding && facts.founding->stamp == a->stamp;
    if (fresh && a->by_itself() && !founds) {
      members.erase(it);
      continue;
    }
    Member& member = it->second;
    if (fresh) member.admitted = a->stamp.time;
    member.peer = a->op.peer;
    member.incarnation = a->op.incarnation;
    member.role = a->op.role;
    member.authority = a->op.authority;
    admitted_at[a->op.peer] = a->stamp;
  }
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
}

}  // namespace

bool DecidesMembership(const Op& op) {
  return !std::holds_alternative<PutRefOp>(op) && !std::holds_alternative<DeleteRefOp>(op);
}

base::GroupId GroupIdOf(const base::PeerId& founder, const base::Incarnation& incarnation) {
  std::string text("waypost.group");
  text.push_back('\0');
  text.append(founder.bytes());
  text.append(incarnation.bytes());
  return base::GroupId(base::Hash256(text));
}

bool AuthorityAllows(Authority authority, const Op& op) {
  if (std::holds_alternative<ProfileOp>(op)) return true;
  if (!DecidesMembership(op)) return authority != Authority::kReader;
  return authority == Authority::kAdmin;
}

bool EntryCounts(const OriginCut& cut, uint64_t forked, const EntryPlace& place) {
  if (forked != 0 && place.generation >= forked) return false;
  return place.generation <= cut.LimitOf(place.incarnation);
}

Membership FoldMembership(const base::GroupId& group, const std::vector<StampedOp>& ops,
                          const Forks& forks) {
  const Facts facts = Collect(group, ops, forks);
  Verdict verdict = FindVerdict(facts);
  Membership result;
  if (facts.founding) result.created = facts.founding->stamp.time;
  std::map<base::PeerId, Stamp> admitted_at;
  result.members = MembersOf(facts, verdict, admitted_at);
  result.cuts = std::move(verdict.cuts);

  std::vector<const StampedOp*> in_order;
  for (const StampedOp& op : ops) {
    if (!Forked(forks, op.stamp.place) && PlaceCounts(result.cuts, op.stamp.place)) {
      in_order.push_back(&op);
    }
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
