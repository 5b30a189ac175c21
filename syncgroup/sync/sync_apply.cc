#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/status.h"
#include "syncgroup/group/member_shares.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/replication_impl.h"

// The caller's side of a sync: what it asks, and how it applies a page of the answer. Entries of a
// numbering are taken in order and only while they follow on what is known; the cursor moves only
// over what was taken or need never be, so that whatever is held back is asked for again.

namespace waypost::syncgroup {

// What became of the entries of one transaction; the operation may run several times.
struct ChunkResult {
  std::size_t applied = 0;
  std::size_t passed_over = 0;
  std::size_t end = 0;        // so far it went; what follows is another transaction's
  std::set<OriginKey> ended;  // nothing more of them in this page
  // Of these, because of a limit of their origin; the last entry of the page that follows on what
  // is known.
  std::map<OriginKey, Known> waits;
  bool shown = false;                    // something of what waits decides about members
  std::map<OriginKey, uint64_t> parted;  // another entry than ours; up to which generation we know
  // An entry of our own that this index does not have, in a numbering of ours.
  struct OwnEntry {
    base::Incarnation numbering;
    base::WallTime stamp;
  };
  std::optional<OwnEntry> retire;     // under that of now: someone else writes under it
  std::optional<OwnEntry> elsewhere;  // under one that no entry of this process has
  bool cursors_reset = false;
  std::string problem;
};

namespace {

using base::Index;
using Round = Replication::Round;

// Leaves room below kRequestBytesMax for what is around it.
constexpr std::size_t kKnowledgeBytesMax = kRequestBytesMax - (std::size_t{64} << 10);
constexpr std::size_t kKnownBytes = 110;  // of one numbering on the wire, at most
constexpr std::size_t kGroupBytes = 120 + kProbesMax * 80;

// How one entry relates to what is known.
enum class Fate { kKnown, kNext, kGap, kParted, kVoid, kHeld, kOurs };

Fate FateOf(const GroupRow& row, const base::PeerId& self, const Known& known,
            const PreparedEntry& entry) {
  const EntryPlace& place = entry.entry.place;
  if (known.forked != 0 && place.generation >= known.forked) return Fate::kVoid;
  if (place.generation < known.generation) return Fate::kKnown;
  if (place.generation == known.generation) {
    return entry.hash == known.hash ? Fate::kKnown : Fate::kParted;
  }
  if (place.generation > known.generation + 1) return Fate::kGap;
  if (entry.entry.previous != known.hash) return Fate::kParted;
  if (place.origin == self) {
    if (place.incarnation == row.incarnation) return Fate::kOurs;
    for (const RetiredNumbering& retired : row.retired) {
      if (retired.incarnation == place.incarnation && retired.rewrite_from != 0) return Fate::kHeld;
    }
  }
  return Fate::kNext;
}

// Of an entry that has to wait what decides about members has its effect now: nobody puts off a
// removal, its own or another's, by what stands before it. It follows on what is known, so that a
// member cannot tell each of the others something else and never publish it.
void Show(GroupWriter& writer, PaperShares& papers, const PreparedEntry& entry, const Known& before,
          ChunkResult& result) {
  const EntryPlace& place = entry.entry.place;
  if (place.generation != before.generation + 1 || entry.entry.previous != before.hash) return;
  result.waits[{place.origin, place.incarnation}] = {.generation = place.generation,
                                                     .hash = entry.hash};
  if (!MayDecide(writer.txn(), writer.group(), entry.entry) || !papers.Take(entry)) return;
  writer.LearnPaper(entry);
  result.shown = true;
}

// One that is next in its numbering: taken, unless its member brings more than it may.
void TakeNext(GroupWriter& writer, const Core& core, const base::PeerId& via,
              const PreparedEntry& entry, const Known& known, MemberShares& shares,
              PaperShares& papers, ChunkResult& result) {
  const EntryPlace& place = entry.entry.place;
  const MemberUse use =
      UseOf(entry.entry, entry.sealed.bytes.size() + entry.sealed.signature.size());
  const bool own = place.origin == core.self();
  auto why = own ? std::nullopt : shares.WhyNot(place.origin, use);
  if (why) {
    result.ended.insert({place.origin, place.incarnation});
    result.problem = *std::move(why);
    Show(writer, papers, entry, known, result);
    return;
  }
  const auto& retired = writer.row().retired;
  const bool known_here = std::any_of(retired.begin(), retired.end(), [&](const auto& each) {
    return each.incarnation == place.incarnation;
  });
  if (own && !known_here && core.second_copy.WroteElsewhere(place.incarnation, entry.entry.time)) {
    result.elsewhere = {place.incarnation, entry.entry.time};
  }
  writer.Append(entry, via);
  shares.Took(place.origin, use);
  ++result.applied;
}

void ApplyChunk(GroupWriter& writer, const Core& core, const base::PeerId& via,
                const std::vector<PreparedEntry>& entries, std::size_t begin, std::size_t end,
                ChunkResult& result) {
  const base::PeerId& self = core.self();
  MemberShares shares(writer.txn(), writer.group(), writer.row(), self, core.limits(),
                      core.clock.WallNow());
  PaperShares papers(core, writer.txn(), writer.group(), writer.row());
  for (std::size_t i = begin; i < end; ++i) {
    result.end = i + 1;
    const PreparedEntry& entry = entries[i];
    const EntryPlace& place = entry.entry.place;
    const OriginKey numbering{place.origin, place.incarnation};
    const auto waits = result.waits.find(numbering);
    if (waits == result.waits.end() && result.ended.contains(numbering)) continue;
    // One fold a transaction: who may have been admitted by what stands before it is judged in the
    // next one.
    if (!writer.Admitted(place.origin) && writer.MayAdmit(place.origin)) {
      result.end = i;
      return;
    }
    // A member must not fill this peer's disk in the name of others.
    if (!writer.Admitted(place.origin) && place.origin != self) {
      writer.row().passed_over = true;
      ++result.passed_over;
      continue;
    }
    if (waits != result.waits.end()) {
      Show(writer, papers, entry, Known(waits->second), result);
      continue;
    }
    const Known known = LoadKnowledge(writer.txn(), writer.group(), numbering).known;
    switch (FateOf(writer.row(), self, known, entry)) {
      case Fate::kKnown:
      case Fate::kVoid:
        break;
      case Fate::kNext:
        TakeNext(writer, core, via, entry, known, shares, papers, result);
        break;
      case Fate::kGap:
        result.ended.insert(numbering);
        result.problem = absl::StrCat("a gap before entry ", place.generation, " of peer ",
                                      place.origin.ToHex());
        break;
      case Fate::kParted:
        result.ended.insert(numbering);
        result.parted[numbering] = known.generation;
        result.problem = absl::StrCat("another entry ", place.generation, " of peer ",
                                      place.origin.ToHex(), " than is known here");
        break;
      case Fate::kOurs:
        result.retire = {place.incarnation, entry.entry.time};
        result.ended.insert(numbering);
        break;
      case Fate::kHeld:
        result.ended.insert(numbering);
        break;
    }
  }
}

// Fills in what is known: all of it, or where it does not fit a range. A range keeps its end until
// it was served, so that its cursor means one thing; of what has been learned in it meanwhile as
// much is sent as fits, and the rest comes once more. False: there is no room in this request.
bool AskAbout(base::ReadTxn& txn, Round& round, std::size_t room, bool alone,
              SyncGroupRequest& asked) {
  const auto known = round.ranges.find(asked.group);
  if (known == round.ranges.end()) {
    KnowledgePage all = LoadKnowledgePage(txn, asked.group, {}, {}, room);
    asked.knowledge = std::move(all.knowledge);
    if (!all.next) return true;
  }
  if (!alone) return false;
  Round::Ranges& ranges = round.ranges[asked.group];
  if (known == round.ranges.end()) ranges.begin = asked.cursor;
  if (!ranges.begun) {
    // With room for what is learned until it was served.
    const std::size_t most = std::max<std::size_t>(room / 4 * 3, 1);
    ranges.end = LoadKnowledgePage(txn, asked.group, ranges.first, {}, most).next;
    ranges.begun = true;
  }
  asked.range = NumberingRange{ranges.first, ranges.end};
  asked.until = ranges.until;
  asked.knowledge = LoadKnowledgePage(txn, asked.group, ranges.first, ranges.end, room).knowledge;
  return true;
}

// What a page of a range means for the cursor: nullopt while other ranges are to be served.
std::optional<LogCursor> NextRange(Round& round, const SyncGroupReply& reply) {
  const auto it = round.ranges.find(reply.group);
  if (it == round.ranges.end()) return reply.cursor;
  if (!reply.ranged) {  // an older peer: it was asked about everything
    round.ranges.erase(it);
    return reply.cursor;
  }
  Round::Ranges& ranges = it->second;
  if (reply.more) return std::nullopt;
  if (!ranges.until || reply.cursor.sequence < ranges.until->sequence) {
    ranges.until = reply.cursor;
  }
  if (!ranges.end) {
    const LogCursor until = *ranges.until;
    round.ranges.erase(it);
    round.cursors[reply.group] = until;
    return until;
  }
  ranges.first = *ranges.end;
  ranges.begun = false;
  round.cursors[reply.group] = ranges.begin;
  round.goes_on.insert(reply.group);
  return std::nullopt;
}

// Everything is to be asked for again.
void StartOver(Round& round, const base::GroupId& group) {
  round.cursors.erase(group);
  round.ranges.erase(group);
  round.again = true;
}

}  // namespace

void Replication::Impl::NoteProblem(const base::GroupId& group, const base::PeerId& peer,
                                    const std::string& problem, Round& round) {
  round.problem = problem;
  const uint64_t count = problems.fetch_add(1) + 1;
  if (base::IsPowerOfTwo(count)) {
    base::LogWarning("sync of group ", group.ToHex(), " with peer ", peer.ToHex(), ": ", problem,
                     "; such problems so far: ", count);
  }
}

absl::StatusOr<SyncRequest> Replication::RequestFor(const base::PeerId& peer,
                                                    const std::vector<base::GroupId>& groups,
                                                    Round& round) {
  const Core& core = impl_->core;
  SyncRequest request;
  std::vector<GroupRow> rows;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    std::size_t bytes = 0;
    for (const base::GroupId& group : groups) {
      auto row = LoadGroupRow(txn, group);
      if (!row || row->state != GroupRow::State::kActive || !LoadMember(txn, group, core.self()) ||
          !LoadMember(txn, group, peer)) {
        continue;
      }
      SyncGroupRequest asked{.group = group, .deciding = round.no_room};
      const auto further = round.cursors.find(group);
      asked.cursor =
          further != round.cursors.end() ? further->second : LoadCursor(txn, group, peer);
      bytes += kGroupBytes;
      const std::size_t room =
          (kKnowledgeBytesMax - std::min(bytes, kKnowledgeBytesMax)) / kKnownBytes;
      // One with too much knowledge for what is left goes first in a later request.
      if (!AskAbout(txn, round, room, request.groups.empty(), asked)) break;
      bytes += asked.knowledge.size() * kKnownBytes;
      request.groups.push_back(std::move(asked));
      rows.push_back(*std::move(row));
      if (request.groups.size() == kSyncGroupsMax) break;
    }
  }));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SyncGroupRequest& asked = request.groups[i];
    asked.probes = impl_->ProbesFor(asked.group, rows[i], peer, asked.knowledge);
  }
  return request;
}

