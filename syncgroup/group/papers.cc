#include "syncgroup/group/papers.h"

#include <algorithm>
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

PaperTrails::PaperTrails(base::ReadTxn& txn, const base::GroupId& group)
    : txn_(txn), group_(group), ops_(LoadMembershipOps(txn, group)) {
  const auto row = LoadGroupRow(txn, group);
  if (row) membership_ = FoldedMembership(row->genesis, LoadAllKnowledge(txn, group), ops_);
}

Papers PaperTrails::Of(const base::PeerId& peer) const {
  Papers papers{.group = group_};
  if (!membership_) return papers;
  std::set<EntryPlace> seen;
  const auto add = [&](const EntryPlace& place) {
    if (papers.entries.size() >= kPapersMax || !seen.insert(place).second) return;
    if (auto entry = FindEntry(txn_, group_, place)) papers.entries.push_back(*std::move(entry));
  };
  for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
    if (!std::holds_alternative<ProfileOp>(op->op) || op->stamp.place.origin != peer) continue;
    add(op->stamp.place);
    break;
  }
  // From the peer's latest admission to the one that its author's right rested on, and so on. The
  // founder needs none: the group's id names it.
  const Membership::Admitted* at = nullptr;
  for (const auto& admitted : membership_->admissions) {
    if (admitted.peer == peer) at = Stronger(at, &admitted);
  }
  while (at != nullptr && at->stamp.place.generation != 0) {
    const EntryPlace& place = at->stamp.place;
    add(place);
    const Membership::Admitted* under = nullptr;
    for (const auto& admitted : membership_->admissions) {
      if (!(admitted.stamp < at->stamp)) break;
      const auto after = admitted.after.find(place.incarnation);
      const bool holds = after == admitted.after.end() || place.generation > after->second;
      if (admitted.peer == place.origin && holds) under = Stronger(under, &admitted);
    }
    at = under;
  }
  return papers;
}

Papers PapersOf(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  return PaperTrails(txn, group).Of(peer);
}

