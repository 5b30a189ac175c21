// What an attempt leaves in the index.
#include <algorithm>
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
  bool kept = false;
  // Reads mentions, membership and `stopped` again: they may have changed while the bytes came.
  const absl::Status recorded =
      parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        kept = false;
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
          if (!record.row) {
            record.row.emplace();
            parts.blobs.Install(txn, *result.staged, *record.row);
            record.row->fetch_attempts = signpost.fetch_attempts + 1;
          }
          for (const base::GroupId& group : groups) {
            record.row->holdings.try_emplace(
                group, blobstore::Holding{.acquired = now, .via = blobstore::Via::kFetch});
          }
          signpost.size_hint_bytes = result.staged->size_bytes;
          signpost.fetch_attempts = 0;  // the count lives on in the blob's row
          signpost.failures = 0;
          signpost.last_error = {};
          signpost.asked_until = base::kNever;
          signpost::Location& location = signpost.locations[result.source];
          location.when_seen = std::max(location.when_seen, now);
          location.denied = base::kNever;
        });
        if (!kept && result.staged->placement == blobstore::Placement::kFile &&
            !blobstore::LoadBlobRow(txn, blob)) {
          blobstore::BlobRow orphan;
          orphan.placement = blobstore::Placement::kFile;
          parts.blobs.Uninstall(txn, blob, orphan);
        }
        return absl::OkStatus();
      });
  if (!recorded.ok()) {
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index",
             std::string(base::Std(recorded.message())));
    return;
  }
  attempts_total[kept ? "ok" : "cancelled"].Add();
  if (!kept) return;
  (result.first_try ? hint_hit : hint_miss).Add();
  duration_seconds.Observe(std::chrono::duration<double>(parts.clock.SteadyNow() - began).count());
  parts.events.Publish("blob.stored", {{"blob", blob.ToHex()},
                                       {"size", absl::StrCat(result.staged->size_bytes)},
                                       {"via", "fetch"},
                                       {"peer", result.source.ToHex()}});
}

void Fetcher::Impl::RecordFailure(const base::BlobId& blob, const AttemptResult& result) {
  RetryPolicy policy;
  {
    base::MutexLock lock(mutex);
    policy = {.base = options.retry_base, .max = options.retry_max};
  }
  const WallTime now = parts.clock.WallNow();
  const double unit = parts.random.Unit();
  Verdict verdict;
  const absl::Status recorded =
      parts.index.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
        parts.ledger.Change(txn, blob, [&](BlobRecord& record) {
          if (!record.signpost) return;  // removed meanwhile
          signpost::Signpost& signpost = *record.signpost;
          AttemptReport report = result.report;
          report.evidence_moved =
              report.evidence_moved || signpost.evidence != result.evidence_at_start;
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
          if (verdict.error.error != signpost::ErrorClass::kNone) {
            signpost.last_error = verdict.error;
          }
          if (verdict.next_attempt) signpost.next_attempt = *verdict.next_attempt;
          if (verdict.parked &&
              !parts.peers.Health(signpost::FirstPeer(signpost.locations)).Cooling(now)) {
            signpost.next_attempt = UnparkAt(report, now);
          }
        });
        return absl::OkStatus();
      });
  if (!recorded.ok()) {
    PauseFor(base::IsNoSpace(recorded) ? "space" : "index",
             std::string(base::Std(recorded.message())));
    return;
  }
  attempts_total[verdict.metric].Add();
  if (!verdict.pause_reason.empty()) PauseFor(verdict.pause_reason, result.report.local_message);
  {
    base::MutexLock lock(mutex);
    if (const auto it = audiences.find(blob); it != audiences.end()) {
      it->second->last_error = verdict.error;
    }
  }
  if (verdict.error.error != signpost::ErrorClass::kNone) {
    parts.events.Publish("fetch.failed", {{"blob", blob.ToHex()},
                                          {"error", signpost::ErrorClassName(verdict.error.error)},
                                          {"message", verdict.error.message}});
  }
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

void Fetcher::Impl::PauseFor(const std::string& reason, const std::string& detail) {
  {
    base::MutexLock lock(mutex);
    if (pause.paused) return;
    pause = {.paused = true, .reason = reason, .detail = detail};
    next_space_check = parts.clock.SteadyNow();
  }
  base::LogWarning("fetcher: paused (", reason, "): ", detail, ". It goes on by itself.");
  parts.events.Publish("fetcher.paused", {{"reason", reason}, {"detail", detail}});
  changed.Notify();
}

}  // namespace waypost::fetcher
