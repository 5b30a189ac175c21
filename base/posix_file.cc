#include "base/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace waypost::base {
namespace {

// So much that the disk writes it at its full speed; and the sync at the end of a large file, for
// which everything else of it waits, has no more left than this.
constexpr uint64_t kPassOnBytes = uint64_t{8} << 20;

}  // namespace

PosixFile::~PosixFile() {
  if (!hidden_name_.empty()) unlink(hidden_name_.c_str());
  close(fd_);
}

void PosixFile::PassOn(uint64_t begin, uint64_t end) {
  if (begin != waiting_to_) waiting_from_ = begin;
  waiting_to_ = end;
  if (waiting_to_ - waiting_from_ < kPassOnBytes) return;
  // Begins to write and waits for nothing. Whether that ends well the sync will tell.
  static_cast<void>(sync_file_range(fd_, static_cast<off_t>(waiting_from_),
                                    static_cast<off_t>(waiting_to_ - waiting_from_),
                                    SYNC_FILE_RANGE_WRITE));
  waiting_from_ = waiting_to_;
}

absl::Status PosixFile::WriteAt(uint64_t offset, std::string_view data) {
  const uint64_t begin = offset;
  while (!data.empty()) {
    const ssize_t wrote = pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("writing ", path_));
    }
    offset += static_cast<uint64_t>(wrote);
    data.remove_prefix(static_cast<std::size_t>(wrote));
  }
  PassOn(begin, offset);
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> PosixFile::ReadAt(uint64_t offset, std::span<char> buffer) const {
  std::size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got =
        pread(fd_, buffer.data() + have, buffer.size() - have, static_cast<off_t>(offset + have));
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("reading ", path_));
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

absl::Status PosixFile::Sync() {
  // Not tried again: after a failure the kernel may have dropped the pages and report success.
  if (fsync(fd_) != 0) return ErrnoStatus(errno, absl::StrCat("syncing ", path_));
  return absl::OkStatus();
}

absl::Status PosixFile::CheckSynced() {
  // Tells of every write of this file that failed since it was opened, and unlike fsync makes the
  // disk flush nothing.
  if (sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) != 0) {
    return ErrnoStatus(errno, absl::StrCat("writing ", path_));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Truncate(uint64_t size) {
  while (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("truncating ", path_));
  }
  return absl::OkStatus();
}

absl::StatusOr<File::State> PosixFile::Look() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, absl::StrCat("looking at ", path_));
  return State{.size = static_cast<uint64_t>(info.st_size), .named = info.st_nlink > 0};
}

absl::Status PosixFile::LinkTo(const std::string& path) {
  if (hidden_name_.empty()) {
    // The way to link a descriptor that needs no privilege.
    const std::string self = absl::StrCat("/proc/self/fd/", fd_);
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return ErrnoStatus(errno, absl::StrCat("linking ", path));
    }
  } else {
    if (link(hidden_name_.c_str(), path.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("linking ", path));
    }
    unlink(hidden_name_.c_str());
    hidden_name_.clear();
  }
  path_ = path;
  return absl::OkStatus();
}

}  // namespace waypost::base
