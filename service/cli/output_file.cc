#include "service/cli/output_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "service/cli/client.h"

// Regular files are replaced by a verified one through a rename; the new one takes mode and owner
// of the old. Where the owner cannot be given, the old file's bytes are replaced instead. Whatever
// is no regular file is opened as it is and written into.

namespace waypost::service {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
// As many links as Linux follows.
constexpr int kLinksMax = 40;

absl::Status WriteAll(int fd, std::string_view data, const std::string& what) {
  while (!data.empty()) {
    const ssize_t wrote = write(fd, data.data(), data.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return OutputError(base::ErrnoStatus(errno, what));
    data.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return absl::OkStatus();
}

// Calls `take` with what is left to read in `fd`.
absl::Status ReadAll(int fd, const std::string& what, Take take) {
  std::string buffer(kPiece, '\0');
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::ErrnoStatus(errno, what);
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(take(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
  }
}

absl::Status FillHashed(int fd, const std::string& what, const base::BlobId& blob, Fill fill,
                        base::Sha256 hash = {}, uint64_t from = 0) {
  RETURN_IF_ERROR(fill(from, [&](std::string_view data) {
    hash.Update(data);
    return WriteAll(fd, data, what);
  }));
  if (hash.Finish() == blob) return absl::OkStatus();
  return base::DigestMismatchError("the bytes do not hash to " + blob.ToHex());
}

// A file that cannot be read differs.
bool HasBytes(int parent, const std::string& name, const base::BlobId& blob) {
  const int fd = openat(parent, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  base::Sha256 hash;
  const absl::Status read = ReadAll(fd, name, [&hash](std::string_view data) {
    hash.Update(data);
    return absl::OkStatus();
  });
  return read.ok() && hash.Finish() == blob;
}

// What is there under the name, if something is that may be replaced.
absl::StatusOr<std::optional<struct stat>> WhatIsThere(int parent, const std::string& name,
                                                       bool force) {
  struct stat info {};
  if (fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<struct stat>();
    return base::ErrnoStatus(errno, name);
  }
  if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
    return absl::FailedPreconditionError(name + " is there and is no file: it is left as it is");
  }
  if (!force) {
    return absl::AlreadyExistsError(absl::StrCat(
        name, S_ISLNK(info.st_mode) ? " is there and is a link" : " is there and has other bytes",
        ": --force overwrites it"));
  }
  return std::optional<struct stat>(info);
}

// A file that is on its way to a name.
struct Temporary {
  std::string name;
  int fd = -1;
  base::Sha256 hash;  // of what is in it
  uint64_t bytes = 0;
};

// The partial file that an earlier call left, or a new one; nullopt where another call writes it
// now, or where it is not this user's own: then its name says nothing.
std::optional<Temporary> OpenPartial(int parent, const base::BlobId& blob, mode_t mode) {
  Temporary partial{.name = ".waypost-part-" + blob.ToHex().substr(0, 16)};
  partial.fd = openat(parent, partial.name.c_str(),
                      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
  if (partial.fd < 0) return std::nullopt;
  absl::Cleanup closer = [&] { close(partial.fd); };
  struct stat info {
  }, named{};
  if (flock(partial.fd, LOCK_EX | LOCK_NB) != 0 || fstat(partial.fd, &info) != 0 ||
      !S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1) {
    return std::nullopt;
  }
  // Whoever had it a moment ago may have given it its name: then it is no partial file any more.
  if (fstatat(parent, partial.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      named.st_dev != info.st_dev || named.st_ino != info.st_ino) {
    return std::nullopt;
  }
  const absl::Status read = ReadAll(partial.fd, partial.name, [&](std::string_view data) {
    partial.hash.Update(data);
    partial.bytes += data.size();
    return absl::OkStatus();
  });
  if (!read.ok()) return std::nullopt;
  std::move(closer).Cancel();
  return partial;
}

absl::StatusOr<Temporary> OpenTemporary(int parent, const std::string& beside, mode_t mode) {
  Temporary fresh{.name = ".waypost-" + base::ToHex(base::RandomBytes(8))};
  fresh.fd = openat(parent, fresh.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fresh.fd >= 0) return fresh;
  return OutputError(base::ErrnoStatus(errno, "a temporary file beside " + beside));
}

// The mode that a file gets which is made now.
mode_t LessUmask(mode_t mode) {
  const mode_t mask = umask(0);
  umask(mask);
  return mode & ~mask;
}

// The bytes of `from` in place of those of the file `name`, which stays the file that it is.
absl::Status CopyOver(int from, int parent, const std::string& name) {
  const int to = openat(parent, name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (to < 0) return base::ErrnoStatus(errno, name);
  const absl::Cleanup closer = [to] { close(to); };
  if (lseek(from, 0, SEEK_SET) != 0 || ftruncate(to, 0) != 0) return base::ErrnoStatus(errno, name);
  RETURN_IF_ERROR(
      ReadAll(from, name, [to, &name](std::string_view data) { return WriteAll(to, data, name); }));
  if (fsync(to) != 0) return OutputError(base::ErrnoStatus(errno, name));
  return absl::OkStatus();
}

// True if `fd` has the mode and owner of the file that it takes the place of.
bool TakesAfter(int fd, const struct stat& old) {
  if ((old.st_uid != geteuid() || old.st_gid != getegid()) &&
      fchown(fd, old.st_uid, old.st_gid) != 0) {
    return false;
  }
  return fchmod(fd, old.st_mode & 07777) == 0;
}

// What was not there at the first look is not overwritten without `force` either, where the file
// system can keep it so.
absl::Status GiveName(int parent, const std::string& temporary, const std::string& name,
                      bool force) {
  int result = renameat2(parent, temporary.c_str(), parent, name.c_str(),
                         force ? 0U : static_cast<unsigned>(RENAME_NOREPLACE));
  if (result != 0 && (errno == EINVAL || errno == ENOSYS))
    result = renameat(parent, temporary.c_str(), parent, name.c_str());
  return result == 0 ? absl::OkStatus() : base::ErrnoStatus(errno, name);
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A name such as /proc/self/fd/1: behind it is an open file, not a path.
bool IsOpenFile(const std::string& path) {
  struct statfs info {};
  return statfs(FolderOf(path).c_str(), &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

// Where `path` leads when its last segment is a link, and that one, and so on: there a file may be,
// or not yet.
absl::StatusOr<std::string> Followed(std::string path) {
  for (int links = 0; links < kLinksMax; ++links) {
    char target[4096];
    const ssize_t length = readlink(path.c_str(), target, sizeof(target));
    if (length < 0 || IsOpenFile(path)) return path;
    const std::string to(target, static_cast<std::size_t>(length));
    path = to.front() == '/' ? to : absl::StrCat(FolderOf(path), "/", to);
  }
  return base::ErrnoStatus(ELOOP, path);
}

// The descriptor to write to what is no regular file, for the caller to close; a descriptor of ours
// goes on where it stands.
absl::StatusOr<int> OpenAsItIs(const std::string& path) {
  struct stat named {
  }, open_here{};
  int number = -1;
  if (IsOpenFile(path) && absl::SimpleAtoi(NameOf(path), &number) &&
      stat(path.c_str(), &named) == 0 && fstat(number, &open_here) == 0 &&
      named.st_dev == open_here.st_dev && named.st_ino == open_here.st_ino) {
    const int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return base::ErrnoStatus(errno, path);
    return fd;
  }
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  return fd;
}

}  // namespace

absl::Status WriteFileIn(int parent, const std::string& name, const base::BlobId& blob,
                         const OutputOptions& options, Fill fill) {
  if (HasBytes(parent, name, blob)) return absl::OkStatus();
  std::optional<struct stat> old;
  ASSIGN_OR_RETURN(old, WhatIsThere(parent, name, options.force));
  const bool replaces = old && S_ISREG(old->st_mode);
  const mode_t mode = replaces ? 0600 : options.mode;
  std::optional<Temporary> partial;
  if (options.resume) partial = OpenPartial(parent, blob, mode);
  const bool resumes = partial.has_value();
  Temporary to;
  if (resumes) {
    to = *std::move(partial);
  } else {
    ASSIGN_OR_RETURN(to, OpenTemporary(parent, name, mode));
  }
  const int fd = to.fd;
  absl::Cleanup remove = [&] { unlinkat(parent, to.name.c_str(), 0); };
  const absl::Cleanup closer = [fd] { close(fd); };
  // An earlier call may have made it for another kind of file.
  if (resumes && fchmod(fd, LessUmask(mode)) != 0) return base::ErrnoStatus(errno, name);
  absl::Status filled = FillHashed(fd, name, blob, fill, std::move(to.hash), to.bytes);
  if (base::IsDigestMismatch(filled) && to.bytes != 0) {
    // What was there from before was not the beginning of this.
    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0) return base::ErrnoStatus(errno, name);
    filled = FillHashed(fd, name, blob, fill);
  }
  if (!filled.ok()) {
    struct stat info {};
    const bool keep =
        resumes && !base::IsDigestMismatch(filled) && fstat(fd, &info) == 0 && info.st_size > 0;
    if (keep) std::move(remove).Cancel();
    return filled;
  }
  if (replaces && !TakesAfter(fd, *old)) return CopyOver(fd, parent, name);
  if (fsync(fd) != 0) return OutputError(base::ErrnoStatus(errno, name));
  RETURN_IF_ERROR(GiveName(parent, to.name, name, options.force));
  std::move(remove).Cancel();
  if (fsync(parent) != 0) return base::ErrnoStatus(errno, "folder of " + name);
  return absl::OkStatus();
}

absl::Status WriteOutput(const std::string& path, const base::BlobId& blob,
                         const OutputOptions& options, Fill fill) {
  std::string to;
  ASSIGN_OR_RETURN(to, Followed(path));
  struct stat info {};
  const bool there = stat(to.c_str(), &info) == 0;
  const bool folder = there && S_ISDIR(info.st_mode);
  if (absl::EndsWith(to, "/") && !folder) return base::ErrnoStatus(there ? ENOTDIR : errno, path);
  if (there && !folder && (!S_ISREG(info.st_mode) || IsOpenFile(to))) {
    int fd = -1;
    ASSIGN_OR_RETURN(fd, OpenAsItIs(to));
    const absl::Cleanup closer = [fd] { close(fd); };
    return FillHashed(fd, path, blob, fill);
  }
  if (folder) {
    ASSIGN_OR_RETURN(to,
                     Followed(absl::StrCat(to, absl::EndsWith(to, "/") ? "" : "/", options.name)));
  }
  const std::string dir = FolderOf(to);
  const int parent = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return base::ErrnoStatus(errno, dir);
  const absl::Cleanup closer = [parent] { close(parent); };
  return WriteFileIn(parent, NameOf(to), blob, options, fill);
}

}  // namespace waypost::service
