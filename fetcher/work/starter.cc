#include "fetcher/work/starter.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "fetcher/work/row_state.h"
#include "signpost/due.h"

// Reads happen without the board's mutex; the queue is told before and after, so that no row
// committed in between is missed. Whatever is put there is a hint: an attempt looks at the rows
// itself.

namespace waypost::fetcher {
namespace {

// How often the starter looks without being called.
constexpr base::Millis kIdle{1000};
constexpr base::Millis kLoadAgain{200};
// Rows of one view while the runs are counted. A million rows take a fifth of a second.
constexpr std::size_t kLoadPage = 100000;
// The oldest want is looked for among so many rows, this often: a figure for people, not worth a
// full walk.
constexpr std::size_t kOldestRows = 10000;
constexpr base::Millis kOldestEvery{5000};
// The wall clock may be set back while we run.
constexpr base::Millis kClampEvery{60 * 1000};
constexpr std::size_t kClampPage = 1000;
// Room for one page more is no reason to begin.
constexpr uint64_t kRoomToGoOn = uint64_t{1} << 20;

}  // namespace

Starter::Starter(const Parts& parts)
    : parts_(parts),
      detours_({.index = parts.index,
                .ledger = parts.ledger,
                .groups = parts.groups,
                .peers = parts.peers,
                .clock = parts.clock,
                .board = parts.board}) {}

void Starter::Start() {
  if (thread_.joinable()) return;
  thread_ = base::Thread("fetch-start", [this] { Run(); });
}

void Starter::Run() {
  while (!parts_.board.stopped()) {
    const absl::Status done = base::WithinMemory([&] {
      DoChores();
      return absl::OkStatus();
    });
    if (!done.ok()) base::LogWarning("fetcher: ", done.ToString());
    if (!parts_.board.AwaitChore(loaded_ ? kIdle : kLoadAgain)) return;
  }
}

void Starter::DoChores() {
  if (!loaded_) Load();
  ClampFarRows();
  FillUp();
  detours_.LookAround();
  detours_.WalkAround();
  DropPartials();
  CheckPause();
  FindOldest();
}

void Starter::Load() {
  const absl::Status status = LoadRuns();
  loaded_ = status.ok();
  if (!loaded_ && base::IsPowerOfTwo(++load_failures_)) {
    base::LogWarning("fetcher: cannot read its queue: ", status.ToString());
  }
}

absl::Status Starter::LoadRuns() {
  std::map<RunQueue::RunId, Board::StoredRun> runs;
  std::optional<signpost::DueKey> from = signpost::DueKey();
  while (from) {
    ASSIGN_OR_RETURN(
        from, signpost::WalkDue(parts_.index, {.from = *from, .rows_max = kLoadPage},
                                [&](const signpost::DueRow& row) {
                                  const RunQueue::RunId run{row.key.first_peer, row.key.lane};
                                  ++runs.try_emplace(run, row.key, 0).first->second.second;
                                  return true;
                                }));
  }
  parts_.board.AddStoredRuns(runs);
  return absl::OkStatus();
}

void Starter::FillUp() {
  while (const auto refill = parts_.board.BeginRefill()) {
    std::vector<signpost::DueKey> rows;
    const auto next = signpost::WalkDue(parts_.index,
                                        {.from = refill->from,
                                         .first_peer = refill->run.first,
                                         .lane = refill->run.second,
                                         .rows_max = RunQueue::kRefillRows},
                                        [&](const signpost::DueRow& row) {
                                          rows.push_back(row.key);
                                          return true;
                                        });
    if (!next.ok()) {
      // What was not read stays in the table; tried again with the next round.
      parts_.board.EndRefill(refill->run, {}, refill->from);
      base::LogWarning("fetcher: cannot read the queue: ", next.status().ToString());
      return;
    }
    parts_.board.EndRefill(refill->run, rows, *next);
  }
}

// Times further ahead than the longest wait: the wall clock was set back, or retry_max lowered.
void Starter::ClampFarRows() {
  if (parts_.clock.SteadyNow() < next_clamp_) return;
  next_clamp_ = parts_.clock.SteadyNow() + kClampEvery;
  const base::WallTime now = parts_.clock.WallNow();
  const base::WallTime latest = now + parts_.board.options().retry_max;
  for (const RunQueue::RunId& run : parts_.board.Runs()) {
    if (!ClampRun(run, now, latest)) return;
  }
}

// False: rows could not be written, and others will not be either.
bool Starter::ClampRun(const RunQueue::RunId& run, base::WallTime now, base::WallTime latest) {
  std::optional<signpost::DueKey> from = signpost::DueKey{
      .first_peer = run.first, .lane = run.second, .due = latest + base::Millis(1)};
  while (from) {
    std::vector<base::BlobId> far;
    const auto next = signpost::WalkDue(
        parts_.index,
        {.from = *from, .first_peer = run.first, .lane = run.second, .rows_max = kClampPage},
        [&](const signpost::DueRow& row) {
          far.push_back(row.key.blob);
          return true;
        });
    if (!next.ok() || far.empty()) return true;
    if (!ClampPage(far, now, latest).ok()) return false;
    from = *next;
  }
  return true;
}

absl::Status Starter::ClampPage(const std::vector<base::BlobId>& far, base::WallTime now,
                                base::WallTime latest) {
  return parts_.index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    for (const base::BlobId& blob : far) {
      parts_.ledger.Change(txn, blob, [&](syncgroup::BlobRecord& record) {
        if (!record.signpost) return;
        signpost::Signpost& signpost = *record.signpost;
        signpost.next_attempt = std::min(signpost.next_attempt, latest);
        if (signpost.wanted_since != base::kNever) {
          signpost.wanted_since = std::min(signpost.wanted_since, now);
        }
      });
    }
    return absl::OkStatus();
  });
}

// What was begun of a blob that nobody wants any more is of no use.
void Starter::DropPartials() {
  while (const auto blob = parts_.board.TakeLeft()) {
    if (parts_.blobs.PartialBytes(*blob) == 0) continue;
    const auto row = ReadRowState(parts_.index, *blob);
    if (row.ok() && !row->wanted) parts_.blobs.DropPartial(*blob);
  }
}

void Starter::CheckPause() {
  if (!parts_.board.CheckPause()) return;
  const absl::Status space = parts_.blobs.CheckSpace(kRoomToGoOn);
  parts_.board.NoteDisk(space.ok() ? "" : std::string(base::Std(space.message())));
}

void Starter::FindOldest() {
  if (parts_.clock.SteadyNow() < next_oldest_) return;
  next_oldest_ = parts_.clock.SteadyNow() + kOldestEvery;
  std::optional<base::WallTime> oldest;
  const auto read = signpost::WalkDue(parts_.index, {.from = {}, .rows_max = kOldestRows},
                                      [&](const signpost::DueRow& row) {
                                        const auto since = row.WantedSince();
                                        if (since && (!oldest || *since < *oldest)) oldest = since;
                                        return true;
                                      });
  if (read.ok()) parts_.board.SetOldestWanted(oldest);
}

}  // namespace waypost::fetcher
