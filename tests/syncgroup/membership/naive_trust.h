#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "syncgroup/membership/trust_acts.h"
#include "tests/syncgroup/membership/trust_history.h"

namespace waypost::syncgroup {

// The rules of the tree of trust a second time, word for word and without regard to cost: stored
// paths instead of an ordered list, sets of entries instead of branches, and each question asked by
// calling the next instead of sweeping. Of histories with at most 64 entries.
class NaiveTrust {
 public:
  // Of those entries of the history that are set in `here`.
  NaiveTrust(const History& history, uint64_t here);

  struct Member {
    Authority authority = Authority::kReader;
    bool invites = false;
    Role role = Role::kServer;
    ActAt basis;
    friend bool operator==(const Member&, const Member&) = default;
  };

  bool Counts(const ActAt& act);
  std::optional<EntryRights> Rights(int entry);
  std::optional<EntryRights> Unpinned(const ActAt& basis) { return RightsUnder(basis, kNone); }
  std::optional<Member> FindMember(int peer);
  bool IsSenior(const ActAt& basis, const ActAt& than) { return PathOf(basis) < PathOf(than); }
  std::optional<int64_t> ClosedAfter(int first);
  std::set<ActAt> NewestAbout(int peer);
  std::set<int> Kept();
  bool ActsOn(int author, int peer);

 private:
  using Key = std::tuple<int64_t, uint64_t, int>;  // stamp, hash, position
  using Path = std::vector<Key>;

  const HistoryAct& Of(const ActAt& at) const {
    return history_.entries[at.entry].acts[at.position];
  }
  bool Here(int entry) const { return (here_ >> entry & 1) != 0; }
  const std::vector<ActAt>& About(int peer) { return about_[peer]; }
  int PeerOf(const ActAt& basis) const { return basis == kByGenesis ? 0 : Of(basis).peer; }
  Authority Gives(const ActAt& basis) const {
    return basis == kByGenesis ? Authority::kAdmin : Of(basis).authority;
  }
  bool Invites(const ActAt& basis) const {
    return Gives(basis) == Authority::kAdmin || Of(basis).invites;
  }
  Path PathOf(const ActAt& basis) const;
  const std::set<ActAt>& Names(const ActAt& act);  // through all that it names
  bool Pins(const ActAt& act, int entry) const;
  bool Lifts(const ActAt& basis, const ActAt& by);
  bool Lowers(const ActAt& by, const ActAt& basis);
  std::optional<EntryRights> Lowered(const ActAt& basis, int entry, bool by_seniors);
  std::optional<EntryRights> RightsUnder(const ActAt& basis, int entry);
  bool Left(int peer, const ActAt& basis);

  const History& history_;
  const uint64_t here_;
  std::map<int, std::vector<ActAt>> about_;
  std::map<ActAt, std::set<ActAt>> names_;
  std::map<ActAt, bool> counts_;
};

}  // namespace waypost::syncgroup
