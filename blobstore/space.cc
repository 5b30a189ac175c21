#include "blobstore/space.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"

// Free space is what the disk said at most a second ago, less what was written since and less what
// is reserved for transfers under way, so that transfers cannot be given the same bytes twice.

namespace waypost::blobstore {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

}  // namespace

uint64_t FloorBytes(const FreeSpaceFloor& floor, uint64_t total_bytes) {
  if (floor.percent == 0) return floor.bytes;
  return total_bytes / 100 * std::min(floor.percent, 100u);
}

SpaceKeeper::SpaceKeeper(base::FileSystem& fs, const base::Clock& clock, std::string dir,
                         FreeSpaceFloor floor, std::string what)
    : fs_(fs), clock_(clock), dir_(std::move(dir)), what_(std::move(what)), floor_(floor) {}

absl::Status SpaceKeeper::Reservation::Written(uint64_t bytes) {
  const uint64_t written = std::min(bytes, reserved_);
  reserved_ -= written;
  {
    base::MutexLock lock(keeper_.mutex_);
    keeper_.reserved_ -= written;
    keeper_.written_ += bytes;
  }
  // In large steps: the disk is not asked for each piece.
  if (later_ == 0 || reserved_ > ahead_ / 2) return absl::OkStatus();
  ahead_ = std::min(ahead_ * 2, kReservedAhead);
  const uint64_t more = std::min(later_, ahead_ - reserved_);
  RETURN_IF_ERROR(keeper_.Take(more, more));
  reserved_ += more;
  later_ -= more;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SpaceKeeper::Reservation>> SpaceKeeper::Reserve(uint64_t bytes) {
  const uint64_t now = std::min(bytes, kReservedAhead);
  RETURN_IF_ERROR(Take(bytes, now));
  return std::unique_ptr<Reservation>(new Reservation(*this, now, bytes - now, kReservedAhead));
}

absl::StatusOr<std::unique_ptr<SpaceKeeper::Reservation>> SpaceKeeper::ReserveAsItGrows(
    uint64_t bytes_max) {
  const uint64_t now = std::min(bytes_max, kFirstStep);
  RETURN_IF_ERROR(Take(now, now));
  return std::unique_ptr<Reservation>(new Reservation(*this, now, bytes_max - now, kFirstStep));
}

absl::Status SpaceKeeper::Take(uint64_t fits, uint64_t bytes) {
  RETURN_IF_ERROR(LookIfStale());
  base::MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckLocked(fits));
  reserved_ += bytes;
  return absl::OkStatus();
}

absl::Status SpaceKeeper::Check(uint64_t bytes) {
  RETURN_IF_ERROR(LookIfStale());
  base::MutexLock lock(mutex_);
  return CheckLocked(bytes);
}

void SpaceKeeper::SetFloor(FreeSpaceFloor floor) {
  base::MutexLock lock(mutex_);
  floor_ = floor;
}

FreeSpaceFloor SpaceKeeper::floor() {
  base::MutexLock lock(mutex_);
  return floor_;
}

absl::StatusOr<base::FileSystem::Space> SpaceKeeper::Space() {
  RETURN_IF_ERROR(LookIfStale());
  base::MutexLock lock(mutex_);
  return seen_;
}

void SpaceKeeper::Release(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  reserved_ -= bytes;
}

absl::Status SpaceKeeper::LookIfStale() {
  const base::SteadyTime now = clock_.SteadyNow();
  uint64_t written_before = 0;
  {
    base::MutexLock lock(mutex_);
    if (looked_ && now - *looked_ < kLookEvery) return absl::OkStatus();
    written_before = written_;
  }
  ASSIGN_OR_RETURN(const base::FileSystem::Space space, fs_.FreeSpace(dir_));
  base::MutexLock lock(mutex_);
  // Taken together: when two look at once either pair is right.
  written_when_seen_ = written_before;
  seen_ = space;
  looked_ = now;
  return absl::OkStatus();
}

absl::Status SpaceKeeper::CheckLocked(uint64_t bytes) {
  if (seen_.read_only) {
    return base::ReadOnlyError(absl::StrCat("the file system of ", dir_, " is read-only"));
  }
  const uint64_t floor = FloorBytes(floor_, seen_.total_bytes);
  const uint64_t used = reserved_ + (written_ - written_when_seen_);
  const uint64_t free = seen_.free_bytes > used ? seen_.free_bytes - used : 0;
  if (free >= floor && free - floor >= bytes) return absl::OkStatus();
  // A floor of any size may be set.
  const uint64_t wanted = bytes > UINT64_MAX - floor ? UINT64_MAX : bytes + floor;
  const std::string help =
      free >= bytes ? absl::StrCat("make room there, or lower store.min_free to ", free - bytes)
                    : "make room there: a lower store.min_free alone would not do";
  return base::NoSpaceError(absl::StrCat(
      "no room for ", bytes, " bytes on the disk of ", what_, ": ", wanted - free,
      " bytes are missing. ", seen_.free_bytes, " bytes are free, ", reserved_,
      " of them promised to transfers under way, and store.min_free keeps ", floor, "; ", help));
}

}  // namespace waypost::blobstore
