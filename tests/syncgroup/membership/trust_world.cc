#include "tests/syncgroup/membership/trust_world.h"

#include <algorithm>
#include <cstring>

// Turns small numbers into ids and back, and finds an entry's branch as a log does: the next on the
// branch of the one before it, or, where another follows that already, a branch of its own.

namespace waypost::syncgroup {
namespace {

template <class Id>
Id IdFrom(uint64_t number) {
  std::array<uint8_t, 32> bytes{};
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(number >> (56 - 8 * i));
  return Id(bytes);
}

}  // namespace

TrustWorld::TrustWorld(const History& history, Role founder_role)
    : history_(history),
      tree_({.founder = Peer(0), .when = base::FromMs(0), .role = founder_role}) {}

base::PeerId TrustWorld::Peer(int number) {
  return IdFrom<base::PeerId>(static_cast<uint64_t>(number) + 1);
}
base::EntryHash TrustWorld::Hash(uint64_t number) { return IdFrom<base::EntryHash>(number); }

ActId TrustWorld::Id(const ActAt& at) const {
  if (at.entry == kGenesisEntry) return ActId::Genesis();
  if (at.entry == kRecoveryEntry) return ActId::Recovery();
  return {Hash(history_.entries[at.entry].hash), static_cast<uint32_t>(at.position)};
}

ActAt TrustWorld::At(const ActId& id) const {
  if (id == ActId::Genesis()) return kByGenesis;
  for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
    if (Hash(history_.entries[i].hash) == id.entry) return {i, static_cast<int>(id.position)};
  }
  return {kNone, 0};
}

int TrustWorld::EntryAt(const BranchPlace& place) const {
  for (int i = 0; i < static_cast<int>(places_.size()); ++i) {
    if (Has(i) && places_[i] == place) return i;
  }
  return kNone;
}

void TrustWorld::Place(int entry) {
  const std::size_t size = history_.entries.size();
  here_.resize(size);
  places_.resize(size);
  if (places_[entry].branch != kNoBranch) return;  // it was here before
  const HistoryEntry& of = history_.entries[entry];
  if (of.origin == kRecoveryEntry) return;
  Branches& branches = tree_.branches();
  if (of.previous == kNone) {
    places_[entry] = {branches.Begin(Peer(of.origin), Hash(of.hash), Id(of.basis)), 1};
  } else {
    BranchPlace place = places_[of.previous];
    if (branches.NewestOf(place.branch) > place.generation) place.branch = branches.Split(place);
    places_[entry] = {place.branch, place.generation + 1};
  }
  branches.Extend(places_[entry]);
}

TrustAct TrustWorld::ActOf(const HistoryAct& act) const {
  TrustAct to{.kind = act.kind,
              .peer = Peer(act.peer),
              .authority = act.authority,
              .role = act.role,
              .invites = act.invites,
              .as_inviter = act.as_inviter,
              .only_named = act.only_named};
  for (const ActAt& name : act.names) to.names.push_back(Id(name));
  for (const int pin : act.pins) {
    if (!Has(pin)) continue;  // of a recovery act: it comes later
    to.pins.push_back({places_[pin], base::FromMs(history_.entries[pin].stamp)});
  }
  return to;
}

ActEntry TrustWorld::EntryOf(int entry) const {
  const HistoryEntry& of = history_.entries[entry];
  ActEntry to{.hash = Hash(of.hash), .place = places_[entry], .stamp = base::FromMs(of.stamp)};
  if (of.previous != kNone) to.previous = base::FromMs(history_.entries[of.previous].stamp);
  for (const HistoryAct& act : of.acts) to.acts.push_back(ActOf(act));
  return to;
}

RecoveryAct TrustWorld::RecoveryOf(int entry) const {
  const HistoryEntry& of = history_.entries[entry];
  return {Hash(of.hash), base::FromMs(of.stamp), ActOf(of.acts.front())};
}

void TrustWorld::AddFacts(int entry) {
  const HistoryEntry& of = history_.entries[entry];
  const base::WallTime stamp = base::FromMs(of.stamp);
  if (of.closes != kNone) {
    tree_.AddClose({Hash(history_.entries[of.closes].hash), places_[entry], stamp});
  }
  if (of.profile != Role::kServer) tree_.AddProfile({places_[entry], stamp, of.profile});
}

// What recovery pins may come after it.
void TrustWorld::PinForRecovery(int entry) {
  for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
    const HistoryEntry& of = history_.entries[i];
    if (of.origin != kRecoveryEntry || !Has(i)) continue;
    const std::vector<int>& pins = of.acts.front().pins;
    if (std::find(pins.begin(), pins.end(), entry) == pins.end()) continue;
    (void)tree_.AddPins(Hash(of.hash), {places_[entry]});
  }
}

absl::Status TrustWorld::Add(int entry) {
  Place(entry);
  const HistoryEntry& of = history_.entries[entry];
  absl::Status status;
  if (of.origin == kRecoveryEntry) {
    status = tree_.AddRecovery(RecoveryOf(entry));
  } else if (!of.acts.empty()) {
    status = tree_.Add(EntryOf(entry));
  }
  if (!status.ok()) return status;
  AddFacts(entry);
  here_[entry] = true;
  PinForRecovery(entry);
  return status;
}

absl::Status TrustWorld::Drop(int entry) {
  const HistoryEntry& of = history_.entries[entry];
  if (!of.acts.empty()) {
    const absl::Status status = tree_.Drop(Hash(of.hash));
    if (!status.ok()) return status;
  }
  if (of.origin != kRecoveryEntry) tree_.DropFacts(places_[entry]);
  here_[entry] = false;
  return absl::OkStatus();
}

absl::Status TrustWorld::AddAll() {
  std::vector<ActEntry> entries;
  std::vector<RecoveryAct> recovery;
  for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
    Place(i);
    here_[i] = true;
    const HistoryEntry& of = history_.entries[i];
    if (of.origin == kRecoveryEntry) {
      recovery.push_back(RecoveryOf(i));
    } else {
      if (!of.acts.empty()) entries.push_back(EntryOf(i));
      AddFacts(i);
    }
  }
  return tree_.AddAll(std::move(entries), std::move(recovery));
}

}  // namespace waypost::syncgroup
