#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/posix_file.h"
#include "base/random.h"
#include "base/status.h"

// The real file system. Nothing here follows a link or stops at a FIFO that somebody put in a place
// of ours, and every error names the path. What makes a name or its bytes durable is said in
// file_system.h; here it is one system call each.

namespace waypost::base {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirMode = 0700;
// At once, of files whose size is not known before.
constexpr std::size_t kCopyPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kReadAtLeast = 4096;

int OpenFd(const std::string& path, int flags) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, kFileMode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::string Parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncFolder(const std::string& path, int (*sync)(int)) {
  const int fd = OpenFd(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening folder ", path));
  const int result = sync(fd);
  const int error = errno;
  close(fd);
  if (result == 0) return absl::OkStatus();
  return ErrnoStatus(error, absl::StrCat("syncing folder ", path));
}

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override {
    // Without O_NONBLOCK a FIFO put in our place would stop us here for ever.
    return Open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, "opening ");
  }

  absl::StatusOr<std::unique_ptr<File>> OpenWrite(const std::string& path) override {
    return Open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, "opening ");
  }

  absl::StatusOr<std::unique_ptr<File>> CreateExclusive(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, "creating ");
  }

  absl::StatusOr<std::unique_ptr<File>> CreateUnnamed(const std::string& dir) override {
    const int fd = OpenFd(dir, O_RDWR | O_TMPFILE);
    if (fd >= 0) {
      return std::unique_ptr<File>(
          std::make_unique<PosixFile>(fd, absl::StrCat("a new file in ", dir)));
    }
    // EISDIR: a kernel, EOPNOTSUPP: a file system without O_TMPFILE (overlayfs before Linux 6.1).
    if (errno != EISDIR && errno != EOPNOTSUPP) {
      return ErrnoStatus(errno, absl::StrCat("creating a file in ", dir));
    }
    const std::string hidden = absl::StrCat(dir, "/", Abs(kUnnamedPrefix), ToHex(RandomBytes(16)));
    const int named = OpenFd(hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (named < 0) return ErrnoStatus(errno, absl::StrCat("creating ", hidden));
    return std::unique_ptr<File>(std::make_unique<PosixFile>(named, hidden, hidden));
  }

  absl::Status Link(File& unnamed, const std::string& path) override {
    return static_cast<PosixFile&>(unnamed).LinkTo(path);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("renaming ", from, " to ", to));
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("removing ", path));
  }

  absl::StatusOr<bool> MakeDir(const std::string& path) override {
    if (mkdir(path.c_str(), kDirMode) == 0) return true;
    const int error = errno;
    struct stat info;
    if (error == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return false;
    return ErrnoStatus(error, absl::StrCat("making folder ", path));
  }

  absl::Status SyncDir(const std::string& path) override { return SyncFolder(path, ::fsync); }
  // Since Linux 5.8 it fails where anything on the file system could not be written.
  absl::Status SyncAll(const std::string& path) override { return SyncFolder(path, ::syncfs); }

  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    const int fd = OpenFd(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return ErrnoStatus(errno, absl::StrCat("opening folder ", dir));
    DIR* const stream = fdopendir(fd);
    if (stream == nullptr) {
      const int error = errno;
      close(fd);
      return ErrnoStatus(error, absl::StrCat("listing ", dir));
    }
    const auto close_stream = absl::MakeCleanup([stream] { closedir(stream); });
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = readdir(stream);
      if (entry == nullptr) break;
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      names.emplace_back(entry->d_name);
    }
    if (errno != 0) return ErrnoStatus(errno, absl::StrCat("listing ", dir));
    return names;
  }

  absl::StatusOr<std::optional<Info>> Stat(const std::string& path) override {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) return std::optional<Info>();
      return ErrnoStatus(errno, absl::StrCat("looking at ", path));
    }
    Info found;
    found.size = static_cast<uint64_t>(info.st_size);
    found.is_directory = S_ISDIR(info.st_mode);
    found.modified = FromMs(int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1000000);
    return std::optional<Info>(found);
  }

  absl::StatusOr<Space> FreeSpace(const std::string& dir) override {
    struct statvfs info;
    if (statvfs(dir.c_str(), &info) != 0) {
      return ErrnoStatus(errno, absl::StrCat("asking for the space of ", dir));
    }
    struct stat folder;
    if (stat(dir.c_str(), &folder) != 0) {
      return ErrnoStatus(errno, absl::StrCat("looking at ", dir));
    }
    Space space;
    space.device = folder.st_dev;
    // Linux since 5.8 tells, where nothing forbids the call; else it stays 0.
    struct statx more;
    if (statx(AT_FDCWD, dir.c_str(), 0, STATX_MNT_ID, &more) == 0 &&
        (more.stx_mask & STATX_MNT_ID) != 0) {
      space.mount = more.stx_mnt_id;
    }
    space.free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
    space.total_bytes = uint64_t{info.f_blocks} * info.f_frsize;
    space.read_only = (info.f_flag & ST_RDONLY) != 0;
    return space;
  }

 private:
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags,
                                                    const char* doing) {
    const int fd = OpenFd(path, flags);
    if (fd < 0) {
      const int error = errno;
      // What may stand there is ours and never a link; it might lead out of the data folder.
      if (error == ELOOP) return absl::FailedPreconditionError(absl::StrCat(path, " is a link"));
      return ErrnoStatus(error, absl::StrCat(doing, path));
    }
    auto file = std::make_unique<PosixFile>(fd, path);
    struct stat info;
    if (fstat(fd, &info) != 0) return ErrnoStatus(errno, absl::StrCat("looking at ", path));
    if (!S_ISREG(info.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    return std::unique_ptr<File>(std::move(file));
  }
};

}  // namespace

