#include "fetcher/scanner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"

namespace waypost::fetcher {
namespace {

// A signpost that no group here mentions, of a blob that is not here, is kept this long.
constexpr base::Millis kForgetAfter{30LL * 24 * 3600 * 1000};
constexpr unsigned kFolders = 256;
constexpr std::size_t kRepairPage = 1000;

}  // namespace

struct Scanner::Impl {
  Impl(ScannerOptions options_in, base::Index& index_in, blobstore::DiskBlobStore& blobs_in,
       syncgroup::GroupStore& groups_in, syncgroup::Ledger& ledger_in, const base::Clock& clock_in,
       base::EventLog& events_in, base::Metrics& metrics)
      : index(index_in),
        blobs(blobs_in),
        groups(groups_in),
        ledger(ledger_in),
        clock(clock_in),
        events(events_in),
        options(options_in) {
    duration_seconds = metrics.AddHistogram("waypost_scan_duration_seconds", "Time of a full scan.",
                                            {0.01, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800});
    rows_total = metrics.AddCounter("waypost_scan_rows_total", "Rows looked at by scans.");
    last_completed = metrics.AddGauge("waypost_scan_last_completed_timestamp_seconds",
                                      "When the last full scan ended, in Unix time.");
  }

  void Loop();
  absl::Status Pass();
  absl::Status LoadRoles();
  absl::Status ReconcileFolderOf(std::size_t folder);
  // One page of the merge join; false at the end.
  absl::StatusOr<bool> JoinPage(std::string& from);
  absl::StatusOr<bool> DuePage(std::string& from);
  absl::Status Repair(std::vector<base::BlobId>& suspects);
  void Count(const std::function<void(ScanPass&)>& change);
  bool Stopping() {
    base::MutexLock lock(mutex);
    return stopping;
  }

  base::Index& index;
  blobstore::DiskBlobStore& blobs;
  syncgroup::GroupStore& groups;
  syncgroup::Ledger& ledger;
  const base::Clock& clock;
  base::EventLog& events;
  base::Notifier changed;
  base::Histogram duration_seconds;
  base::Counter rows_total;
  base::Gauge last_completed;

  // Of the pass under way; the scanner thread alone.
  absl::flat_hash_map<std::string, bool> server_of;  // group bytes -> is this peer a server there?
  bool reconciled = false;
  uint64_t rows_expected = 0;
  uint64_t due_seen = 0;  // due rows that the merge join found in their place

