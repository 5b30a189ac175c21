#include "syncgroup/membership/act_store.h"

#include <algorithm>

#include "base/status.h"

// Each act about a peer has a slot among the acts about it, and the slots of all that it names,
// through all that those name, as bits: "does A name B" is one look. What is named is here before
// what names it, so the bits of an act are those of what it names, once, when it comes. A slot that
// was freed is given again: nobody named what had it.

namespace waypost::syncgroup {
namespace {

Loss LossBy(const TrustAct& act, bool invites) {
  if (act.kind == ActKind::kRemove) return kLosesAll;
  const bool lowers = act.kind == ActKind::kAdmit && !act.as_inviter && !act.names.empty();
  if (!lowers || act.authority == Authority::kAdmin) return 0;
  const Loss less = act.authority == Authority::kReader ? kLosesWriting : kLosesAdmin;
  return static_cast<Loss>(less | (invites ? 0 : kLosesInvites));
}

}  // namespace

void ChangeLosses(LossCounts& counts, Loss takes, int change) {
  for (int bit = 0; bit < kLosses; ++bit) {
    if ((takes >> bit & 1) != 0) counts[bit] += static_cast<uint32_t>(change);
  }
}

Loss AnyLoss(const LossCounts& counts) {
  Loss any = 0;
  for (int bit = 0; bit < kLosses; ++bit) {
    if (counts[bit] != 0) any = static_cast<Loss>(any | 1 << bit);
  }
  return any;
}

ActStore::ActStore(const GenesisFact& genesis) : genesis_(genesis), acts_(2) {
  ActRecord& recovery = acts_[kRecoveryBasis];
  recovery.authority = Authority::kAdmin;
  recovery.counts = true;
  recovery.node = SeniorityTree::kRecovery;
  ActRecord& first = acts_[kGenesisBasis];
  first.peer = PeerNumberOf(genesis.founder);
  first.authority = Authority::kAdmin;
  first.role = genesis.role;
  first.invites = true;
  first.counts = true;
  first.node = SeniorityTree::kGenesis;
  peers_[first.peer].slots.push_back(kGenesisBasis);
}

ActEntryNumber ActStore::Insert(const base::EntryHash& hash, const BranchPlace& place,
                                base::WallTime stamp, const ActId& basis,
                                const std::vector<TrustAct>& acts) {
  ActEntryNumber number = static_cast<ActEntryNumber>(entries_.size());
  if (free_entries_.empty()) {
    entries_.emplace_back();
  } else {
    number = free_entries_.back();
    free_entries_.pop_back();
  }
  const auto rests_on = FindAct(basis);
  CHECK(rests_on.has_value());
  entries_[number] = {.hash = hash, .place = place, .stamp = stamp, .basis = *rests_on};
  CHECK(by_hash_.emplace(hash, number).second);
  if (place.branch != kNoBranch) CHECK(by_place_.emplace(place, number).second);
  acts_[*rests_on].entries.push_back(number);
  entries_[number].acts.reserve(acts.size());
  for (uint32_t position = 0; position < acts.size(); ++position) {
    entries_[number].acts.push_back(InsertAct(number, position, acts[position]));
  }
  return number;
}

ActNumber ActStore::InsertAct(ActEntryNumber entry, uint32_t position, const TrustAct& from) {
  ActNumber number = static_cast<ActNumber>(acts_.size());
  if (free_acts_.empty()) {
    acts_.emplace_back();
  } else {
    number = free_acts_.back();
    free_acts_.pop_back();
  }
  ActRecord& act = acts_[number];
  act.entry = entry;
  act.position = position;
  act.peer = PeerNumberOf(from.peer);
  act.kind = from.kind;
  act.authority = from.authority;
  act.role = from.role;
  act.invites = from.invites || from.authority == Authority::kAdmin;
  act.as_inviter = from.as_inviter;
  act.only_named = from.only_named;
  act.takes = LossBy(from, act.invites);
  act.by_recovery = entries_[entry].basis == kRecoveryBasis;
  act.pins.reserve(from.pins.size());
  for (const Pin& pin : from.pins) act.pins.push_back(branches_.Owner(pin.head));
  PeerRecord& peer = peers_[act.peer];
  act.slot = static_cast<uint32_t>(peer.slots.size());
  if (peer.free.empty()) {
    peer.slots.push_back(number);
  } else {
    act.slot = peer.free.back();
    peer.free.pop_back();
    peer.slots[act.slot] = number;
  }
  NameActs(number, from.names);
  if (!act.is_basis()) return number;
  act.node = seniority_.Insert(acts_[entries_[entry].basis].node,
                               {entries_[entry].stamp, entries_[entry].hash, position});
  if (act.by_recovery) peer.recovery_admits.push_back(number);
  CountLosses(number);
  return number;
}

void ActStore::NameActs(ActNumber number, const std::vector<ActId>& names) {
  ActRecord& act = acts_[number];
  act.names.reserve(names.size());
  for (const ActId& name : names) {
    const auto named = FindAct(name);
    CHECK(named.has_value() && acts_[*named].peer == act.peer);
    act.names.push_back(*named);
    act.closure.AddAll(acts_[*named].closure);
    act.closure.Add(acts_[*named].slot);
    ++acts_[*named].named_by;
  }
}

void ActStore::CountLosses(ActNumber basis) {
  ActRecord& act = acts_[basis];
  for (const ActNumber by : peers_[act.peer].slots) {
    if (by == kNoNumber || !acts_[by].counts || !Lowers(by, basis)) continue;
    ChangeLosses(act.by_all, acts_[by].takes, +1);
    if (IsSenior(AuthorBasis(by), basis)) ChangeLosses(act.by_seniors, acts_[by].takes, +1);
  }
}

void ActStore::Erase(ActEntryNumber number) {
  EntryRecord& entry = entries_[number];
  for (const ActNumber act : entry.acts) EraseAct(act);
  std::vector<ActEntryNumber>& siblings = acts_[entry.basis].entries;
  siblings.erase(std::find(siblings.begin(), siblings.end(), number));
  by_hash_.erase(entry.hash);
  by_place_.erase(entry.place);
  entry = {};
  free_entries_.push_back(number);
}

void ActStore::EraseAct(ActNumber number) {
  ActRecord& act = acts_[number];
  CHECK(!act.counts && act.entries.empty() && act.named_by == 0);
  for (const ActNumber named : act.names) --acts_[named].named_by;
  PeerRecord& peer = peers_[act.peer];
  peer.slots[act.slot] = kNoNumber;
  peer.free.push_back(act.slot);
  std::erase(peer.recovery_admits, number);
  if (act.is_basis()) seniority_.Erase(act.node);
  act = {};
  free_acts_.push_back(number);
}

std::optional<ActEntryNumber> ActStore::FindEntry(const base::EntryHash& hash) const {
  const auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) return std::nullopt;
  return it->second;
}

