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

// Keeps the free-space floor. A transfer begins only where there is room for all that it announces,
// but of that no more than kReservedAhead beyond what has arrived is kept free for it: who
// announces much and sends little does not fill the disk for the others. Looks at the disk at most
// once a second and adds what was written since. Thread-safe.
class SpaceKeeper {
 public:
  static constexpr uint64_t kReservedAhead = uint64_t{64} << 20;  // bytes
  static constexpr uint64_t kFirstStep = uint64_t{1} << 20;       // bytes

  // `what`: whose disk that of `dir` is, for messages.
  SpaceKeeper(base::FileSystem& fs, const base::Clock& clock, std::string dir, FreeSpaceFloor floor,
              std::string what = "the data folder");

  // What is kept free for one transfer; given back when destroyed. One thread. Outlived by its
  // keeper.
  class Reservation {
   public:
    ~Reservation() { keeper_.Release(reserved_); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    // That much of it is on the disk now. IsNoSpace: for more there is no room any more.
    absl::Status Written(uint64_t bytes);

   private:
    friend class SpaceKeeper;
    Reservation(SpaceKeeper& keeper, uint64_t reserved, uint64_t later, uint64_t ahead)
        : keeper_(keeper), reserved_(reserved), later_(later), ahead_(ahead) {}
    SpaceKeeper& keeper_;
    uint64_t reserved_;
    uint64_t later_;  // may still come, and is not reserved yet
    uint64_t ahead_;  // of which so much is reserved beyond what has come
  };
  // IsNoSpace where `bytes` would go below the floor; the message names store.min_free.
  absl::StatusOr<std::unique_ptr<Reservation>> Reserve(uint64_t bytes);
  // For a transfer that may end anywhere before `bytes_max`: a step ahead of what has come, which
  // begins at kFirstStep and doubles up to kReservedAhead.
  absl::StatusOr<std::unique_ptr<Reservation>> ReserveAsItGrows(uint64_t bytes_max);
  absl::Status Check(uint64_t bytes);
  void SetFloor(FreeSpaceFloor floor);
  FreeSpaceFloor floor();
  // As last looked at, at most a second ago.
  absl::StatusOr<base::FileSystem::Space> Space();

 private:
  // Reserves `bytes` if `fits` bytes fit.
  absl::Status Take(uint64_t fits, uint64_t bytes);
  void Release(uint64_t bytes);
  absl::Status LookIfStale();
  absl::Status CheckLocked(uint64_t bytes) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::FileSystem& fs_;
  const base::Clock& clock_;
  const std::string dir_;
  const std::string what_;

  base::Mutex mutex_;
  FreeSpaceFloor floor_ GUARDED_BY(mutex_);
  base::FileSystem::Space seen_ GUARDED_BY(mutex_);
  std::optional<base::SteadyTime> looked_ GUARDED_BY(mutex_);
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
  uint64_t written_ GUARDED_BY(mutex_) = 0;            // by transfers, since the start
  uint64_t written_when_seen_ GUARDED_BY(mutex_) = 0;  // the same, just before `seen_`
};

}  // namespace waypost::blobstore