absl::Status Replication::ApplyPage(const base::PeerId& peer, SyncReply reply, Round& round) {
  round.again = false;
  round.goes_on.clear();
  for (SyncGroupReply& group : reply.groups) {
    if (!group.member) {
      round.not_member.insert(group.group);
      // Perhaps it says why.
      if (!group.entries.empty() && group.entries.size() <= kPapersMax) {
        RETURN_IF_ERROR(
            impl_->LearnAll({}, {{.group = group.group, .entries = std::move(group.entries)}}));
      }
      continue;
    }
    round.answered.insert(group.group);
    RETURN_IF_ERROR(impl_->ApplyGroup(peer, std::move(group), round));
  }
  return absl::OkStatus();
}

absl::Status Replication::Impl::ApplyGroup(const base::PeerId& peer, SyncGroupReply reply,
                                           Round& round) {
  const base::GroupId group = reply.group;
  bool shared = false;
  LogCursor kept;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    const auto row = LoadGroupRow(txn, group);
    shared = row && row->state == GroupRow::State::kActive && LoadMember(txn, group, peer);
    kept = LoadCursor(txn, group, peer);
  }));
  if (!shared) return absl::OkStatus();  // left, or the peer was removed, meanwhile
  ASSIGN_OR_RETURN(const bool retired, CheckClaims(peer, group, std::move(reply.claimed)));
  if (retired) {
    // The same is asked again, now that the answer is known to hold lost entries of ours.
    StartOver(round, group);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CompareClaims(peer, group, reply.of_caller, round));
  RETURN_IF_ERROR(ApplyForks(peer, group, reply.forks));
  RETURN_IF_ERROR(ApplyProbed(peer, group, std::move(reply.probed), reply.probes_answered, round));
  if (round.no_room) return ShowEntries(group, reply, round);
  const auto further = round.cursors.find(group);
  const LogCursor before = further != round.cursors.end() ? further->second : kept;
  std::optional<LogCursor> cursor;
  round.cursors[group] = reply.cursor;
  const std::optional<LogCursor> next = NextRange(round, reply);
  if (next && *next != before) cursor = next;
  if (reply.entries.empty() && !cursor) return absl::OkStatus();
  return ApplyEntries(peer, group, std::move(reply.entries), cursor, round);
}

