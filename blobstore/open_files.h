#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/mutex.h"

namespace waypost::blobstore {

// The blob files that were opened last, so that one that many ask for is not opened for each of
// them. What is here keeps the space of a removed file: whoever removes a blob says so by Drop.
// Thread-safe.
class OpenFiles {
 public:
  explicit OpenFiles(std::size_t files_max) : files_max_(files_max) {}

  // Moves with every Drop. To be read before the look-up that leads to Put.
  uint64_t version() const;
  // Null when it is not here.
  std::shared_ptr<const base::File> Find(const base::BlobId& blob);
  // Nothing if a blob was dropped since `version`: it might have been this one.
  void Put(const base::BlobId& blob, std::shared_ptr<const base::File> file, uint64_t version);
  void Drop(const base::BlobId& blob);
  // All of them, for a process that is short of descriptors.
  void Clear();

 private:
  using Items = std::list<std::pair<base::BlobId, std::shared_ptr<const base::File>>>;

  const std::size_t files_max_;
  mutable base::Mutex mutex_;
  uint64_t version_ GUARDED_BY(mutex_) = 0;
  Items items_ GUARDED_BY(mutex_);  // used last: first
  absl::flat_hash_map<base::BlobId, Items::iterator> places_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
