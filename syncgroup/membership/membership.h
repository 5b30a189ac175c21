#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/types.h"

// Who is a member and which entries count: a pure function of the SET of membership operations, so
// that every order in which they arrive gives the same answer.
namespace waypost::syncgroup {

// An operation with its place in the order that decides who wins.
struct StampedOp {
  Stamp stamp;
  Op op;
};
// Those that this file folds: all but references.
bool DecidesMembership(const Op& op);
// Does it admit, remove or set anything? A profile alone can wait.
bool DecidesAboutMembers(const Entry& entry);

inline constexpr uint64_t kAllGenerations = std::numeric_limits<uint64_t>::max();

// From when on an authority holds: for everything of the member beyond the generations named here.
// What is not beyond them keeps the authority it was written with.
using After = std::map<base::Incarnation, uint64_t>;

// Which entries of one origin count, and which of those may change references.
struct OriginCut {
  // Of a named incarnation up to its limit, of others up to `others`.
  uint64_t others = 0;
  std::map<base::Incarnation, uint64_t> named;
  // In the order of their admissions; the last that holds for a place decides.
  struct Grant {
    bool writes = false;
    After after;
    friend bool operator==(const Grant&, const Grant&) = default;
  };
  std::vector<Grant> grants;

  uint64_t LimitOf(const base::Incarnation& incarnation) const {
    const auto it = named.find(incarnation);
    return it == named.end() ? others : it->second;
  }
  bool MayWrite(const base::Incarnation& incarnation, uint64_t generation) const;
  // Do both let the same references count among the first `applied` entries of an incarnation?
  static bool SameRefs(const OriginCut& a, const OriginCut& b, const base::Incarnation& incarnation,
                       uint64_t applied);
  // Do references count among the entries of an incarnation from `from` to `applied`?
  static bool AnyRefs(const OriginCut& cut, const base::Incarnation& incarnation, uint64_t from,
                      uint64_t applied);
  friend bool operator==(const OriginCut&, const OriginCut&) = default;
};

struct Membership {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<bool> is_public;
  std::optional<Authority> inviters;
  std::map<base::PeerId, Member> members;
  std::map<base::PeerId, OriginCut> cuts;  // an origin that is absent: nothing of it counts
  // The admissions that count, by entry and in the order of stamps: what papers are made of.
  struct Admitted {
    Stamp stamp;
    base::PeerId peer;
    Authority authority = Authority::kReader;
    bool invites = false;
    bool as_inviter = false;
    After after;
  };
  std::vector<Admitted> admissions;
};

// From a numbering to the least generation with two different entries; from there nothing counts.
using Forks = std::map<OriginKey, uint64_t>;

// The rules:
// - The founder is an admin from the beginning. An operation counts if its author had the authority
//   for it at that place of its own numbering (AuthorityAllows), by admissions with earlier stamps
//   that go back to the founder: whoever writes after what it has seen always has them. Once
//   admitted all incarnations of a peer count.
// - Who is no admin, but was admitted with `invites`, admits others with at most its own authority.
//   Such an admission (`as_inviter`) only adds: it takes nothing from a member, does not change its
//   role, and does not bring back who left or was removed.
// - An admission holds for what its peer wrote beyond the generations it names; what was written up
//   to there keeps the authority of the admissions before. So nobody escapes a lower authority by
//   dating entries back, and nothing done in good time falls with it.
// - The removals of one peer in one entry are one removal. Of the incarnations it names what lies
//   beyond the named generations is void for good; other incarnations are void until the peer is
//   admitted again, later, under an incarnation that the removal does not name. Everybody may
//   remove itself.
// - A removal or a lower authority whose own entry is void by another one that is effective is not
//   effective. Among those that void each other the one whose author was admitted first stands.
// - Role and authority of now: the latest admission since the last removal; afterwards a member's
//   own profile entries can lower its role.
// - Name and addresses: the latest profile entry. Settings: each field by itself, the latest.
Membership FoldMembership(const Founder& founder, const std::vector<StampedOp>& ops,
                          const Forks& forks);

// What a member of this authority may do. Asked of what an app wants to write here, and of every
// entry wherever it was written.
bool AuthorityAllows(Authority authority, const Op& op);
// May one with this authority, and the right to invite or not, admit others with authority `given`?
// Asked of an invite that is made here, and of every admission by an inviter.
bool MayInvite(Authority authority, bool invites, Authority given);
// Whether members with this authority are admitted with the right to invite, by the group's
// setting. An admin needs none.
bool InvitesUnder(Authority inviters, Authority authority);

// Does an entry at this place count?
bool EntryCounts(const OriginCut& cut, uint64_t forked, const EntryPlace& place);
// ... and its changes of references?
bool RefsCount(const OriginCut& cut, uint64_t forked, const EntryPlace& place);

}  // namespace waypost::syncgroup
