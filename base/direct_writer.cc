#include "base/direct_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"

// Whole pieces past the page cache, through a descriptor of its own. Memory, offset and length must
// be multiples of kAlignment; a write that the file system refuses or cuts short is told by errno
// and loses nothing, because the piece is still held.

namespace waypost::base {

void DirectWriter::Free::operator()(char* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

DirectWriter::DirectWriter(int direct_fd)
    : direct_fd_(direct_fd),
      piece_(static_cast<char*>(::operator new (kPieceBytes, std::align_val_t{kAlignment}))) {}

DirectWriter::~DirectWriter() { close(direct_fd_); }

std::unique_ptr<DirectWriter> DirectWriter::Open(int fd) {
  // A descriptor of its own, because the flag would be that of every read through the first one
  // too. A file without a name can be opened so as well.
  const std::string self = absl::StrCat("/proc/self/fd/", fd);
  const int direct_fd = open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
  if (direct_fd < 0) return nullptr;
  return std::unique_ptr<DirectWriter>(new DirectWriter(direct_fd));
}

std::size_t DirectWriter::Hold(uint64_t offset, std::string_view data) {
  if (held_ == 0) offset_ = offset;
  const std::size_t count = std::min(data.size(), kPieceBytes - held_);
  std::memcpy(piece_.get() + held_, data.data(), count);
  held_ += count;
  return count;
}

bool DirectWriter::WritePiece() {
  ssize_t wrote = 0;
  do {
    wrote = pwrite(direct_fd_, piece_.get(), held_, static_cast<off_t>(offset_));
  } while (wrote < 0 && errno == EINTR);
  if (wrote < 0) return false;
  if (static_cast<std::size_t>(wrote) == held_) {
    held_ = 0;
    return true;
  }
  // Cut short, by a disk that is almost full: whoever writes the rest is told why.
  errno = EINVAL;
  return false;
}

}  // namespace waypost::base
