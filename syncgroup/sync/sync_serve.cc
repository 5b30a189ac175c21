#include <algorithm>
#include <utility>

#include "base/status.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/replication_impl.h"

// The callee's side of a sync: one page of what the caller does not know. Bounded in bytes and in
// rows looked at. What is withheld (own numberings that are not settled) must be met again, so the
// cursor that is handed out stays before it.

namespace waypost::syncgroup {
namespace {

// Rows looked at for one answer: what the caller knows is passed over, and that must end too.
constexpr std::size_t kRowsPerAnswer = 50000;

// What is left of an answer's bounds.
struct Budget {
  std::size_t bytes = kSyncPageBytesMax;
  std::size_t rows = kRowsPerAnswer;
};

bool CursorFits(base::ReadTxn& txn, const base::GroupId& group, const GroupRow& row,
                const LogCursor& cursor) {
  if (cursor.sequence == 0) return cursor.log == row.log;
  const auto at = LoadLogRow(txn, group, cursor.sequence);
  // The token stands for all entries up to there: a log that was restored or copied has another.
  return at && at->token == cursor.log;
}

bool Knows(const Knowledge& knowledge, const EntryPlace& place) {
  const auto it = knowledge.find({place.origin, place.incarnation});
  if (it == knowledge.end()) return false;
  return place.generation <= it->second.generation ||
         (it->second.forked != 0 && place.generation >= it->second.forked);
}

// Own numberings whose place among the members' is not settled: handing them out could make a fork.
bool Withheld(const GroupRow& row, const base::PeerId& self, const EntryPlace& place) {
  if (place.origin != self) return false;
  for (const RetiredNumbering& retired : row.retired) {
    if (retired.incarnation != place.incarnation) continue;
    // Settled, but what the members do not have is still on its way out of the log.
    const bool leaving = retired.drop && retired.rewrite_from != 0;
    return !retired.resolved || leaving;
  }
  return false;
}

void ServeEntries(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                  const SyncGroupRequest& request, Budget& budget, SyncGroupReply& reply) {
  const base::GroupId& group = request.group;
  reply.cursor =
      CursorFits(txn, group, row, request.cursor) ? request.cursor : LogCursor{row.log, 0};
  base::Cursor cursor(txn, base::Table::kLog);
  const std::string prefix = GroupKey(group);
  // What is withheld must be met again: the cursor stays before it.
  bool held = false;
  for (bool more = cursor.Seek(LogKey(group, reply.cursor.sequence + 1));
       more && cursor.key().starts_with(prefix); more = cursor.Next()) {
    const auto sequence = SequenceOfLogKey(cursor.key());
    if (!sequence) break;
    if (budget.rows == 0) {
      reply.more = !held || !reply.entries.empty();
      break;
    }
    --budget.rows;
    const auto payload = cursor.payload();
    auto log_row = payload ? DecodeLogRow(*payload) : std::nullopt;
    if (!log_row) continue;  // set aside; the caller reports the gap
    const auto place = PeekPlace(log_row->entry.bytes);
    const bool news = place && !Knows(request.knowledge, *place);
    if (news && Withheld(row, self, *place)) {
      held = true;
    } else if (news) {
      const std::size_t bytes = log_row->entry.bytes.size() + log_row->entry.signature.size();
      if (bytes > budget.bytes) {
        reply.more = true;
        budget.bytes = 0;
        break;
      }
      budget.bytes -= bytes;
      reply.entries.push_back(std::move(log_row->entry));
    }
    if (!held) reply.cursor = {log_row->token, *sequence};
  }
}

void ServeProbe(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                const base::GroupId& group, const Probe& probe, SyncGroupReply& reply) {
  EntryPlace place{probe.numbering.first, probe.numbering.second,
                   std::max<uint64_t>(probe.from, 1)};
  if (Withheld(row, self, place)) return;
  std::size_t bytes = 0;
  for (; place.generation <= kGenerationMax; ++place.generation) {
    auto entry = LoadEntryAt(txn, group, place);
    if (!entry) return;
    bytes += entry->bytes.size();
    // At least one, so that the caller gets on.
    if (bytes > kProbeBytesMax && bytes != entry->bytes.size()) return;
    reply.probed.push_back(*std::move(entry));
  }
}

// Where the caller's copy of a numbering ends in another entry than ours, ours is shown to it: it
// then looks for the place where they part.
void ShowDifferences(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                     const SyncGroupRequest& request, const Knowledge& here,
                     SyncGroupReply& reply) {
  std::size_t shown = 0;
  for (const auto& [numbering, theirs] : request.knowledge) {
    const auto ours = here.find(numbering);
    if (ours == here.end() || theirs.generation == 0 || shown == kProbesMax) continue;
    if (theirs.forked != 0 || ours->second.forked != 0) continue;
    if (theirs.generation > ours->second.generation || theirs == ours->second) continue;
    const EntryPlace place{numbering.first, numbering.second, theirs.generation};
    if (Withheld(row, self, place)) continue;
    auto entry = LoadEntryAt(txn, request.group, place);
    if (!entry || HashEntry(entry->bytes) == theirs.hash) continue;
    reply.probed.push_back(*std::move(entry));
    ++shown;
  }
}

void ServeForks(base::ReadTxn& txn, const SyncGroupRequest& request, const Knowledge& here,
                Budget& budget, SyncGroupReply& reply) {
  for (const auto& [numbering, ours] : here) {
    if (ours.forked == 0 || reply.forks.size() == kForksMax) continue;
    const auto theirs = request.knowledge.find(numbering);
    if (theirs != request.knowledge.end() && theirs->second.forked != 0 &&
        theirs->second.forked <= ours.forked) {
      continue;
    }
    ForkProof proof = LoadKnowledge(txn, request.group, numbering).proof;
    const std::size_t bytes = proof.first.bytes.size() + proof.second.bytes.size();
    if (bytes > budget.bytes) {
      reply.more = true;
      return;
    }
    budget.bytes -= bytes;
    reply.forks.push_back(std::move(proof));
  }
}

}  // namespace

absl::StatusOr<SyncReply> Replication::ServePage(const base::PeerId& caller,
                                                 const SyncRequest& request) {
  const Core& core = impl_->core;
  // What the caller says of our own numberings comes first: it may be the reason not to hand one
  // out.
  std::map<base::GroupId, Knowledge> claims;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (const SyncGroupRequest& asked : request.groups) {
      if (!LoadMember(txn, asked.group, caller)) continue;
      for (const auto& [numbering, known] : asked.knowledge) {
        if (numbering.first == core.self()) claims[asked.group][numbering] = known;
      }
    }
  }));
  for (const auto& [group, known] : claims) {
    RETURN_IF_ERROR(impl_->CheckClaims(group, known).status());
  }

  SyncReply reply;
  std::vector<base::GroupId> told;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    Budget budget;
    for (const SyncGroupRequest& asked : request.groups) {
      SyncGroupReply& answer = reply.groups.emplace_back();
      answer.group = asked.group;
      const auto row = LoadGroupRow(txn, asked.group);
      if (!row || row->state == GroupRow::State::kDropping) continue;
      const bool leaving = row->state == GroupRow::State::kLeaving;
      if (!leaving && !LoadMember(txn, asked.group, core.self())) continue;
      if (!LoadMember(txn, asked.group, caller)) {
        answer.entries = RemovalOf(txn, asked.group, caller);
        continue;
      }
      answer.member = true;
      const Knowledge here = LoadAllKnowledge(txn, asked.group);
      for (const auto& [numbering, known] : here) {
        if (numbering.first == caller) answer.of_caller[numbering] = known;
      }
      ServeForks(txn, asked, here, budget, answer);
      ShowDifferences(txn, core.self(), *row, asked, here, answer);
      for (const Probe& probe : asked.probes) {
        ServeProbe(txn, core.self(), *row, asked.group, probe, answer);
      }
      ServeEntries(txn, core.self(), *row, asked, budget, answer);
      reply.more |= answer.more;
      // Once it has applied our last entry it no longer asks us: this is all the receipt there is.
      if (leaving && !answer.more) told.push_back(asked.group);
    }
  }));
  for (const base::GroupId& group : told) impl_->work.NoteToldOfLeaving(group, caller);
  return reply;
}

}  // namespace waypost::syncgroup
