#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/status.h"
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
  std::set<OriginKey> ended;             // nothing more of them in this page
  std::map<OriginKey, uint64_t> parted;  // another entry than ours; up to which generation we know
  std::optional<base::Incarnation> retire;  // our numbering of now: someone else writes under it
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

// Empty: the entry keeps its author within the limits of a member.
std::string BeyondLimits(GroupWriter& writer, const Core& core, const Entry& entry) {
  const uint64_t puts = PutsOf(entry);
  if (puts == 0) return {};
  const base::PeerId& origin = entry.place.origin;
  const MentionLimits& limits = core.options.limits;
  const auto member = LoadMember(writer.txn(), writer.group(), origin);
  const uint64_t allowed =
      member ? MentionsAllowed(limits, member->admitted, core.clock.WallNow()) : limits.total;
  const uint64_t all = LoadPuts(writer.txn(), writer.group(), origin) + puts;
  if (all <= allowed) return {};
  return absl::StrCat("peer ", origin.ToHex(), " has put ", all, " references, and ", allowed,
                      " are taken of it by now; see limits.mentions, limits.mention_burst and "
                      "limits.mention_rate");
}

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

void ApplyChunk(GroupWriter& writer, const Core& core, const base::PeerId& via,
                const std::vector<PreparedEntry>& entries, std::size_t begin, std::size_t end,
                ChunkResult& result) {
  const base::PeerId& self = core.self();
  for (std::size_t i = begin; i < end; ++i) {
    const PreparedEntry& entry = entries[i];
    const EntryPlace& place = entry.entry.place;
    const OriginKey numbering{place.origin, place.incarnation};
    if (result.ended.contains(numbering)) continue;
    // A member must not fill this peer's disk in the name of others.
    if (!writer.Admitted(place.origin) && place.origin != self) {
      writer.row().passed_over = true;
      ++result.passed_over;
      continue;
    }
    const Known known = LoadKnowledge(writer.txn(), writer.group(), numbering).known;
    switch (FateOf(writer.row(), self, known, entry)) {
      case Fate::kKnown:
      case Fate::kVoid:
        break;
      case Fate::kNext:
        if (std::string why = BeyondLimits(writer, core, entry.entry);
            place.origin != self && !why.empty()) {
          result.ended.insert(numbering);
          result.problem = std::move(why);
          break;
        }
        writer.Append(entry, via);
        ++result.applied;
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
        result.retire = place.incarnation;
        result.ended.insert(numbering);
        break;
      case Fate::kHeld:
        result.ended.insert(numbering);
        break;
    }
  }
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
                                                    const Round& round) {
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
      SyncGroupRequest asked{.group = group, .knowledge = LoadAllKnowledge(txn, group)};
      bytes += kGroupBytes + asked.knowledge.size() * kKnownBytes;
      // The first always goes: a request that is refused for its size says so.
      if (bytes > kKnowledgeBytesMax && !request.groups.empty()) break;
      if (request.groups.size() == kSyncGroupsMax) break;
      const auto further = round.cursors.find(group);
      asked.cursor =
          further != round.cursors.end() ? further->second : LoadCursor(txn, group, peer);
      request.groups.push_back(std::move(asked));
      rows.push_back(*std::move(row));
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
  std::erase_if(reply.of_caller, [&](const auto& item) { return item.first.first != core.self(); });
  ASSIGN_OR_RETURN(const bool retired, CheckClaims(group, reply.of_caller));
  if (retired) {
    // The same is asked again, now that the answer is known to hold lost entries of ours.
    round.cursors.erase(group);
    round.again = true;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ApplyForks(group, reply.forks));
  RETURN_IF_ERROR(ApplyProbed(peer, group, std::move(reply.probed), reply.probes_answered, round));
  const auto further = round.cursors.find(group);
  const LogCursor before = further != round.cursors.end() ? further->second : kept;
  std::optional<LogCursor> cursor;
  if (reply.cursor != before) cursor = reply.cursor;
  round.cursors[group] = reply.cursor;
  if (reply.entries.empty() && !cursor) return absl::OkStatus();
  return ApplyEntries(peer, group, std::move(reply.entries), cursor, round);
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
    round.cursors.erase(group);
    round.again = true;
  }
  if (!result.problem.empty()) NoteProblem(group, peer, result.problem, round);
  for (const auto& [numbering, generation] : result.parted) {
    if (StartProbe(group, peer, numbering, generation)) round.again = true;
  }
  if (!result.retire) return absl::OkStatus();
  RETURN_IF_ERROR(Retire(group, *result.retire));
  round.cursors.erase(group);
  round.again = true;
  return absl::OkStatus();
}

absl::Status Replication::Impl::ApplyEntries(const base::PeerId& peer, const base::GroupId& group,
                                             std::vector<SealedEntry> sealed,
                                             const std::optional<LogCursor>& cursor, Round& round) {
  std::set<OriginKey> ended;
  const std::vector<PreparedEntry> entries =
      PreparePage(peer, group, std::move(sealed), round, ended);
  std::size_t begin = 0;
  do {
    std::size_t end = begin;
    std::size_t ops = 0;
    while (end < entries.size() && end - begin < kEntriesPerTxn &&
           (end == begin || ops + entries[end].entry.ops.size() <= kOpsPerTxn)) {
      ops += entries[end++].entry.ops.size();
    }
    ChunkResult result;
    RETURN_IF_ERROR(core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
      result = ChunkResult{.ended = ended};
      auto writer = GroupWriter::Open(core, txn, effects, group);
      if (!writer || writer->row().state != GroupRow::State::kActive) return absl::OkStatus();
      ApplyChunk(*writer, core, peer, entries, begin, end, result);
      if (result.applied + result.passed_over > 0) writer->Finish();
      result.cursors_reset = writer->cursors_reset();
      // Together with the last of the page: everything before it is here, or never will be.
      if (end == entries.size() && cursor && !round.held_back.contains(group) &&
          result.ended.empty() && !result.cursors_reset) {
        StoreCursor(txn, group, peer, *cursor);
      }
      return absl::OkStatus();
    }));
    base::FaultPoint("sync.applied");
    RETURN_IF_ERROR(NoteChunk(peer, group, result, round));
    ended = std::move(result.ended);
    begin = end;
  } while (begin < entries.size());
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup
