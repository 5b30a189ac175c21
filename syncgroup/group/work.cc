#include "syncgroup/group/work.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "blobstore/blob_row.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/wire_codec.h"

// Work that takes many transactions: writing own entries again, folding references again, dropping
// a group. Each step reads where it stands from the group's row, checks in its transaction that
// this is still so, and stores how far it came; so a crash loses a step at most, and steps of two
// callers do not meet.

namespace waypost::syncgroup {
namespace {

using base::Index;
using base::Table;

// ---- refolding ----

struct LogPage {
  std::vector<Entry> entries;
  uint64_t last_sequence = 0;
  bool end = false;
};

// Entries after `after`, decoded outside of the write transaction.
absl::StatusOr<LogPage> ReadLog(const Core& core, const base::GroupId& group, uint64_t after) {
  LogPage page{.last_sequence = after, .end = true};
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    std::size_t ops = 0;
    base::Cursor cursor(txn, Table::kLog);
    const std::string prefix = GroupKey(group);
    for (bool more = cursor.Seek(LogKey(group, after + 1));
         more && cursor.key().starts_with(prefix); more = cursor.Next()) {
      const auto sequence = SequenceOfLogKey(cursor.key());
      if (!sequence) break;  // the index of places follows
      if (page.entries.size() >= kEntriesPerTxn || ops >= kOpsPerTxn) {
        page.end = false;
        break;
      }
      page.last_sequence = *sequence;
      const auto payload = cursor.payload();
      const auto row = payload ? DecodeLogRow(*payload) : std::nullopt;
      if (!row) continue;
      auto entry = DecodeEntry(row->entry.bytes);
      if (!entry.ok()) continue;
      ops += entry->ops.size();
      page.entries.push_back(*std::move(entry));
    }
  }));
  return page;
}

absl::Status RefoldLog(const Core& core, const base::GroupId& group, const GroupRow& seen) {
  ASSIGN_OR_RETURN(const LogPage page, ReadLog(core, group, seen.refold.sequence));
  return core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer || writer->row().epoch != seen.epoch || writer->row().refold != seen.refold) {
      return absl::OkStatus();  // begun anew meanwhile
    }
    for (const Entry& entry : page.entries) writer->Refold(entry);
    RefoldProgress& refold = writer->row().refold;
    refold.sequence = page.last_sequence;
    if (page.end) refold = {.phase = RefoldProgress::Phase::kSweep};
    writer->Finish();
    return absl::OkStatus();
  });
}

// A page of the references after `after`: those for which `take` answers true, and the last key
// looked at.
struct RefPage {
  std::vector<std::pair<std::string, RefRow>> rows;
  std::string last_key;
  bool end = true;
};
RefPage ReadRefs(base::ReadTxn& txn, const base::GroupId& group, const std::string& after,
                 absl::FunctionRef<bool(const RefRow&)> take) {
  RefPage page;
  base::Cursor cursor(txn, Table::kRefs);
  const std::string prefix = GroupKey(group);
  std::size_t looked = 0;
  for (bool more = cursor.Seek(RefRowKey(group, after)); more && cursor.key().starts_with(prefix);
       more = cursor.Next()) {
    const std::string_view key = KeyOfRefRow(cursor.key());
    if (!after.empty() && key == after) continue;
    if (looked++ == kEntriesPerTxn) {
      page.end = false;
      break;
    }
    page.last_key = key;
    const auto payload = cursor.payload();
    auto row = payload ? DecodeRefRow(*payload) : std::nullopt;
    if (row && take(*row)) page.rows.emplace_back(key, *row);
  }
  return page;
}

// Removes the rows and what they add to signposts; by how many the references became fewer.
int64_t RemoveRefs(const Core& core, base::WriteTxn& txn, const base::GroupId& group,
                   const RefPage& page) {
  int64_t live = 0;
  for (const auto& [key, row] : page.rows) {
    if (row.blob) {
      core.ledger.ApplyMention(txn, *row.blob, {.group = group, .keys = -1});
      ++live;
    }
    txn.Delete(Table::kRefs, RefRowKey(group, key));
  }
  return live;
}

absl::Status RefoldSweep(const Core& core, const base::GroupId& group, const GroupRow& seen) {
  return core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer || writer->row().epoch != seen.epoch || writer->row().refold != seen.refold) {
      return absl::OkStatus();
    }
    const uint64_t epoch = seen.epoch;
    const RefPage page = ReadRefs(txn, group, seen.refold.key,
                                  [epoch](const RefRow& row) { return row.epoch < epoch; });
    core.ledger.AddRefs(txn, group, -RemoveRefs(core, txn, group, page));
    RefoldProgress& refold = writer->row().refold;
    refold.key = page.last_key;
    if (page.end) refold = {};
    writer->Finish();
    return absl::OkStatus();
  });
}

