#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/rules.h"

// What an attempt leaves in the index. Each transaction reads mentions, membership and `stopped`
// again, because they may have changed while the bytes came: what nobody wants any more gets no
// row, and its bytes go. Metrics and events follow only what was committed.

namespace waypost::fetcher {

using base::Index;
using base::WallTime;
using syncgroup::BlobRecord;

void Fetcher::Impl::WriteSuccess(base::WriteTxn& txn, const base::BlobId& blob,
                                 const AttemptResult& result, WallTime now,
                                 Written& written) const {
  CHECK(result.staged->id == blob);  // a writer finishes only what it was begun for
  const syncgroup::Ledger::Arrived arrived = parts.ledger.Arrive(
      txn, parts.blobs, *result.staged,
      syncgroup::Ledger::ByFetch{.source = result.source, .granted = result.granted, .when = now});
  written = {.kept = arrived.kept, .stored = arrived.created};
}

void Fetcher::Impl::NoteSuccess(const base::BlobId& blob, const AttemptResult& result,
                                base::SteadyTime began, const absl::Status& recorded,
                                const Written& written) {
  if (!recorded.ok()) {
    attempts_total["local_error"].Add();
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index", recorded.ToString());
    return;
  }
  attempts_total[written.kept ? "ok" : "cancelled"].Add();
  if (!written.kept) return;
  {
    base::MutexLock lock(mutex);
    pauses_in_a_row = 0;
  }
  (result.first_try ? hint_hit : hint_miss).Add();
  duration_seconds.Observe(std::chrono::duration<double>(parts.clock.SteadyNow() - began).count());
  if (!written.stored) return;
  parts.events.Publish("blob.stored", {{"blob", blob.ToHex()},
                                       {"size", absl::StrCat(result.staged->size_bytes)},
                                       {"via", "fetch"},
                                       {"peer", result.source.ToHex()}});
}

// A peer that could not be heard has answered something else since.
bool Fetcher::Impl::SomebodyReturned(const AttemptResult& result) const {
  return std::any_of(result.silent.begin(), result.silent.end(), [&](const auto& item) {
    return parts.peers.Health(item.first).returns != item.second;
  });
}

Fetcher::Impl::Failure Fetcher::Impl::BeginFailure(const AttemptResult& result) {
  Failure failure{
      .now = parts.clock.WallNow(), .unit = parts.random.Unit(), .report = result.report};
  {
    base::MutexLock lock(mutex);
    failure.window_full = queue.size() >= RunQueue::kWindow;
    failure.policy = {.base = options.retry_base, .max = options.retry_max};
  }
  failure.report.evidence_moved = SomebodyReturned(result);
  // Cut short before anybody was asked, or parked once more: nothing to write.
  failure.verdict = JudgeFailure(failure.report, 0, failure.policy, failure.now, failure.unit);
  const Verdict& verdict = failure.verdict;
  failure.to_write = !failure.report.asked.empty() || verdict.count_failure ||
                     verdict.next_attempt || verdict.error.error != signpost::ErrorClass::kNone ||
                     (verdict.parked && failure.window_full);
  return failure;
}

void Fetcher::Impl::WriteFailure(base::WriteTxn& txn, const base::BlobId& blob,
                                 const AttemptResult& result, Failure& failure) const {
  parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
    if (!record.signpost) return;  // removed meanwhile
    signpost::Signpost& signpost = *record.signpost;
    AttemptReport& report = failure.report;
    Verdict& verdict = failure.verdict;
    const WallTime now = failure.now;
    report.evidence_moved =
        SomebodyReturned(result) || signpost.evidence != result.evidence_at_start;
    verdict = JudgeFailure(report, signpost.failures, failure.policy, now, failure.unit);
    signpost::MergeLocations(signpost.locations, result.learned, now);
    for (const base::PeerId& peer : verdict.denied) {
      if (const auto it = signpost.locations.find(peer); it != signpost.locations.end()) {
        it->second.denied = std::max(it->second.denied, now);
      }
    }
    for (const base::PeerId& peer : verdict.dropped) signpost.locations.erase(peer);
    if (result.size_bytes && !signpost.size_hint_bytes) {
      signpost.size_hint_bytes = result.size_bytes;
    }
    if (verdict.count_attempt) ++signpost.fetch_attempts;
    if (verdict.count_failure) ++signpost.failures;
    if (verdict.error.error != signpost::ErrorClass::kNone) signpost.last_error = verdict.error;
    // Too many wait in memory already: this one in the table.
    if (verdict.parked && failure.window_full && report.first_cool_down_end) {
      verdict.next_attempt = report.first_cool_down_end;
    }
    if (verdict.next_attempt) signpost.next_attempt = *verdict.next_attempt;
  });
}

void Fetcher::Impl::NoteFailure(const base::BlobId& blob, const AttemptResult& result,
                                const absl::Status& recorded, const Verdict& verdict) {
  if (!recorded.ok()) {
    attempts_total["local_error"].Add();
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index", recorded.ToString());
    return;
  }
  attempts_total[verdict.metric].Add();
  if (!verdict.pause_reason.empty()) PauseFor(verdict.pause_reason, result.report.local_message);
  if (verdict.error.error != signpost::ErrorClass::kNone) {
    parts.events.Publish("fetch.failed", {{"blob", blob.ToHex()},
                                          {"error", signpost::ErrorClassName(verdict.error.error)},
                                          {"message", verdict.error.message}});
  }
}

// The queue named a blob that its rows do not want: makes the due row agree with them.
void Fetcher::Impl::WriteRepair(base::WriteTxn& txn, const base::BlobId& blob, WallTime now) const {
  parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
    if (record.signpost && record.signpost->asked_until < now) {
      record.signpost->asked_until = base::kNever;
    }
  });
}

}  // namespace waypost::fetcher