absl::Status Replication::Impl::ShowEntries(const base::GroupId& group, SyncGroupReply& reply,
                                            Round& round) {
  round.cursors[group] = reply.cursor;
  NextRange(round, reply);
  Papers papers{.group = group, .entries = std::move(reply.entries)};
  std::vector<PreparedEntry> entries = ReadPapers(papers, core.clock.WallNow());
  // An older peer sends all.
  std::erase_if(entries,
                [](const PreparedEntry& entry) { return !DecidesAboutMembers(entry.entry); });
  for (std::size_t begin = 0; begin < entries.size();) {
    if (core.stopping) return absl::CancelledError("the service is stopping");
    std::size_t next = begin;
    RETURN_IF_ERROR(core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
      next = entries.size();
      auto writer = GroupWriter::Open(core, txn, effects, group);
      if (!writer || writer->row().state != GroupRow::State::kActive) return absl::OkStatus();
      PaperShares shares(core, txn, group, writer->row());
      for (std::size_t i = begin; i < std::min(entries.size(), begin + kEntriesPerTxn); ++i) {
        next = i + 1;
        const PreparedEntry& entry = entries[i];
        const base::PeerId& origin = entry.entry.place.origin;
        // What stands before it may admit its author: that is judged in the next transaction.
        if (i > begin && writer->MayAdmit(origin)) {
          next = i;
          break;
        }
        if (MayDecide(txn, group, entry.entry) && shares.Take(entry)) writer->LearnPaper(entry);
      }
      writer->Finish();
      return absl::OkStatus();
    }));
    begin = next;
  }
  return absl::OkStatus();
}

