#include "fetcher/work/work_view.h"

#include <utility>

#include "base/status.h"
#include "fetcher/work/board.h"

// Rows are read first and what only memory knows is added afterwards: no lock is held while the
// index is read.

namespace waypost::fetcher {
namespace {

using syncgroup::BlobRecord;

FetchState StateFromRows(const BlobRecord& record) {
  FetchState state;
  if (record.row) {
    state.kind = FetchState::Kind::kDone;
    state.received_bytes = record.row->size_bytes;
    state.total_bytes = record.row->size_bytes;
    return state;
  }
  if (!record.signpost) {
    state.kind = FetchState::Kind::kFailed;
    return state;
  }
  state.total_bytes = record.signpost->size_hint_bytes;
  state.error = record.signpost->last_error;
  state.next_attempt = record.signpost->next_attempt;
  state.will_retry =
      record.signpost->wanted_since != base::kNever && record.signpost->stopped == base::kNever;
  if (record.signpost->stopped != base::kNever) state.kind = FetchState::Kind::kStopped;
  return state;
}

}  // namespace

FetchState WorkView::State(const base::BlobId& blob) const {
  BlobRecord record;
  const absl::Status read =
      parts_.index.Read([&](base::ReadTxn& txn) { record = parts_.ledger.Load(txn, blob); });
  FetchState state;
  if (read.ok()) {
    state = StateFromRows(record);
  } else {
    // Absence is never concluded from an error.
    record = {};
    state.error = {.error = signpost::ErrorClass::kDisk,
                   .at = parts_.clock.WallNow(),
                   .message = read.ToString()};
  }
  parts_.board.FillIn(state, blob, record.signpost ? &*record.signpost : nullptr);
  return state;
}

WaitState WorkView::WaitOf(const base::BlobId& blob, const signpost::Signpost& signpost) const {
  return parts_.board.WaitOf(blob, signpost);
}

std::vector<WorkView::Running> WorkView::InFlight() const {
  std::vector<Running> running;
  for (auto& [blob, state] : parts_.board.Flights()) {
    running.push_back({.blob = blob, .state = std::move(state)});
  }
  return running;
}

PauseState WorkView::Paused() const { return parts_.board.pause(); }

WorkView::Counts WorkView::Count() const {
  const Board::Counts counts = parts_.board.Count();
  return {.due = counts.queued.due,
          .waiting = counts.queued.waiting,
          .parked = counts.queued.parked,
          .fetching = counts.fetching,
          .beyond_parked = counts.queued.beyond_parked,
          .beyond_due = counts.queued.beyond_due,
          .oldest_wanted = counts.oldest_wanted};
}

}  // namespace waypost::fetcher