// ---- rewriting ----

struct OwnPage {
  std::vector<Entry> entries;
  std::vector<uint64_t> sequences;
  bool end = true;
};
absl::StatusOr<OwnPage> ReadOwn(const Core& core, const base::GroupId& group,
                                const RetiredNumbering& retired) {
  OwnPage page;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    std::size_t ops = 0;
    EntryPlace place{core.self(), retired.incarnation, retired.rewrite_from};
    for (;; ++place.generation) {
      const auto sequence = FindPlace(txn, group, place);
      const auto row = sequence ? LoadLogRow(txn, group, *sequence) : std::nullopt;
      if (!row) break;
      if (page.entries.size() >= kEntriesPerTxn || ops >= kOpsPerTxn) {
        page.end = false;
        break;
      }
      auto entry = DecodeEntry(row->entry.bytes);
      if (!entry.ok()) break;
      ops += entry->ops.size();
      page.entries.push_back(*std::move(entry));
      page.sequences.push_back(*sequence);
    }
  }));
  return page;
}

void DropEntry(base::WriteTxn& txn, const base::GroupId& group, const Entry& entry,
               uint64_t sequence) {
  DeleteLogRow(txn, group, sequence, entry.place);
  for (std::size_t i = 0; i < entry.ops.size(); ++i) {
    if (!DecidesMembership(entry.ops[i])) continue;
    txn.Delete(Table::kMembers,
               MembershipOpKey(group, {entry.time, entry.place, static_cast<uint32_t>(i)}));
  }
}

absl::Status Rewrite(const Core& core, const base::GroupId& group, const RetiredNumbering& seen) {
  ASSIGN_OR_RETURN(const OwnPage page, ReadOwn(core, group, seen));
  return core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer) return absl::OkStatus();
    RetiredNumbering* retired = nullptr;
    for (RetiredNumbering& candidate : writer->row().retired) {
      if (candidate == seen) retired = &candidate;
    }
    if (retired == nullptr) return absl::OkStatus();  // another thread did it
    for (std::size_t i = 0; i < page.entries.size(); ++i) {
      const Entry& entry = page.entries[i];
      if (seen.drop) DropEntry(txn, group, entry, page.sequences[i]);
      writer->Write(entry.ops, entry.time);
      retired->rewrite_from = entry.place.generation + 1;
    }
    if (page.end) {
      retired->rewrite_from = 0;
      if (seen.drop) {
        // Their stamps still stand in references and members.
        writer->FoldMembers();
        writer->StartRefold();
      }
    }
    writer->Finish();
    return absl::OkStatus();
  });
}

// ---- dropping ----

enum DropPhase : uint32_t { kDropRefs = 0, kDropHoldings = 1, kDropRows = 2 };

absl::Status DropHoldings(const Core& core, base::WriteTxn& txn, const base::GroupId& group,
                          GroupRow& row) {
  std::vector<base::BlobId> held;
  std::string last;
  bool end = true;
  {
    base::Cursor cursor(txn, Table::kBlobs);
    std::size_t looked = 0;
    for (bool more = cursor.Seek(row.drop_position); more; more = cursor.Next()) {
      if (!row.drop_position.empty() && cursor.key() == row.drop_position) continue;
      if (looked++ == kEntriesPerTxn) {
        end = false;
        break;
      }
      last = cursor.key();
      const auto blob = base::BlobId::FromBytes(cursor.key());
      const auto payload = cursor.payload();
      const auto blob_row = payload ? blobstore::DecodeBlobRow(*payload) : std::nullopt;
      if (blob && blob_row && blob_row->holdings.contains(group)) held.push_back(*blob);
    }
  }
  for (const base::BlobId& blob : held) core.ledger.Release(txn, blob, group);
  row.drop_position = last;
  if (end) row.drop_phase = kDropRows;
  return absl::OkStatus();
}

// True when nothing of the group is left but its row.
bool DropRows(base::WriteTxn& txn, const base::GroupId& group) {
  std::size_t left = kEntriesPerTxn;
  for (const Table table :
       {Table::kLog, Table::kMembers, Table::kKnowledge, Table::kCursors, Table::kCounts}) {
    left -= DeletePrefix(txn, table, GroupKey(group), left);
    if (left == 0) return false;
  }
  std::vector<std::string> invites;
  VisitPrefix(txn, Table::kInvites, "", [&](std::string_view key, std::string_view payload) {
    const auto invite = DecodeInvite(payload);
    if (invite && invite->group == group) invites.emplace_back(key);
    return true;
  });
  for (const std::string& key : invites) txn.Delete(Table::kInvites, key);
  return true;
}