std::vector<PreparedEntry> Replication::Impl::PreparePage(const base::PeerId& peer,
                                                          const base::GroupId& group,
                                                          std::vector<SealedEntry> sealed,
                                                          Round& round,
                                                          std::set<OriginKey>& ended) {
  std::vector<PreparedEntry> entries;
  const base::WallTime latest_allowed = core.clock.WallNow() + kClockAheadMax;
  for (SealedEntry& one : sealed) {
    const auto place = PeekPlace(one.bytes);
    if (place && ended.contains({place->origin, place->incarnation})) continue;
    auto entry = PrepareEntry(group, std::move(one));
    if (!entry.ok()) {
      if (place) ended.insert({place->origin, place->incarnation});
      round.held_back.insert(group);
      NoteProblem(
          group, peer,
          absl::StrCat("an entry cannot be read: ", base::Abs(base::Std(entry.status().message()))),
          round);
      continue;
    }
    if (entry->entry.time > latest_allowed) {
      ended.insert({place->origin, place->incarnation});
      round.held_back.insert(group);
      round.clock_ahead = true;
      continue;
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

absl::Status Replication::Impl::NoteChunk(const base::PeerId& peer, const base::GroupId& group,
                                          const ChunkResult& result, Round& round) {
  round.entries += result.applied;
  if (!result.ended.empty()) round.held_back.insert(group);
  if (result.cursors_reset) {
    round.held_back.insert(group);
    StartOver(round, group);
  }
  if (!result.problem.empty()) NoteProblem(group, peer, result.problem, round);
  for (const auto& [numbering, generation] : result.parted) {
    if (StartProbe(group, peer, numbering, generation)) round.again = true;
  }
  if (result.elsewhere) core.second_copy.Met(group, peer, result.elsewhere->stamp);
  if (!result.retire) return absl::OkStatus();
  RETURN_IF_ERROR(Retire(peer, group, result.retire->numbering, result.retire->stamp));
  StartOver(round, group);
  return absl::OkStatus();
}

absl::Status Replication::Impl::ApplyEntries(const base::PeerId& peer, const base::GroupId& group,
                                             std::vector<SealedEntry> sealed,
                                             const std::optional<LogCursor>& cursor, Round& round) {
  std::set<OriginKey> ended;
  std::map<OriginKey, Known> waits;
  const std::vector<PreparedEntry> entries =
      PreparePage(peer, group, std::move(sealed), round, ended);
  std::size_t begin = 0;
  do {
    if (core.stopping) return absl::CancelledError("the service is stopping");
    std::size_t end = begin;
    std::size_t ops = 0;
    while (end < entries.size() && end - begin < kEntriesPerTxn &&
           (end == begin || ops + entries[end].entry.ops.size() <= kOpsPerTxn)) {
      ops += entries[end++].entry.ops.size();
    }
    ChunkResult result;
    RETURN_IF_ERROR(core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
      result = ChunkResult{.end = end, .ended = ended, .waits = waits};
      auto writer = GroupWriter::Open(core, txn, effects, group);
      if (!writer || writer->row().state != GroupRow::State::kActive) return absl::OkStatus();
      ApplyChunk(*writer, core, peer, entries, begin, end, result);
      if (result.applied + result.passed_over > 0 || result.shown) writer->Finish();
      result.cursors_reset = writer->cursors_reset();
      // Together with the last of the page: everything before it is here, or never will be.
      if (result.end == entries.size() && cursor && !round.held_back.contains(group) &&
          result.ended.empty() && !result.cursors_reset) {
        StoreCursor(txn, group, peer, *cursor);
      }
      return absl::OkStatus();
    }));
    base::FaultPoint("sync.applied");
    RETURN_IF_ERROR(NoteChunk(peer, group, result, round));
    ended = std::move(result.ended);
    waits = std::move(result.waits);
    begin = result.end;
  } while (begin < entries.size());
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup
