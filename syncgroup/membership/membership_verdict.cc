#include "syncgroup/membership/membership_verdict.h"

#include <algorithm>
#include <tuple>
#include <utility>

// Take a set of removals and lowerings of authority ("sanctions") for granted: then one pass over
// the admissions in the order of stamps tells who was an admin where (Growth), and more sanctions
// never let more admissions count. So those stand that count even if all others stood, those fall
// that do not count even if only the certain ones stood, and of those that void each other the one
// whose author was admitted first stands. docs/membership.md has examples.

namespace waypost::syncgroup {
namespace {

// Of sanctions that void one another. More of them are only made by one who means harm and has many
// puppets: then it goes by seniority alone, an author at a time.
constexpr std::size_t kContestMax = 16;

using ByPeer = std::map<base::PeerId, std::vector<const Admission*>>;

// What one may do to the membership of others.
struct Rights {
  Authority authority = Authority::kReader;
  bool invites = false;

  static Rights Of(const Admission& admission) { return {admission.authority, admission.invites}; }
  Rights Or(const Rights& other) const {
    return {std::min(authority, other.authority), invites || other.invites};
  }
  Rights And(const Rights& other) const {
    return {std::max(authority, other.authority), invites && other.invites};
  }
  bool admin() const { return authority == Authority::kAdmin; }
  bool Allow(const Admission& admission) const {
    if (!admission.as_inviter) return admin();
    return admission.authority != Authority::kAdmin &&
           MayInvite(authority, invites, admission.authority);
  }
};

// A removal, or an admission that gives less than an admin's authority to one who acted as admin.
struct Sanction {
  const Removal* removal = nullptr;  // one of the two is set
  const Admission* lowering = nullptr;

  const Stamp& stamp() const { return removal != nullptr ? removal->stamp : lowering->stamp; }
  const base::PeerId& author() const { return stamp().place.origin; }
  const base::PeerId& target() const {
    return removal != nullptr ? removal->target : lowering->peer;
  }
  bool leaves() const { return removal != nullptr && removal->by_itself(); }
};
using Sanctions = std::vector<const Sanction*>;

// The admissions that count while some sanctions stand.
class Growth {
 public:
  // `contested`: the admissions that are lowerings. One that is among `standing` takes away what
  // was given before. One that is not does not decide what its peer becomes, but still adds what it
  // gives: the admission of an inviter is a lowering too, since it gives less than an admin's
  // authority to somebody who admitted others, and its right to invite must not hang on the
  // contest.
  Growth(const Facts& facts, const Sanctions& standing,
         const std::set<const Admission*>& contested) {
    std::set<const Admission*> lowered;
    for (const Sanction* sanction : standing) {
      sanctions_[sanction->target()].push_back(sanction);
      if (sanction->lowering != nullptr) lowered.insert(sanction->lowering);
    }
    for (const Admission& admission : facts.admissions) {
      const bool founds = &admission == &facts.admissions.front();
      if (!founds && !RightsAt(admission.stamp, nullptr).Allow(admission)) continue;
      const bool only_adds = contested.contains(&admission) && !lowered.contains(&admission);
      if (!only_adds) in_order_.push_back(&admission);
      by_peer_[admission.peer].push_back(&admission);
      if (only_adds || admission.as_inviter) adding_.insert(&admission);
    }
  }

  const std::vector<const Admission*>& in_order() const { return in_order_; }
  const std::vector<const Admission*>* Of(const base::PeerId& peer) const {
    const auto it = by_peer_.find(peer);
    return it == by_peer_.end() ? nullptr : &it->second;
  }
  // Does the sanction count, whatever it says of its own entry?
  bool Counts(const Sanction& sanction) const {
    if (!sanction.leaves()) return RightsAt(sanction.stamp(), &sanction).admin();
    return Of(sanction.author()) != nullptr && !Cut(sanction.stamp().place, &sanction);
  }

 private:
  bool Cut(const EntryPlace& place, const Sanction* but) const {
    const auto found = sanctions_.find(place.origin);
    if (found == sanctions_.end()) return false;
    static const std::vector<const Admission*> kNone;
    const auto* admissions = Of(place.origin);
    for (const Sanction* sanction : found->second) {
      if (sanction == but || sanction->removal == nullptr) continue;
      const uint64_t limit = LimitUnder(*sanction->removal, place.incarnation,
                                        admissions != nullptr ? *admissions : kNone);
      if (place.generation > limit) return true;
    }
    return false;
  }