absl::Status Drop(const Core& core, const base::GroupId& group) {
  return core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    auto row = LoadGroupRow(txn, group);
    if (!row || row->state != GroupRow::State::kDropping) return absl::OkStatus();
    if (row->drop_phase == kDropRefs) {
      const RefPage page = ReadRefs(txn, group, "", [](const RefRow&) { return true; });
      core.ledger.AddRefs(txn, group, -RemoveRefs(core, txn, group, page));
      if (page.end) row->drop_phase = kDropHoldings;
    } else if (row->drop_phase == kDropHoldings) {
      RETURN_IF_ERROR(DropHoldings(core, txn, group, *row));
    } else if (DropRows(txn, group)) {
      txn.Delete(Table::kGroups, GroupKey(group));
      effects.Of(group).members = true;
      return absl::OkStatus();
    }
    StoreGroupRow(txn, group, *row);
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<bool> GroupWork::Step(const base::GroupId& group) {
  std::optional<GroupRow> row;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) { row = LoadGroupRow(txn, group); }));
  if (!row) return false;
  if (row->state == GroupRow::State::kDropping) {
    RETURN_IF_ERROR(Drop(core_, group));
    return true;
  }
  for (const RetiredNumbering& retired : row->retired) {
    if (retired.rewrite_from == 0) continue;
    RETURN_IF_ERROR(Rewrite(core_, group, retired));
    return true;
  }
  switch (row->refold.phase) {
    case RefoldProgress::Phase::kNone:
      return false;
    case RefoldProgress::Phase::kLog:
      RETURN_IF_ERROR(RefoldLog(core_, group, *row));
      return true;
    case RefoldProgress::Phase::kSweep:
      RETURN_IF_ERROR(RefoldSweep(core_, group, *row));
      return true;
  }
  return false;
}

void GroupWork::NoteToldOfLeaving(const base::GroupId& group, const base::PeerId& peer) {
  base::MutexLock lock(mutex_);
  told_of_leaving_[group].insert(peer);
}

absl::StatusOr<bool> GroupWork::EndLeaving(const base::GroupId& group) {
  std::optional<GroupRow> row;
  std::vector<Member> members;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    row = LoadGroupRow(txn, group);
    members = LoadMembers(txn, group);
  }));
  if (!row || row->state != GroupRow::State::kLeaving) return true;
  bool all_told = true;
  {
    base::MutexLock lock(mutex_);
    const std::set<base::PeerId>& told = told_of_leaving_[group];
    for (const Member& member : members) all_told = all_told && told.contains(member.peer);
  }
  const base::WallTime now = core_.clock.WallNow();
  if (!all_told && now < row->left + kLeaveLinger && now >= row->left) return false;
  RETURN_IF_ERROR(core_.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects&) {
    auto still = LoadGroupRow(txn, group);
    if (!still || still->state != GroupRow::State::kLeaving) return absl::OkStatus();
    still->state = GroupRow::State::kDropping;
    StoreGroupRow(txn, group, *still);
    return absl::OkStatus();
  }));
  base::MutexLock lock(mutex_);
  told_of_leaving_.erase(group);
  return true;
}

absl::StatusOr<bool> GroupWork::Do(const base::GroupId& group, std::size_t steps) {
  std::optional<GroupRow> row;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) { row = LoadGroupRow(txn, group); }));
  if (!row) return false;
  if (row->state == GroupRow::State::kLeaving) {
    ASSIGN_OR_RETURN(const bool dropping, EndLeaving(group));
    if (!dropping) return false;
  }
  for (std::size_t i = 0; i < steps; ++i) {
    ASSIGN_OR_RETURN(const bool more, Step(group));
    if (!more) return false;
  }
  return true;
}

absl::StatusOr<bool> GroupWork::DoAll(std::size_t steps) {
  std::vector<base::GroupId> groups;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    for (const auto& item : LoadGroupRows(txn)) groups.push_back(item.first);
  }));
  bool left = false;
  for (const base::GroupId& group : groups) {
    ASSIGN_OR_RETURN(const bool more, Do(group, steps));
    left |= more;
  }
  return left;
}

absl::Status GroupWork::Finish(const base::GroupId& group) {
  for (bool more = true; more;) {
    if (core_.stopping) return absl::CancelledError("the service is stopping");
    ASSIGN_OR_RETURN(more, Step(group));
  }
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup
