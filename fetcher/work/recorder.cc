#include "fetcher/work/recorder.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "signpost/rules.h"

// What an attempt leaves in the index. Each transaction reads mentions, membership and `stopped`
// again, because they may have changed while the bytes came: what nobody wants any more gets no
// row, and its bytes go. Metrics and events follow only what was committed.

namespace waypost::fetcher {

using base::WallTime;
using syncgroup::BlobRecord;

Recorder::Recorder(const Parts& parts) : parts_(parts) {
  base::Metrics& metrics = parts_.metrics;
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    attempts_total_[i] =
        metrics.AddCounter("waypost_fetch_attempts_total", "Fetch attempts that ended.",
                           {{"result", OutcomeName(static_cast<Outcome>(i))}});
  }
  bytes_total_ = metrics.AddCounter("waypost_fetch_bytes_total", "Blob bytes received from peers.");
  duration_seconds_ = metrics.AddHistogram(
      "waypost_fetch_duration_seconds", "Time of attempts that brought the blob.",
      {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600});
  hint_hit_ = metrics.AddCounter("waypost_hint_first_try_total",
                                 "Did the first location asked have it?", {{"hit", "yes"}});
  hint_miss_ = metrics.AddCounter("waypost_hint_first_try_total",
                                  "Did the first location asked have it?", {{"hit", "no"}});
}

Written Recorder::WriteSuccess(base::WriteTxn& txn, const base::BlobId& blob,
                               const AttemptResult& result, WallTime now) const {
  CHECK(result.staged->id == blob);  // a writer finishes only what it was begun for
  const syncgroup::Ledger::Arrived arrived = parts_.ledger.Arrive(
      txn, parts_.blobs, *result.staged,
      syncgroup::Ledger::ByFetch{.source = result.source, .granted = result.granted, .when = now});
  return {.kept = arrived.kept, .stored = arrived.created};
}

void Recorder::NoteSuccess(const base::BlobId& blob, const AttemptResult& result,
                           base::SteadyTime began, const absl::Status& recorded,
                           const Written& written) {
  if (!recorded.ok()) {
    NoteNotRecorded(recorded);
    return;
  }
  Count(written.kept ? Outcome::kOk : Outcome::kCancelled);
  if (!written.kept) return;
  parts_.board.NoteArrival();
  (result.first_try ? hint_hit_ : hint_miss_).Add();
  duration_seconds_.Observe(
      std::chrono::duration<double>(parts_.clock.SteadyNow() - began).count());
  if (!written.stored) return;
  parts_.events.Publish(base::EventKind::kBlobStored,
                        {{"blob", blob.ToHex()},
                         {"size", absl::StrCat(result.staged->size_bytes)},
                         {"via", "fetch"},
                         {"peer", result.source.ToHex()}});
}

// A peer that could not be heard has answered something else since.
bool Recorder::SomebodyReturned(const AttemptResult& result) const {
  return std::any_of(result.silent.begin(), result.silent.end(), [&](const auto& item) {
    return parts_.peers.Health(item.first).returns != item.second;
  });
}

Failure Recorder::BeginFailure(const base::BlobId& blob, const AttemptResult& result) const {
  const FetcherOptions options = parts_.board.options();
  Failure failure{.now = parts_.clock.WallNow(),
                  .unit = parts_.random.Unit(),
                  .report = result.report,
                  .policy = {.base = options.retry_base, .max = options.retry_max},
                  .partial_bytes = parts_.blobs.PartialBytes(blob),
                  .window_full = parts_.board.WindowFull(),
                  .consequences = {}};
  failure.report.evidence_moved = SomebodyReturned(result);
  // Cut short before anybody was asked, or parked once more: nothing to write, unless more or less
  // of it lies here now than is charged to who mentioned it.
  failure.consequences = JudgeFailure(failure.report, 0, failure.policy, failure.now, failure.unit);
  const Consequences& after = failure.consequences;
  failure.to_write = !failure.report.asked.empty() || after.count_failure || after.next_attempt ||
                     after.error.error != signpost::ErrorClass::kNone ||
                     (after.parked && failure.window_full) ||
                     failure.partial_bytes != result.partial_bytes_at_start;
  return failure;
}

