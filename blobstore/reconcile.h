#pragma once

#include <map>

#include "absl/status/statusor.h"
#include "blobstore/disk_blob_store.h"
#include "blobstore/shelf.h"

namespace waypost::blobstore {

// One comparison of files and rows in blobs/ab, in both directions. Used once, by one thread.
class Reconciler {
 public:
  Reconciler(Shelf& shelf, const DiskBlobStore::ReconcileCallbacks& callbacks)
      : shelf_(shelf), callbacks_(callbacks) {}

  absl::StatusOr<DiskBlobStore::ReconcileResult> Run(unsigned folder);
  // Also of a run that failed.
  const DiskBlobStore::ReconcileResult& result() const { return result_; }

 private:
  struct Row {
    uint64_t size_bytes = 0;
    Placement placement = Placement::kFile;
  };
  absl::Status LoadRows(unsigned folder);
  absl::Status CompareSubFolder(unsigned folder, unsigned sub);
  absl::Status CompareFile(const base::BlobId& blob, const std::string& path);
  absl::Status RowsWithoutFile();

  Shelf& shelf_;
  const DiskBlobStore::ReconcileCallbacks& callbacks_;
  DiskBlobStore::ReconcileResult result_;
  std::map<base::BlobId, Row> rows_;  // of the folder; those whose file was met are taken out
};

}  // namespace waypost::blobstore
