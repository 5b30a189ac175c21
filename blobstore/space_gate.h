#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "blobstore/disk_blob_store.h"

namespace waypost::blobstore {

// Keeps the disk's last `store.min_free` bytes free: what transfers have announced and not yet written
// counts as used. Thread-safe.
class SpaceGate {
 public:
  SpaceGate(base::FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  // Bytes promised to one transfer; given back as they are written, the rest at the end.
  class Reservation {
   public:
    Reservation(SpaceGate& gate, uint64_t bytes) : gate_(gate), left_(bytes) {}
    ~Reservation() { Use(left_); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    void Use(uint64_t bytes);

   private:
    SpaceGate& gate_;
    uint64_t left_;
  };

  // IsNoSpace with both figures and the setting.
  absl::StatusOr<std::unique_ptr<Reservation>> Reserve(uint64_t bytes);
  absl::Status Check(uint64_t bytes);
  void SetFloor(FreeSpaceFloor floor);
  base::FileSystem::Space Space();

 private:
  absl::Status CheckLocked(uint64_t bytes) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::FileSystem& fs_;
  const std::string dir_;
  base::Mutex mutex_;
  FreeSpaceFloor floor_ GUARDED_BY(mutex_);
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
};

}  // namespace waypost::blobstore
