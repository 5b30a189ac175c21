#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "signpost/due.h"
#include "upkeep/scanner_impl.h"

// One pass of the scanner over everything that can have come apart. It reads in pages and writes
// nothing while it reads; what looks wrong is decided again by the ledger in a write transaction.
// What it counts means something only if all its reads saw the same commit.

namespace waypost::upkeep {
namespace {

// A signpost that no group here mentions, of a blob that is not here, is kept this long.
constexpr base::Millis kForgetAfter{30LL * 24 * 3600 * 1000};
constexpr std::size_t kRepairPage = 1000;
constexpr std::size_t kRefPage = 5000;
// How many rows had been set aside when what they held was last made again; see RepairDamage.
constexpr std::string_view kRepairedKey = "scan.bad_rows_repaired";

}  // namespace

void Scanner::Impl::Count(const std::function<void(ScanPass&)>& change) {
  base::MutexLock lock(mutex);
  if (running) change(*running);
}

void Scanner::Impl::Advance(uint64_t rows) {
  rows_total.Add(static_cast<double>(rows));
  base::MutexLock lock(mutex);
  running->rows += rows;
  progress = std::min(1.0, static_cast<double>(running->rows) / static_cast<double>(rows_expected));
}

absl::Status Scanner::Impl::LoadRoles() {
  server_of.clear();
  due_seen = 0;
  std::vector<base::GroupId> ids;
  base::GroupId after;
  while (true) {
    ASSIGN_OR_RETURN(const auto page, groups.List(after, 1000));
    if (page.empty()) break;
    for (const syncgroup::GroupInfo& info : page) {
      server_of[std::string(info.id.bytes())] = info.role == syncgroup::Role::kServer;
      ids.push_back(info.id);
    }
    after = page.back().id;
  }
  recount.emplace(ids);
  return index.Read([&](base::ReadTxn& txn) {
    snapshot = txn.Snapshot();
    rows_expected = std::max(txn.Rows(base::Table::kSignposts), txn.Rows(base::Table::kBlobs)) +
                    txn.Rows(base::Table::kRefs) + 1;
  });
}

absl::Status Scanner::Impl::Pass() {
  RETURN_IF_ERROR(LoadRoles());
  // The first pass also compares files and rows: a folder between two pages. A folder that cannot
  // be read does not keep the rest from being put right, but the pass has not ended well.
  const std::size_t folders = folders_left.size();
  absl::Status unread;
  std::string from;
  bool more = true;
  for (std::size_t folder = 0; more || folder < folders;) {
    if (!MayGoOn()) return absl::CancelledError("shutting down");
    if (more) {
      ASSIGN_OR_RETURN(more, JoinPage(from));
    }
    if (folder < folders) {
      unread.Update(ReconcileNextFolder());
      ++folder;
    }
  }
  from.clear();
  for (more = true; more;) {
    if (!MayGoOn()) return absl::CancelledError("shutting down");
    ASSIGN_OR_RETURN(more, RefPage(from));
  }
  // As many due rows as the merge join saw in their places: none of them is stale. Should rows that
  // came and went meanwhile make it look so by chance, the next pass finds what is left.
  uint64_t due_rows = 0;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) { due_rows = txn.Rows(base::Table::kDue); }));
  from.clear();
  more = due_rows != due_seen;
  while (more) {
    if (!MayGoOn()) return absl::CancelledError("shutting down");
    ASSIGN_OR_RETURN(more, DuePage(from));
  }
  RETURN_IF_ERROR(CheckCounts());
  RETURN_IF_ERROR(RepairDamage());
  return unread;
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
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    if (snapshot != txn.Snapshot()) snapshot.reset();
    base::Cursor signposts(txn, base::Table::kSignposts);
    base::Cursor rows_here(txn, base::Table::kBlobs);
    signposts.Seek(from);
    rows_here.Seek(from);
    for (; signposts.valid() || rows_here.valid(); ++rows) {
      const bool named =
          signposts.valid() && (!rows_here.valid() || signposts.key() <= rows_here.key());
      const std::string_view key = named ? signposts.key() : rows_here.key();
      const bool here = rows_here.valid() && rows_here.key() == key;
      if (rows == page_rows) {
        from = std::string(key);
        more = true;
        return;
      }
      const auto signpost = named ? signposts.payload() : std::nullopt;
      const auto row = here ? rows_here.payload() : std::nullopt;
      const bool held = row && blobstore::ReadView(*row, holdings_seen);
      if (!held) holdings_seen.groups.clear();
      const bool parsed = signpost && signpost::ReadView(*signpost, signpost_seen);
      if (signpost && !parsed) txn.ReportBadRow(base::Table::kSignposts, key);
      recount->AddBlob(parsed ? &signpost_seen : nullptr, held ? &holdings_seen : nullptr);
      const auto blob = base::BlobId::FromBytes(key);
      if (parsed && blob && Suspicious(txn, *blob, *signpost, here)) suspects.push_back(*blob);
      if (named) signposts.Next();
      if (here) rows_here.Next();
    }
  }));
  Advance(rows);
  RETURN_IF_ERROR(Repair(suspects));
  return more;
}

