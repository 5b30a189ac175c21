#include "service/cli/put_sources.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/put_excludes.h"
#include "service/cli/tree_writer.h"

// Finding and reading what is put. What has no length, standard input and files that the kernel
// makes up, goes to a file without a name first; any other is compared with itself before its last
// bytes are handed out, so that a file that somebody writes to is never taken for whole.

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

// Times of files move on once a tick of the kernel, 10 ms at most: two changes within one look like
// one.
constexpr base::Millis kTick{20};

// What can be read in `from`, in a file without a name.
absl::StatusOr<std::shared_ptr<Fd>> Spool(int from, const std::string& what) {
  const char* dir = std::getenv("TMPDIR");
  const auto to = std::make_shared<Fd>(
      open(dir != nullptr ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (to->get() < 0) return base::ErrnoStatus(errno, "a temporary file for " + what);
  char bytes[64 * 1024];
  while (true) {
    const ssize_t got = read(from, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::ErrnoStatus(errno, what);
    if (got == 0) return to;
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = write(to->get(), bytes + done, static_cast<std::size_t>(got - done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return base::ErrnoStatus(errno, "a temporary file for " + what);
      done += wrote;
    }
  }
}

absl::StatusOr<struct stat> Look(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return base::ErrnoStatus(errno, path);
  return info;
}

bool Same(const struct timespec& a, const struct timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Whether another change now could leave the file's times as they are.
bool IsFresh(const struct stat& info) {
  const auto changed = std::chrono::seconds(info.st_ctim.tv_sec) +
                       std::chrono::milliseconds(info.st_ctim.tv_nsec / 1'000'000);
  const auto since = base::SystemClock().WallNow().time_since_epoch() - changed;
  return since < kTick && since > -kTick;
}

void NameLeftOut(const std::string& path, const absl::Status& why, PutSources& from) {
  PrintError(absl::StrCat("left out, it cannot be read: ", path, ": ", std::string(why.message())));
  ++from.unreadable;
}

// Which folders are data folders: by what they are, not by their path.
class DataFolders {
 public:
  explicit DataFolders(const std::string& own) {
    for (const char* name : {"", "/identity.key", "/api.token", "/read.token"}) {
      struct stat info {};
      if (stat((own + name).c_str(), &info) == 0) own_.insert({info.st_dev, info.st_ino});
    }
  }
  bool Is(const std::string& dir, const struct stat& info) const {
    struct stat ignored {};
    return IsOwn(info) || (lstat((dir + "/identity.key").c_str(), &ignored) == 0 &&
                           lstat((dir + "/FORMAT").c_str(), &ignored) == 0);
  }
  // The folder of the service, or one of its secrets under whatever name.
  bool IsOwn(const struct stat& info) const { return own_.count({info.st_dev, info.st_ino}) != 0; }

  // kInvalidArgument where the file or folder is one, or in one.
  absl::Status Check(const std::string& path) const {
    std::error_code error;
    fs::path at = fs::canonical(path, error);
    struct stat info {};
    while (!error && stat(at.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode) ? Is(at.string(), info) : IsOwn(info)) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, " is not put: ", at.string(),
                         " is a data folder of Waypost, or a secret of one"));
      }
      if (at == at.parent_path()) break;
      at = at.parent_path();
    }
    return absl::OkStatus();
  }

 private:
  std::set<std::pair<dev_t, ino_t>> own_;
};

// One walk over a tree. What cannot be read is named and left out.
class Walk {
 public:
  Walk(const PutArgs& args, const Excludes& excludes, const DataFolders& data, std::string root,
       PutSources& into)
      : args_(args), excludes_(excludes), data_(data), root_(std::move(root)), into_(into) {}

  void Run() {
    folder_ = std::make_shared<Fd>(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder_->get() < 0) return LeaveOut(root_, base::ErrnoStatus(errno, "open"));
    struct stat info {};
    if (fstat(folder_->get(), &info) == 0) seen_.insert({info.st_dev, info.st_ino});
    std::vector<fs::path> folders = {root_};
    while (!folders.empty()) {
      const fs::path dir = std::move(folders.back());
      folders.pop_back();
      std::error_code error;
      fs::directory_iterator it(dir, error), end;
      for (; !error && it != end; it.increment(error)) Add(*it, folders);
      if (error) LeaveOut(dir.string(), absl::InternalError(error.message()));
    }
  }

 private:
  void Add(const fs::directory_entry& entry, std::vector<fs::path>& folders) {
    const std::string path = entry.path().string();
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return LeaveOut(path, base::ErrnoStatus(errno, "look"));
    const std::string below = entry.path().lexically_relative(root_).generic_string();
    const bool link = S_ISLNK(info.st_mode) && args_.follow;
    if (link && stat(path.c_str(), &info) != 0) {
      return LeaveOut(path, base::ErrnoStatus(errno, "where the link leads"));
    }
    if (excludes_.Match(below, S_ISDIR(info.st_mode))) {
      ++into_.excluded;
      return;
    }
    const bool own = S_ISDIR(info.st_mode) ? data_.Is(path, info) : data_.IsOwn(info);
    // A link may lead into one.
    if (own || (link && !data_.Check(path).ok())) {
      return LeaveOther("left out, a data folder of Waypost, or a secret of one: ", path);
    }
    if (S_ISDIR(info.st_mode)) {
      // Links can lead in circles.
      if (args_.follow && !seen_.insert({info.st_dev, info.st_ino}).second) {
        return LeaveOther("left out, for it is put under another path: ", path);
      }
      folders.push_back(entry.path());
      return;
    }
    if (!S_ISREG(info.st_mode)) return LeaveOther("left out, no regular file: ", path);
    PutItem item{.path = path, .size = static_cast<uint64_t>(info.st_size)};
    item.below = below;
    // With links followed it is opened by its path, whatever is on the way.
    if (!args_.follow) item.folder = folder_;
    if (!args_.group.empty()) item.key = args_.prefix + item.below;
    into_.items.push_back(std::move(item));
  }

  void LeaveOut(const std::string& path, const absl::Status& why) { NameLeftOut(path, why, into_); }

  void LeaveOther(const char* why, const std::string& path) {
    PrintError(absl::StrCat(why, path));
    ++into_.others;
  }

  const PutArgs& args_;
  const Excludes& excludes_;
  const DataFolders& data_;
  const std::string root_;
  PutSources& into_;
  std::shared_ptr<Fd> folder_;
  std::set<std::pair<dev_t, ino_t>> seen_;  // folders, where links are followed
};

absl::StatusOr<int> OpenItem(const PutItem& item) {
  if (item.folder != nullptr) return OpenFileBelow(item.folder->get(), item.below);
  const int fd = open(item.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base::ErrnoStatus(errno, item.path);
  return fd;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<PutSources> CollectSources(const PutArgs& args, const std::string& data) {
  const DataFolders data_folders(data);
  Excludes excludes;
  ASSIGN_OR_RETURN(excludes, Excludes::Of(args.excludes, !args.no_default_excludes));
  PutSources found;
  for (const std::string& path : args.paths) {
    if (path == "-") {
      if (!args.group.empty() && args.key.empty())
        return UsageError("standard input needs --key with --group");
      // Of a pipe there is no path.
      RETURN_IF_ERROR(data_folders.Check("/proc/self/fd/0"));
      PutItem item{.path = "-", .key = args.key};
      ASSIGN_OR_RETURN(item.spooled, Spool(STDIN_FILENO, "standard input"));
      found.items.push_back(std::move(item));
      continue;
    }
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      NameLeftOut(path, base::ErrnoStatus(errno, "look"), found);
      continue;
    }
    RETURN_IF_ERROR(data_folders.Check(path));
    if (S_ISDIR(info.st_mode)) {
      if (!args.recursive) return UsageError(path + " is a folder: use -r");
      Walk(args, excludes, data_folders, path, found).Run();
      continue;
    }
    if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + " is no regular file");
    PutItem item{.path = path, .size = static_cast<uint64_t>(info.st_size)};
    if (!args.key.empty()) {
      item.key = args.key;
    } else if (!args.group.empty()) {
      item.key = args.prefix + fs::path(path).filename().string();
    }
    found.items.push_back(std::move(item));
  }
  return found;
}

absl::StatusOr<std::unique_ptr<PutReader>> PutReader::Open(const PutItem& item) {
  std::shared_ptr<Fd> fd = item.spooled, spooled = item.spooled;
  if (fd == nullptr) {
    int opened = -1;
    ASSIGN_OR_RETURN(opened, OpenItem(item));
    fd = std::make_shared<Fd>(opened);
  }
  struct stat info {};
  ASSIGN_OR_RETURN(info, Look(fd->get(), item.path));
  if (item.spooled == nullptr && info.st_size == 0) {
    ASSIGN_OR_RETURN(fd, Spool(fd->get(), item.path));
    spooled = fd;
  } else if (item.spooled == nullptr && IsFresh(info)) {
    base::WaitUntil(base::SteadyNow() + kTick);
  }
  std::unique_ptr<PutReader> reader(new PutReader(fd, item.path));
  ASSIGN_OR_RETURN(reader->opened_, Look(fd->get(), item.path));
  reader->spooled_ = std::move(spooled);
  return reader;
}

absl::Status PutReader::CheckUnchanged() const {
  struct stat now {};
  ASSIGN_OR_RETURN(now, Look(fd_->get(), path_));
  if (now.st_size == opened_.st_size && Same(now.st_mtim, opened_.st_mtim) &&
      Same(now.st_ctim, opened_.st_ctim)) {
    return absl::OkStatus();
  }
  return absl::AbortedError(path_ + " was changed while it was read: it is not put");
}

absl::StatusOr<std::size_t> PutReader::Read(std::span<char> buffer) {
  while (true) {
    const ssize_t got =
        pread(fd_->get(), buffer.data(), buffer.size(), static_cast<off_t>(offset_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::ErrnoStatus(errno, path_);
    if (got == 0) return absl::AbortedError(path_ + " became shorter while it was read");
    offset_ += static_cast<uint64_t>(got);
    if (offset_ >= size()) RETURN_IF_ERROR(CheckUnchanged());
    return static_cast<std::size_t>(got);
  }
}

}  // namespace waypost::service