  // Of the author of something at `stamp`, by what has been let count so far and is earlier.
  Rights RightsAt(const Stamp& stamp, const Sanction* but) const {
    const EntryPlace& place = stamp.place;
    Rights rights;
    const Admission* latest = nullptr;
    if (const auto* admissions = Of(place.origin)) {
      for (const Admission* admission : *admissions) {
        if (admission->stamp >= stamp || !admission->HoldsFor(place)) continue;
        const Rights given = Rights::Of(*admission);
        rights = adding_.contains(admission) ? rights.Or(given) : given;
        latest = admission;
      }
    }
    if (latest == nullptr || Cut(place, but)) return {};
    const auto found = sanctions_.find(place.origin);
    if (found != sanctions_.end()) {
      for (const Sanction* sanction : found->second) {
        if (sanction == but || sanction->lowering == nullptr) continue;
        if (sanction->lowering->HoldsFor(place) && sanction->lowering->stamp > latest->stamp) {
          rights = rights.And(Rights::Of(*sanction->lowering));
        }
      }
    }
    return rights;
  }

  std::map<base::PeerId, Sanctions> sanctions_;  // by target
  std::vector<const Admission*> in_order_;
  ByPeer by_peer_;
  std::set<const Admission*> adding_;  // take nothing away
};

// Which of the sanctions stand.
class Contest {
 public:
  Contest(const Facts& facts, std::vector<Sanction> sanctions)
      : facts_(facts), sanctions_(std::move(sanctions)) {
    for (const Sanction& sanction : sanctions_) {
      if (sanction.lowering != nullptr) contested_.insert(sanction.lowering);
    }
    const Growth free(facts_, {}, contested_);
    for (const Admission* admission : free.in_order()) {
      first_admitted_.try_emplace(admission->peer, admission->stamp);
    }
    for (const Sanction& sanction : sanctions_) {
      if (free.Counts(sanction)) open_.push_back(&sanction);
    }
    std::sort(open_.begin(), open_.end(),
              [&](const Sanction* a, const Sanction* b) { return Seniority(*a) < Seniority(*b); });
    // Nearly always that is all: what counts even if all others stand needs no closer look.
    const Growth worst = GrowWith(open_);
    std::erase_if(open_, [&](const Sanction* sanction) {
      if (!worst.Counts(*sanction)) return false;
      standing_.push_back(sanction);
      return true;
    });
  }

  Sanctions Decide() {
    while (open_.size() > kContestMax) TakeMostSeniorAuthor();
    while (!open_.empty()) {
      if (DropImpossible() || TakeCertain()) continue;
      const Sanction* senior = MostSeniorOfAFirstCycle();
      std::erase(open_, senior);
      standing_.push_back(senior);
    }
    return standing_;
  }
  const std::set<const Admission*>& contested() const { return contested_; }

 private:
  Growth GrowWith(const Sanctions& more) const {
    Sanctions all = standing_;
    all.insert(all.end(), more.begin(), more.end());
    return Growth(facts_, all, contested_);
  }

  bool Voids(const Growth& growth) const {
    return std::any_of(standing_.begin(), standing_.end(),
                       [&](const Sanction* one) { return !growth.Counts(*one); });
  }

  void TakeMostSeniorAuthor() {
    const base::PeerId author = open_.front()->author();
    const Growth now = GrowWith({});
    Sanctions theirs;
    std::erase_if(open_, [&](const Sanction* sanction) {
      if (sanction->author() != author) return false;
      if (now.Counts(*sanction)) theirs.push_back(sanction);
      return true;
    });
    if (!Voids(GrowWith(theirs))) {
      standing_.insert(standing_.end(), theirs.begin(), theirs.end());
    } else {
      for (const Sanction* sanction : theirs) {
        if (!Voids(GrowWith({sanction}))) standing_.push_back(sanction);
      }
    }
    const Growth then = GrowWith({});
    std::erase_if(open_, [&](const Sanction* sanction) { return !then.Counts(*sanction); });
  }

  bool DropImpossible() {
    const Growth now = GrowWith({});
    const std::size_t dropped = std::erase_if(open_, [&](const Sanction* sanction) {
      if (!now.Counts(*sanction)) return true;
      // One was decided to stand that this one would void: so this one falls.
      return Voids(GrowWith({sanction}));
    });
    return dropped > 0;
  }

  bool TakeCertain() {
    Sanctions certain;
    const Growth worst = GrowWith(open_);
    for (const Sanction* sanction : open_) {
      bool counts = worst.Counts(*sanction);
      if (!counts) {
        Sanctions others = open_;
        std::erase(others, sanction);
        counts = GrowWith(others).Counts(*sanction);
      }
      if (counts) certain.push_back(sanction);
    }
    for (const Sanction* sanction : certain) {
      std::erase(open_, sanction);
      standing_.push_back(sanction);
    }
    return !certain.empty();
  }

  // All admissions that the authority of the sanction's author may rest on.
  static std::set<const Admission*> RestsOn(const Growth& growth, const Sanction& sanction) {
    std::set<const Admission*> all;
    std::set<base::PeerId> seen;
    std::vector<base::PeerId> stack = {sanction.author()};
    while (!stack.empty()) {
      const base::PeerId peer = stack.back();
      stack.pop_back();
      const auto* admissions = seen.insert(peer).second ? growth.Of(peer) : nullptr;
      if (admissions == nullptr) continue;
      for (const Admission* admission : *admissions) {
        all.insert(admission);
        stack.push_back(admission->author());
      }
    }
    return all;
  }

  // From an open sanction to those whose ground it takes away, or a part of it.
  std::vector<std::vector<std::size_t>> Threats() const {
    const Growth now = GrowWith({});
    const std::set<const Admission*> counted(now.in_order().begin(), now.in_order().end());
    std::vector<std::set<const Admission*>> grounds;
    for (const Sanction* sanction : open_) grounds.push_back(RestsOn(now, *sanction));
    std::vector<std::vector<std::size_t>> threats(open_.size());
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const Growth with = GrowWith({open_[i]});
      std::set<const Admission*> lost = counted;
      for (const Admission* admission : with.in_order()) lost.erase(admission);
      for (std::size_t j = 0; j < open_.size(); ++j) {
        if (i == j) continue;
        const bool shakes = std::any_of(lost.begin(), lost.end(), [&](const Admission* admission) {
          return grounds[j].contains(admission);
        });
        if (shakes || !with.Counts(*open_[j])) threats[i].push_back(j);
      }
    }
    return threats;
  }

  // Of a cycle that nobody outside it threatens: so that one who is merely threatened by a member
  // of the cycle does not overtake it.
  const Sanction* MostSeniorOfAFirstCycle() const {
    const auto threats = Threats();
    std::vector<std::set<std::size_t>> reached(open_.size());
    for (std::size_t i = 0; i < open_.size(); ++i) {
      std::vector<std::size_t> stack = {i};
      while (!stack.empty()) {
        const std::size_t at = stack.back();
        stack.pop_back();
        for (const std::size_t j : threats[at]) {
          if (reached[i].insert(j).second) stack.push_back(j);
        }
      }
    }
    // open_ is in the order of seniority.
    for (std::size_t i = 0; i < open_.size(); ++i) {
      bool first = true;
      for (std::size_t j = 0; j < open_.size(); ++j) {
        first = first && (i == j || !reached[j].contains(i) || reached[i].contains(j));
      }
      if (first) return open_[i];
    }
    return open_.front();
  }

  std::tuple<bool, Stamp, Stamp, base::PeerId> Seniority(const Sanction& sanction) const {
    const auto it = first_admitted_.find(sanction.author());
    const bool unknown = it == first_admitted_.end();
    return {unknown, unknown ? Stamp() : it->second, sanction.stamp(), sanction.target()};
  }

  const Facts& facts_;
  const std::vector<Sanction> sanctions_;
  std::set<const Admission*> contested_;
  std::map<base::PeerId, Stamp> first_admitted_;
  Sanctions open_;
  Sanctions standing_;
};

}  // namespace

bool Forked(const Forks& forks, const EntryPlace& place) {
  const auto it = forks.find({place.origin, place.incarnation});
  return it != forks.end() && it->second != 0 && place.generation >= it->second;
}

