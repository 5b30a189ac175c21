#include "syncgroup/log/log_writer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/random.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// Appending to a log with branches: an entry goes on the branch whose end it names, or begins one
// beside what follows there already. Each entry has its place in the order in which they were
// taken, with a token that stands for all of them up to it, so that others can ask for what came
// since, and see when this index is another than the one they asked before.

namespace waypost::syncgroup {
namespace {

using base::Table;

base::Incarnation TokenAfter(const base::Incarnation& token, const base::EntryHash& hash) {
  std::string text(token.bytes());
  text.append(hash.bytes());
  const auto digest = base::Hash256(text);
  return *base::Incarnation::FromBytes(
      std::string_view(reinterpret_cast<const char*>(digest.data()), base::Incarnation::kBytes));
}

// Does a change of references decide about members, or what else of references counts?
bool SaysOfMembers(const LogEntry& entry) {
  return std::any_of(entry.ops.begin(), entry.ops.end(), [](const LogOp& op) {
    const auto* const profile = std::get_if<ProfileOp>(&op);
    return std::holds_alternative<CloseOp>(op) || (profile != nullptr && profile->lowered_role);
  });
}

}  // namespace

LogWriter::Appended LogWriter::Append(const OpenedEntry& entry) {
  using Kind = Appended::Kind;
  const LogPlace& place = entry.entry.place;
  const LogHead self{entry.numbering(), place.generation, entry.hash};
  if (const auto here = Find(self)) return {.kind = Kind::kHere, .place = *here};
  if (place.generation == 1) {
    BranchRow row{.origin = place.origin,
                  .numbering = entry.hash,
                  .holds = place.holds,
                  .basis = entry.entry.basis.value_or(ActId())};
    return {.kind = Kind::kNew, .place = AppendAt(entry, kNoBranchId, row)};
  }
  const auto previous = Find({place.numbering, place.generation - 1, place.previous});
  if (!previous) return {.kind = Kind::kMissing};
  auto row = Branch(previous->branch);
  // Of another hand than the one that began the numbering nothing follows on it.
  if (!row || row->origin != place.origin || row->holds != place.holds) {
    return {.kind = Kind::kMissing};
  }
  if (row->head == previous->generation) {
    return {.kind = Kind::kNew, .place = AppendAt(entry, previous->branch, *row)};
  }
  row->parent = previous->branch;
  row->after = row->head = row->kept = previous->generation;
  row->kept_hash = {};
  row->used = {};
  return {.kind = Kind::kNew, .place = AppendAt(entry, kNoBranchId, *row), .split = true};
}

StoredPlace LogWriter::AppendAt(const OpenedEntry& entry, BranchId branch, BranchRow row) {
  LogState state = State();
  if (state.log.IsZero()) state.log = state.token = base::NewIncarnation();
  if (branch == kNoBranchId) {
    branch = ++state.last_branch;
    writes_.PutRaw(Table::kKnowledge, NumberingKey(group_, row.numbering, branch), "");
  }
  const StoredPlace place{branch, entry.entry.place.generation};
  const bool begins = row.head == row.after;
  row.used += UseOf(entry.entry, entry.sealed.bytes.size() + entry.sealed.signature.size(), begins);
  row.head = place.generation;
  row.head_hash = entry.hash;
  row.head_time = entry.entry.time;
  state.token = TokenAfter(state.token, entry.hash);
  ++state.last_sequence;
  writes_.Put(Table::kLog, StoredEntryKey(group_, place),
              EncodeStoredEntry({.sealed = entry.sealed, .sequence = state.last_sequence}));
  writes_.Put(Table::kLog, TakenKey(group_, state.last_sequence),
              EncodeTakenEntry({.place = place, .token = state.token}));
  if (row.holds == Holds::kActs) {
    writes_.Put(Table::kLog, ActEntryKey(group_, entry.hash), EncodeTakenEntry({.place = place}));
  }
  if (SaysOfMembers(entry.entry)) writes_.PutRaw(Table::kLog, FactKey(group_, place), "");
  StoreBranch(branch, row);
  writes_.Put(Table::kKnowledge, LogStateKey(group_), EncodeLogState(state));
  return place;
}

bool LogWriter::Keep(BranchId branch, uint64_t generation) {
  auto row = Branch(branch);
  CHECK(row && generation <= row->head);
  generation = std::max(generation, row->after);
  if (generation == row->kept) return false;
  row->kept = generation;
  row->kept_hash = {};
  if (generation == row->head) {
    row->kept_hash = row->head_hash;
  } else if (generation > row->after) {
    row->kept_hash = HashAt({branch, generation}).value_or(base::EntryHash());
  }
  StoreBranch(branch, *row);
  return true;
}

absl::Status LogWriter::DropBeyond(BranchId branch, uint64_t generation, std::size_t limit,
                                   bool& done) {
  done = true;
  auto row = Branch(branch);
  if (!row) return absl::OkStatus();
  generation = std::max(generation, row->after);
  if (row->kept > generation) {
    return absl::FailedPreconditionError(
        absl::StrCat("entries up to ", row->kept, " of branch ", branch, " are kept"));
  }
  for (const auto& [other, of] : BranchesOf(row->numbering)) {
    if (of.parent == branch && of.after > generation) {
      return absl::FailedPreconditionError(
          absl::StrCat("branch ", other, " leaves branch ", branch, " after ", of.after));
    }
  }
  for (; row->head > generation; --row->head) {
    if (limit-- == 0) {
      done = false;
      break;
    }
    DeleteEntry({branch, row->head}, row->holds);
  }
  if (row->head == row->after) {
    DeleteBranch(branch, *row);
    return absl::OkStatus();
  }
  const auto last = EntryAt({branch, row->head});
  if (!last) return absl::DataLossError("the entry before those that were dropped is not here");
  ASSIGN_OR_RETURN(const LogEntry entry, DecodeLogEntry(last->sealed.bytes));
  row->head_hash = HashEntry(last->sealed.bytes);
  row->head_time = entry.time;
  StoreBranch(branch, *row);
  return absl::OkStatus();
}

void LogWriter::StoreBranch(BranchId branch, const BranchRow& row) {
  writes_.Put(Table::kKnowledge, BranchKey(group_, branch), EncodeBranch(row));
}

void LogWriter::DeleteBranch(BranchId branch, const BranchRow& row) {
  writes_.Delete(Table::kKnowledge, BranchKey(group_, branch));
  writes_.Delete(Table::kKnowledge, NumberingKey(group_, row.numbering, branch));
}

void LogWriter::DeleteEntry(const StoredPlace& place, Holds holds) {
  const auto entry = EntryAt(place);
  if (entry) {
    writes_.Delete(Table::kLog, TakenKey(group_, entry->sequence));
    if (holds == Holds::kActs) {
      writes_.Delete(Table::kLog, ActEntryKey(group_, HashEntry(entry->sealed.bytes)));
    }
  }
  writes_.Delete(Table::kLog, FactKey(group_, place));
  writes_.Delete(Table::kLog, StoredEntryKey(group_, place));
}

}  // namespace waypost::syncgroup
