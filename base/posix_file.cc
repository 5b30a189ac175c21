#include "base/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Writes in long runs: passed on to the disk as they come, and past the page cache where that was
// asked for and the run is long. What is held back for a full piece is part of the file for
// everybody who reads, looks, syncs or truncates here.

namespace waypost::base {
namespace {

// So much that the disk writes it at its full speed; and the sync at the end of a large file, for
// which everything else of it waits, has no more left than this.
constexpr uint64_t kPassOnBytes = uint64_t{8} << 20;

}  // namespace

PosixFile::~PosixFile() {
  // Whoever must know whether that succeeds has synced.
  Flush().IgnoreError();
  if (!hidden_name_.empty()) unlink(hidden_name_.c_str());
  close(fd_);
}

absl::Status PosixFile::WriteAt(uint64_t offset, std::string_view data) {
  if (offset != run_to_) {
    RETURN_IF_ERROR(Flush());
    run_from_ = run_to_ = passed_on_to_ = offset;
  }
  while (!data.empty()) {
    std::size_t count = NextCached(data.size());
    if (count > 0) {
      RETURN_IF_ERROR(WriteCached(run_to_, data.substr(0, count)));
      run_to_ += count;
      PassOn();
    } else {
      count = direct_->Hold(run_to_, data);
      passed_on_to_ = run_to_ += count;
      if (direct_->full()) RETURN_IF_ERROR(WritePiece());
    }
    data.remove_prefix(count);
  }
  return absl::OkStatus();
}

std::size_t PosixFile::NextCached(std::size_t count) {
  if (direct_ != nullptr && !direct_->held().empty()) return 0;
  if (!wants_direct_ || run_to_ - run_from_ < kDirectFromBytes) return count;
  if (direct_ == nullptr) direct_ = DirectWriter::Open(fd_);
  wants_direct_ = direct_ != nullptr;
  if (!wants_direct_) return count;
  // After a Flush in the middle of a page its rest goes where its beginning is.
  const std::size_t over = run_to_ % DirectWriter::kAlignment;
  return over == 0 ? 0 : std::min(count, DirectWriter::kAlignment - over);
}

absl::Status PosixFile::WritePiece() {
  if (direct_->WritePiece()) return absl::OkStatus();
  if (errno != EINVAL) return ErrnoStatus(errno, absl::StrCat("writing ", path_));
  // The file system took the flag and does not take the write, or not all of it.
  RETURN_IF_ERROR(Flush());
  direct_ = nullptr;
  wants_direct_ = false;
  return absl::OkStatus();
}

absl::Status PosixFile::Flush() {
  if (direct_ == nullptr || direct_->held().empty()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteCached(direct_->offset(), direct_->held()));
  direct_->Drop();
  return absl::OkStatus();
}

absl::Status PosixFile::WriteCached(uint64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t wrote = pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("writing ", path_));
    }
    offset += static_cast<uint64_t>(wrote);
    data.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return absl::OkStatus();
}

void PosixFile::PassOn() {
  if (run_to_ - passed_on_to_ < kPassOnBytes) return;
  // Begins to write and waits for nothing. Whether that ends well the sync will tell.
  static_cast<void>(sync_file_range(fd_, static_cast<off_t>(passed_on_to_),
                                    static_cast<off_t>(run_to_ - passed_on_to_),
                                    SYNC_FILE_RANGE_WRITE));
  passed_on_to_ = run_to_;
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
  if (direct_ == nullptr) return have;
  // What is held back follows on what the file has.
  const std::string_view held = direct_->held();
  const uint64_t from = std::max(offset, direct_->offset());
  const uint64_t to = std::min(offset + buffer.size(), direct_->offset() + held.size());
  if (from >= to) return have;
  held.copy(buffer.data() + (from - offset), to - from, from - direct_->offset());
  return std::max<std::size_t>(have, to - offset);
}

absl::Status PosixFile::Sync() {
  RETURN_IF_ERROR(Flush());
  // Not tried again: after a failure the kernel may have dropped the pages and report success.
  if (fsync(fd_) != 0) return ErrnoStatus(errno, absl::StrCat("syncing ", path_));
  return absl::OkStatus();
}

absl::Status PosixFile::CheckSynced() {
  // Nobody flushed it: the sync of all did not have it.
  if (direct_ != nullptr && !direct_->held().empty()) return Sync();
  // Tells of every write of this file that failed since it was opened, and unlike fsync makes the
  // disk flush nothing.
  if (sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) != 0) {
    return ErrnoStatus(errno, absl::StrCat("writing ", path_));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Truncate(uint64_t size) {
  if (direct_ != nullptr && size <= direct_->offset()) direct_->Drop();
  RETURN_IF_ERROR(Flush());
  while (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("truncating ", path_));
  }
  return absl::OkStatus();
}

absl::StatusOr<File::State> PosixFile::Look() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, absl::StrCat("looking at ", path_));
  auto size = static_cast<uint64_t>(info.st_size);
  if (direct_ != nullptr && !direct_->held().empty()) {
    size = std::max(size, direct_->offset() + direct_->held().size());
  }
  return State{.size = size, .named = info.st_nlink > 0};
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
