#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/index.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "blobstore/disk_blob_store.h"
#include "blobstore/layout.h"
#include "tests/contract/blob_store_harness.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_file_system.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::blobstore {

inline constexpr char kDataDir[] = "/data";
inline constexpr uint64_t kFloor = 1000;

// The real store on a fake disk and a real index. Reopen stands for a restart of the service.
class DiskRig final : public BlobStoreHarness {
 public:
  // `over` is what the store sees in place of `fs`, for tests that put something between.
  explicit DiskRig(base::FileSystem* over = nullptr) : over_(over) {
    CHECK(fs.MakeDir(kDataDir).ok());
    CHECK(fs.SyncDir("/").ok());
    auto index_or = base::Index::Open({.dir = dir_.path()});
    CHECK(index_or.ok());
    index_ = *std::move(index_or);
  }
  // Puts the store between; after construction because `over` may need `fs`.
  void SetOver(base::FileSystem* over) { over_ = over; }

  absl::Status Open() {
    store_ = nullptr;
    auto opened = DiskBlobStore::Open(*index_, over_ != nullptr ? *over_ : fs, clock,
                                      {.data_dir = kDataDir,
                                       .inline_max_bytes = inline_max,
                                       .min_free = {.bytes = kFloor},
                                       .hash_apart_from_bytes = hash_apart_from_bytes,
                                       .partial_over_bytes = kContractPartialOver,
                                       .partial_mark_bytes = mark_bytes,
                                       .boot_id = boot_id,
                                       .metrics = &metrics});
    if (!opened.ok()) return opened.status();
    store_ = *std::move(opened);
    store_->SetLossHandler([this](const base::BlobId& blob) {
      base::MutexLock lock(mutex_);
      losses_.push_back(blob);
    });
    return absl::OkStatus();
  }
  void Close() { store_ = nullptr; }

  DiskBlobStore& disk() { return *store_; }
  absl::Status Put(const std::string& bytes) { return PutBlob(*store_, *index_, bytes); }
  absl::StatusOr<std::string> Read(const base::BlobId& blob) { return ReadBlob(*store_, blob); }
  std::optional<BlobRow> Row(const base::BlobId& blob) {
    std::optional<BlobRow> row;
    CHECK(index_->Read([&](base::ReadTxn& txn) { row = LoadBlobRow(txn, blob); }).ok());
    return row;
  }
  bool Exists(const std::string& path) { return fs.Stat(path)->has_value(); }
  std::vector<std::string> Names(const std::string& dir) {
    auto names = fs.List(dir);
    CHECK(names.ok());
    std::sort(names->begin(), names->end());
    return *names;
  }
  // A file as somebody else would leave it.
  void WriteFile(const std::string& path, const std::string& bytes) {
    fs.Remove(path).IgnoreError();
    auto file = fs.CreateExclusive(path);
    CHECK(file.ok() && (*file)->WriteAt(0, bytes).ok() && (*file)->Sync().ok());
  }
  double Metric(const std::string& name) { return metrics.AddCounter(name, "").value(); }

  // As the scanner does it.
  absl::StatusOr<DiskBlobStore::ReconcileResult> Reconcile() {
    const DiskBlobStore::ReconcileCallbacks callbacks = {
        .adopt =
            [this](const StagedBlob& staged) { return InstallStaged(*store_, *index_, staged); },
        .lost =
            [this](const base::BlobId& blob) {
              return index_->Update(
                  base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
                    const auto row = LoadBlobRow(txn, blob);
                    if (!row) return absl::OkStatus();
                    ASSIGN_OR_RETURN(const bool missing, store_->RemoveIfLost(txn, blob, *row));
                    if (missing) DeleteBlobRow(txn, blob);
                    return absl::OkStatus();
                  });
            }};
    DiskBlobStore::ReconcileResult sum;
    for (unsigned folder = 0; folder < 256; ++folder) {
      ASSIGN_OR_RETURN(const auto result, store_->ReconcileFolder(folder, callbacks));
      sum.files += result.files;
      sum.rows += result.rows;
      sum.adopted += result.adopted;
      sum.quarantined += result.quarantined;
      sum.lost += result.lost;
    }
    return sum;
  }

  // ---- BlobStoreHarness ----
  BlobStore& store() override { return *store_; }
  base::Index& index() override { return *index_; }
  void SetRoom(uint64_t bytes) override {
    fs.SetFreeSpace(bytes + kFloor);
    clock.Advance(base::Millis(1000));
  }
  void SetMaxBlob(uint64_t bytes) override { store_->SetMaxBlob(bytes); }
  void Lose(const base::BlobId& blob) override {
    const auto row = Row(blob);
    CHECK(row.has_value());
    if (row->placement == Placement::kFile) {
      CHECK(fs.Remove(layout.BlobPath(blob)).ok());
      return;
    }
    CHECK(index_
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         base::Cursor cursor(txn, base::Table::kInline);
                         CHECK(cursor.Last());
                         std::string bytes(cursor.raw());
                         if (!bytes.empty()) bytes[0] ^= 1;
                         txn.PutRaw(base::Table::kInline, std::string(cursor.key()), bytes);
                         return absl::OkStatus();
                       })
              .ok());
  }
  std::vector<base::BlobId> losses() override {
    base::MutexLock lock(mutex_);
    return losses_;
  }

  base::FakeFileSystem fs;
  base::FakeClock clock;
  base::Metrics metrics;
  const Layout layout{kDataDir};
  std::string boot_id = "boot-1";
  uint64_t inline_max = kContractInlineMax;
  uint64_t mark_bytes = 8000;
  uint64_t hash_apart_from_bytes = uint64_t{8} << 20;

 private:
  base::FileSystem* over_;
  base::TempDir dir_;
  std::unique_ptr<base::Index> index_;
  std::unique_ptr<DiskBlobStore> store_;
  base::Mutex mutex_;
  std::vector<base::BlobId> losses_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
