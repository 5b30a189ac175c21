#include "fetcher/report/report.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"

// Counts of states. What is in memory is counted exactly; of the rest only the table's count and
// the runs say something, so those figures are about right. An index that cannot be read counts as
// one without rows: figures are no place to fail.

namespace waypost::fetcher {
namespace {

// Rows of one view, and of all views together, where the rows of one group are counted.
constexpr std::size_t kPageRows = 1000;
constexpr std::size_t kRowsCounted = 10000;

constexpr std::array kStates = {WaitState::kDue, WaitState::kWaiting, WaitState::kFetching,
                                WaitState::kParked, WaitState::kStopped};

uint64_t& CountOf(Report::StateCounts& counts, WaitState state) {
  switch (state) {
    case WaitState::kDue:
      return counts.due;
    case WaitState::kWaiting:
      return counts.waiting;
    case WaitState::kFetching:
      return counts.fetching;
    case WaitState::kParked:
      return counts.parked;
    case WaitState::kStopped:
      break;
  }
  return counts.stopped;
}

bool WantedIn(const base::GroupId& group, const signpost::Signpost& signpost) {
  const auto mention = signpost.groups.find(group);
  return mention != signpost.groups.end() && mention->second.wanted;
}

void NoteAge(Report::StateCounts& counts, const signpost::Signpost& signpost) {
  counts.oldest_wanted =
      std::min(counts.oldest_wanted.value_or(signpost.wanted_since), signpost.wanted_since);
}

}  // namespace

Report::Report(const Parts& parts)
    : parts_(parts),
      in_flight_(parts.metrics.AddGauge("waypost_fetch_in_flight", "Attempts under way.")),
      oldest_(
          parts.metrics.AddGauge("waypost_oldest_wanted_seconds",
                                 "How long the oldest wanted blob has been wanted; 0: none is.")) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    wanted_[i] = parts_.metrics.AddGauge("waypost_wanted", "Wanted blobs.",
                                         {{"state", WaitStateName(kStates[i])}});
  }
  parts_.metrics.AddRefresher([this] { RefreshGauges(); });
}

void Report::RefreshGauges() const {
  StateCounts counts = CountStates();
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    wanted_[i].Set(static_cast<double>(CountOf(counts, kStates[i])));
  }
  in_flight_.Set(static_cast<double>(counts.fetching));
  const base::WallTime now = parts_.clock.WallNow();
  const base::WallTime oldest = counts.oldest_wanted.value_or(now);
  oldest_.Set(oldest < now ? std::chrono::duration<double>(now - oldest).count() : 0);
}

Report::StateCounts Report::CountStates() const {
  const syncgroup::Counts stored = parts_.ledger.KnownCounts();
  const WorkView::Counts work = parts_.work.Count();
  StateCounts counts{.due = work.due,
                     .waiting = work.waiting,
                     .fetching = work.fetching,
                     .parked = work.parked,
                     .stopped = stored.stopped,
                     .oldest_wanted = {}};
  if (stored.wanted > 0) counts.oldest_wanted = work.oldest_wanted;
  // What is not in the window: the table's count says how many, the runs say about how they wait.
  const uint64_t seen =
      counts.due + counts.waiting + counts.parked + counts.fetching + counts.stopped;
  const uint64_t beyond = stored.wanted > seen ? stored.wanted - seen : 0;
  const uint64_t parked = std::min(beyond, work.beyond_parked);
  const uint64_t due = std::min(beyond - parked, work.beyond_due);
  counts.parked += parked;
  counts.due += due;
  counts.waiting += beyond - parked - due;
  return counts;
}

Report::StateCounts Report::CountStatesIn(const base::GroupId& group) const {
  StateCounts counts;
  const std::vector<WorkView::Running> running = InFlight();
  parts_.index
      .Read([&](base::ReadTxn& txn) {
        counts.stopped = parts_.ledger.LoadCounts(txn, group).stopped;
        for (const WorkView::Running& flight : running) {
          const auto signpost = signpost::LoadSignpost(txn, flight.blob);
          if (!signpost || !WantedIn(group, *signpost)) continue;
          ++counts.fetching;
          NoteAge(counts, *signpost);
        }
      })
      .IgnoreError();
  std::optional<signpost::DueKey> from = signpost::DueKey();
  for (std::size_t looked_at = 0; from && looked_at < kRowsCounted; looked_at += kPageRows) {
    std::vector<std::pair<base::BlobId, signpost::Signpost>> page;
    const auto next = signpost::WalkDue(
        parts_.index, {.from = *from, .rows_max = kPageRows}, [&](const signpost::DueRow& row) {
          auto signpost = signpost::LoadSignpost(row.txn, row.key.blob);
          if (signpost && WantedIn(group, *signpost)) {
            page.emplace_back(row.key.blob, *std::move(signpost));
          }
          return true;
        });
    if (!next.ok()) break;
    for (const auto& [blob, signpost] : page) {
      NoteAge(counts, signpost);
      const WaitState state = parts_.work.WaitOf(blob, signpost);
      // Those under way were counted above.
      if (state != WaitState::kFetching) ++CountOf(counts, state);
    }
    from = *next;
  }
  return counts;
}

absl::StatusOr<std::optional<signpost::Signpost>> Report::SignpostOf(
    const base::BlobId& blob) const {
  std::optional<signpost::Signpost> signpost;
  RETURN_IF_ERROR(
      parts_.index.Read([&](base::ReadTxn& txn) { signpost = signpost::LoadSignpost(txn, blob); }));
  return signpost;
}

}  // namespace waypost::fetcher
