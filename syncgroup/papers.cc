#include "syncgroup/papers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "syncgroup/keys.h"
#include "syncgroup/rows.h"
#include "syncgroup/wire_codec.h"

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

}  // namespace

Papers PapersOf(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  std::map<base::PeerId, StampedOp>
      admissions;  // the latest, not by oneself unless that is all there is
  std::optional<Stamp> profile;
  const auto by_other = [](const StampedOp& op) {
    return op.stamp.place.origin != std::get<AdmitOp>(op.op).peer;
  };
  for (const StampedOp& op : LoadMembershipOps(txn, group)) {  // in the order of stamps
    if (const auto* admit = std::get_if<AdmitOp>(&op.op)) {
      const auto it = admissions.find(admit->peer);
      if (it == admissions.end() || by_other(op) || !by_other(it->second)) {
        admissions.insert_or_assign(admit->peer, op);
      }
    } else if (std::holds_alternative<ProfileOp>(op.op) && op.stamp.place.origin == peer) {
      profile = op.stamp;
    }
  }
  Papers papers{.group = group};
  std::set<EntryPlace> seen;
  const auto add = [&](const EntryPlace& place) {
    if (papers.entries.size() >= kPapersMax || !seen.insert(place).second) return;
    if (auto entry = FindEntry(txn, group, place)) papers.entries.push_back(*std::move(entry));
  };
  if (profile) add(profile->place);
  std::set<base::PeerId> climbed;
  for (base::PeerId at = peer; climbed.insert(at).second;) {
    const auto it = admissions.find(at);
    if (it == admissions.end()) break;
    add(it->second.stamp.place);
    at = it->second.stamp.place.origin;
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

std::vector<PreparedEntry> ReadPapers(const Papers& papers, base::WallTime now) {
  std::vector<PreparedEntry> entries;
  for (const SealedEntry& sealed : papers.entries) {
    auto entry = PrepareEntry(papers.group, sealed);
    if (entry.ok() && entry->entry.time <= now + kClockAheadMax) {
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

void LearnPapers(GroupWriter& writer, const std::vector<PreparedEntry>& entries) {
  bool news = false;
  for (const PreparedEntry& entry : entries) news |= writer.LearnPaper(entry);
  if (news) writer.FoldMembers();
}

}  // namespace waypost::syncgroup
