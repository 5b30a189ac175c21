#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/membership/act_store.h"
#include "syncgroup/membership/trust_acts.h"
#include "syncgroup/membership/trust_member.h"
#include "syncgroup/membership/trust_sweep.h"

// Membership as a tree of trust: who is a member, and what each entry may do. A function of the SET
// of acts that are here: the order in which they came changes no answer. All that a member signed
// counts, on whichever branch of its log it stands; no date wins, and a split voids nothing.
//
// Words. An ACT admits, removes, or says that its author leaves. A NUMBERING is a chain of entries
// of one origin, named by the hash of the first, which names its BASIS: the admission that gave the
// origin what it may do there, for the founder the genesis. An act NAMES the newest acts about its
// peer that count for its author, and with them what those name. It PINS heads of its peer's
// numberings: each of those entries and all before it on its branch.
//
// Rules.
// 1. Seniority is a place in the tree of bases (seniority.h). Only a common ancestor of two could
//    have arranged which of them is senior. Recovery's acts are senior to all.
// 2. An act COUNTS if its entry has the right to it: removals and admissions need an admin's,
//    admissions as an inviter the right to invite and at most the author's own authority, leaving
//    any right at all. An act about its own author, a leaving aside, counts for nothing. Recovery's
//    acts always count.
// 3. The rights of an entry are what its basis gives, if that counts, LOWERED by each counting act
//    about the same peer that the basis does not name, that gives less, and that does not pin the
//    entry. Where the basis gives an admin's authority only acts by authors whose own basis is
//    senior to it lower it; where those leave less than admin, every one does.
// 4. These lower nothing: a leaving, an admission as an inviter, an admission that names nothing; a
//    removal "of the named bases only" lowers those alone. The genesis can be named.
// 5. A removal by recovery is lifted by a recovery admission that names it, and by admissions that
//    name that one; any other act is lifted by whatever names it.
// 6. A MEMBER is who has a basis that counts, is left something of it by all that counts, whatever
//    that pins, and that names every counting leaving of the peer. It writes under the basis that
//    gives most; of those that give the same under one with invites, then one that no other of them
//    names (for a basis that gives admin: no other whose author's basis is senior to it), then the
//    most senior. Its role is that of this basis, lowered by its own profiles stamped since.
// 7. It begins a new numbering when it has none, when that of now was closed or was continued by
//    another hand, when its basis no longer makes it a member, and when the basis that rule 6
//    chooses gives more, or as much and names the one in use.
// 8. A Close of another numbering of the same origin, by one who may write, takes what is stamped
//    later than itself from the references of that numbering; of several the earliest holds.
//
// Decided here, where the rules could be read in two ways: rule 7 asks the chosen basis only (or
// one that a junior admin wrote would make its peer begin without end), and begins anew after a
// leaving though entries under the old basis still count; a profile counts by its stamp and by the
// rights of its own entry, under whichever basis.
namespace waypost::syncgroup {

// What decides about acts and members, folded and kept up to date act by act. What it answers is
// read only; what it takes needs the lock of its owner to be held exclusively. It has no threads,
// blocks on nothing, and reads no clock. Acts are the caller's to store; this is built from them at
// start (AddAll), and answers as one does to which they came one by one, in any order.
//
// Cost: of an act, what hangs on it: the bases of its peer, and where what one gives changed all
// act entries that rest on it, each basis at most once. Usually microseconds. At worst, for k acts
// about one peer, l of which lower it, with p pins: memory k^2 / 16 bytes for what names what
// (10,000: 6 MB), O(k) for an act, O(l (k / 64 + p log branches)) for each branch of entries that
// rest on a basis of that peer. The limits of an author's acts bound k and l. Memory: some 500
// bytes an act.
class TrustTree {
 public:
  explicit TrustTree(const GenesisFact& genesis);

  // Branches are the caller's to begin, split and extend; that folds nothing. CHECK everywhere
  // below: the branch of a place is one of these.
  Branches& branches() { return store_.branches(); }
  const Branches& branches() const { return store_.branches(); }

  // Each adds nothing unless it returns OK; errors as CheckActEntry and CheckRecoveryAct have them
  // (trust_form.h). An entry without acts may be added or not. What counts for nothing is taken
  // too: who asks for entries looks at RightsOf first.
  absl::Status Add(const ActEntry& entry);
  absl::Status AddRecovery(const RecoveryAct& act);
  // In the order of their stamps, which is one in which each finds what it needs, folded once. The
  // first error, after the others were added.
  absl::Status AddAll(std::vector<ActEntry> entries, std::vector<RecoveryAct> recovery);
  // That more of what a recovery act pins is here now. kNotFound: there is no such act;
  // kInvalidArgument: a head is not of its peer.
  absl::Status AddPins(const base::EntryHash& recovery, const std::vector<BranchPlace>& heads);
  // Of an entry or a recovery act. kNotFound: it is not here. kFailedPrecondition: something rests
  // on it, names it, or follows it on its branch.
  absl::Status Drop(const base::EntryHash& hash);

  // Facts of numberings of references; they decide no act. Adding one twice is adding it once.
  // DropFacts: all of one entry; O(closed numberings).
  void AddClose(const CloseFact& close);
  void AddProfile(const ProfileFact& profile);
  void DropFacts(const BranchPlace& place);

  // May an entry of this author, resting on this basis, be added to what is here, wherever it will
  // stand? Errors as CheckWhatItSays (trust_form.h).
  absl::Status CheckSays(const base::PeerId& origin, const ActId& basis,
                         const ActEntry& entry) const;
  // Is the act here? The genesis always is.
  bool HasAct(const ActId& act) const { return store_.FindAct(act).has_value(); }

  // Since this was last asked: about whom an answer may have changed, the rights of its entries
  // included. In no order.
  std::vector<base::PeerId> TakeTouched();

  // ---- rights ----
  // Of an entry, or of one that would be written there. nullopt: none, or its basis is not here.
  // O(log branches) unless its basis is lowered.
  std::optional<EntryRights> RightsOf(const BranchPlace& place) const;
  // Of what would rest on this basis, pinned by nobody.
  std::optional<EntryRights> RightsUnder(const ActId& basis) const;
  // The last generation of a branch that has any right, from where it leaves its parent on;
  // UINT64_MAX: all have.
  uint64_t CountsUpTo(BranchNumber branch) const;
  // ... that may write references.
  uint64_t WritesUpTo(BranchNumber branch) const;
  // Does the act count? Not one that is not here.
  bool Counts(const ActId& act) const;
  // Do the changes of references of an entry count, by rights and by Close?
  bool ReferencesCount(const BranchPlace& place, base::WallTime stamp) const;
  // After which stamp references of a numbering count for nothing. nullopt: it is not closed.
  std::optional<base::WallTime> ClosedAfter(const base::EntryHash& numbering) const;

  // ---- members ----
  std::optional<TrustMember> FindMember(const base::PeerId& peer) const;
  std::vector<TrustMember> Members() const;  // by peer
  // Under which basis a member writes its next entry and whether that begins a numbering. `last`:
  // its newest entry in the numbering of now; nullopt: it has none. nullopt: no member.
  struct Writing {
    ActId basis;
    bool begins = false;
  };
  std::optional<Writing> WritingOf(const base::PeerId& peer, std::optional<BranchPlace> last) const;

  // ---- acting ----
  // Strictly. False if one of the two is not here, or no basis.
  bool IsSenior(const ActId& basis, const ActId& than) const;
  // Would a removal or lowering of `peer` by `author` have its whole effect now? Not unless the
  // author is an admin, and senior to each basis that leaves the peer an admin's authority.
  bool ActsOn(const base::PeerId& author, const base::PeerId& peer) const;
  // What a new act about this peer names: of a member those that count, of anybody else all that
  // are here, without what those name themselves. An inviter names leavings alone. Those that count
  // first, then by stamp, the newest first; 64 at most.
  enum class AboutPeer : uint8_t { kActs, kLeavings };
  std::vector<ActId> NewestAbout(const base::PeerId& peer,
                                 AboutPeer which = AboutPeer::kActs) const;
  // What a new act about this peer pins, if it is to keep all that counts here: the last entry of
  // each branch that has any right, unless another of them stands after it. An act has room for
  // 256.
  std::vector<BranchPlace> CountingHeads(const base::PeerId& peer) const;
  // Why somebody is no member: leavings, what lowered it or those that its admissions rest on, and
  // what voids the void acts among what these need. Whoever has them, with all that they and its
  // admissions rest on, name and pin, finds the same. Empty: it is one, or was never admitted.
  std::vector<ActId> WhyNoMember(const base::PeerId& peer) const;

  // ---- kept ----
  // Of each branch the last entry to keep, all before it with it: what counts, what that rests on,
  // follows and names (void or not), and what those acts pin. Of references only what is pinned is
  // here, their rights the caller asks for (RightsOf). Acts of recovery are always kept.
  using Kept = absl::flat_hash_map<BranchNumber, uint64_t>;
  Kept KeptEntries() const;  // O(acts, names and pins)

 private:
  uint64_t LastWith(BranchNumber branch, Authority least) const;
  void Settle(TrustSweep& sweep);
  void Refresh(ActPeerNumber peer);
  bool FollowedOnItsBranch(const EntryRecord& entry) const;

  ActStore store_;
  std::vector<std::optional<TrustMember>> members_;  // by peer number
  absl::flat_hash_set<ActPeerNumber> touched_;
  absl::flat_hash_map<base::EntryHash, std::vector<CloseFact>> closes_;  // by what they close
};

}  // namespace waypost::syncgroup
