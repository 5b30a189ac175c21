#pragma once

#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "syncgroup/membership/trust_tree.h"
#include "tests/syncgroup/membership/trust_history.h"

namespace waypost::syncgroup {

// A tree of trust that is told a history, entry by entry, in any order in which each finds what it
// needs. Which branch an entry comes to stand on depends on that order.
class TrustWorld {
 public:
  explicit TrustWorld(const History& history, Role founder_role = Role::kServer);

  static base::PeerId Peer(int number);
  static base::EntryHash Hash(uint64_t number);
  ActId Id(const ActAt& at) const;
  ActAt At(const ActId& id) const;

  absl::Status Add(int entry);
  absl::Status Drop(int entry);
  // All at once: branches first, then one fold.
  absl::Status AddAll();
  bool Has(int entry) const { return entry < static_cast<int>(here_.size()) && here_[entry]; }
  BranchPlace PlaceOf(int entry) const { return places_[entry]; }
  int EntryAt(const BranchPlace& place) const;
  TrustTree& tree() { return tree_; }
  const TrustTree& tree() const { return tree_; }

 private:
  void Place(int entry);
  void AddFacts(int entry);
  ActEntry EntryOf(int entry) const;
  RecoveryAct RecoveryOf(int entry) const;
  TrustAct ActOf(const HistoryAct& act) const;
  void PinForRecovery(int entry);

  const History& history_;
  TrustTree tree_;
  std::vector<bool> here_;
  std::vector<BranchPlace> places_;
};

}  // namespace waypost::syncgroup
