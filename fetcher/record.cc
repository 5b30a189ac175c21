// What an attempt leaves in the index.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/fetcher_impl.h"
#include "signpost/rules.h"

namespace waypost::fetcher {

using base::Index;
using base::WallTime;
using syncgroup::BlobRecord;

void Fetcher::Impl::RecordSuccess(const base::BlobId& blob, const AttemptResult& result,
                                  base::SteadyTime began) {
  const WallTime now = parts.clock.WallNow();
  const blobstore::StagedBlob& staged = *result.staged;
  bool kept = false;
  bool stored = false;
  // Reads mentions, membership and `stopped` again: they may have changed while the bytes came.
  const absl::Status recorded =
      parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        kept = stored = false;
        parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          signpost::Signpost& signpost = record.NeedSignpost();
          std::vector<base::GroupId> groups;
          for (const base::GroupId& group : result.granted) {
            if (signpost.groups.contains(group) && parts.groups.FindGroup(txn, group)) {
              groups.push_back(group);
            }
          }
          const bool asked = signpost.asked_until != base::kNever;
          if (signpost.stopped != base::kNever || (groups.empty() && !asked)) return;
          kept = true;
          stored = !record.row;
          if (stored) record.row.emplace();
          // A file takes the place of inline bytes, so that none is left without a row.
          if (stored || (record.row->placement == blobstore::Placement::kInline &&
                         staged.placement == blobstore::Placement::kFile)) {
            parts.blobs.Install(txn, staged, *record.row);
          }
          for (const base::GroupId& group : groups) {
            record.row->holdings.try_emplace(
                group, blobstore::Holding{.acquired = now, .via = blobstore::Via::kFetch});
          }
          // The count lives on in the blob's row.
          record.row->fetch_attempts += signpost.fetch_attempts + 1;
          signpost.fetch_attempts = 0;
          signpost.failures = 0;
          signpost.last_error = {};
          signpost.size_hint_bytes = staged.size_bytes;
          signpost::Location& location = signpost.locations[result.source];
          location.when_seen = std::max(location.when_seen, now);
          location.denied = base::kNever;
        });
        if (!kept && staged.placement == blobstore::Placement::kFile &&
            !blobstore::LoadBlobRow(txn, blob)) {
          blobstore::BlobRow orphan;
          orphan.placement = blobstore::Placement::kFile;
          parts.blobs.Uninstall(txn, blob, orphan);
        }
        return absl::OkStatus();
      });
  if (!recorded.ok()) {
    attempts_total["local_error"].Add();
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index", recorded.ToString());
    return;
  }
  attempts_total[kept ? "ok" : "cancelled"].Add();
  if (!kept) return;
  {
    base::MutexLock lock(mutex);
    pauses_in_a_row = 0;
  }
  (result.first_try ? hint_hit : hint_miss).Add();
  duration_seconds.Observe(std::chrono::duration<double>(parts.clock.SteadyNow() - began).count());
  if (!stored) return;
  parts.events.Publish("blob.stored", {{"blob", blob.ToHex()},
                                       {"size", absl::StrCat(staged.size_bytes)},
                                       {"via", "fetch"},
                                       {"peer", result.source.ToHex()}});
}

// A peer that could not be heard has answered something else since.
bool Fetcher::Impl::SomebodyReturned(const AttemptResult& result) const {
  return std::any_of(result.silent.begin(), result.silent.end(), [&](const auto& item) {
    return parts.peers.Health(item.first).returns != item.second;
  });
}

Verdict Fetcher::Impl::RecordFailure(const base::BlobId& blob, const AttemptResult& result) {
  bool window_full = false;
  {
    base::MutexLock lock(mutex);
    window_full = queue.size() >= RunQueue::kWindow;
  }
  Verdict verdict;
  const absl::Status recorded = WriteFailure(blob, result, window_full, verdict);
  if (!recorded.ok()) {
    attempts_total["local_error"].Add();
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index", recorded.ToString());
    return verdict;
  }
  attempts_total[verdict.metric].Add();
  if (!verdict.pause_reason.empty()) PauseFor(verdict.pause_reason, result.report.local_message);
  if (verdict.error.error != signpost::ErrorClass::kNone) {
    parts.events.Publish("fetch.failed", {{"blob", blob.ToHex()},
                                          {"error", signpost::ErrorClassName(verdict.error.error)},
                                          {"message", verdict.error.message}});
  }
  return verdict;
}

absl::Status Fetcher::Impl::WriteFailure(const base::BlobId& blob, const AttemptResult& result,
                                         bool window_full, Verdict& verdict) {
  RetryPolicy policy;
  {
    base::MutexLock lock(mutex);
    policy = {.base = options.retry_base, .max = options.retry_max};
  }
  const WallTime now = parts.clock.WallNow();
  const double unit = parts.random.Unit();
  AttemptReport report = result.report;
  report.evidence_moved = SomebodyReturned(result);
  // Cut short before anybody was asked, or parked once more: nothing to write.
  verdict = JudgeFailure(report, 0, policy, now, unit);
  const bool nothing = report.asked.empty() && !verdict.count_failure && !verdict.next_attempt &&
                       verdict.error.error == signpost::ErrorClass::kNone &&
                       !(verdict.parked && window_full);
  if (nothing) return absl::OkStatus();
  return parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
    parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
      if (!record.signpost) return;  // removed meanwhile
      signpost::Signpost& signpost = *record.signpost;
      report.evidence_moved =
          SomebodyReturned(result) || signpost.evidence != result.evidence_at_start;
      verdict = JudgeFailure(report, signpost.failures, policy, now, unit);
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
      if (verdict.parked && window_full && report.first_cool_down_end) {
        verdict.next_attempt = report.first_cool_down_end;
      }
      if (verdict.next_attempt) signpost.next_attempt = *verdict.next_attempt;
    });
    return absl::OkStatus();
  });
}

void Fetcher::Impl::RepairRow(const base::BlobId& blob) {
  const WallTime now = parts.clock.WallNow();
  const absl::Status repaired = parts.index.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
      if (record.signpost && record.signpost->asked_until < now) {
        record.signpost->asked_until = base::kNever;
      }
    });
    return absl::OkStatus();
  });
  if (!repaired.ok()) base::LogWarning("fetcher: blob ", blob.ToHex(), ": ", repaired.ToString());
}

}  // namespace waypost::fetcher