bool Scanner::Impl::Suspicious(base::ReadTxn& txn, const base::BlobId& blob,
                               std::string_view payload, bool here) {
  if (signpost_seen.asked) return true;  // it may have been for long enough
  bool wanted_somewhere = false;
  for (const signpost::MentionView& mention : signpost_seen.mentions) {
    const bool held = std::find(holdings_seen.groups.begin(), holdings_seen.groups.end(),
                                mention.group) != holdings_seen.groups.end();
    const auto role = server_of.find(base::Abs(mention.group));
    const bool wanted = !held && (mention.set_here || (role != server_of.end() && role->second));
    if (wanted != mention.wanted) return true;
    wanted_somewhere = wanted_somewhere || wanted;
  }
  if (wanted_somewhere && !signpost_seen.stopped) {
    // As it should be, if its due row is there.
    const auto signpost = signpost::DecodeSignpost(payload);
    if (!signpost || signpost->wanted_since == base::kNever ||
        !signpost::HasDueRow(txn, signpost::DueKeyOf(blob, *signpost))) {
      return true;
    }
    ++due_seen;
  }
  if (!signpost_seen.mentions.empty() || here) return false;
  const auto signpost = signpost::DecodeSignpost(payload);
  return signpost && signpost->updated < clock.WallNow() - kForgetAfter;
}

absl::StatusOr<bool> Scanner::Impl::RefPage(std::string& from) {
  bool more = false;
  const uint64_t before = recount->refs();
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    if (snapshot != txn.Snapshot()) snapshot.reset();
    more = recount->AddRefs(txn, from, kRefPage);
  }));
  Advance(recount->refs() - before);
  return more;
}

bool Scanner::Impl::RowsMissing(const std::vector<syncgroup::Recount::Difference>& differences) {
  if (missing_made_again) return false;
  std::set<base::GroupId> groups_with_fewer;
  bool fewer = false;
  for (const auto& [group, stored, counted] : differences) {
    if (group.IsZero()) continue;  // each is of a group, too
    fewer = fewer || counted.refs < stored.refs || counted.wanted < stored.wanted ||
            counted.blobs < stored.blobs;
    if (counted.refs < stored.refs) groups_with_fewer.insert(group);
  }
  if (!fewer) return false;
  base::LogWarning("fewer rows are in the index than were counted, and nothing was written that ",
                   "says why: what can be made again is; check the disk");
  rows_missing = std::move(groups_with_fewer);
  return true;
}

absl::Status Scanner::Impl::CheckCounts() {
  std::vector<syncgroup::Recount::Difference> differences;
  const auto compare = [&](base::ReadTxn& txn, uint64_t seen) {
    differences.clear();
    // Where something was written since the pass began, the next one compares.
    if (snapshot == seen) differences = recount->Compare(txn, ledger);
  };
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) { compare(txn, txn.Snapshot()); }));
  if (differences.empty()) missing_made_again = false;
  if (differences.empty() || RowsMissing(differences)) return absl::OkStatus();
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    compare(txn, txn.Snapshot());
    for (const auto& difference : differences) {
      ledger.StoreCounts(txn, difference.group, difference.counted);
    }
    return absl::OkStatus();
  }));
  for (const auto& [group, stored, counted] : differences) {
    base::LogWarning("the counts of ", group.IsZero() ? "all groups" : "group " + group.ToHex(),
                     " were wrong and have been corrected: references ", stored.refs, " -> ",
                     counted.refs, ", wanted ", stored.wanted, " -> ", counted.wanted, ", stopped ",
                     stored.stopped, " -> ", counted.stopped, ", blobs ", stored.blobs, " -> ",
                     counted.blobs, ", bytes ", stored.bytes, " -> ", counted.bytes);
  }
  return absl::OkStatus();
}

