#include "syncgroup/membership/trust_rights.h"

#include <algorithm>

// An act that pins an entry pins all before it on its branch, so along a branch rights only
// shrink. A basis that gives an admin's authority is first lowered by seniors alone, so that no
// junior decides about a senior; who falls below admin by their word is lowered by everybody's.

namespace waypost::syncgroup {
namespace {

std::optional<EntryRights> Without(EntryRights from, Loss loss) {
  if ((loss & kLosesAll) != 0) return std::nullopt;
  if ((loss & kLosesWriting) != 0) from.authority = Authority::kReader;
  if ((loss & kLosesAdmin) != 0) from.authority = std::max(from.authority, Authority::kWriter);
  if ((loss & kLosesInvites) != 0) from.invites = false;
  return from;
}

std::optional<EntryRights> Given(const ActRecord& basis, Loss by_seniors, Loss by_all,
                                 TrustPass pass) {
  if (!basis.counts) return std::nullopt;
  const EntryRights most{basis.authority, basis.invites};
  if (basis.authority != Authority::kAdmin) return Without(most, by_all);
  const auto left = Without(most, by_seniors);
  if (!left || left->authority == Authority::kAdmin || pass == TrustPass::kAdmins) return left;
  return Without(most, by_all);
}

}  // namespace

std::optional<EntryRights> UnpinnedRights(const ActStore& store, ActNumber basis) {
  const ActRecord& act = store.act(basis);
  return Given(act, AnyLoss(act.by_seniors), AnyLoss(act.by_all), TrustPass::kAll);
}

BranchRights::BranchRights(const ActStore& store, ActNumber basis, BranchNumber branch)
    : basis_(store.act(basis)) {
  by_seniors_.fill(kAllOfBranch);
  by_all_.fill(kAllOfBranch);
  if (AnyLoss(basis_.by_all) == 0) return;
  for (const ActNumber by : store.peer(basis_.peer).slots) {
    if (by == kNoNumber || !store.act(by).counts || !store.Lowers(by, basis)) continue;
    const ActRecord& act = store.act(by);
    const bool senior = store.IsSenior(store.AuthorBasis(by), basis);
    const uint64_t pinned = store.PinnedUpTo(act, branch);
    for (int bit = 0; bit < kLosses; ++bit) {
      if ((act.takes >> bit & 1) == 0) continue;
      by_all_[bit] = std::min(by_all_[bit], pinned);
      if (senior) by_seniors_[bit] = std::min(by_seniors_[bit], pinned);
    }
  }
}

Loss BranchRights::LossAt(const Until& until, uint64_t generation) {
  Loss loss = 0;
  for (int bit = 0; bit < kLosses; ++bit) {
    if (until[bit] < generation) loss = static_cast<Loss>(loss | 1 << bit);
  }
  return loss;
}

std::optional<EntryRights> BranchRights::At(uint64_t generation, TrustPass pass) const {
  return Given(basis_, LossAt(by_seniors_, generation), LossAt(by_all_, generation), pass);
}

uint64_t BranchRights::LastWith(Authority least) const {
  const auto has = [&](uint64_t generation) {
    const auto rights = At(generation);
    return rights && rights->authority <= least;
  };
  if (!basis_.counts || !has(1)) return 0;
  // Rights change beyond one of these numbers only, and never grow.
  uint64_t last = kAllOfBranch;
  for (const Until& until : {by_seniors_, by_all_}) {
    for (const uint64_t at : until) {
      if (at < last && !has(at + 1)) last = at;
    }
  }
  return last;
}

}  // namespace waypost::syncgroup