Facts CollectFacts(const Founder& founder, const std::vector<StampedOp>& ops, const Forks& forks) {
  Facts facts{.founder = founder};
  facts.admissions.push_back(
      {.peer = founder.peer, .incarnation = founder.incarnation, .authority = Authority::kAdmin});
  std::map<std::pair<EntryPlace, base::PeerId>, Admission> admissions;
  std::map<std::pair<EntryPlace, base::PeerId>, Removal> removals;
  // Within an entry in its order: the last admission of a peer says what it becomes.
  std::vector<const StampedOp*> in_order;
  for (const StampedOp& op : ops) {
    if (!Forked(forks, op.stamp.place)) in_order.push_back(&op);
  }
  const auto by_stamp = [](const StampedOp* a, const StampedOp* b) { return a->stamp < b->stamp; };
  std::sort(in_order.begin(), in_order.end(), by_stamp);
  for (const StampedOp* op : in_order) {
    if (const auto* admit = std::get_if<AdmitOp>(&op->op)) {
      auto [it, fresh] = admissions.try_emplace({op->stamp.place, admit->peer});
      Admission& admission = it->second;
      if (fresh) admission.stamp = op->stamp;
      admission.peer = admit->peer;
      admission.incarnation = admit->incarnation;
      admission.role = admit->role;
      admission.authority = admit->authority;
      admission.invites = admit->invites;
      admission.as_inviter = admit->as_inviter;
      admission.after[admit->incarnation] = admit->generation;
    } else if (const auto* remove = std::get_if<RemoveOp>(&op->op)) {
      auto [it, fresh] = removals.try_emplace({op->stamp.place, remove->peer});
      Removal& removal = it->second;
      if (fresh) removal.stamp = op->stamp;
      removal.target = remove->peer;
      auto [named, first] = removal.named.try_emplace(remove->incarnation, remove->generation);
      if (!first) named->second = std::min(named->second, remove->generation);
    }
  }
  for (auto& [key, admission] : admissions) facts.admissions.push_back(std::move(admission));
  for (auto& [key, removal] : removals) facts.removals.push_back(std::move(removal));
  std::sort(facts.admissions.begin() + 1, facts.admissions.end(),
            [](const Admission& a, const Admission& b) { return a.stamp < b.stamp; });
  std::sort(facts.removals.begin(), facts.removals.end(),
            [](const Removal& a, const Removal& b) { return a.stamp < b.stamp; });
  return facts;
}

bool Readmits(const Admission& admission, const Removal& removal) {
  return admission.peer == removal.target && !admission.by_itself() && !admission.as_inviter &&
         admission.stamp > removal.stamp && !removal.named.contains(admission.incarnation);
}

uint64_t LimitUnder(const Removal& removal, const base::Incarnation& incarnation,
                    const std::vector<const Admission*>& admissions_of_target) {
  const auto named = removal.named.find(incarnation);
  if (named != removal.named.end()) return named->second;
  const bool readmitted =
      std::any_of(admissions_of_target.begin(), admissions_of_target.end(),
                  [&](const Admission* admission) { return Readmits(*admission, removal); });
  return readmitted ? kAllGenerations : 0;
}

namespace {

// Only what was said against those who acted as admins or inviters decides about the acts of
// others. Whoever has not one act that counts where no sanction stands is none of them, or every
// reader could enter the contest by an admission that counts for nothing.
std::set<base::PeerId> ActorsOf(const Facts& facts) {
  std::set<const Admission*> lowerings;
  for (std::size_t i = 1; i < facts.admissions.size(); ++i) {
    const Admission& admission = facts.admissions[i];
    if (admission.authority != Authority::kAdmin && !admission.as_inviter) {
      lowerings.insert(&admission);
    }
  }
  const Growth free(facts, {}, lowerings);
  std::set<base::PeerId> actors;
  for (const Admission& admission : facts.admissions) {
    const auto* counted = free.Of(admission.peer);
    if (counted != nullptr &&
        std::find(counted->begin(), counted->end(), &admission) != counted->end()) {
      actors.insert(admission.author());
    }
  }
  for (const Removal& removal : facts.removals) {
    if (!removal.by_itself() && free.Counts({.removal = &removal})) {
      actors.insert(removal.author());
    }
  }
  return actors;
}

}  // namespace

JudgedFacts JudgeFacts(const Facts& facts) {
  const std::set<base::PeerId> actors = ActorsOf(facts);
  std::vector<Sanction> sanctions;
  std::vector<Sanction> plain;
  for (const Removal& removal : facts.removals) {
    (actors.contains(removal.target) ? sanctions : plain).push_back({.removal = &removal});
  }
  for (std::size_t i = 1; i < facts.admissions.size(); ++i) {
    const Admission& admission = facts.admissions[i];
    if (admission.authority != Authority::kAdmin && !admission.as_inviter &&
        actors.contains(admission.peer)) {
      sanctions.push_back({.lowering = &admission});
    }
  }
  Contest contest(facts, std::move(sanctions));
  const Sanctions standing = contest.Decide();
  const Growth growth(facts, standing, contest.contested());
  JudgedFacts verdict{.admissions = growth.in_order()};
  for (const Sanction* sanction : standing) {
    if (sanction->removal != nullptr) verdict.removals.push_back(sanction->removal);
  }
  for (const Sanction& sanction : plain) {
    if (growth.Counts(sanction)) verdict.removals.push_back(sanction.removal);
  }
  return verdict;
}

}  // namespace waypost::syncgroup
