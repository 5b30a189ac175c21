#include "syncgroup/membership/trust_sweep.h"

#include <optional>
#include <utility>

// What an admin wrote counts by the word of seniors about it, and of two of whom neither is senior
// to the other there is none; so the first pass needs nothing that comes later in its order. The
// second needs all of the first, and of its own the inviters further up in the tree, who are senior
// to those that they admitted. An inviter's admission and a leaving lower nobody: the second pass
// never leads back to the first.

namespace waypost::syncgroup {
namespace {

// Which pass decides about an act.
TrustPass PassOf(const ActRecord& act) {
  return act.as_inviter || act.kind == ActKind::kLeave ? TrustPass::kAll : TrustPass::kAdmins;
}

// May one with these rights write the act?
bool RightsAllow(const EntryRights& rights, const ActRecord& act) {
  if (act.kind == ActKind::kLeave) return true;
  if (!act.as_inviter) return rights.authority == Authority::kAdmin;
  return rights.invites && act.authority != Authority::kAdmin && act.authority >= rights.authority;
}

}  // namespace

TrustSweep::Agenda::Visit& TrustSweep::Agenda::Open(ActNumber basis) {
  const auto [it, fresh] = visits_.try_emplace(basis);
  if (fresh) {
    it->second.basis = basis;
    queue_.push(basis);
  }
  return it->second;
}

TrustSweep::Agenda::Visit TrustSweep::Agenda::Next() {
  const auto it = visits_.find(queue_.top());
  queue_.pop();
  Visit visit = std::move(it->second);
  visits_.erase(it);
  return visit;
}

void TrustSweep::Touch(ActEntryNumber entry) {
  const EntryRecord& record = store_.entry(entry);
  bool admins = false;
  bool others = false;
  for (const ActNumber act : record.acts) {
    (PassOf(store_.act(act)) == TrustPass::kAdmins ? admins : others) = true;
    touched_.insert(store_.act(act).peer);
  }
  if (admins) admins_.Add(record.basis, entry);
  if (others) others_.Add(record.basis, entry);
}

void TrustSweep::PinsChanged(ActNumber act) {
  const ActRecord& by = store_.act(act);
  touched_.insert(by.peer);
  if (!by.counts) return;
  for (const ActNumber basis : store_.peer(by.peer).slots) {
    if (basis == kNoNumber || !store_.act(basis).is_basis()) continue;
    if (store_.Lowers(act, basis)) Revisit(basis, TrustPass::kAdmins);
  }
}

void TrustSweep::Run() {
  RunPass(admins_, TrustPass::kAdmins);
  RunPass(others_, TrustPass::kAll);
}

void TrustSweep::RunPass(Agenda& agenda, TrustPass pass) {
  while (!agenda.empty()) {
    const Agenda::Visit visit = agenda.Next();
    const ActRecord& basis = store_.act(visit.basis);
    // Of a whole basis the rights on each branch are found once. What is judged here changes
    // neither this basis nor the list of its entries.
    absl::flat_hash_map<BranchNumber, BranchRights> rights;
    for (const ActEntryNumber number : visit.whole ? basis.entries : visit.entries) {
      const BranchPlace& place = store_.entry(number).place;
      auto it = rights.find(place.branch);
      if (it == rights.end()) {
        it = rights.emplace(place.branch, BranchRights(store_, visit.basis, place.branch)).first;
      }
      Judge(number, it->second.At(place.generation, pass), pass);
    }
  }
}

void TrustSweep::Judge(ActEntryNumber entry, const std::optional<EntryRights>& rights,
                       TrustPass pass) {
  const EntryRecord& record = store_.entry(entry);
  for (const ActNumber act : record.acts) {
    const ActRecord& judged = store_.act(act);
    if (PassOf(judged) != pass) continue;
    const bool own = judged.kind != ActKind::kLeave && store_.IsAboutItsAuthor(act);
    SetCounts(act, rights && !record.dropped && !own && RightsAllow(*rights, judged));
  }
}

void TrustSweep::SetCounts(ActNumber act, bool counts) {
  ActRecord& record = store_.act(act);
  if (record.counts == counts) return;
  record.counts = counts;
  touched_.insert(record.peer);
  if (record.takes != 0) LowersChanged(act, counts ? +1 : -1);
  if (record.is_basis()) Revisit(act, TrustPass::kAdmins);
}

void TrustSweep::LowersChanged(ActNumber by, int change) {
  const ActRecord& from = store_.act(by);
  const ActNumber author = store_.AuthorBasis(by);
  for (const ActNumber basis : store_.peer(from.peer).slots) {
    if (basis == kNoNumber || !store_.act(basis).is_basis()) continue;
    if (!store_.Lowers(by, basis)) continue;
    const bool senior = store_.IsSenior(author, basis);
    ChangeLosses(store_.act(basis).by_all, from.takes, change);
    if (senior) ChangeLosses(store_.act(basis).by_seniors, from.takes, change);
    Revisit(basis, senior ? TrustPass::kAdmins : TrustPass::kAll);
  }
}

void TrustSweep::Revisit(ActNumber basis, TrustPass from) {
  const ActRecord& record = store_.act(basis);
  if (record.entries.empty()) return;
  if (from == TrustPass::kAdmins && record.gives_admin()) admins_.AddWhole(basis);
  others_.AddWhole(basis);
}

}  // namespace waypost::syncgroup
