#include "tests/syncgroup/membership/naive_trust.h"

#include <algorithm>

// Every function is a sentence of the rules (syncgroup/membership/trust_tree.h). The calls end
// because each asks about acts by authors senior to the one it was asked about, or farther up.

namespace waypost::syncgroup {
namespace {

EntryRights Least(const EntryRights& rights, const HistoryAct& by) {
  return {std::max(rights.authority, by.authority),
          rights.invites && (by.invites || by.authority == Authority::kAdmin)};
}

}  // namespace

NaiveTrust::NaiveTrust(const History& history, uint64_t here) : history_(history), here_(here) {
  for (int entry = 0; entry < static_cast<int>(history.entries.size()); ++entry) {
    if (!Here(entry)) continue;
    const auto& acts = history.entries[entry].acts;
    for (int position = 0; position < static_cast<int>(acts.size()); ++position) {
      about_[acts[position].peer].push_back({entry, position});
    }
  }
}

NaiveTrust::Path NaiveTrust::PathOf(const ActAt& basis) const {
  Path path;
  ActAt at = basis;
  for (; at.entry >= 0; at = history_.entries[at.entry].basis) {
    const HistoryEntry& entry = history_.entries[at.entry];
    path.push_back({entry.stamp, entry.hash, at.position});
  }
  path.push_back({at == kByRecovery ? -2 : -1, 0, 0});
  std::reverse(path.begin(), path.end());
  return path;
}

const std::set<ActAt>& NaiveTrust::Names(const ActAt& act) {
  const auto it = names_.find(act);
  if (it != names_.end()) return it->second;
  std::set<ActAt> all;
  if (act != kByGenesis) {
    for (const ActAt& name : Of(act).names) {
      all.insert(name);
      const std::set<ActAt>& more = Names(name);
      all.insert(more.begin(), more.end());
    }
  }
  return names_[act] = all;
}

bool NaiveTrust::Pins(const ActAt& act, int entry) const {
  if (entry == kNone) return false;
  for (const int head : Of(act).pins) {
    if (!Here(head)) continue;
    for (int at = head; at != kNone; at = history_.entries[at].previous) {
      if (at == entry) return true;
    }
  }
  return false;
}

bool NaiveTrust::Lifts(const ActAt& basis, const ActAt& by) {
  if (!Names(basis).contains(by)) return false;
  const auto by_recovery = [&](const ActAt& act) {
    return act.entry >= 0 && history_.entries[act.entry].origin == kRecoveryEntry;
  };
  if (!by_recovery(by) || Of(by).kind != ActKind::kRemove) return true;
  if (by_recovery(basis)) return true;
  for (const ActAt& name : Names(basis)) {
    if (by_recovery(name) && Of(name).kind == ActKind::kAdmit && Names(name).contains(by)) {
      return true;
    }
  }
  return false;
}

bool NaiveTrust::Lowers(const ActAt& by, const ActAt& basis) {
  const HistoryAct& act = Of(by);
  if (by == basis || act.kind == ActKind::kLeave || act.as_inviter) return false;
  if (act.kind == ActKind::kAdmit && act.names.empty()) return false;
  if (act.only_named && !Names(by).contains(basis)) return false;
  return !Lifts(basis, by);
}

std::optional<EntryRights> NaiveTrust::Lowered(const ActAt& basis, int entry, bool by_seniors) {
  EntryRights rights{Gives(basis), Invites(basis)};
  for (const ActAt& by : About(PeerOf(basis))) {
    if (!Lowers(by, basis) || Pins(by, entry)) continue;
    if (by_seniors && !IsSenior(history_.entries[by.entry].basis, basis)) continue;
    if (!Counts(by)) continue;
    if (Of(by).kind == ActKind::kRemove) return std::nullopt;
    rights = Least(rights, Of(by));
  }
  return rights;
}

std::optional<EntryRights> NaiveTrust::RightsUnder(const ActAt& basis, int entry) {
  if (basis == kByRecovery) return EntryRights{Authority::kAdmin, true};
  if (basis != kByGenesis && !Counts(basis)) return std::nullopt;
  if (Gives(basis) != Authority::kAdmin) return Lowered(basis, entry, /*by_seniors=*/false);
  const auto by_seniors = Lowered(basis, entry, /*by_seniors=*/true);
  if (!by_seniors || by_seniors->authority == Authority::kAdmin) return by_seniors;
  return Lowered(basis, entry, /*by_seniors=*/false);
}

bool NaiveTrust::Counts(const ActAt& at) {
  const auto it = counts_.find(at);
  if (it != counts_.end()) return it->second;
  const HistoryAct& act = Of(at);
  const HistoryEntry& entry = history_.entries[at.entry];
  bool counts = false;
  if (entry.origin == kRecoveryEntry) {
    counts = true;
  } else if (act.kind == ActKind::kLeave) {
    counts = RightsUnder(entry.basis, at.entry).has_value();
  } else if (act.peer == entry.origin) {
    counts = false;
  } else if (act.as_inviter) {
    const auto rights = RightsUnder(entry.basis, at.entry);
    counts = rights && rights->invites && act.authority >= rights->authority;
  } else if (Gives(entry.basis) == Authority::kAdmin &&
             (entry.basis == kByGenesis || Counts(entry.basis))) {
    const auto rights = Lowered(entry.basis, at.entry, /*by_seniors=*/true);
    counts = rights && rights->authority == Authority::kAdmin;
  }
  return counts_[at] = counts;
}

std::optional<EntryRights> NaiveTrust::Rights(int entry) {
  return RightsUnder(history_.entries[entry].basis, entry);
}

bool NaiveTrust::Left(int peer, const ActAt& basis) {
  for (const ActAt& at : About(peer)) {
    if (Of(at).kind == ActKind::kLeave && Counts(at) && !Names(basis).contains(at)) return true;
  }
  return false;
}

std::optional<NaiveTrust::Member> NaiveTrust::FindMember(int peer) {
  std::vector<ActAt> bases;
  if (peer == 0) bases.push_back(kByGenesis);
  for (const ActAt& at : About(peer)) {
    if (Of(at).kind == ActKind::kAdmit && Counts(at)) bases.push_back(at);
  }
  std::erase_if(bases, [&](const ActAt& b) { return !Unpinned(b) || Left(peer, b); });
  if (bases.empty()) return std::nullopt;
  EntryRights most = *Unpinned(bases.front());
  for (const ActAt& basis : bases) {
    if (GivesMore(*Unpinned(basis), most)) most = *Unpinned(basis);
  }
  std::erase_if(bases, [&](const ActAt& b) { return *Unpinned(b) != most; });
  std::optional<ActAt> chosen;
  for (const ActAt& basis : bases) {
    bool superseded = false;
    for (const ActAt& other : bases) {
      if (!Names(other).contains(basis)) continue;
      const bool senior = IsSenior(history_.entries[other.entry].basis, basis);
      superseded = superseded || Gives(basis) != Authority::kAdmin || senior;
    }
    if (!superseded && (!chosen || IsSenior(basis, *chosen))) chosen = basis;
  }
  Role role = *chosen == kByGenesis ? Role::kServer : Of(*chosen).role;
  const int64_t since = *chosen == kByGenesis ? 0 : history_.entries[chosen->entry].stamp;
  for (int entry = 0; entry < static_cast<int>(history_.entries.size()); ++entry) {
    const HistoryEntry& of = history_.entries[entry];
    if (!Here(entry) || of.origin != peer || of.stamp <= since || !Rights(entry)) continue;
    role = Lesser(role, of.profile);
  }
  return Member{most.authority, most.invites, role, *chosen};
}

std::optional<int64_t> NaiveTrust::ClosedAfter(int first) {
  std::optional<int64_t> closed;
  for (int entry = 0; entry < static_cast<int>(history_.entries.size()); ++entry) {
    const HistoryEntry& of = history_.entries[entry];
    if (!Here(entry) || of.closes != first || history_.FirstOf(entry) == first) continue;
    const auto rights = Rights(entry);
    if (!rights || rights->authority == Authority::kReader) continue;
    if (!closed || of.stamp < *closed) closed = of.stamp;
  }
  return closed;
}

std::set<ActAt> NaiveTrust::NewestAbout(int peer) {
  std::set<ActAt> about;
  if (peer == 0) about.insert(kByGenesis);
  const bool member = FindMember(peer).has_value();
  for (const ActAt& at : About(peer)) {
    if (!member || Counts(at)) about.insert(at);
  }
  std::set<ActAt> newest = about;
  for (const ActAt& at : about) {
    for (const ActAt& name : Names(at)) newest.erase(name);
  }
  return newest;
}

std::set<int> NaiveTrust::Kept() {
  std::set<int> kept;
  std::vector<int> open;
  for (int entry = 0; entry < static_cast<int>(history_.entries.size()); ++entry) {
    const HistoryEntry& of = history_.entries[entry];
    if (Here(entry) && !of.acts.empty() && Rights(entry)) open.push_back(entry);
  }
  while (!open.empty()) {
    const int entry = open.back();
    open.pop_back();
    if (!Here(entry) || !kept.insert(entry).second) continue;
    for (const int needed : history_.Needs(entry)) open.push_back(needed);
  }
  return kept;
}

bool NaiveTrust::ActsOn(int author, int peer) {
  const auto member = FindMember(author);
  if (!member || member->authority != Authority::kAdmin || author == peer) return false;
  std::vector<ActAt> bases;
  if (peer == 0) bases.push_back(kByGenesis);
  for (const ActAt& at : About(peer)) {
    if (Of(at).kind == ActKind::kAdmit) bases.push_back(at);
  }
  return std::none_of(bases.begin(), bases.end(), [&](const ActAt& basis) {
    const auto rights = Unpinned(basis);
    return rights && rights->authority == Authority::kAdmin && !IsSenior(member->basis, basis);
  });
}

}  // namespace waypost::syncgroup
