#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/membership/branches.h"
#include "syncgroup/membership/seniority.h"
#include "syncgroup/membership/slot_set.h"
#include "syncgroup/membership/trust_acts.h"

// What the tree of trust (trust_tree.h) holds: acts, entries and peers under small numbers, what
// each act names, and what follows from the wording of two acts alone. Inside the fold only.
namespace waypost::syncgroup {

using ActNumber = uint32_t;
using ActEntryNumber = uint32_t;
using ActPeerNumber = uint32_t;
inline constexpr uint32_t kNoNumber = UINT32_MAX;
// Neither is in an entry.
inline constexpr ActNumber kRecoveryBasis = 0;
inline constexpr ActNumber kGenesisBasis = 1;

// What an act takes from who writes under a basis that it lowers. Bits: an act may do two of them.
using Loss = uint8_t;
inline constexpr Loss kLosesAll = 1;
inline constexpr Loss kLosesWriting = 2;  // a reader from now on
inline constexpr Loss kLosesAdmin = 4;    // a writer from now on
inline constexpr Loss kLosesInvites = 8;
inline constexpr int kLosses = 4;

// How many counting acts take what from a basis, by the bit's number.
using LossCounts = std::array<uint32_t, kLosses>;

struct ActRecord {
  ActEntryNumber entry = kNoNumber;
  ActPeerNumber peer = kNoNumber;
  uint32_t position = 0;
  uint32_t slot = 0;  // among the acts about the peer
  uint32_t named_by = 0;
  ActKind kind = ActKind::kAdmit;
  Authority authority = Authority::kReader;
  Role role = Role::kServer;
  Loss takes = 0;  // from those bases that it lowers
  bool invites = false;
  bool as_inviter = false;
  bool only_named = false;
  bool by_recovery = false;
  bool counts = false;
  std::vector<ActNumber> names;
  SlotSet closure;  // the slots of all that it names, and that those name
  std::vector<BranchPlace> pins;

  // Of an admission, which is a basis:
  SeniorityTree::Node node = SeniorityTree::kNoNode;
  std::vector<ActEntryNumber> entries;  // that rest on it
  LossCounts by_seniors{};              // whose author's basis is senior to it
  LossCounts by_all{};

  bool is_basis() const { return kind == ActKind::kAdmit; }
  bool gives_admin() const { return is_basis() && authority == Authority::kAdmin; }
};

struct EntryRecord {
  base::EntryHash hash;
  BranchPlace place;  // kNoBranch: an act of recovery
  base::WallTime stamp;
  ActNumber basis = kNoNumber;
  bool dropped = false;
  std::vector<ActNumber> acts;
};

struct PeerRecord {
  base::PeerId id;
  std::vector<ActNumber> slots;  // the acts about it; kNoNumber: free
  std::vector<uint32_t> free;
  std::vector<ActNumber> recovery_admits;
  std::vector<ProfileFact> profiles;
};

class ActStore {
 public:
  explicit ActStore(const GenesisFact& genesis);
  ActStore(const ActStore&) = delete;
  ActStore& operator=(const ActStore&) = delete;

  // CHECK: what it rests on and names is here. Its acts count for nothing yet; what others take
  // from its admissions is counted.
  ActEntryNumber Insert(const base::EntryHash& hash, const BranchPlace& place, base::WallTime stamp,
                        const ActId& basis, const std::vector<TrustAct>& acts);
  // CHECK: none of its acts counts, nothing rests on it, nothing names it.
  void Erase(ActEntryNumber number);

  std::optional<ActEntryNumber> FindEntry(const base::EntryHash& hash) const;
  std::optional<ActNumber> FindAct(const ActId& id) const;
  std::optional<ActPeerNumber> FindPeer(const base::PeerId& id) const;
  ActPeerNumber PeerNumberOf(const base::PeerId& id);  // a new one where there is none
  ActId IdOf(ActNumber number) const;
  base::WallTime StampOf(ActNumber number) const;  // of the genesis: its own

  ActRecord& act(ActNumber number) { return acts_[number]; }
  const ActRecord& act(ActNumber number) const { return acts_[number]; }
  EntryRecord& entry(ActEntryNumber number) { return entries_[number]; }
  const EntryRecord& entry(ActEntryNumber number) const { return entries_[number]; }
  PeerRecord& peer(ActPeerNumber number) { return peers_[number]; }
  const PeerRecord& peer(ActPeerNumber number) const { return peers_[number]; }
  ActPeerNumber peers() const { return static_cast<ActPeerNumber>(peers_.size()); }
  // All that are here by place; those of recovery have none.
  const std::map<BranchPlace, ActEntryNumber>& by_place() const { return by_place_; }
  const absl::flat_hash_map<base::EntryHash, ActEntryNumber>& by_hash() const { return by_hash_; }
  const GenesisFact& genesis() const { return genesis_; }
  Branches& branches() { return branches_; }
  const Branches& branches() const { return branches_; }
  const SeniorityTree& seniority() const { return seniority_; }

  // Under what the author of an act wrote it. CHECK: it is not the genesis.
  ActNumber AuthorBasis(ActNumber number) const { return entries_[acts_[number].entry].basis; }
  bool IsAboutItsAuthor(ActNumber number) const;
  bool IsSenior(ActNumber basis, ActNumber than) const {
    return seniority_.IsSenior(acts_[basis].node, acts_[than].node);
  }
  // Does `by`, if it counts, take something from those under `basis`, pins and seniority apart?
  // Both are about the same peer. O(1), and O(its admissions by recovery) for removals by recovery.
  bool Lowers(ActNumber by, ActNumber basis) const;
  // The last of a branch's own entries that an act pins, 0: none. O(pins log branches).
  uint64_t PinnedUpTo(const ActRecord& by, BranchNumber branch) const;
  bool IsPinned(const ActRecord& by, const BranchPlace& place) const {
    return PinnedUpTo(by, place.branch) >= place.generation;
  }

 private:
  ActNumber InsertAct(ActEntryNumber entry, uint32_t position, const TrustAct& from);
  void NameActs(ActNumber number, const std::vector<ActId>& names);
  void EraseAct(ActNumber number);
  void CountLosses(ActNumber basis);

  const GenesisFact genesis_;
  Branches branches_;
  SeniorityTree seniority_;
  std::vector<ActRecord> acts_;
  std::vector<EntryRecord> entries_;
  std::vector<PeerRecord> peers_;
  std::vector<ActNumber> free_acts_;
  std::vector<ActEntryNumber> free_entries_;
  absl::flat_hash_map<base::EntryHash, ActEntryNumber> by_hash_;
  absl::flat_hash_map<base::PeerId, ActPeerNumber> by_peer_;
  std::map<BranchPlace, ActEntryNumber> by_place_;
};

// One more or one less (`change`) that takes `takes`.
void ChangeLosses(LossCounts& counts, Loss takes, int change);
// What at least one takes.
Loss AnyLoss(const LossCounts& counts);

}  // namespace waypost::syncgroup