std::optional<ActNumber> ActStore::FindAct(const ActId& id) const {
  if (id == ActId::Genesis()) return kGenesisBasis;
  if (id == ActId::Recovery()) return kRecoveryBasis;
  const auto entry = FindEntry(id.entry);
  if (!entry || id.position >= entries_[*entry].acts.size()) return std::nullopt;
  return entries_[*entry].acts[id.position];
}

std::optional<ActPeerNumber> ActStore::FindPeer(const base::PeerId& id) const {
  const auto it = by_peer_.find(id);
  if (it == by_peer_.end()) return std::nullopt;
  return it->second;
}

ActPeerNumber ActStore::PeerNumberOf(const base::PeerId& id) {
  const auto [it, fresh] = by_peer_.try_emplace(id, static_cast<ActPeerNumber>(peers_.size()));
  if (fresh) peers_.push_back({.id = id});
  return it->second;
}

ActId ActStore::IdOf(ActNumber number) const {
  if (number == kGenesisBasis) return ActId::Genesis();
  if (number == kRecoveryBasis) return ActId::Recovery();
  return {entries_[acts_[number].entry].hash, acts_[number].position};
}

base::WallTime ActStore::StampOf(ActNumber number) const {
  if (number == kGenesisBasis) return genesis_.when;
  if (number == kRecoveryBasis) return base::kNever;
  return entries_[acts_[number].entry].stamp;
}

bool ActStore::IsAboutItsAuthor(ActNumber number) const {
  const ActNumber basis = AuthorBasis(number);
  return basis != kRecoveryBasis && acts_[basis].peer == acts_[number].peer;
}

bool ActStore::Lowers(ActNumber by, ActNumber basis) const {
  const ActRecord& from = acts_[by];
  const ActRecord& on = acts_[basis];
  if (from.takes == 0 || by == basis) return false;
  if (from.only_named && !from.closure.Has(on.slot)) return false;
  if (!on.closure.Has(from.slot)) return true;
  // Named. That lifts it, but what recovery removed only recovery lets in again.
  if (!from.by_recovery || from.kind != ActKind::kRemove || on.by_recovery) return false;
  const std::vector<ActNumber>& admits = peers_[from.peer].recovery_admits;
  return std::none_of(admits.begin(), admits.end(), [&](ActNumber admit) {
    return on.closure.Has(acts_[admit].slot) && acts_[admit].closure.Has(from.slot);
  });
}

uint64_t ActStore::PinnedUpTo(const ActRecord& by, BranchNumber branch) const {
  uint64_t up_to = 0;
  for (const BranchPlace& head : by.pins) {
    up_to = std::max(up_to, branches_.SharedUpTo(branch, head));
  }
  return up_to;
}

}  // namespace waypost::syncgroup
