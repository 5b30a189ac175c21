#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/mutex.h"

namespace waypost::blobstore {

// How much must stay free: bytes, or a share of the disk when `percent` is not 0.
struct FreeSpaceFloor {
  uint64_t bytes = uint64_t{1} << 30;
  uint32_t percent = 0;
};

// The bytes that must stay free on a disk of `total_bytes`. Pure.
uint64_t FloorBytes(const FreeSpaceFloor& floor, uint64_t total_bytes);

// Keeps the free-space floor: what transfers under way have announced and not yet written counts as
// used. Looks at the disk at most once a second and adds what was written since. Thread-safe.
class SpaceKeeper {
 public:
  SpaceKeeper(base::FileSystem& fs, const base::Clock& clock, std::string dir,
              FreeSpaceFloor floor);

  // Announced bytes of one transfer; given back when destroyed. One thread. Outlived by its keeper.
  class Reservation {
   public:
    ~Reservation() { keeper_.Release(left_); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    // That much of it is on the disk now.
    void Written(uint64_t bytes);

   private:
    friend class SpaceKeeper;
    Reservation(SpaceKeeper& keeper, uint64_t bytes) : keeper_(keeper), left_(bytes) {}
    SpaceKeeper& keeper_;
    uint64_t left_;
  };
  // IsNoSpace below the floor; the message names store.min_free.
  absl::StatusOr<std::unique_ptr<Reservation>> Reserve(uint64_t bytes);
  absl::Status Check(uint64_t bytes);
  void SetFloor(FreeSpaceFloor floor);
  FreeSpaceFloor floor();
  // As last looked at, at most a second ago.
  absl::StatusOr<base::FileSystem::Space> Space();

 private:
  void Release(uint64_t bytes);
  absl::Status LookIfStale();
  absl::Status CheckLocked(uint64_t bytes) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::FileSystem& fs_;
  const base::Clock& clock_;
  const std::string dir_;

  base::Mutex mutex_;
  FreeSpaceFloor floor_ GUARDED_BY(mutex_);
  base::FileSystem::Space seen_ GUARDED_BY(mutex_);
  std::optional<base::SteadyTime> looked_ GUARDED_BY(mutex_);
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
  uint64_t written_ GUARDED_BY(mutex_) = 0;            // by transfers, since the start
  uint64_t written_when_seen_ GUARDED_BY(mutex_) = 0;  // the same, just before `seen_`
};

}  // namespace waypost::blobstore
