#include "syncgroup/log/log_exchange.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <utility>

// Both sides of an exchange of a log with branches. What is served goes out in the order in which
// it was taken: whatever an entry rests on, names or pins was taken before it, by the same rule
// here as there, so the other side finds it when it takes the entry.

namespace waypost::syncgroup {
namespace {

bool FitsLog(base::ReadTxn& txn, const base::GroupId& group, const LogState& state,
             const LogCursor& cursor) {
  if (cursor.sequence == 0) return cursor.log == state.log;
  const auto payload = txn.Get(base::Table::kLog, TakenKey(group, cursor.sequence));
  const auto row = payload ? DecodeTakenEntry(*payload) : std::nullopt;
  // The token stands for all entries up to there: a log that was restored or copied has another.
  return row && row->token == cursor.log;
}

// Entries of one branch that are wanted, from `next` up to `last`.
struct WantedRange {
  BranchId branch = kNoBranchId;
  uint64_t next = 0, last = 0;
};

// What is told of a branch goes up to what is kept of it, or where others leave it that are told.
bool IsTold(const LogReader& log, const StoredPlace& place) {
  const auto own = log.Branch(place.branch);
  if (!own) return false;
  if (place.generation <= own->kept) return true;
  for (const auto& [branch, row] : log.BranchesOf(own->numbering)) {
    if (row.kept > row.after && log.IsAncestorOrSelf(place, {branch, row.kept})) return true;
  }
  return false;
}

// The way to `head` from behind `after`, a range for each branch that it goes over.
std::vector<WantedRange> WayTo(const LogReader& log, StoredPlace head, uint64_t after) {
  std::vector<WantedRange> way;
  while (head.generation > after) {
    const auto row = log.Branch(head.branch);
    if (!row) break;
    way.push_back({head.branch, std::max(row->after, after) + 1, head.generation});
    if (row->parent == kNoBranchId) break;
    head = {row->parent, row->after};
  }
  return way;
}

// Of each branch the range that covers all ways over it, without what the caller has of it by
// anything that it says, so that what it lacks comes, and once. Heads for which there is no way are
// noted.
std::map<BranchId, WantedRange> RangesOf(const LogReader& log, const std::vector<LogWant>& wants,
                                         ServedEntries& served) {
  std::map<BranchId, WantedRange> ranges;
  std::map<BranchId, uint64_t> known;  // up to where the caller has them
  for (const LogWant& want : wants) {
    const auto head = log.Find(want.head);
    if (!head || !IsTold(log, *head)) {
      served.gone.push_back(want.head);
      continue;
    }
    uint64_t after = 0;
    if (want.after) {
      const auto place = log.Find(*want.after);
      if (!place || !log.IsAncestorOrSelf(*place, *head)) {
        served.parted.push_back(want.head);
        continue;
      }
      after = place->generation;
      for (const WantedRange& part : WayTo(log, *place, 0)) {
        uint64_t& up_to = known[part.branch];
        up_to = std::max(up_to, part.last);
      }
    }
    for (const WantedRange& part : WayTo(log, *head, after)) {
      const auto [it, first] = ranges.try_emplace(part.branch, part);
      if (first) continue;
      it->second.next = std::min(it->second.next, part.next);
      it->second.last = std::max(it->second.last, part.last);
    }
  }
  for (auto& [branch, range] : ranges) {
    const auto has = known.find(branch);
    if (has != known.end()) range.next = std::max(range.next, has->second + 1);
  }
  return ranges;
}

}  // namespace

HeadsSince HeadsTakenSince(const LogReader& log, const LogCursor& cursor, std::size_t rows_max) {
  HeadsSince since;
  const LogState state = log.State();
  since.all = !FitsLog(log.txn(), log.group(), state, cursor);
  since.cursor = since.all ? LogCursor{state.log, 0} : cursor;
  std::map<BranchId, uint64_t> taken;
  const std::string prefix = TakenPrefix(log.group());
  base::Cursor at(log.txn(), base::Table::kLog);
  for (bool more = at.Seek(TakenKey(log.group(), since.cursor.sequence + 1));
       more && at.key().starts_with(prefix); more = at.Next()) {
    if (rows_max-- == 0) {
      since.more = true;
      break;
    }
    const auto sequence = SequenceOfTakenKey(at.key());
    const auto payload = at.payload();
    const auto row = payload ? DecodeTakenEntry(*payload) : std::nullopt;
    if (!sequence || !row) continue;
    uint64_t& up_to = taken[row->place.branch];
    up_to = std::max(up_to, row->place.generation);
    since.cursor = {row->token, *sequence};
  }
  for (const auto& [branch, up_to] : taken) {
    const auto row = log.Branch(branch);
    if (!row || row->kept <= row->after) continue;
    const uint64_t told = std::min(up_to, row->kept);
    const auto hash = told == row->kept ? row->kept_hash : log.HashAt({branch, told});
    if (hash) since.heads.push_back({row->numbering, told, *hash});
  }
  std::sort(since.heads.begin(), since.heads.end());
  return since;
}

ServedEntries ServeWants(const LogReader& log, const std::vector<LogWant>& wants,
                         std::size_t bytes_max) {
  ServedEntries served;
  std::map<BranchId, WantedRange> ranges = RangesOf(log, wants, served);
  // The entry that was taken first of those that are next on each range.
  struct Next {
    uint64_t sequence = 0;
    BranchId branch = kNoBranchId;
    SealedEntry entry;
    bool operator<(const Next& other) const { return sequence > other.sequence; }
  };
  std::priority_queue<Next> next;
  const auto read_next = [&](WantedRange& range) {
    if (range.next > range.last) return;
    auto entry = log.EntryAt({range.branch, range.next});
    // What cannot be read ends its way here; the caller finds no entry to go on with.
    if (!entry) return;
    ++range.next;
    next.push({entry->sequence, range.branch, std::move(entry->sealed)});
  };
  for (auto& [branch, range] : ranges) read_next(range);
  std::size_t bytes = 0;
  while (!next.empty()) {
    const std::size_t more = next.top().entry.bytes.size() + next.top().entry.signature.size();
    if (bytes > 0 && bytes + more > bytes_max) {
      served.more = true;
      break;
    }
    bytes += more;
    Next first = next.top();
    next.pop();
    served.entries.push_back(std::move(first.entry));
    read_next(ranges.at(first.branch));
  }
  return served;
}

std::vector<LogHead> ServeProbe(const LogReader& log, const LogHead& head,
                                const std::vector<uint64_t>& generations) {
  std::vector<LogHead> answer;
  const auto place = log.Find(head);
  if (!place || !IsTold(log, *place)) return answer;
  for (const uint64_t generation : generations) {
    if (generation == 0 || generation > place->generation || answer.size() == kProbedAtOnce) break;
    const auto hash = log.HashAt({place->branch, generation});
    if (!hash) break;
    answer.push_back({head.numbering, generation, *hash});
  }
  return answer;
}

LogAnswer AnswerLog(const LogReader& log, const LogAsk& ask, const LogBudget& budget) {
  LogAnswer answer{.group = log.group(), .member = true, .digest = DigestOf(log.ToldHeads())};
  for (const LogProbe& probe : ask.probes) {
    answer.probed.push_back(ServeProbe(log, probe.head, probe.generations));
  }
  ServedEntries served = ServeWants(log, ask.wants, budget.bytes);
  answer.entries = std::move(served.entries);
  answer.more = served.more;
  answer.parted = std::move(served.parted);
  answer.gone = std::move(served.gone);
  for (const base::EntryHash& hash : ask.acts) {
    const auto place = log.FindActs(hash);
    const auto row = place ? log.Branch(place->branch) : std::nullopt;
    if (row && IsTold(log, *place))
      answer.acts.push_back({row->numbering, place->generation, hash});
  }
  if (!ask.heads_since) return answer;
  // Whoever keeps the same has all of it, however much that is.
  if (ask.digest == answer.digest) {
    const LogState state = log.State();
    answer.cursor = LogCursor{state.token, state.last_sequence};
    return answer;
  }
  HeadsSince since = HeadsTakenSince(log, *ask.heads_since, budget.rows);
  answer.heads = std::move(since.heads);
  answer.cursor = since.cursor;
  answer.from_beginning = since.all;
  answer.more_heads = since.more;
  return answer;
}

Lacks LacksOf(const LogReader& log, const std::vector<LogHead>& heads) {
  Lacks lacks;
  for (const LogHead& head : heads) {
    if (log.Find(head)) continue;
    LogWant want{.head = head, .after = std::nullopt};
    const std::vector<StoredBranch> branches = log.BranchesOf(head.numbering);
    for (const auto& [branch, row] : branches) {
      if (row.head >= head.generation) continue;
      if (want.after && want.after->generation >= row.head) continue;
      want.after = LogHead{row.numbering, row.head, row.head_hash};
    }
    if (want.after || branches.empty()) {
      lacks.wants.push_back(want);
    } else {
      lacks.searches.push_back(SearchFor(log, head));
    }
  }
  return lacks;
}

BranchSearch SearchFor(const LogReader& log, const LogHead& head) {
  // Whoever has anything of a numbering has its first entry, after which it is named.
  const LogHead first{head.numbering, 1, head.numbering};
  const bool begun = !log.BranchesOf(head.numbering).empty();
  return begun ? BranchSearch(head, first) : BranchSearch(head);
}

LogWant WantAfter(const BranchSearch& search) {
  return {.head = search.head(), .after = search.shared()};
}

}  // namespace waypost::syncgroup
