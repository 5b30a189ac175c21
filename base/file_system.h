#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"

namespace waypost::base {

// An open file. Not thread-safe, except ReadAt.
class File {
 public:
  virtual ~File() = default;
  // What is written in long runs from now on goes past the page cache, where the file system can do
  // that: for large files that are read late, if ever. In the cache they would push out what is
  // read often, and cost a copy and a fresh page for every 4 KiB.
  virtual void KeepOutOfCache() = 0;
  // The whole of `data` at `offset`, or an error; short writes and EINTR are handled. IsNoSpace
  // when full. What is written in order goes on to the disk as it comes, a few MiB at a time. After
  // KeepOutOfCache up to a MiB may be held back until Flush, Sync, Truncate or the end of this
  // object, and an error of it then comes there.
  virtual absl::Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // Everything written is with the kernel: it outlives this process, and SyncAll makes it durable.
  virtual absl::Status Flush() = 0;
  // Fills `buffer` from `offset`; fewer bytes only at the end of the file.
  virtual absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const = 0;
  // fsync. After it failed the file must be thrown away: the kernel may have dropped the dirty
  // pages.
  virtual absl::Status Sync() = 0;
  // After FileSystem::SyncAll: was anything written here lost on its way? The kernel may have
  // tried, and failed, before that began. Waits for nothing. As Sync where it fails.
  virtual absl::Status CheckSynced() = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  struct State {
    uint64_t size = 0;
    bool named = false;  // some folder still has a name for it
  };
  virtual absl::StatusOr<State> Look() const = 0;
  // The descriptor for sendfile; -1 where there is none (a fake).
  virtual int fd() const = 0;
};

// The seam to the disk. Paths are absolute. Thread-safe. Names become durable only by SyncDir of
// their folder, contents only by File::Sync, both by SyncAll.
class FileSystem {
 public:
  struct Info {
    uint64_t size = 0;
    bool is_directory = false;
    WallTime modified;
  };

  virtual ~FileSystem() = default;
  virtual absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) = 0;
  // An existing file, for reading and writing.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenWrite(const std::string& path) = 0;
  // Mode 0600. kAlreadyExists if it exists, also as a dangling link.
  virtual absl::StatusOr<std::unique_ptr<File>> CreateExclusive(const std::string& path) = 0;
  // A file without a name on the file system of `dir` (O_TMPFILE): gone unless linked.
  virtual absl::StatusOr<std::unique_ptr<File>> CreateUnnamed(const std::string& dir) = 0;
  // Gives an unnamed file its name; kAlreadyExists if the name is taken.
  virtual absl::Status Link(File& unnamed, const std::string& path) = 0;
  // Replaces `to`. kUnimplemented between file systems.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // kNotFound if it is not there.
  virtual absl::Status Remove(const std::string& path) = 0;
  // True if it was made now, false if it was there. Mode 0700.
  virtual absl::StatusOr<bool> MakeDir(const std::string& path) = 0;
  virtual absl::Status SyncDir(const std::string& path) = 0;
  // Everything on the file system of `path`, whoever wrote it: one wait instead of one for each
  // file and folder, where many changed.
  virtual absl::Status SyncAll(const std::string& path) = 0;
  // Names without "." and "..", unordered.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& dir) = 0;
  // nullopt if it is not there; an error is never taken for absence.
  virtual absl::StatusOr<std::optional<Info>> Stat(const std::string& path) = 0;
  struct Space {
    uint64_t free_bytes = 0;  // available to this user
    uint64_t total_bytes = 0;
    bool read_only = false;  // it takes no writes
    // The same for all folders of one file system that is mounted once: between two of them a file
    // can be renamed. Also two mounts of one file system differ.
    uint64_t device = 0;
    uint64_t mount = 0;
    bool SamePlaceAs(const Space& other) const {
      return device == other.device && mount == other.mount;
    }
  };
  virtual absl::StatusOr<Space> FreeSpace(const std::string& dir) = 0;
};

std::unique_ptr<FileSystem> NewPosixFileSystem();

// Where the file system has no O_TMPFILE, an unnamed file has a hidden name that begins so until it
// is linked or closed. A crash leaves it behind: whoever sweeps a folder removes such names.
inline constexpr std::string_view kUnnamedPrefix = ".waypost-unnamed-";

// Writes `content` into `path`.new, syncs it, renames it over `path` and syncs the folder: after a
// crash the old or the new content is there, whole. One writer of a path at a time.
absl::Status ReplaceFile(FileSystem& fs, const std::string& path, std::string_view content);
// Renames `from` to `to`. Between file systems the bytes are copied and synced first, and `from`
// goes at the end; `to` must not be there then.
absl::Status MoveFile(FileSystem& fs, const std::string& from, const std::string& to);
// The whole of a small file, also of one in /proc, whose size is said to be 0; kOutOfRange over
// `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(FileSystem& fs, const std::string& path,
                                          std::size_t max_bytes);

}  // namespace waypost::base
