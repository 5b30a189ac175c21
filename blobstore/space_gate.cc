#include "blobstore/space_gate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace waypost::blobstore {

void SpaceGate::Reservation::Use(uint64_t bytes) {
  bytes = std::min(bytes, left_);
  left_ -= bytes;
  base::MutexLock lock(gate_.mutex_);
  gate_.reserved_ -= bytes;
}

absl::Status SpaceGate::CheckLocked(uint64_t bytes) {
  ASSIGN_OR_RETURN(const base::FileSystem::Space space, fs_.FreeSpace(dir_));
  const uint64_t floor =
      std::max(floor_.bytes, space.total_bytes / 100 * floor_.percent);
  const uint64_t used = floor + reserved_ + bytes;
  if (used < floor || used > space.free_bytes) {
    return base::NoSpaceError(absl::StrCat(
        "no space for ", bytes, " bytes: ", space.free_bytes, " are free, transfers under way need ",
        reserved_, ", and store.min_free keeps ", floor, "; make room or lower store.min_free"));
  }
  return absl::OkStatus();
}

absl::Status SpaceGate::Check(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  return CheckLocked(bytes);
}

absl::StatusOr<std::unique_ptr<SpaceGate::Reservation>> SpaceGate::Reserve(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckLocked(bytes));
  reserved_ += bytes;
  return std::make_unique<Reservation>(*this, bytes);
}

void SpaceGate::SetFloor(FreeSpaceFloor floor) {
  base::MutexLock lock(mutex_);
  floor_ = floor;
}

base::FileSystem::Space SpaceGate::Space() {
  const auto space = fs_.FreeSpace(dir_);
  return space.ok() ? *space : base::FileSystem::Space();
}

}  // namespace waypost::blobstore