  mutable base::Mutex mutex;
  base::CondVar wake;
  ScannerOptions options GUARDED_BY(mutex);
  bool requested GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  std::optional<ScanPass> last GUARDED_BY(mutex);
  std::optional<ScanPass> running GUARDED_BY(mutex);
  double progress GUARDED_BY(mutex) = 0;
  base::SteadyTime next GUARDED_BY(mutex){};
  uint64_t failures GUARDED_BY(mutex) = 0;
  base::Thread thread;
};

Scanner::Scanner(ScannerOptions options, base::Index& index, blobstore::DiskBlobStore& blobs,
                 syncgroup::GroupStore& groups, syncgroup::Ledger& ledger, const base::Clock& clock,
                 base::EventLog& events, base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(options, index, blobs, groups, ledger, clock, events, metrics)) {
}

Scanner::~Scanner() { Shutdown(); }

void Scanner::Start() {
  base::MutexLock lock(impl_->mutex);
  if (impl_->thread.joinable()) return;
  impl_->next = impl_->clock.SteadyNow() + impl_->options.initial_delay;
  impl_->thread = base::Thread("scanner", [this] { impl_->Loop(); });
}

void Scanner::Shutdown() {
  {
    base::MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.NotifyAll();
  }
  impl_->thread.Join();
}

void Scanner::SetOptions(base::Millis extra_delay, double delay_multiplier) {
  base::MutexLock lock(impl_->mutex);
  impl_->options.extra_delay = extra_delay;
  impl_->options.delay_multiplier = delay_multiplier;
}

void Scanner::Request() {
  base::MutexLock lock(impl_->mutex);
  impl_->requested = true;
  impl_->wake.NotifyAll();
}

base::Notifier& Scanner::changed() { return impl_->changed; }

ScanStatus Scanner::Status() const {
  base::MutexLock lock(impl_->mutex);
  ScanStatus status{.last = impl_->last, .running = impl_->running, .progress = impl_->progress};
  const base::SteadyTime now = impl_->clock.SteadyNow();
  if (impl_->running && impl_->progress > 0) {
    const auto spent =
        std::chrono::duration_cast<base::Millis>(now - impl_->running->started_steady);
    status.estimate_left = base::Millis(static_cast<int64_t>(
        static_cast<double>(spent.count()) * (1 - impl_->progress) / impl_->progress));
  }
  status.next =
      impl_->clock.WallNow() + std::chrono::duration_cast<base::Millis>(impl_->next - now);
  return status;
}

void Scanner::Impl::Loop() {
  while (true) {
    {
      base::MutexLock lock(mutex);
      while (!stopping && !requested && clock.SteadyNow() < next) wake.WaitUntil(mutex, next);
      if (stopping) return;
      requested = false;
      running.emplace();
      running->started = clock.WallNow();
      running->started_steady = clock.SteadyNow();
      progress = 0;
    }
    changed.Notify();
    const absl::Status status = Pass();
    ScanPass done;
    {
      base::MutexLock lock(mutex);
      done = *running;
      running.reset();
      done.ended = clock.WallNow();
      done.ended_steady = clock.SteadyNow();
      done.ok = status.ok();
      const auto spent =
          std::chrono::duration_cast<base::Millis>(done.ended_steady - done.started_steady);
      next = done.ended_steady + options.extra_delay +
             base::Millis(static_cast<int64_t>(static_cast<double>(spent.count()) *
                                               options.delay_multiplier));
      if (status.ok()) {
        last = done;
        failures = 0;
      } else if (base::IsPowerOfTwo(++failures) && !stopping) {
        base::LogWarning("scan failed (", failures, " times in a row): ", status.ToString());
      }
    }
    if (done.ok) {
      duration_seconds.Observe(
          std::chrono::duration<double>(done.ended_steady - done.started_steady).count());
      last_completed.Set(static_cast<double>(base::ToMs(done.ended)) / 1000);
      events.Publish("scan.done", {{"rows", absl::StrCat(done.rows)},
                                   {"missing_found", absl::StrCat(done.missing_found)},
                                   {"stale_removed", absl::StrCat(done.stale_removed)}});
    }
    changed.Notify();
  }
}

void Scanner::Impl::Count(const std::function<void(ScanPass&)>& change) {
  base::MutexLock lock(mutex);
  if (running) change(*running);
}

absl::Status Scanner::Impl::LoadRoles() {
  server_of.clear();
  due_seen = 0;
  base::GroupId after;
  while (true) {
    ASSIGN_OR_RETURN(const auto page, groups.List(after, 1000));
    if (page.empty()) break;
    for (const syncgroup::GroupInfo& info : page) {
      server_of[std::string(info.id.bytes())] = info.role == syncgroup::Role::kServer;
    }
    after = page.back().id;
  }
  return index.Read([&](base::ReadTxn& txn) {
    rows_expected = txn.Rows(base::Table::kSignposts) + txn.Rows(base::Table::kDue) + 1;
    return absl::OkStatus();
  });
}

absl::Status Scanner::Impl::Pass() {
  RETURN_IF_ERROR(LoadRoles());
  // The first pass also compares files and rows: a folder between two pages.
  std::size_t folder = reconciled ? kFolders : 0;
  std::string from;
  bool more = true;
  while (more) {
    if (Stopping()) return absl::CancelledError("shutting down");
    ASSIGN_OR_RETURN(more, JoinPage(from));
    if (folder < kFolders) RETURN_IF_ERROR(ReconcileFolderOf(folder++));
  }
  while (folder < kFolders) {
    if (Stopping()) return absl::CancelledError("shutting down");
    RETURN_IF_ERROR(ReconcileFolderOf(folder++));
  }
  reconciled = true;
  // As many due rows as the merge join saw in their places: none of them is stale. Should rows that
  // came and went meanwhile make it look so by chance, the next pass finds what is left.
  uint64_t due_rows = 0;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    due_rows = txn.Rows(base::Table::kDue);
    return absl::OkStatus();
  }));
  from.clear();
  more = due_rows != due_seen;
  while (more) {
    if (Stopping()) return absl::CancelledError("shutting down");
    ASSIGN_OR_RETURN(more, DuePage(from));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Scanner::Impl::JoinPage(std::string& from) {
  std::vector<base::BlobId> suspects;
  uint64_t rows = 0;
  bool more = false;
  std::size_t page_rows = 0;
  {
    base::MutexLock lock(mutex);
    page_rows = options.page_rows;
  }
  const base::WallTime forget_before = clock.WallNow() - kForgetAfter;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    base::Cursor signposts(txn, base::Table::kSignposts);
    base::Cursor rows_here(txn, base::Table::kBlobs);
    signposts.Seek(from);
    rows_here.Seek(from);
    std::vector<std::string_view> holdings;
    for (; signposts.valid(); signposts.Next(), ++rows) {
      if (rows == page_rows) {
        from = std::string(signposts.key());
        more = true;
        return absl::OkStatus();
      }
      const std::string_view key = signposts.key();
      while (rows_here.valid() && rows_here.key() < key) rows_here.Next();
      const bool here = rows_here.valid() && rows_here.key() == key;
      const auto payload = signposts.payload();
      if (!payload) continue;
      holdings.clear();
      if (here) {
        const auto row = rows_here.payload();
        if (row) {
          blobstore::VisitHoldingGroups(*row, [&](std::string_view g) { holdings.push_back(g); });
        }
      }
      bool suspect = false;
      bool mentioned = false;
      bool wanted_somewhere = false;
      bool asked = false;
      bool stopped = false;
      const bool parsed = signpost::VisitMentions(
          *payload,
          [&](const signpost::MentionView& mention) {
            mentioned = true;
            const bool held =
                std::find(holdings.begin(), holdings.end(), mention.group) != holdings.end();
            const auto role = server_of.find(base::Abs(mention.group));
            const bool wanted =
                !held && (mention.set_here || (role != server_of.end() && role->second));
            wanted_somewhere = wanted_somewhere || wanted;
            suspect = suspect || wanted != mention.wanted;
          },
          asked, stopped);
      if (!parsed) {
        txn.ReportBadRow(base::Table::kSignposts, key);
        continue;
      }
      const auto blob = base::BlobId::FromBytes(key);
      if (!suspect && !asked && wanted_somewhere && !stopped && blob) {
        // As it should be, if its due row is there.
        const auto signpost = signpost::DecodeSignpost(*payload);
        suspect = !signpost || signpost->wanted_since == base::kNever ||
                  !signpost::HasDueRow(txn, signpost::DueKeyOf(*blob, *signpost));
        if (!suspect) ++due_seen;
      }
      if (!mentioned && !here && !asked) {
        const auto signpost = signpost::DecodeSignpost(*payload);
        suspect = suspect || (signpost && signpost->updated < forget_before);
      }
      if (!suspect && !asked) continue;
      if (blob) suspects.push_back(*blob);
    }
    return absl::OkStatus();
  }));
  rows_total.Add(static_cast<double>(rows));
  {
    base::MutexLock lock(mutex);
    running->rows += rows;
    progress =
        std::min(1.0, static_cast<double>(running->rows) / static_cast<double>(rows_expected));
  }
  RETURN_IF_ERROR(Repair(suspects));
  return more;
}