std::size_t BytesOf(const Papers& papers) {
  std::size_t bytes = 128;
  for (const SealedEntry& entry : papers.entries) bytes += entry.bytes.size() + 128;
  return bytes;
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

PaperShares::PaperShares(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
                         const GroupRow& row)
    : core_(core),
      txn_(txn),
      group_(group),
      shares_(txn, group, row, core.self(), core.limits(), core.clock.WallNow()) {}

namespace {

bool Removes(const Entry& entry) {
  return std::any_of(entry.ops.begin(), entry.ops.end(),
                     [](const Op& op) { return std::holds_alternative<RemoveOp>(op); });
}

}  // namespace

MemberUse PaperShares::Add(Shown& shown, const Entry& entry, std::size_t bytes) {
  Pot& pot = Removes(entry) ? shown.removals : shown.others;
  ++pot.papers;
  pot.bytes += bytes;
  const MemberUse use = UseOf(entry, bytes);
  // Of a numbering that the log does not have the first that is shown counts for it.
  const OriginKey numbering{entry.place.origin, entry.place.incarnation};
  const bool fresh = LoadKnowledge(txn_, group_, numbering).known.generation == 0 &&
                     shown.numberings.insert(numbering.second).second;
  return {.numberings = fresh ? 1u : 0u, .membership = use.membership, .removals = use.removals};
}

PaperShares::Shown& PaperShares::Of(const base::PeerId& origin) {
  const auto it = shown_.find(origin);
  if (it != shown_.end()) return it->second;
  Shown& shown = shown_[origin];
  VisitPrefix(txn_, base::Table::kMembers, PaperPrefix(group_, origin),
              [&](std::string_view, std::string_view payload) {
                const auto sealed = DecodeSealedEntry(payload);
                const auto entry =
                    sealed.ok() ? DecodeEntry(sealed->bytes) : absl::StatusOr<Entry>();
                if (entry.ok()) shares_.Took(origin, Add(shown, *entry, payload.size()));
                return true;
              });
  return shown;
}

std::size_t& PaperShares::BytesOfGroup() {
  if (bytes_of_group_) return *bytes_of_group_;
  std::size_t& bytes = bytes_of_group_.emplace(0);
  VisitPrefix(txn_, base::Table::kMembers, PaperPrefix(group_),
              [&](std::string_view, std::string_view payload) {
                bytes += payload.size();
                return true;
              });
  return bytes;
}

bool PaperShares::Take(const PreparedEntry& entry) {
  const EntryPlace& place = entry.entry.place;
  if (FindEntry(txn_, group_, place)) return true;
  Shown& shown = Of(place.origin);
  const std::size_t bytes = entry.sealed.bytes.size() + entry.sealed.signature.size();
  const bool removes = Removes(entry.entry);
  const Pot& pot = removes ? shown.removals : shown.others;
  if (pot.papers >= (removes ? kRemovalPapersMax : kPapersOfOriginMax) ||
      pot.bytes + bytes > (removes ? kRemovalPaperBytesMax : kPaperBytesOfOriginMax) ||
      BytesOfGroup() + bytes > kPaperBytesOfGroupMax) {
    return false;
  }
  Shown with = shown;
  const MemberUse use = Add(with, entry.entry, bytes);
  // Nothing keeps from this peer that it was removed: nobody gives it the log then.
  const bool about_self =
      std::any_of(entry.entry.ops.begin(), entry.entry.ops.end(), [&](const Op& op) {
        const auto* remove = std::get_if<RemoveOp>(&op);
        return remove != nullptr && remove->peer == core_.self();
      });
  if (place.origin != core_.self() && !about_self && shares_.WhyNot(place.origin, use)) {
    return false;
  }
  shares_.Took(place.origin, use);
  shown = std::move(with);
  BytesOfGroup() += bytes;
  return true;
}

bool MayDecide(base::ReadTxn& txn, const base::GroupId& group, const Entry& entry) {
  const auto member = LoadMember(txn, group, entry.place.origin);
  if (!member) return false;
  return std::any_of(entry.ops.begin(), entry.ops.end(), [&](const Op& op) {
    if (std::holds_alternative<ProfileOp>(op) || !DecidesMembership(op)) return false;
    if (AuthorityAllows(member->authority, op)) return true;
    if (const auto* remove = std::get_if<RemoveOp>(&op)) return remove->peer == member->peer;
    const auto* admit = std::get_if<AdmitOp>(&op);
    return admit != nullptr && admit->as_inviter &&
           MayInvite(member->authority, member->invites, admit->authority);
  });
}

std::vector<PreparedEntry> PaperShares::Within(std::vector<PreparedEntry> entries) {
  std::erase_if(entries, [&](const PreparedEntry& entry) { return !Take(entry); });
  return entries;
}

std::vector<PreparedEntry> PapersToKeep(const Core& core, base::ReadTxn& txn,
                                        const base::GroupId& group, const GroupRow& row,
                                        std::vector<PreparedEntry> entries,
                                        const std::optional<base::PeerId>& of) {
  entries = PaperShares(core, txn, group, row).Within(std::move(entries));
  // Before anything is folded for it.
  if (!PapersAreNews(txn, group, entries)) return {};
  const auto membership = FoldWith(txn, group, row.genesis, entries);
  if (!membership || (of && !membership->members.contains(*of))) return {};
  std::set<EntryPlace> admissions;
  for (const auto& admitted : membership->admissions) admissions.insert(admitted.stamp.place);
  std::erase_if(entries, [&](const PreparedEntry& prepared) {
    const EntryPlace& place = prepared.entry.place;
    const auto cut = membership->cuts.find(place.origin);
    if (cut == membership->cuts.end() || !EntryCounts(cut->second, 0, place)) return true;
    const OriginKey numbering{place.origin, place.incarnation};
    // Of one that has forked LearnPaper keeps nothing.
    if (LoadKnowledge(txn, group, numbering).known.forked != 0) return true;
    if (admissions.contains(place)) return false;
    const ProfilesRow profiles = LoadProfiles(txn, group, numbering);
    for (std::size_t i = 0; i < prepared.entry.ops.size(); ++i) {
      const Op& op = prepared.entry.ops[i];
      const auto* remove = std::get_if<RemoveOp>(&op);
      if (remove != nullptr && remove->peer == core.self()) return false;
      const auto* profile = std::get_if<ProfileOp>(&op);
      if (profile == nullptr || (of && place.origin != *of)) continue;
      const Stamp stamp{prepared.entry.time, place, static_cast<uint32_t>(i)};
      if (GroupWriter::WithProfile(profiles, stamp, *profile) != profiles) return false;
    }
    return true;
  });
  // What is shown again and again costs its reader the look above, and the writer nothing.
  if (!PapersAreNews(txn, group, entries)) return {};
  return entries;
}

void LearnPapers(GroupWriter& writer, const Core& core, std::vector<PreparedEntry> entries,
                 const std::optional<base::PeerId>& of) {
  const std::vector<PreparedEntry> kept =
      PapersToKeep(core, writer.txn(), writer.group(), writer.row(), std::move(entries), of);
  for (const PreparedEntry& prepared : kept) writer.LearnPaper(prepared);
  writer.Settle();
}

}  // namespace waypost::syncgroup
