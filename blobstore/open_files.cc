#include "blobstore/open_files.h"

// The files used last, by blob. A look-up that began before a blob was dropped must not bring its
// old file back: Put takes the version from before, and puts nothing if a blob was dropped since.
// Files are closed without the lock.

namespace waypost::blobstore {

uint64_t OpenFiles::version() const {
  base::MutexLock lock(mutex_);
  return version_;
}

std::shared_ptr<const base::File> OpenFiles::Find(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  const auto found = places_.find(blob);
  if (found == places_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->second;
}

void OpenFiles::Put(const base::BlobId& blob, std::shared_ptr<const base::File> file,
                    uint64_t version) {
  Items evicted;  // closed after the lock is gone
  base::MutexLock lock(mutex_);
  if (version != version_ || places_.contains(blob)) return;
  items_.emplace_front(blob, std::move(file));
  places_[blob] = items_.begin();
  if (items_.size() <= files_max_) return;
  places_.erase(items_.back().first);
  evicted.splice(evicted.begin(), items_, std::prev(items_.end()));
}

void OpenFiles::Clear() {
  Items dropped;
  base::MutexLock lock(mutex_);
  dropped.swap(items_);
  places_.clear();
}

void OpenFiles::Drop(const base::BlobId& blob) {
  Items dropped;
  base::MutexLock lock(mutex_);
  ++version_;
  const auto found = places_.find(blob);
  if (found == places_.end()) return;
  dropped.splice(dropped.begin(), items_, found->second);
  places_.erase(found);
}

}  // namespace waypost::blobstore