absl::StatusOr<bool> Scanner::Impl::DuePage(std::string& from) {
  std::vector<base::BlobId> suspects;
  std::vector<std::string> stray;
  uint64_t rows = 0;
  bool more = false;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kDue);
    for (cursor.Seek(from); cursor.valid(); cursor.Next(), ++rows) {
      if (rows == kRepairPage) {
        from = std::string(cursor.key());
        more = true;
        return absl::OkStatus();
      }
      const auto key = signpost::DecodeDueKey(cursor.key());
      const auto signpost = key ? signpost::LoadSignpost(txn, key->blob) : std::nullopt;
      if (!signpost || signpost::DueKeyOf(key->blob, *signpost) != *key) {
        stray.push_back(std::string(cursor.key()));
      } else if (!ledger.Consistent(txn, key->blob)) {
        suspects.push_back(key->blob);
      }
    }
    return absl::OkStatus();
  }));
  if (!stray.empty()) {
    uint64_t removed = 0;
    RETURN_IF_ERROR(
        index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
          removed = 0;
          for (const std::string& row : stray) {
            const auto key = signpost::DecodeDueKey(row);
            const auto signpost = key ? signpost::LoadSignpost(txn, key->blob) : std::nullopt;
            if (signpost && signpost::DueKeyOf(key->blob, *signpost) == *key) continue;
            if (txn.Delete(base::Table::kDue, row)) ++removed;
          }
          return absl::OkStatus();
        }));
    Count([&](ScanPass& pass) { pass.stale_removed += removed; });
  }
  rows_total.Add(static_cast<double>(rows));
  Count([&](ScanPass& pass) { pass.rows += rows; });
  RETURN_IF_ERROR(Repair(suspects));
  return more;
}

