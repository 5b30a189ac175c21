#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace waypost::base {
namespace {

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { close(fd_); }

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus(errno, absl::StrCat("cannot write ", path_));
      }
      data.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    std::size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t n = pread(fd_, buffer.data() + done, buffer.size() - done,
                              static_cast<off_t>(offset + done));
      if (n < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus(errno, absl::StrCat("cannot read ", path_));
      }
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  absl::Status Sync() override {
    if (fsync(fd_) != 0) return ErrnoStatus(errno, absl::StrCat("cannot sync ", path_));
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot truncate ", path_));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat info {};
    if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, absl::StrCat("cannot stat ", path_));
    return static_cast<uint64_t>(info.st_size);
  }

  int fd() const override { return fd_; }

 private:
  const int fd_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override {
    return OpenAs(path, O_RDONLY | O_NOFOLLOW);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenWrite(const std::string& path) override {
    return OpenAs(path, O_RDWR | O_NOFOLLOW);
  }
  absl::StatusOr<std::unique_ptr<File>> CreateExclusive(const std::string& path) override {
    return OpenAs(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  }
  absl::StatusOr<std::unique_ptr<File>> CreateUnnamed(const std::string& dir) override {
    return OpenAs(dir, O_RDWR | O_TMPFILE);
  }

  absl::Status Link(File& unnamed, const std::string& path) override {
    const std::string proc = absl::StrCat("/proc/self/fd/", unnamed.fd());
    if (linkat(AT_FDCWD, proc.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot link ", path));
    }
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot rename ", from, " to ", to));
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return ErrnoStatus(errno, absl::StrCat("cannot remove ", path));
    return absl::OkStatus();
  }

  absl::StatusOr<bool> MakeDir(const std::string& path) override {
    if (mkdir(path.c_str(), 0700) == 0) return true;
    if (errno != EEXIST) return ErrnoStatus(errno, absl::StrCat("cannot make folder ", path));
    ASSIGN_OR_RETURN(const auto info, Stat(path));
    if (!info || !info->is_directory) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is there and is not a folder"));
    }
    return false;
  }

  absl::Status SyncDir(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open folder ", path));
    const int result = fsync(fd);
    const int error = errno;
    close(fd);
    if (result != 0) return ErrnoStatus(error, absl::StrCat("cannot sync folder ", path));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    DIR* stream = opendir(dir.c_str());
    if (stream == nullptr) return ErrnoStatus(errno, absl::StrCat("cannot list ", dir));
    absl::Cleanup close_stream = [stream] { closedir(stream); };
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return ErrnoStatus(errno, absl::StrCat("cannot list ", dir));
    return names;
  }

  absl::StatusOr<std::optional<Info>> Stat(const std::string& path) override {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) return std::optional<Info>();
      return ErrnoStatus(errno, absl::StrCat("cannot stat ", path));
    }
    Info result;
    result.size = static_cast<uint64_t>(info.st_size);
    result.is_directory = S_ISDIR(info.st_mode);
    result.modified = FromMs(int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1000000);
    return std::optional<Info>(result);
  }

  absl::StatusOr<Space> FreeSpace(const std::string& dir) override {
    struct statvfs info {};
    if (statvfs(dir.c_str(), &info) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot look at the disk of ", dir));
    }
    return Space{.free_bytes = uint64_t{info.f_bavail} * info.f_frsize,
                 .total_bytes = uint64_t{info.f_blocks} * info.f_frsize};
  }

 private:
  absl::StatusOr<std::unique_ptr<File>> OpenAs(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", path));
    return std::make_unique<PosixFile>(fd, path);
  }
};

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::unique_ptr<FileSystem> NewPosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

absl::Status ReplaceFile(FileSystem& fs, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".new";
  // One left by a crash; nobody else writes here.
  if (absl::Status removed = fs.Remove(temporary); !removed.ok() && !absl::IsNotFound(removed)) {
    return removed;
  }
  ASSIGN_OR_RETURN(auto file, fs.CreateExclusive(temporary));
  absl::Status written = file->WriteAt(0, content);
  if (written.ok()) written = file->Sync();
  if (written.ok()) written = fs.Rename(temporary, path);
  if (!written.ok()) {
    fs.Remove(temporary).IgnoreError();
    return written;
  }
  return fs.SyncDir(FolderOf(path));
}

absl::StatusOr<std::string> ReadSmallFile(FileSystem& fs, const std::string& path,
                                          std::size_t max_bytes) {
  ASSIGN_OR_RETURN(auto file, fs.OpenRead(path));
  std::string content(max_bytes + 1, '\0');
  ASSIGN_OR_RETURN(const std::size_t size, file->ReadAt(0, std::span<char>(content)));
  if (size > max_bytes) {
    return absl::OutOfRangeError(absl::StrCat(path, " is larger than ", max_bytes, " bytes"));
  }
  content.resize(size);
  return content;
}

}  // namespace waypost::base
