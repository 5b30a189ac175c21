#include "syncgroup/membership/trust_why.h"

#include <algorithm>
#include <set>

#include "syncgroup/membership/trust_needs.h"

// Among the acts that are gathered each must count exactly if it counts here. One that counts does
// so by what it needs, since fewer acts take less. One that is void needs what took its right: all
// that lowers its basis and does not pin it, or, where that basis is void, what voids that. So
// every void act that the walk meets is given its reasons, and these are walked in turn.

namespace waypost::syncgroup {
namespace {

class ReasonWalk {
 public:
  explicit ReasonWalk(const ActStore& store) : store_(store), needs_(store) {}

  void ExplainPeer(ActPeerNumber peer) {
    for (const ActNumber act : store_.peer(peer).slots) {
      if (act == kNoNumber) continue;
      const ActRecord& record = store_.act(act);
      if (record.entry != kNoNumber && record.is_basis()) needs_.Open(record.entry);
      if (record.kind == ActKind::kLeave && record.counts) Give(act);
      if (record.is_basis() && record.counts) ExplainBasis(act, kNoNumber);
    }
  }

  std::vector<ActNumber> Walk() {
    while (const auto entry = needs_.Next()) {
      const std::vector<ActNumber>& acts = store_.entry(*entry).acts;
      if (std::all_of(acts.begin(), acts.end(),
                      [&](ActNumber act) { return store_.act(act).counts; })) {
        continue;
      }
      // Where the basis is void its own entry is needed, and is explained in turn.
      ExplainBasis(store_.entry(*entry).basis, *entry);
    }
    return {reasons_.begin(), reasons_.end()};
  }

 private:
  void Give(ActNumber reason) {
    reasons_.insert(reason);
    needs_.Open(store_.act(reason).entry);
  }

  // What takes something from a basis; to an entry: what does not pin it.
  void ExplainBasis(ActNumber basis, ActEntryNumber to) {
    const ActRecord& record = store_.act(basis);
    if (basis == kRecoveryBasis || !record.counts) return;
    for (const ActNumber by : store_.peer(record.peer).slots) {
      if (by == kNoNumber || !store_.act(by).counts || !store_.Lowers(by, basis)) continue;
      if (to != kNoNumber && store_.IsPinned(store_.act(by), store_.entry(to).place)) continue;
      Give(by);
    }
  }

  const ActStore& store_;
  TrustNeeds needs_;
  std::set<ActNumber> reasons_;
};

}  // namespace

std::vector<ActNumber> WhyNoMemberActs(const ActStore& store, ActPeerNumber peer) {
  ReasonWalk walk(store);
  walk.ExplainPeer(peer);
  return walk.Walk();
}

}  // namespace waypost::syncgroup