absl::Status Scanner::Impl::Repair(std::vector<base::BlobId>& suspects) {
  if (suspects.empty()) return absl::OkStatus();
  const base::WallTime now = clock.WallNow();
  const auto bad = [&](base::ReadTxn& txn, const base::BlobId& blob) {
    const syncgroup::BlobRecord record = ledger.Load(txn, blob);
    if (!record.signpost) return false;
    const signpost::Signpost& signpost = *record.signpost;
    const bool expired = signpost.asked_until != base::kNever && signpost.asked_until < now;
    const bool forgotten = signpost.groups.empty() && !record.row &&
                           signpost.asked_until == base::kNever &&
                           signpost.updated < now - kForgetAfter;
    return expired || forgotten || !ledger.Consistent(txn, blob);
  };
  std::vector<base::BlobId> repairs;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    for (const base::BlobId& blob : suspects) {
      if (bad(txn, blob)) repairs.push_back(blob);
    }
    return absl::OkStatus();
  }));
  if (repairs.empty()) return absl::OkStatus();
  uint64_t found = 0;
  uint64_t removed = 0;
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
    found = removed = 0;
    for (const base::BlobId& blob : repairs) {
      if (!bad(txn, blob)) continue;  // put right meanwhile
      bool wanted = false;
      ledger.Change(txn, blob, [&](syncgroup::BlobRecord& record) {
        signpost::Signpost& signpost = *record.signpost;
        if (signpost.asked_until < now) signpost.asked_until = base::kNever;
        if (signpost.groups.empty() && !record.row && signpost.asked_until == base::kNever &&
            signpost.updated < now - kForgetAfter) {
          record.signpost.reset();
          return;
        }
        for (const auto& item : signpost.groups) {
          wanted = wanted || ledger.WantedIn(txn, item.first, record);
        }
      });
      wanted ? ++found : ++removed;
    }
    return absl::OkStatus();
  }));
  Count([&](ScanPass& pass) {
    pass.missing_found += found;
    pass.stale_removed += removed;
  });
  return absl::OkStatus();
}

absl::Status Scanner::Impl::ReconcileFolderOf(std::size_t folder) {
  const blobstore::DiskBlobStore::ReconcileCallbacks callbacks = {
      .adopt =
          [this](const blobstore::StagedBlob& staged) {
            return index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
              ledger.Change(txn, staged.id, [&](syncgroup::BlobRecord& record) {
                if (record.row) return;
                record.row.emplace();
                blobs.Install(txn, staged, *record.row);
              });
              return absl::OkStatus();
            });
          },
      .lost =
          [this](const base::BlobId& blob) {
            return index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
              const syncgroup::BlobRecord before = ledger.Load(txn, blob);
              if (!before.row || before.row->placement != blobstore::Placement::kFile) {
                return absl::OkStatus();
              }
              ASSIGN_OR_RETURN(const bool missing, blobs.FileMissing(blob, *before.row));
              if (!missing) return absl::OkStatus();
              ledger.Change(txn, blob, [](syncgroup::BlobRecord& record) { record.row.reset(); });
              return absl::OkStatus();
            });
          }};
  ASSIGN_OR_RETURN(const auto result,
                   blobs.ReconcileFolder(static_cast<unsigned>(folder), callbacks));
  Count([&](ScanPass& pass) {
    pass.adopted += result.adopted;
    pass.quarantined += result.quarantined;
    pass.lost += result.lost;
  });
  return absl::OkStatus();
}

void Scanner::ReportLost(const base::BlobId& blob) {
  impl_->index.Submit(
      base::Index::Lane::kBulk,
      [this, blob](base::WriteTxn& txn) -> absl::Status {
        const syncgroup::BlobRecord before = impl_->ledger.Load(txn, blob);
        if (!before.row) return absl::OkStatus();
        ASSIGN_OR_RETURN(const bool missing, impl_->blobs.FileMissing(blob, *before.row));
        if (!missing) return absl::OkStatus();  // put again meanwhile
        // A damaged file stays where it is, to be set aside by whoever replaces it.
        if (before.row->placement == blobstore::Placement::kInline) {
          impl_->blobs.Uninstall(txn, blob, *before.row);
        }
        impl_->ledger.Change(txn, blob, [](syncgroup::BlobRecord& record) { record.row.reset(); });
        return absl::OkStatus();
      },
      nullptr);
}

}  // namespace waypost::fetcher
