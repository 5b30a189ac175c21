#include "syncgroup/group/groups.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/member_shares.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/wire_codec.h"

// Looking at groups, and what a start does for them: an own numbering that its log contradicts is
// retired before anything is written under it, and work that was cut off is ended.

namespace waypost::syncgroup {

using base::Index;

namespace {

// Own knowledge must agree with the own log: if a row of either was damaged, the next number could
// be one that was used before.
bool OwnNumberingSound(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                       const GroupRow& row) {
  const Known known = LoadKnowledge(txn, group, {self, row.incarnation}).known;
  EntryPlace place{self, row.incarnation, known.generation};
  if (known.generation > 0) {
    const auto last = LoadEntryAt(txn, group, place);
    if (!last || HashEntry(last->bytes) != known.hash) return false;
  }
  ++place.generation;
  return !FindPlace(txn, group, place);
}

}  // namespace

absl::Status Groups::Load() {
  std::vector<base::GroupId> groups;
  std::vector<base::GroupId> unsound;
  std::vector<base::GroupId> left;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    VisitPrefix(txn, base::Table::kGroups, "", [&](std::string_view key, std::string_view) {
      if (const auto group = GroupOfKey(key)) groups.push_back(*group);
      return true;
    });
    for (const base::GroupId& group : groups) {
      const auto row = LoadGroupRow(txn, group);
      if (!row) continue;
      if (row->state == GroupRow::State::kLeaving) left.push_back(group);
      core_.servers.Learn(group, ServersOf(core_, txn, group, *row));
      if (row->state == GroupRow::State::kActive) core_.stamps.Learn(group, row->latest);
      if (row->state == GroupRow::State::kActive &&
          !OwnNumberingSound(txn, core_.self(), group, *row)) {
        unsound.push_back(group);
      }
    }
  }));
  for (const base::GroupId& group : unsound) {
    base::LogWarning("group ", group.ToHex(),
                     ": own log and knowledge disagree; a new numbering begins");
    RETURN_IF_ERROR(
        core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
          auto writer = GroupWriter::Open(core_, txn, effects, group);
          if (!writer) return absl::OkStatus();
          writer->Retire();
          writer->Finish();
          return absl::OkStatus();
        }));
  }
  // Members were told before the end of the last run, or learn of it from each other.
  for (const base::GroupId& group : left) {
    RETURN_IF_ERROR(core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects&) {
      auto row = LoadGroupRow(txn, group);
      if (!row) return absl::OkStatus();
      row->state = GroupRow::State::kDropping;
      StoreGroupRow(txn, group, *row);
      return absl::OkStatus();
    }));
  }
  for (const base::GroupId& group : groups) {
    RETURN_IF_ERROR(work_.Finish(group));
  }
  return absl::OkStatus();
}

// ---- look-ups ----

absl::StatusOr<std::vector<GroupInfo>> Groups::List(const base::GroupId& after,
                                                    std::size_t limit) const {
  std::vector<GroupInfo> infos;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kGroups);
    for (bool more = cursor.Seek(after.IsZero() ? std::string() : GroupKey(after));
         more && infos.size() < limit; more = cursor.Next()) {
      const auto group = GroupOfKey(cursor.key());
      const auto payload = cursor.payload();
      if (!group || *group == after || !payload) continue;
      const auto row = DecodeGroupRow(*payload);
      if (!row || row->state != GroupRow::State::kActive) continue;
      infos.push_back(InfoOf(txn, core_.self(), *group, *row));
      infos.back().counts = core_.ledger.LoadCounts(txn, *group);
      infos.back().servers = core_.servers.Of(*group);
    }
  }));
  return infos;
}

absl::StatusOr<GroupInfo> Groups::Find(const base::GroupId& group) const {
  std::optional<GroupInfo> info;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    info = FindGroup(txn, group);
    if (info) info->counts = core_.ledger.LoadCounts(txn, group);
  }));
  if (!info) return NoSuchGroup(group);
  info->servers = core_.servers.Of(group);
  return *std::move(info);
}

absl::StatusOr<std::vector<Member>> Groups::Members(const base::GroupId& group) const {
  std::optional<std::vector<Member>> members;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    if (Has(txn, group)) members = LoadMembers(txn, group);
  }));
  if (!members) return NoSuchGroup(group);
  return *std::move(members);
}

bool Groups::IsMember(base::ReadTxn& txn, const base::GroupId& group,
                      const base::PeerId& peer) const {
  return FindMember(txn, group, peer).has_value();
}

std::optional<Member> Groups::FindMember(base::ReadTxn& txn, const base::GroupId& group,
                                         const base::PeerId& peer) const {
  return Has(txn, group) ? LoadMember(txn, group, peer) : std::nullopt;
}

bool Groups::Has(base::ReadTxn& txn, const base::GroupId& group) const {
  return IsActive(txn, group);
}

std::optional<GroupInfo> Groups::FindGroup(base::ReadTxn& txn, const base::GroupId& group) const {
  const auto row = LoadGroupRow(txn, group);
  if (!row || row->state != GroupRow::State::kActive) return std::nullopt;
  return InfoOf(txn, core_.self(), group, *row);
}

std::vector<Member> Groups::MembersOf(base::ReadTxn& txn, const base::GroupId& group) const {
  return Has(txn, group) ? LoadMembers(txn, group) : std::vector<Member>();
}

uint64_t Groups::FetchBytesAllowed(base::ReadTxn& txn, const BlobRecord& record) const {
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  if (!record.signpost || record.signpost->asked_until != base::kNever) return kAll;
  std::optional<uint64_t> allowed;
  for (const auto& [group, mention] : record.signpost->groups) {
    if (!mention.wanted) continue;
    if (mention.first_by == 0 || mention.set_here) return kAll;
    const uint64_t left = FetchBytesLeft(txn, group, core_.limits(), mention.first_by);
    // What lies here of it is charged already.
    allowed = std::max(allowed.value_or(0), left + record.signpost->partial_bytes);
  }
  return allowed.value_or(kAll);
}

absl::StatusOr<std::map<base::PeerId, uint64_t>> Groups::BytesFetchedFor(
    const base::GroupId& group) const {
  std::map<base::PeerId, uint64_t> charges;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    for (const Member& member : LoadMembers(txn, group)) {
      charges[member.peer] = LoadCharge(txn, group, FirstBy(member.peer));
    }
  }));
  return charges;
}

}  // namespace waypost::syncgroup