std::unique_ptr<FileSystem> NewPosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

absl::Status ReplaceFile(FileSystem& fs, const std::string& path, std::string_view content) {
  // Always the same name, so that a crash leaves one file behind at most.
  const std::string beside = path + ".new";
  const absl::Status cleared = fs.Remove(beside);
  if (!cleared.ok() && !absl::IsNotFound(cleared)) return cleared;
  absl::Status status = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto file, fs.CreateExclusive(beside));
    RETURN_IF_ERROR(file->WriteAt(0, content));
    RETURN_IF_ERROR(file->Sync());
    return fs.Rename(beside, path);
  }();
  if (!status.ok()) {
    // The first error is the one to report.
    fs.Remove(beside).IgnoreError();
    return status;
  }
  return fs.SyncDir(Parent(path));
}

absl::Status MoveFile(FileSystem& fs, const std::string& from, const std::string& to) {
  const absl::Status renamed = fs.Rename(from, to);
  if (!absl::IsUnimplemented(renamed)) return renamed;
  ASSIGN_OR_RETURN(const auto source, fs.OpenRead(from));
  ASSIGN_OR_RETURN(const auto copy, fs.CreateUnnamed(Parent(to)));
  copy->KeepOutOfCache();
  std::vector<char> piece(kCopyPieceBytes);
  for (uint64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const std::size_t count, source->ReadAt(offset, std::span<char>(piece)));
    RETURN_IF_ERROR(copy->WriteAt(offset, {piece.data(), count}));
    offset += count;
    if (count < piece.size()) break;
  }
  RETURN_IF_ERROR(copy->Sync());
  RETURN_IF_ERROR(fs.Link(*copy, to));
  return fs.Remove(from);
}

absl::StatusOr<std::string> ReadSmallFile(FileSystem& fs, const std::string& path,
                                          std::size_t max_bytes) {
  ASSIGN_OR_RETURN(const auto file, fs.OpenRead(path));
  ASSIGN_OR_RETURN(const File::State state, file->Look());
  const uint64_t size = state.size;
  if (size > max_bytes) {
    return absl::OutOfRangeError(
        absl::StrCat(path, " has ", size, " bytes, more than the ", max_bytes, " it may have"));
  }
  // To its end, wherever that is: it may have grown meanwhile, and files of /proc have a size of 0.
  std::string content;
  std::size_t got = 0;
  for (std::size_t room = static_cast<std::size_t>(size) + 1; got == content.size(); room *= 2) {
    content.resize(std::min(std::max<std::size_t>(room, kReadAtLeast), max_bytes + 1));
    ASSIGN_OR_RETURN(const std::size_t more,
                     file->ReadAt(got, std::span<char>(content).subspan(got)));
    got += more;
    if (got > max_bytes) {
      return absl::OutOfRangeError(
          absl::StrCat(path, " has more than the ", max_bytes, " bytes that it may have"));
    }
  }
  content.resize(got);
  return content;
}

}  // namespace waypost::base