void Recorder::WriteFailure(base::WriteTxn& txn, const base::BlobId& blob,
                            const AttemptResult& result, Failure& failure) const {
  parts_.ledger.Change(txn, blob, [&](BlobRecord& record) {
    if (!record.signpost) return;  // removed meanwhile
    signpost::Signpost& signpost = *record.signpost;
    AttemptReport& report = failure.report;
    Consequences& after = failure.consequences;
    const WallTime now = failure.now;
    report.evidence_moved =
        SomebodyReturned(result) || signpost.evidence != result.evidence_at_start;
    after = JudgeFailure(report, signpost.failures, failure.policy, now, failure.unit);
    // Who was seen since it said no may have got the blob while others were asked; what these told
    // of it is no such news.
    for (auto& [peer, said] : after.denied) {
      const auto it = signpost.locations.find(peer);
      const bool seen_since = it != signpost.locations.end() && it->second.when_seen > said;
      if (!seen_since) said = now;
    }
    signpost::MergeLocations(signpost.locations, result.learned, now);
    for (const auto& [peer, said] : after.denied) {
      if (const auto it = signpost.locations.find(peer); it != signpost.locations.end()) {
        it->second.denied = std::max(it->second.denied, said);
      }
    }
    for (const base::PeerId& peer : after.dropped) signpost.locations.erase(peer);
    if (result.size_bytes && !signpost.size_hint_bytes) {
      signpost.size_hint_bytes = result.size_bytes;
    }
    if (after.count_attempt) ++signpost.fetch_attempts;
    if (after.count_failure) ++signpost.failures;
    if (after.error.error != signpost::ErrorClass::kNone) signpost.last_error = after.error;
    // Too many wait in memory already: this one in the table.
    if (after.parked && failure.window_full && report.first_cool_down_end) {
      after.next_attempt = report.first_cool_down_end;
    }
    if (after.next_attempt) signpost.next_attempt = *after.next_attempt;
    signpost.partial_bytes = failure.partial_bytes;
  });
}

void Recorder::NoteFailure(const base::BlobId& blob, const AttemptResult& result,
                           const absl::Status& recorded, const Consequences& after) {
  if (!recorded.ok()) {
    NoteNotRecorded(recorded);
    return;
  }
  Count(after.outcome);
  if (after.pause != PauseReason::kNone) PauseFor(after.pause, result.report.local_message);
  if (after.error.error != signpost::ErrorClass::kNone) {
    parts_.events.Publish(base::EventKind::kFetchFailed,
                          {{"blob", blob.ToHex()},
                           {"error", signpost::ErrorClassName(after.error.error)},
                           {"message", after.error.message}});
  }
}

// Our own index does not take what came: nothing else would fare better. But memory that ran out
// may be there again for the next one, and the batch waits for that.
void Recorder::NoteNotRecorded(const absl::Status& error) {
  Count(Outcome::kLocalError);
  if (base::IsNoMemory(error)) return;
  PauseFor(base::IsNoSpace(error) ? PauseReason::kSpace : PauseReason::kIndex, error.ToString());
}

void Recorder::PauseFor(PauseReason reason, const std::string& detail) {
  const auto in_a_row = parts_.board.PauseByItself(reason, detail);
  if (!in_a_row || !base::IsPowerOfTwo(*in_a_row)) return;
  const std::string name = PauseReasonName(reason);
  base::LogWarning("fetcher: paused (", name, "): ", detail, ". It goes on by itself.");
  parts_.events.Publish(base::EventKind::kFetcherPaused, {{"reason", name}, {"detail", detail}});
}

void Recorder::WriteRepair(base::WriteTxn& txn, const base::BlobId& blob, WallTime now) const {
  parts_.ledger.Change(txn, blob, [&](BlobRecord& record) {
    if (record.signpost && record.signpost->asked_until < now) {
      record.signpost->asked_until = base::kNever;
    }
  });
}

}  // namespace waypost::fetcher
