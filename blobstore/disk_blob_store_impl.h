#pragma once

// What disk_blob_store.cc and reconcile.cc share. Nobody else includes it.

#include <functional>
#include <set>
#include <string>

#include "base/metrics.h"
#include "base/mutex.h"
#include "blobstore/disk_blob_store.h"
#include "blobstore/layout.h"
#include "blobstore/space_gate.h"
#include "blobstore/writers.h"

namespace waypost::blobstore {

struct DiskBlobStore::Impl {
  Impl(base::Index& index_in, base::FileSystem& fs_in, const base::Clock& clock_in,
       DiskBlobStoreOptions options_in)
      : index(index_in), fs(fs_in), clock(clock_in), options(std::move(options_in)),
        layout(options.data_dir), placer(fs, layout), gate(fs, options.data_dir),
        max_blob_bytes(options.max_blob_bytes) {}

  absl::Status CheckSize(uint64_t size_bytes) const;
  absl::Status PreparePartials();
  absl::Status EmptyTrash();
  void ReportLoss(const base::BlobId& blob, const std::string& why);

  base::Index& index;
  base::FileSystem& fs;
  const base::Clock& clock;
  const DiskBlobStoreOptions options;
  const Layout layout;
  Placer placer;
  SpaceGate gate;
  WriterParts* parts() { return writer_parts.get(); }
  std::unique_ptr<WriterParts> writer_parts;
  std::function<void(const base::BlobId&)> on_loss;
  std::atomic<uint64_t> max_blob_bytes;
  base::Counter corrupt_total, lost_total;
  base::Mutex mutex;
  std::set<base::BlobId> fetching GUARDED_BY(mutex);
};

}  // namespace waypost::blobstore
