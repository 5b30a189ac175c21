#include <algorithm>
#include <utility>

#include "base/status.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/replication_impl.h"

// The callee's side of a sync: one page of what the caller does not know. One budget bounds the
// bytes of all that goes into it, another the rows looked at. What is withheld (own numberings that
// are not settled) must be met again, so the cursor that is handed out stays before it.

namespace waypost::syncgroup {
namespace {

// Rows looked at for one answer: what the caller knows is passed over, and that must end too.
constexpr std::size_t kRowsPerAnswer = 50000;

// ... and bytes of entries that are decoded to see whether they decide about members.
constexpr std::size_t kLookedBytesMax = std::size_t{16} << 20;

// On the wire, at most: what stands around an entry, one numbering, and a group without either.
constexpr std::size_t kAroundEntryBytes = 32;
constexpr std::size_t kClaimBytes = 110;
constexpr std::size_t kAroundGroupBytes = 160;
// Of what stands beside the entries. A page of proofs and probes has room for an entry, so that one
// gets on; and this has room for a proof, which is two entries.
constexpr std::size_t kBesideBytesMax =
    kSyncPageBytesMax - kEntryBytesMax - (std::size_t{64} << 10);

std::size_t BytesOf(const SealedEntry& entry) {
  return entry.bytes.size() + entry.signature.size() + kAroundEntryBytes;
}

// What is left of an answer's bounds.
class Budget {
 public:
  bool TakeBytes(std::size_t bytes) {
    if (bytes > bytes_) return false;
    bytes_ -= bytes;
    return true;
  }
  bool TakeBeside(std::size_t bytes) {
    if (bytes > beside_ || !TakeBytes(bytes)) return false;
    beside_ -= bytes;
    return true;
  }
  bool TakeRow() { return rows_ > 0 && rows_-- > 0; }
  // Of an entry that is decoded to see what it says.
  bool TakeLook(std::size_t bytes) {
    if (looked_ > kLookedBytesMax) return false;
    looked_ += bytes;
    return true;
  }
  // No more entries: those that follow on one that had no room must not overtake it.
  void EndEntries() { bytes_ = 0; }

 private:
  std::size_t bytes_ = kSyncPageBytesMax;
  std::size_t beside_ = kBesideBytesMax;
  std::size_t rows_ = kRowsPerAnswer;
  std::size_t looked_ = 0;
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

// Is it asked about?
bool Asked(const SyncGroupRequest& request, const OriginKey& numbering) {
  return !request.range || request.range->Has(numbering);
}

bool Decides(const SealedEntry& sealed) {
  const auto entry = DecodeEntry(sealed.bytes);
  return entry.ok() && DecidesAboutMembers(*entry);
}

void ServeEntries(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                  const SyncGroupRequest& request, Budget& budget, SyncGroupReply& reply) {
  const base::GroupId& group = request.group;
  reply.cursor =
      CursorFits(txn, group, row, request.cursor) ? request.cursor : LogCursor{row.log, 0};
  std::optional<uint64_t> last;
  if (request.until && CursorFits(txn, group, row, *request.until)) {
    last = request.until->sequence;
  }
  base::Cursor cursor(txn, base::Table::kLog);
  const std::string prefix = GroupKey(group);
  // What is withheld must be met again: the cursor stays before it.
  bool held = false;
  for (bool more = cursor.Seek(LogKey(group, reply.cursor.sequence + 1));
       more && cursor.key().starts_with(prefix); more = cursor.Next()) {
    const auto sequence = SequenceOfLogKey(cursor.key());
    if (!sequence || (last && *sequence > *last)) break;
    if (!budget.TakeRow()) {
      reply.more = !held || !reply.entries.empty();
      break;
    }
    const auto payload = cursor.payload();
    auto log_row = payload ? DecodeLogRow(*payload) : std::nullopt;
    if (!log_row) continue;  // set aside; the caller reports the gap
    const auto place = PeekPlace(log_row->entry.bytes);
    bool news = place && Asked(request, {place->origin, place->incarnation}) &&
                !Knows(request.knowledge, *place);
    if (news && request.deciding) {
      if (!budget.TakeLook(payload->size())) {
        reply.more = true;
        break;
      }
      news = Decides(log_row->entry);
    }
    if (news && Withheld(row, self, *place)) {
      held = true;
    } else if (news) {
      if (!budget.TakeBytes(BytesOf(log_row->entry))) {
        reply.more = true;
        budget.EndEntries();
        break;
      }
      reply.entries.push_back(std::move(log_row->entry));
    }
    if (!held) reply.cursor = {log_row->token, *sequence};
  }
}

// False: there was no room for it.
bool ServeProbe(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                const base::GroupId& group, const Probe& probe, Budget& budget,
                SyncGroupReply& reply) {
  EntryPlace place{probe.numbering.first, probe.numbering.second,
                   std::max<uint64_t>(probe.from, 1)};
  if (Withheld(row, self, place)) return true;
  std::size_t bytes = 0;
  for (; place.generation <= kGenerationMax; ++place.generation) {
    auto entry = LoadEntryAt(txn, group, place);
    if (!entry) return true;
    const bool first = bytes == 0;
    bytes += BytesOf(*entry);
    // At least one, so that the caller gets on.
    if (bytes > kProbeBytesMax && !first) return true;
    if (!budget.TakeBeside(BytesOf(*entry))) return !first;
    reply.probed.push_back(*std::move(entry));
  }
  return true;
}

// How many of the probes found room.
uint32_t ServeProbes(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                     const SyncGroupRequest& request, Budget& budget, SyncGroupReply& reply) {
  uint32_t answered = 0;
  for (const Probe& probe : request.probes) {
    if (!ServeProbe(txn, self, row, request.group, probe, budget, reply)) break;
    ++answered;
  }
  if (answered < request.probes.size()) reply.probes_answered = answered;
  return answered;
}

// Where the caller's copy of a numbering ends in another entry than ours, ours is shown to it: it
// then looks for the place where they part.
void ShowDifferences(base::ReadTxn& txn, const base::PeerId& self, const GroupRow& row,
                     const SyncGroupRequest& request, const Knowledge& here, Budget& budget,
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
    if (!budget.TakeBeside(BytesOf(*entry))) return;  // it is a difference in the next answer too
    reply.probed.push_back(*std::move(entry));
    ++shown;
  }
}

void ServeForks(base::ReadTxn& txn, const SyncGroupRequest& request, const Knowledge& here,
                Budget& budget, SyncGroupReply& reply) {
  for (const auto& [numbering, ours] : here) {
    if (ours.forked == 0 || reply.forks.size() == kForksMax) continue;
    if (!Asked(request, numbering)) continue;
    const auto theirs = request.knowledge.find(numbering);
    if (theirs != request.knowledge.end() && theirs->second.forked != 0 &&
        theirs->second.forked <= ours.forked) {
      continue;
    }
    ForkProof proof = LoadKnowledge(txn, request.group, numbering).proof;
    if (!budget.TakeBeside(BytesOf(proof.first) + BytesOf(proof.second))) {
      reply.more = true;
      return;
    }
    reply.forks.push_back(std::move(proof));
  }
}

// What is known of the caller's own numberings, those first that it asks about, with what proves
// it.
void ServeClaims(base::ReadTxn& txn, const base::PeerId& caller, const SyncGroupRequest& request,
                 const Knowledge& here, Budget& budget, SyncGroupReply& reply) {
  for (const bool asked : {true, false}) {
    for (auto it = here.lower_bound({caller, base::Incarnation()});
         it != here.end() && it->first.first == caller; ++it) {
      if (request.knowledge.contains(it->first) != asked) continue;
      if (!Asked(request, it->first)) continue;
      if (!budget.TakeBeside(kClaimBytes)) return;
      reply.of_caller.insert(*it);
      const auto theirs = request.knowledge.find(it->first);
      const Known said = theirs != request.knowledge.end() ? theirs->second : Known();
      const Known& ours = it->second;
      // It may also say more, of a branch that is not ours.
      if (ours.generation == 0 || ours.hash == said.hash) continue;
      auto entry = LoadEntryAt(txn, request.group, {caller, it->first.second, ours.generation});
      if (entry && budget.TakeBeside(BytesOf(*entry))) reply.claimed.push_back(*std::move(entry));
    }
  }
}

// Why the caller is no member any more, as far as there is room.
void ServeRemoval(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& caller,
                  Budget& budget, SyncGroupReply& reply) {
  for (SealedEntry& entry : RemovalOf(txn, group, caller)) {
    if (budget.TakeBeside(BytesOf(entry))) reply.entries.push_back(std::move(entry));
  }
}

// Does the caller say that our numbering of now goes on beyond what we know, or otherwise? It may
// be so: this index may be an older copy. Its word alone changes nothing.
bool ClaimsMore(base::ReadTxn& txn, const base::PeerId& self, const SyncGroupRequest& asked) {
  const auto row = LoadGroupRow(txn, asked.group);
  if (!row || row->state != GroupRow::State::kActive) return false;
  const OriginKey numbering{self, row->incarnation};
  const auto claim = asked.knowledge.find(numbering);
  return claim != asked.knowledge.end() && !ClaimFits(txn, asked.group, numbering, claim->second);
}

// All that is answered about one group. False: there was no room for what was probed, and it is to
// be asked again.
bool ServeGroup(base::ReadTxn& txn, const base::PeerId& self, const base::PeerId& caller,
                const SyncGroupRequest& asked, bool doubted, Budget& budget, SyncGroupReply& answer,
                bool& leaving) {
  answer.group = asked.group;
  leaving = false;
  auto row = LoadGroupRow(txn, asked.group);
  if (!row || row->state == GroupRow::State::kDropping) return true;
  // Nothing under a number that the caller says is taken, until it has shown by what.
  if (doubted) row->retired.push_back({.incarnation = row->incarnation});
  leaving = row->state == GroupRow::State::kLeaving;
  if (!leaving && !LoadMember(txn, asked.group, self)) return true;
  if (!LoadMember(txn, asked.group, caller)) {
    ServeRemoval(txn, asked.group, caller, budget, answer);
    return true;
  }
  answer.member = true;
  answer.ranged = asked.range.has_value();
  const Knowledge here = LoadAllKnowledge(txn, asked.group);
  ServeClaims(txn, caller, asked, here, budget, answer);
  // Who asks for places compares numberings, and takes nothing for an answer.
  if (ServeProbes(txn, self, *row, asked, budget, answer) == 0 && !asked.probes.empty()) {
    return false;
  }
  ServeForks(txn, asked, here, budget, answer);
  ShowDifferences(txn, self, *row, asked, here, budget, answer);
  ServeEntries(txn, self, *row, asked, budget, answer);
  return true;
}

}  // namespace

absl::StatusOr<Replication::Served> Replication::ServePage(const base::PeerId& caller,
                                                           const SyncRequest& request) {
  const Core& core = impl_->core;
  Served served;
  SyncReply& reply = served.reply;
  reply.now = core.clock.WallNow();
  std::vector<base::GroupId> told;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    Budget budget;
    for (const SyncGroupRequest& asked : request.groups) {
      SyncGroupReply answer;
      bool leaving = false;
      const bool doubted = ClaimsMore(txn, core.self(), asked);
      const bool room =
          budget.TakeBytes(kAroundGroupBytes) &&
          ServeGroup(txn, core.self(), caller, asked, doubted, budget, answer, leaving);
      reply.more |= !room || answer.more;
      if (doubted && answer.member) served.doubted.push_back(asked.group);
      if (!room) continue;
      // Once it has applied our last entry it no longer asks us: this is all the receipt there is.
      if (leaving && answer.member && !answer.more) told.push_back(asked.group);
      reply.groups.push_back(std::move(answer));
    }
  }));
  for (const base::GroupId& group : told) impl_->work.NoteToldOfLeaving(group, caller);
  return served;
}

}  // namespace waypost::syncgroup
