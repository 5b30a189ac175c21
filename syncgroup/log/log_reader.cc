#include "syncgroup/log/log_reader.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/crypto.h"
#include "base/key_codec.h"
#include "syncgroup/protocol/wire_codec.h"

// Looking at a log with branches. An entry has one row, on the branch that it stands on; what a
// branch shares with its parent is found there.

namespace waypost::syncgroup {
namespace {

bool HasOwn(const BranchRow& row, uint64_t generation) {
  return generation > row.after && generation <= row.head;
}

}  // namespace

LogState LogReader::State() const {
  const auto payload = txn_.Get(base::Table::kKnowledge, LogStateKey(group_));
  return payload ? DecodeLogState(*payload).value_or(LogState()) : LogState();
}

std::optional<BranchRow> LogReader::Branch(BranchId branch) const {
  const auto payload = txn_.Get(base::Table::kKnowledge, BranchKey(group_, branch));
  return payload ? DecodeBranch(*payload) : std::nullopt;
}

std::vector<StoredBranch> LogReader::Branches() const {
  std::vector<StoredBranch> branches;
  const std::string prefix = BranchPrefix(group_);
  base::Cursor cursor(txn_, base::Table::kKnowledge);
  for (bool more = cursor.Seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.Next()) {
    const auto branch = BranchOfKey(cursor.key());
    const auto payload = cursor.payload();
    const auto row = payload ? DecodeBranch(*payload) : std::nullopt;
    if (branch && row) branches.emplace_back(*branch, *row);
  }
  return branches;
}

std::vector<StoredBranch> LogReader::BranchesOf(const base::EntryHash& numbering) const {
  std::vector<BranchId> ids;
  const std::string prefix = NumberingPrefix(group_, numbering);
  base::Cursor cursor(txn_, base::Table::kKnowledge);
  for (bool more = cursor.Seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.Next()) {
    if (const auto branch = BranchOfNumberingKey(cursor.key())) ids.push_back(*branch);
  }
  std::vector<StoredBranch> branches;
  for (const BranchId id : ids) {
    if (const auto row = Branch(id)) branches.emplace_back(id, *row);
  }
  return branches;
}

StoredPlace LogReader::Owner(StoredPlace place) const {
  while (true) {
    const auto row = Branch(place.branch);
    // A parent has a lower number, so that this ends whatever the rows say.
    if (!row || place.generation > row->after || row->parent >= place.branch ||
        row->parent == kNoBranchId) {
      return place;
    }
    place.branch = row->parent;
  }
}

std::optional<StoredEntry> LogReader::EntryAt(const StoredPlace& place) const {
  const auto payload = txn_.Get(base::Table::kLog, StoredEntryKey(group_, Owner(place)));
  return payload ? DecodeStoredEntry(*payload) : std::nullopt;
}

std::optional<base::EntryHash> LogReader::HashAt(const StoredPlace& place) const {
  const auto entry = EntryAt(place);
  if (!entry) return std::nullopt;
  return HashEntry(entry->sealed.bytes);
}

bool LogReader::IsAncestorOrSelf(const StoredPlace& place, const StoredPlace& head) const {
  if (place.generation > head.generation) return false;
  return Owner(place) == Owner({head.branch, place.generation});
}

std::optional<StoredPlace> LogReader::Find(const LogHead& head) const {
  for (const auto& [branch, row] : BranchesOf(head.numbering)) {
    if (!HasOwn(row, head.generation)) continue;
    const StoredPlace place{branch, head.generation};
    const bool same =
        head.generation == row.head ? row.head_hash == head.hash : HashAt(place) == head.hash;
    if (same) return place;
  }
  return std::nullopt;
}

std::optional<StoredPlace> LogReader::FindActs(const base::EntryHash& hash) const {
  const auto payload = txn_.Get(base::Table::kLog, ActEntryKey(group_, hash));
  const auto row = payload ? DecodeTakenEntry(*payload) : std::nullopt;
  if (!row) return std::nullopt;
  return row->place;
}

std::optional<LogHead> LogReader::ToldOf(const BranchRow& row) const {
  if (row.kept <= row.after || row.kept_hash.IsZero()) return std::nullopt;
  return LogHead{row.numbering, row.kept, row.kept_hash};
}

std::vector<LogHead> LogReader::ToldHeads() const {
  const std::vector<StoredBranch> branches = Branches();
  // After which places others go on that are told themselves.
  std::set<StoredPlace> left;
  for (const auto& [branch, row] : branches) {
    if (row.parent != kNoBranchId && ToldOf(row)) left.insert({row.parent, row.after});
  }
  std::vector<LogHead> heads;
  for (const auto& [branch, row] : branches) {
    const auto head = ToldOf(row);
    if (head && !left.contains({branch, row.kept})) heads.push_back(*head);
  }
  std::sort(heads.begin(), heads.end());
  return heads;
}

base::EntryHash DigestOf(const std::vector<LogHead>& heads) {
  std::string text("waypost-heads-1");
  text.push_back('\0');
  text.reserve(text.size() + heads.size() * (2 * base::EntryHash::kBytes + 8));
  for (const LogHead& head : heads) {
    text.append(head.numbering.bytes());
    base::AppendU64(text, head.generation);
    text.append(head.hash.bytes());
  }
  return base::EntryHash(base::Hash256(text));
}

}  // namespace waypost::syncgroup
