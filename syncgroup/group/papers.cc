#include "syncgroup/group/papers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "syncgroup/group/membership_fold.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/wire_codec.h"

// The few entries that show membership at once, before the log has come. From a member's admission
// back to the founder, each by somebody who had the right then. What papers say is learned only as
// far as it goes back to the founder; nothing else of them is kept.

namespace waypost::syncgroup {
namespace {

std::optional<SealedEntry> FindEntry(base::ReadTxn& txn, const base::GroupId& group,
                                     const EntryPlace& place) {
  if (auto entry = LoadEntryAt(txn, group, place)) return entry;
  const auto paper = txn.Get(base::Table::kMembers, PaperKey(group, place));
  if (!paper) return std::nullopt;
  auto entry = DecodeSealedEntry(*paper);
  if (!entry.ok()) return std::nullopt;
  return *std::move(entry);
}

// Of two admissions of a peer the later; but an inviter's only adds to an admin's.
const Membership::Admitted* Stronger(const Membership::Admitted* earlier,
                                     const Membership::Admitted* later) {
  return earlier != nullptr && later->as_inviter && !earlier->as_inviter ? earlier : later;
}

}  // namespace

Papers PapersOf(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  Papers papers{.group = group};
  const std::vector<StampedOp> ops = LoadMembershipOps(txn, group);  // in the order of stamps
  const auto row = LoadGroupRow(txn, group);
  if (!row) return papers;
  const auto membership = FoldedMembership(row->genesis, LoadAllKnowledge(txn, group), ops);
  if (!membership) return papers;
  std::set<EntryPlace> seen;
  const auto add = [&](const EntryPlace& place) {
    if (papers.entries.size() >= kPapersMax || !seen.insert(place).second) return;
    if (auto entry = FindEntry(txn, group, place)) papers.entries.push_back(*std::move(entry));
  };
  for (auto op = ops.rbegin(); op != ops.rend(); ++op) {
    if (!std::holds_alternative<ProfileOp>(op->op) || op->stamp.place.origin != peer) continue;
    add(op->stamp.place);
    break;
  }
  // From the peer's latest admission to the one that its author's right rested on, and so on. The
  // founder needs none: the group's id names it.
  const Membership::Admitted* at = nullptr;
  for (const auto& admitted : membership->admissions) {
    if (admitted.peer == peer) at = Stronger(at, &admitted);
  }
  while (at != nullptr && at->stamp.place.generation != 0) {
    const EntryPlace& place = at->stamp.place;
    add(place);
    const Membership::Admitted* under = nullptr;
    for (const auto& admitted : membership->admissions) {
      if (!(admitted.stamp < at->stamp)) break;
      const auto after = admitted.after.find(place.incarnation);
      const bool holds = after == admitted.after.end() || place.generation > after->second;
      if (admitted.peer == place.origin && holds) under = Stronger(under, &admitted);
    }
    at = under;
  }
  return papers;
}

std::vector<SealedEntry> RemovalOf(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer) {
  constexpr std::size_t kLatest = 4;
  std::vector<EntryPlace> places;
  for (const StampedOp& op : LoadMembershipOps(txn, group)) {  // in the order of stamps
    const auto* remove = std::get_if<RemoveOp>(&op.op);
    if (remove == nullptr || remove->peer != peer) continue;
    if (places.empty() || places.back() != op.stamp.place) places.push_back(op.stamp.place);
  }
  std::vector<SealedEntry> entries;
  for (std::size_t i = places.size() - std::min(places.size(), kLatest); i < places.size(); ++i) {
    if (auto entry = FindEntry(txn, group, places[i])) entries.push_back(*std::move(entry));
  }
  return entries;
}

std::vector<PreparedEntry> ReadPapers(const Papers& papers, std::optional<base::WallTime> now) {
  std::vector<PreparedEntry> entries;
  for (const SealedEntry& sealed : papers.entries) {
    auto entry = PrepareEntry(papers.group, sealed);
    if (entry.ok() && (!now || entry->entry.time <= *now + kClockAheadMax)) {
      entries.push_back(*std::move(entry));
    }
  }
  return entries;
}

bool PapersAreNews(base::ReadTxn& txn, const base::GroupId& group,
                   const std::vector<PreparedEntry>& entries) {
  for (const PreparedEntry& entry : entries) {
    const EntryPlace& place = entry.entry.place;
    if (!FindPlace(txn, group, place) &&
        !txn.GetRaw(base::Table::kMembers, PaperKey(group, place))) {
      return true;
    }
  }
  return false;
}

namespace {

// Who is a member if papers say the truth.
std::optional<Membership> FoldWith(base::ReadTxn& txn, const base::GroupId& group,
                                   const std::string& genesis,
                                   const std::vector<PreparedEntry>& entries) {
  std::vector<StampedOp> ops = LoadMembershipOps(txn, group);
  for (const PreparedEntry& prepared : entries) {
    const Entry& entry = prepared.entry;
    for (std::size_t i = 0; i < entry.ops.size(); ++i) {
      if (!DecidesMembership(entry.ops[i])) continue;
      ops.push_back({{entry.time, entry.place, static_cast<uint32_t>(i)}, entry.ops[i]});
    }
  }
  return FoldedMembership(genesis, LoadAllKnowledge(txn, group), ops);
}

}  // namespace

bool PapersLeadTo(base::ReadTxn& txn, const base::GroupId& group,
                  const std::vector<PreparedEntry>& entries, const base::PeerId& peer) {
  const auto row = LoadGroupRow(txn, group);
  if (!row) return false;
  const auto membership = FoldWith(txn, group, row->genesis, entries);
  return membership && membership->members.contains(peer);
}

void LearnPapers(GroupWriter& writer, const std::vector<PreparedEntry>& entries) {
  // Only what counts leaves a trace: anybody can show papers.
  const auto membership = FoldWith(writer.txn(), writer.group(), writer.row().genesis, entries);
  if (!membership) return;
  bool news = false;
  for (const PreparedEntry& entry : entries) {
    const EntryPlace& place = entry.entry.place;
    const auto cut = membership->cuts.find(place.origin);
    if (cut == membership->cuts.end() || !EntryCounts(cut->second, 0, place)) continue;
    news |= writer.LearnPaper(entry);
  }
  // Also for a profile: who it is may be news.
  if (news) writer.FoldMembers();
}

}  // namespace waypost::syncgroup
