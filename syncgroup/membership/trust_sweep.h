#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "syncgroup/membership/act_store.h"
#include "syncgroup/membership/trust_rights.h"

namespace waypost::syncgroup {

// Decides anew which acts count after some entries came or are to go (the rules: trust_tree.h):
// first what admins wrote, then inviters' admissions and leavings. In each pass bases are visited
// in order of seniority, and what one decides touches juniors of it only: so each is visited at
// most once. A new entry is looked at by itself; all entries of a basis are when what it gives
// changed. Inside the fold only.
class TrustSweep {
 public:
  explicit TrustSweep(ActStore& store) : store_(store) {}

  // An entry that is new, or that is marked as dropped.
  void Touch(ActEntryNumber entry);
  // An act that pins more than before.
  void PinsChanged(ActNumber act);
  void Run();
  // Those about whom an answer may have changed.
  const absl::flat_hash_set<ActPeerNumber>& touched() const { return touched_; }

 private:
  // The bases that one pass has yet to visit.
  class Agenda {
   public:
    explicit Agenda(const ActStore& store) : queue_(Junior{&store}) {}
    void Add(ActNumber basis, ActEntryNumber entry) { Open(basis).entries.push_back(entry); }
    void AddWhole(ActNumber basis) { Open(basis).whole = true; }
    bool empty() const { return queue_.empty(); }
    struct Visit {
      ActNumber basis = kNoNumber;
      bool whole = false;
      std::vector<ActEntryNumber> entries;
    };
    Visit Next();  // of the most senior basis

   private:
    struct Junior {
      const ActStore* store;
      bool operator()(ActNumber a, ActNumber b) const { return store->IsSenior(b, a); }
    };
    Visit& Open(ActNumber basis);

    std::priority_queue<ActNumber, std::vector<ActNumber>, Junior> queue_;
    absl::flat_hash_map<ActNumber, Visit> visits_;
  };

  void RunPass(Agenda& agenda, TrustPass pass);
  void Judge(ActEntryNumber entry, const std::optional<EntryRights>& rights, TrustPass pass);
  void SetCounts(ActNumber act, bool counts);
  void LowersChanged(ActNumber by, int change);
  void Revisit(ActNumber basis, TrustPass from);

  ActStore& store_;
  Agenda admins_{store_};
  Agenda others_{store_};
  absl::flat_hash_set<ActPeerNumber> touched_;
};

}  // namespace waypost::syncgroup
