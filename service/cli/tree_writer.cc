#include "service/cli/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "base/status.h"

// Files below one folder, whatever the keys say. Each step of a path is opened relative to its
// parent and never through a link, so that no key and nobody who changes the tree meanwhile leads
// out of it.

namespace waypost::service {
namespace {

using base::Abs;

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// The folder of `path` below the open `folder`, for the caller to close, and the last segment. With
// `make`, folders are made.
absl::StatusOr<int> OpenFolderOf(int folder, std::string_view path, bool make, std::string& name) {
  int dir = fcntl(folder, F_DUPFD_CLOEXEC, 0);
  if (dir < 0) return base::ErrnoStatus(errno, path);
  std::size_t begin = 0;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', begin)) {
    const std::string segment(path.substr(begin, slash - begin));
    begin = slash + 1;
    if (make && mkdirat(dir, segment.c_str(), 0777) != 0 && errno != EEXIST) {
      const int error = errno;
      close(dir);
      return base::ErrnoStatus(error, path.substr(0, slash));
    }
    const int next = openat(dir, segment.c_str(), kFolder | O_NOFOLLOW);
    const int error = errno;
    close(dir);
    if (next < 0) return base::ErrnoStatus(error, path.substr(0, slash));
    dir = next;
  }
  name = std::string(path.substr(begin));
  return dir;
}

}  // namespace

absl::StatusOr<int> OpenFileBelow(int folder, std::string_view path) {
  std::string name;
  int parent = -1;
  ASSIGN_OR_RETURN(parent, OpenFolderOf(folder, path, /*make=*/false, name));
  const absl::Cleanup close_parent = [parent] { close(parent); };
  const int fd = openat(parent, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) return fd;
  close(fd);
  return absl::InvalidArgumentError(absl::StrCat(Abs(path), " is no regular file"));
}

absl::Status CheckRelativePath(std::string_view key) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key \"", Abs(key), "\" cannot be a path: ", why));
  };
  if (key.empty() || key.front() == '/') return refuse("it is absolute or empty");
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return refuse("it has control characters");
  }
  for (const absl::string_view segment : absl::StrSplit(Abs(key), '/')) {
    if (segment.empty()) return refuse("it has an empty segment");
    if (segment == "." || segment == "..") return refuse("it has dot segments");
    if (segment.size() > 255) return refuse("a segment is over 255 bytes");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TreeWriter>> TreeWriter::Open(const std::string& dir) {
  if (mkdir(dir.c_str(), 0777) != 0 && errno != EEXIST) return base::ErrnoStatus(errno, dir);
  const int fd = open(dir.c_str(), kFolder);
  if (fd < 0) return base::ErrnoStatus(errno, dir);
  return std::unique_ptr<TreeWriter>(new TreeWriter(fd));
}

TreeWriter::~TreeWriter() { close(fd_); }

absl::StatusOr<int> TreeWriter::OpenParent(std::string_view key, bool make, std::string& name) {
  RETURN_IF_ERROR(CheckRelativePath(key));
  return OpenFolderOf(fd_, key, make, name);
}

absl::StatusOr<bool> TreeWriter::Holds(std::string_view key, const base::BlobId& blob) {
  std::string name;
  const auto parent = OpenParent(key, /*make=*/false, name);
  if (absl::IsNotFound(parent.status())) return false;
  RETURN_IF_ERROR(parent.status());
  const absl::Cleanup close_parent = [&] { close(*parent); };
  const auto opened = OpenFileBelow(*parent, name);
  if (!opened.ok()) return false;
  const int fd = *opened;
  const absl::Cleanup close_file = [fd] { close(fd); };
  base::Sha256 hash;
  std::string buffer(std::size_t{256} << 10, '\0');
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::ErrnoStatus(errno, key);
    if (got == 0) return hash.Finish() == blob;
    hash.Update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
  }
}

absl::Status TreeWriter::Write(std::string_view key, const base::BlobId& blob,
                               const OutputOptions& options, Fill fill) {
  std::string name;
  int parent = -1;
  ASSIGN_OR_RETURN(parent, OpenParent(key, /*make=*/true, name));
  const absl::Cleanup closer = [parent] { close(parent); };
  return WriteFileIn(parent, name, blob, options, fill);
}

}  // namespace waypost::service
