#include "syncgroup/ledger/rows.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/key_codec.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/wire_codec.h"

// Loading and storing rows of syncgroup's tables. A row that does not parse is set aside and
// absent; of an origin that has no cut nothing counts. Rows about blobs are not here: they change
// through the ledger alone.

namespace waypost::syncgroup {
namespace {

using base::Table;

// The row under `key` as `decode` reads it; what does not parse is set aside and absent.
template <class Decode>
auto LoadRow(base::ReadTxn& txn, Table table, const std::string& key, Decode decode)
    -> decltype(decode(std::string_view())) {
  const auto payload = txn.Get(table, key);
  if (!payload) return std::nullopt;
  auto row = decode(*payload);
  if (!row) txn.ReportBadRow(table, key);
  return row;
}

Knowledge LoadKnowledgeUnder(base::ReadTxn& txn, const std::string& prefix) {
  Knowledge all;
  VisitPrefix(txn, Table::kKnowledge, prefix, [&](std::string_view key, std::string_view payload) {
    const auto numbering = NumberingOfKey(key);
    auto row = DecodeKnowledge(payload);
    if (numbering && row) {
      all[*numbering] = row->known;
    } else {
      txn.ReportBadRow(Table::kKnowledge, key);
    }
    return true;
  });
  return all;
}

}  // namespace

void VisitPrefix(base::ReadTxn& txn, Table table, std::string_view prefix,
                 absl::FunctionRef<bool(std::string_view, std::string_view)> visit) {
  base::Cursor cursor(txn, table);
  for (bool more = cursor.Seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.Next()) {
    const auto payload = cursor.payload();
    if (payload && !visit(cursor.key(), *payload)) return;
  }
}

std::size_t DeletePrefix(base::WriteTxn& txn, Table table, std::string_view prefix,
                         std::size_t limit) {
  std::vector<std::string> keys;
  {
    base::Cursor cursor(txn, table);
    for (bool more = cursor.Seek(prefix);
         more && keys.size() < limit && cursor.key().starts_with(prefix); more = cursor.Next()) {
      keys.emplace_back(cursor.key());
    }
  }
  for (const std::string& key : keys) txn.Delete(table, key);
  return keys.size();
}

std::optional<GroupRow> LoadGroupRow(base::ReadTxn& txn, const base::GroupId& group) {
  return LoadRow(txn, Table::kGroups, GroupKey(group), DecodeGroupRow);
}

bool IsActive(base::ReadTxn& txn, const base::GroupId& group) {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive;
}
std::vector<std::pair<base::GroupId, GroupRow>> LoadGroupRows(base::ReadTxn& txn) {
  std::vector<std::pair<base::GroupId, GroupRow>> groups;
  VisitPrefix(txn, Table::kGroups, "", [&](std::string_view key, std::string_view payload) {
    const auto group = GroupOfKey(key);
    auto row = DecodeGroupRow(payload);
    if (group && row) groups.emplace_back(*group, *std::move(row));
    return true;
  });
  return groups;
}
void StoreGroupRow(base::WriteTxn& txn, const base::GroupId& group, const GroupRow& row) {
  txn.Put(Table::kGroups, GroupKey(group), EncodeGroupRow(row));
}

std::optional<Member> LoadMember(base::ReadTxn& txn, const base::GroupId& group,
                                 const base::PeerId& peer) {
  return LoadRow(txn, Table::kMembers, MemberKey(group, peer),
                 [&](std::string_view payload) { return DecodeMember(peer, payload); });
}
std::optional<Role> LoadRole(base::ReadTxn& txn, const base::GroupId& group,
                             const base::PeerId& peer) {
  return LoadRow(txn, Table::kMembers, MemberKey(group, peer), DecodeRoleOfMember);
}
std::optional<Member> FindMemberBy(base::ReadTxn& txn, const base::GroupId& group,
                                   uint64_t first_by) {
  std::optional<Member> found;
  std::string prefix = MemberPrefix(group);
  base::AppendU64(prefix, first_by);
  VisitPrefix(txn, Table::kMembers, prefix, [&](std::string_view key, std::string_view payload) {
    if (const auto peer = MemberOfKey(key)) found = DecodeMember(*peer, payload);
    return !found;
  });
  return found;
}
std::vector<Member> LoadMembers(base::ReadTxn& txn, const base::GroupId& group) {
  std::vector<Member> members;
  VisitPrefix(txn, Table::kMembers, MemberPrefix(group),
              [&](std::string_view key, std::string_view payload) {
                const auto peer = MemberOfKey(key);
                auto member = peer ? DecodeMember(*peer, payload) : std::nullopt;
                if (member) {
                  members.push_back(*std::move(member));
                } else {
                  txn.ReportBadRow(Table::kMembers, key);
                }
                return true;
              });
  return members;
}
void StoreMember(base::WriteTxn& txn, const base::GroupId& group, const Member& member) {
  txn.Put(Table::kMembers, MemberKey(group, member.peer), EncodeMember(member));
}

OriginCut LoadCut(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& origin) {
  return LoadRow(txn, Table::kMembers, CutKey(group, origin), DecodeCut).value_or(OriginCut());
}
std::map<base::PeerId, OriginCut> LoadCuts(base::ReadTxn& txn, const base::GroupId& group) {
  std::map<base::PeerId, OriginCut> cuts;
  VisitPrefix(txn, Table::kMembers, CutPrefix(group),
              [&](std::string_view key, std::string_view payload) {
                const auto origin = OriginOfCutKey(key);
                auto cut = DecodeCut(payload);
                if (origin && cut) {
                  cuts[*origin] = *std::move(cut);
                } else {
                  txn.ReportBadRow(Table::kMembers, key);
                }
                return true;
              });
  return cuts;
}
void StoreCut(base::WriteTxn& txn, const base::GroupId& group, const base::PeerId& origin,
              const OriginCut& cut) {
  txn.Put(Table::kMembers, CutKey(group, origin), EncodeCut(cut));
}

ProfilesRow LoadProfiles(base::ReadTxn& txn, const base::GroupId& group,
                         const OriginKey& numbering) {
  return LoadRow(txn, Table::kMembers, ProfilesKey(group, numbering), DecodeProfiles)
      .value_or(ProfilesRow());
}
std::map<OriginKey, ProfilesRow> LoadProfilesOf(base::ReadTxn& txn, const base::GroupId& group,
                                                const base::PeerId& origin) {
  std::map<OriginKey, ProfilesRow> rows;
  VisitPrefix(txn, Table::kMembers, ProfilesPrefix(group, origin),
              [&](std::string_view key, std::string_view payload) {
                const auto numbering = NumberingOfProfilesKey(key);
                const auto row = DecodeProfiles(payload);
                if (numbering && row) rows[*numbering] = *row;
                return true;
              });
  return rows;
}
void StoreProfiles(base::WriteTxn& txn, const base::GroupId& group, const OriginKey& numbering,
                   const ProfilesRow& row) {
  txn.Put(Table::kMembers, ProfilesKey(group, numbering), EncodeProfiles(row));
}

std::vector<StampedOp> LoadMembershipOps(base::ReadTxn& txn, const base::GroupId& group) {
  std::vector<StampedOp> ops;
  VisitPrefix(txn, Table::kMembers, MembershipOpPrefix(group),
              [&](std::string_view key, std::string_view payload) {
                const auto stamp = StampOfMembershipOpKey(key);
                auto op = DecodeOp(payload);
                if (stamp && op.ok()) {
                  ops.push_back({*stamp, *std::move(op)});
                } else {
                  txn.ReportBadRow(Table::kMembers, key);
                }
                return true;
              });
  return ops;
}
std::optional<Stamp> LatestRemoval(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer) {
  const auto all = LatestRemovals(txn, group);
  const auto it = all.find(peer);
  return it == all.end() ? std::nullopt : std::optional(it->second);
}
std::map<base::PeerId, Stamp> LatestRemovals(base::ReadTxn& txn, const base::GroupId& group) {
  std::map<base::PeerId, Stamp> latest;
  for (const StampedOp& op : LoadMembershipOps(txn, group)) {
    const auto* remove = std::get_if<RemoveOp>(&op.op);
    if (remove == nullptr) continue;
    const auto [it, fresh] = latest.try_emplace(remove->peer, op.stamp);
    if (!fresh && it->second < op.stamp) it->second = op.stamp;
  }
  return latest;
}

void StoreMembershipOp(base::WriteTxn& txn, const base::GroupId& group, const StampedOp& op) {
  txn.Put(Table::kMembers, MembershipOpKey(group, op.stamp), EncodeOp(op.op));
}

std::optional<RefRow> LoadRefRow(base::ReadTxn& txn, const base::GroupId& group,
                                 std::string_view key) {
  return LoadRow(txn, Table::kRefs, RefRowKey(group, key), DecodeRefRow);
}
void StoreRefRow(base::WriteTxn& txn, const base::GroupId& group, std::string_view key,
                 const RefRow& row) {
  txn.Put(Table::kRefs, RefRowKey(group, key), EncodeRefRow(row));
}

std::optional<LogRow> LoadLogRow(base::ReadTxn& txn, const base::GroupId& group,
                                 uint64_t sequence) {
  return LoadRow(txn, Table::kLog, LogKey(group, sequence), DecodeLogRow);
}
void StoreLogRow(base::WriteTxn& txn, const base::GroupId& group, uint64_t sequence,
                 const EntryPlace& place, const LogRow& row) {
  txn.Put(Table::kLog, LogKey(group, sequence), EncodeLogRow(row));
  std::string number;
  base::AppendU64(number, sequence);
  txn.Put(Table::kLog, PlaceKey(group, place), number);
}
void DeleteLogRow(base::WriteTxn& txn, const base::GroupId& group, uint64_t sequence,
                  const EntryPlace& place) {
  txn.Delete(Table::kLog, LogKey(group, sequence));
  txn.Delete(Table::kLog, PlaceKey(group, place));
}
std::optional<uint64_t> FindPlace(base::ReadTxn& txn, const base::GroupId& group,
                                  const EntryPlace& place) {
  const auto payload = txn.Get(Table::kLog, PlaceKey(group, place));
  if (!payload || payload->size() != 8) return std::nullopt;
  return base::ReadU64(*payload);
}
std::optional<SealedEntry> LoadEntryAt(base::ReadTxn& txn, const base::GroupId& group,
                                       const EntryPlace& place) {
  const auto sequence = FindPlace(txn, group, place);
  if (!sequence) return std::nullopt;
  auto row = LoadLogRow(txn, group, *sequence);
  if (!row) return std::nullopt;
  return std::move(row->entry);
}

MemberUse LoadUse(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& origin) {
  MemberUse used;
  VisitPrefix(txn, Table::kKnowledge, KnowledgePrefix(group, origin),
              [&](std::string_view, std::string_view payload) {
                if (const auto row = DecodeKnowledge(payload)) used += row->used;
                return true;
              });
  return used;
}

KnowledgeRow LoadKnowledge(base::ReadTxn& txn, const base::GroupId& group,
                           const OriginKey& numbering) {
  return LoadRow(txn, Table::kKnowledge, KnowledgeKey(group, numbering), DecodeKnowledge)
      .value_or(KnowledgeRow());
}
void StoreKnowledge(base::WriteTxn& txn, const base::GroupId& group, const OriginKey& numbering,
                    const KnowledgeRow& row) {
  txn.Put(Table::kKnowledge, KnowledgeKey(group, numbering), EncodeKnowledge(row));
}
KnowledgePage LoadKnowledgePage(base::ReadTxn& txn, const base::GroupId& group,
                                const OriginKey& first, const std::optional<OriginKey>& end,
                                std::size_t max) {
  KnowledgePage page;
  base::Cursor cursor(txn, Table::kKnowledge);
  const std::string prefix = GroupKey(group);
  for (bool more = cursor.Seek(KnowledgeKey(group, first));
       more && cursor.key().starts_with(prefix); more = cursor.Next()) {
    const auto numbering = NumberingOfKey(cursor.key());
    if (!numbering) continue;
    if (end && *numbering >= *end) break;
    if (page.knowledge.size() == max) {
      page.next = numbering;
      break;
    }
    const auto payload = cursor.payload();
    const auto row = payload ? DecodeKnowledge(*payload) : std::nullopt;
    if (row) page.knowledge.emplace(*numbering, row->known);
  }
  return page;
}
Knowledge LoadAllKnowledge(base::ReadTxn& txn, const base::GroupId& group) {
  return LoadKnowledgeUnder(txn, GroupKey(group));
}
Knowledge LoadKnowledgeOf(base::ReadTxn& txn, const base::GroupId& group,
                          const base::PeerId& origin) {
  return LoadKnowledgeUnder(txn, KnowledgePrefix(group, origin));
}

Knowledge LongestNumberings(base::ReadTxn& txn, const base::GroupId& group,
                            const base::PeerId& origin, std::size_t max) {
  Knowledge knowledge = LoadKnowledgeOf(txn, group, origin);
  if (knowledge.size() <= max) return knowledge;
  std::vector<std::pair<uint64_t, OriginKey>> by_length;
  for (const auto& [numbering, known] : knowledge) {
    by_length.emplace_back(known.generation, numbering);
  }
  std::sort(by_length.begin(), by_length.end(), std::greater<>());
  for (std::size_t i = max; i < by_length.size(); ++i) knowledge.erase(by_length[i].second);
  return knowledge;
}

LogCursor LoadCursor(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  return LoadRow(txn, Table::kCursors, CursorKey(group, peer), DecodeCursor).value_or(LogCursor());
}
void StoreCursor(base::WriteTxn& txn, const base::GroupId& group, const base::PeerId& peer,
                 const LogCursor& cursor) {
  txn.Put(Table::kCursors, CursorKey(group, peer), EncodeCursor(cursor));
}

Counts LoadCountsRow(base::ReadTxn& txn, const base::GroupId& group_or_zero) {
  return LoadRow(txn, Table::kCounts, GroupKey(group_or_zero), DecodeCounts).value_or(Counts());
}
void StoreCountsRow(base::WriteTxn& txn, const base::GroupId& group_or_zero, const Counts& counts) {
  txn.Put(Table::kCounts, GroupKey(group_or_zero), EncodeCounts(counts));
}

uint64_t LoadCharge(base::ReadTxn& txn, const base::GroupId& group, uint64_t first_by) {
  return LoadRow(txn, Table::kCounts, ChargeKey(group, first_by), DecodeCharge).value_or(0);
}
void StoreCharge(base::WriteTxn& txn, const base::GroupId& group, uint64_t first_by,
                 uint64_t fetched_bytes) {
  txn.Put(Table::kCounts, ChargeKey(group, first_by), EncodeCharge(fetched_bytes));
}

std::optional<InviteRow> LoadInvite(base::ReadTxn& txn, std::string_view id) {
  return LoadRow(txn, Table::kInvites, std::string(id), DecodeInvite);
}
void StoreInvite(base::WriteTxn& txn, std::string_view id, const InviteRow& row) {
  txn.Put(Table::kInvites, id, EncodeInviteRow(row));
}

}  // namespace waypost::syncgroup
