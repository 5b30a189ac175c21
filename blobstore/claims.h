#pragma once

#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/ids.h"
#include "base/mutex.h"

namespace waypost::blobstore {

// One at a time for each blob: whoever holds the claim of a blob may do what must not be done twice
// at once, disk work included, without a mutex held meanwhile. Thread-safe; outlives its claims.
class Claims {
 public:
  class Claim {
   public:
    Claim(Claim&& other) noexcept
        : claims_(std::exchange(other.claims_, nullptr)), blob_(other.blob_) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim() {
      if (claims_ != nullptr) claims_->Release(blob_);
    }

   private:
    friend class Claims;
    Claim(Claims* claims, const base::BlobId& blob) : claims_(claims), blob_(blob) {}
    Claims* claims_;
    base::BlobId blob_;
  };

  // Waits for the holder.
  Claim Wait(const base::BlobId& blob) {
    base::MutexLock lock(mutex_);
    while (!claimed_.insert(blob).second) released_.Wait(mutex_);
    return Claim(this, blob);
  }
  // nullopt if it is held.
  std::optional<Claim> Try(const base::BlobId& blob) {
    base::MutexLock lock(mutex_);
    if (!claimed_.insert(blob).second) return std::nullopt;
    return Claim(this, blob);
  }

 private:
  void Release(const base::BlobId& blob) {
    {
      base::MutexLock lock(mutex_);
      claimed_.erase(blob);
    }
    released_.NotifyAll();
  }

  base::Mutex mutex_;
  base::CondVar released_;
  absl::flat_hash_set<base::BlobId> claimed_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