absl::Status Scanner::Impl::RepairDamage() {
  // What this pass found damaged is out of the way when this returns.
  RETURN_IF_ERROR(
      index.Update(base::Index::Lane::kBulk, [](base::WriteTxn&) { return absl::OkStatus(); }));
  const uint64_t bad_rows = index.bad_rows();
  std::string kept;
  bool repaired = false;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    kept = absl::StrCat(txn.Rows(base::Table::kBadRows));
    const auto mark = txn.Get(base::Table::kMeta, kRepairedKey);
    repaired = kept == (mark ? *mark : "0") && bad_rows == bad_rows_repaired && !rows_missing;
  }));
  if (repaired) return absl::OkStatus();
  if (!refolding) {
    RETURN_IF_ERROR(groups.RefoldDamaged(rows_missing.value_or(std::set<base::GroupId>())));
  }
  refolding = true;
  ASSIGN_OR_RETURN(const bool unfinished, groups.Refolding());
  if (unfinished) {
    return absl::UnavailableError("references that were damaged are being read again from the log");
  }
  ASSIGN_OR_RETURN(const uint64_t found, syncgroup::RebuildMentions(index, ledger));
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    txn.Put(base::Table::kMeta, kRepairedKey, kept);
    return absl::OkStatus();
  }));
  Count([&](ScanPass& pass) { pass.missing_found += found; });
  bad_rows_repaired = bad_rows;
  refolding = false;
  if (std::exchange(rows_missing, std::nullopt)) {
    missing_made_again = true;
    base::MutexLock lock(mutex);
    requested = true;  // so that counts are compared again
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Scanner::Impl::DuePage(std::string& from) {
  std::vector<base::BlobId> suspects;
  std::vector<std::string> stray;
  uint64_t rows = 0;
  std::optional<std::string> rest;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    rest =
        signpost::VisitDueRows(txn, from, kRepairPage, [&](std::string_view row, const auto& key) {
          ++rows;
          const auto signpost = key ? signpost::LoadSignpost(txn, key->blob) : std::nullopt;
          if (!signpost || signpost::DueKeyOf(key->blob, *signpost) != *key) {
            stray.emplace_back(row);
          } else if (!ledger.Consistent(txn, key->blob)) {
            suspects.push_back(key->blob);
          }
        });
  }));
  RETURN_IF_ERROR(RemoveStray(stray));
  rows_total.Add(static_cast<double>(rows));
  Count([&](ScanPass& pass) { pass.rows += rows; });
  RETURN_IF_ERROR(Repair(suspects));
  if (!rest) return false;
  from = *std::move(rest);
  return true;
}

absl::Status Scanner::Impl::RemoveStray(const std::vector<std::string>& due_rows) {
  if (due_rows.empty()) return absl::OkStatus();
  uint64_t removed = 0;
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    removed = 0;
    for (const std::string& row : due_rows) {
      const auto key = signpost::DecodeDueKey(row);
      const auto signpost = key ? signpost::LoadSignpost(txn, key->blob) : std::nullopt;
      if (signpost && signpost::DueKeyOf(key->blob, *signpost) == *key) continue;
      if (signpost::DeleteRawDueRow(txn, row)) ++removed;
    }
    return absl::OkStatus();
  }));
  Count([&](ScanPass& pass) { pass.stale_removed += removed; });
  return absl::OkStatus();
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

absl::Status Scanner::Impl::ReconcileNextFolder() {
  const unsigned folder = folders_left.front();
  folders_left.erase(folders_left.begin());
  const absl::Status status = ReconcileFolder(folder);
  if (!status.ok()) folders_left.push_back(folder);  // again with the next pass
  return status;
}

absl::Status Scanner::Impl::ReconcileFolder(unsigned folder) {
  const blobstore::DiskBlobStore::ReconcileCallbacks callbacks = {
      .adopt =
          [this](const blobstore::StagedBlob& staged) {
            return index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
              ledger.Arrive(txn, blobs, staged, syncgroup::Ledger::ByScan{});
              return absl::OkStatus();
            });
          },
      .lost =
          [this](const base::BlobId& blob) {
            return index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
              const syncgroup::BlobRecord before = ledger.Load(txn, blob);
              if (!before.row) return absl::OkStatus();
              ASSIGN_OR_RETURN(const bool lost, blobs.RemoveIfLost(txn, blob, *before.row));
              if (!lost) return absl::OkStatus();
              ledger.Lose(txn, blob);
              return absl::OkStatus();
            });
          }};
  ASSIGN_OR_RETURN(const auto result, blobs.ReconcileFolder(folder, callbacks));
  Count([&](ScanPass& pass) {
    pass.adopted += result.adopted;
    pass.quarantined += result.quarantined;
    pass.lost += result.lost;
  });
  return absl::OkStatus();
}

}  // namespace waypost::upkeep
